//! The real program: miners and UIs as processes that end with the test.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// A process of the real program; killed when dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub url: String,
}

impl Process {
    /// Starts `blockchain` and reads the address on its first line.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_blockchain"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it says where it listens").unwrap();
        let url = first.strip_prefix("listening on ").expect("it listens").to_owned();
        Self { child, lines, url }
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Runs a command that asks this miner, and waits until it is done.
    pub fn run(&self, arguments: &[&str]) {
        let (host, port) = self.address().split_once(':').unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockchain"));
        command.args(arguments).args(["--host", host, "--port", port]).stdout(Stdio::null());
        assert!(command.status().unwrap().success(), "{arguments:?}");
    }

    /// The next line that it prints; `None` once it has ended.
    pub fn line(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }

    /// Stops it as a service manager would; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(kill.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts an eager miner of difficulty 3, with its files in the folder `name`.
pub fn miner(folder: &TempDir, name: &str, neighbours: &[&Process]) -> Process {
    let chain = folder.path().join(name).join("test.chain");
    let neighbours: Vec<_> = neighbours.iter().map(|other| other.address()).collect();
    let neighbours = neighbours.join(",");
    let mut arguments = vec!["miner", "start", chain.to_str().unwrap(), "--port", "0"];
    arguments.extend(["--difficulty", "3", "--network", "test", "--threads", "1"]);
    arguments.extend(["--gossip-interval", "0.2", "--chain-sync-interval", "0.2"]);
    arguments.extend(["--data-sync-interval", "0.2", "--backup-interval", "0.5"]);
    if !neighbours.is_empty() {
        arguments.extend(["--neighbours", &neighbours]);
    }
    Process::start(&arguments)
}
