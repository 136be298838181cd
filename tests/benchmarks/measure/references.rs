//! Programs of others that do the same work. All but `sha256sum` are optional.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a reference may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Blocks of 64 bytes a second that openssl hashes in one stream.
pub fn openssl_blocks() -> Outcome<f64> {
    let arguments = ["speed", "-seconds", "1", "-bytes", "16384", "-mr", "sha256"];
    let text = output(Command::new("openssl").args(arguments))?;
    let rate = text.lines().find_map(|line| line.strip_prefix("+F:")?.rsplit(':').next());
    Ok(rate.ok_or("openssl speed prints something else")?.trim().parse::<f64>()? / 64.0)
}

/// How long `sha256sum` takes for `file`.
pub fn sha256sum(file: &Path) -> Outcome<Duration> {
    let start = Instant::now();
    output(Command::new("sha256sum").arg(file))?;
    Ok(start.elapsed())
}

/// Inserts a second of SQLite, one transaction each, that are synced.
pub fn sqlite_inserts(folder: &Path, count: usize) -> Outcome<f64> {
    let file = folder.join("reference.sqlite");
    let begin = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;";
    let mut script = format!(
        "{begin}\nCREATE TABLE IF NOT EXISTS data (id INTEGER PRIMARY KEY, message TEXT);\n"
    );
    let insert = format!("INSERT INTO data (message) VALUES ('{}');\n", "m".repeat(100));
    script.push_str(&insert.repeat(count));
    let start = Instant::now();
    let mut child =
        Command::new("sqlite3").arg(file).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().expect("it is piped").write_all(script.as_bytes())?;
    if !child.wait()?.success() {
        return Err("sqlite3 fails".into());
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// A redis-server that syncs whatever it acknowledges.
pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    pub fn start(folder: &Path) -> Outcome<Self> {
        output(Command::new("redis-benchmark").arg("--version"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let redis = Self { child, port };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err("redis-server does not answer".into());
            }
            std::thread::yield_now();
        }
        Ok(redis)
    }

    /// Messages of 100 bytes added to a stream in a second.
    pub fn adds(&self, clients: usize, count: usize) -> Outcome<f64> {
        let (port, clients) = (self.port.to_string(), clients.to_string());
        let (count, message) = (count.to_string(), "m".repeat(100));
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &port, "-c", &clients, "-n", &count, "--csv"]);
        let text = output(command.args(["XADD", "stream", "*", "message", &message]))?;
        let line = text.lines().last().ok_or("redis-benchmark prints nothing")?;
        let rate = line.split("\",\"").nth(1).ok_or("redis-benchmark prints something else")?;
        Ok(rate.trim_matches('"').parse()?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn output(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let done = done.map_err(|error| format!("{name}: {error}"))?;
    if !done.status.success() {
        return Err(format!("{name} fails: {}", done.status).into());
    }
    Ok(String::from_utf8(done.stdout)?)
}
