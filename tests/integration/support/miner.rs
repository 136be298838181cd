//! Real miners for tests: the binary, in a folder of its own, on a free port.
//!
//! Nothing here sleeps: whoever waits for something reads the miners' log lines as they
//! come, with a deadline.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use blockchain::api::client::MinerClient;
use blockchain::api::{Address, Health};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Silence after which a condition is looked at again.
const SILENCE: Duration = Duration::from_millis(100);

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("blockchain-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A miner that runs until it is stopped or dropped.
pub struct TestMiner {
    pub address: Address,
    child: Child,
}

/// The log lines of all miners that were started with it.
pub struct Logs {
    sender: Sender<String>,
    lines: Receiver<String>,
}

impl Logs {
    pub fn new() -> Self {
        let (sender, lines) = unbounded();
        Self { sender, lines }
    }

    /// The lines that came since the last look.
    pub fn taken(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Takes in the lines of a miner's stderr; they come back at their end.
    pub fn read(&self, stderr: ChildStderr) -> JoinHandle<String> {
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let mut said = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                said += &format!("{line}\n");
                let _ = sender.send(line);
            }
            said
        })
    }

    /// Waits until `done`, which is asked again after each line that any miner logs, and where
    /// they are silent: not all that happens is logged.
    pub fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        while !done() {
            let next = deadline.min(Instant::now() + SILENCE);
            seen.extend(self.lines.recv_deadline(next));
            seen.extend(self.lines.try_iter());
            let in_time = Instant::now() < deadline;
            assert!(in_time, "{what} did not come about; logged was:\n{}", seen.join("\n"));
        }
    }

    /// Waits for a line that holds `words`.
    pub fn wait_for(&self, words: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_deadline(deadline) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with {words:?} came:\n{}", seen.join("\n")),
            }
        }
    }
}

/// Flags for tests, unless others are given: little work, short rounds, one thread.
pub const QUICK: [&str; 14] = [
    "--difficulty",
    "2",
    "--threads",
    "1",
    "--gossip-interval",
    "0.2",
    "--chain-sync-interval",
    "0.2",
    "--data-sync-interval",
    "0.2",
    "--backup-interval",
    "0.1",
    "--log-level",
    "debug",
];

impl TestMiner {
    /// Starts a miner in `folder` and returns once it answers.
    pub fn start(folder: &Path, logs: &Logs, flags: &[&str]) -> Self {
        Self::start_on(folder, 0, logs, flags)
    }

    /// The same on this port.
    pub fn start_on(folder: &Path, port: u16, logs: &Logs, flags: &[&str]) -> Self {
        Self::start_with(Self::command(folder, port, flags), logs)
    }

    /// The same by this command, whose output is piped.
    pub fn start_with(command: Command, logs: &Logs) -> Self {
        Self::try_start(command, logs)
            .unwrap_or_else(|(status, said)| panic!("the miner did not start ({status}): {said}"))
    }

    /// The same; or how it ended before it answered, and what it said.
    pub fn try_start(mut command: Command, logs: &Logs) -> Result<Self, (ExitStatus, String)> {
        let mut child = command.spawn().unwrap();
        // Read from the beginning: with much to mine, it may say more than a pipe holds, and
        // wait for a reader, before it answers.
        let reader = logs.read(child.stderr.take().unwrap());
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        if let Some(address) = first.trim_end().strip_prefix("listening on ") {
            return Ok(Self { address: address.parse().unwrap(), child });
        }
        Err((child.wait().unwrap(), reader.join().unwrap()))
    }

    /// What starts a miner in `folder`, with its output piped.
    pub fn command(folder: &Path, port: u16, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockchain"));
        command.args(["miner", "start"]).arg(folder.join("test.chain"));
        command.args(["--port", &port.to_string()]).args(flags);
        let is_given = |flag: &&[&str]| flags.contains(&flag[0]);
        for flag in QUICK.chunks(2).filter(|flag| !is_given(flag)) {
            command.args(flag);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
    }

    /// The process that speaks HTTP for it. It is a child of one of its threads.
    pub fn server_process(&self) -> Pid {
        server_process_of(self.child.id()).expect("a child runs")
    }

    /// Ends it without any warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub fn stop(mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub fn health(&self) -> Health {
        client().health(&self.address).unwrap()
    }

    /// Status and JSON of any request.
    pub fn send(&self, method: &str, target: &str, body: &[u8]) -> (u16, Value) {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{target}", self.address))
            .body(body.to_vec())
            .unwrap();
        let mut answer = ureq::Agent::from(config).run(request).unwrap();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub fn get(&self, target: &str) -> Value {
        let (status, body) = self.send("GET", target, b"");
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    /// Adds a message; its id.
    pub fn add(&self, message: &str) -> String {
        let (status, body) = self.send("PUT", "/add", message.as_bytes());
        assert_eq!(status, 200, "{body}");
        body["data"]["id"].as_str().unwrap().to_owned()
    }

    /// The messages in its chain, in order.
    pub fn messages(&self) -> Vec<String> {
        let chain = self.get("/chain");
        let blocks = chain["chain"].as_array().unwrap();
        let text = |block: &Value| block["data"]["message"].as_str().unwrap().to_owned();
        blocks.iter().skip(1).map(text).collect()
    }
}

impl Drop for TestMiner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child of one of the threads of this process, if there is one.
pub fn server_process_of(miner: u32) -> Option<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{miner}/task")).ok()?;
    let children = threads.flatten().map(|thread| thread.path().join("children"));
    let children: String = children.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let child = children.split_whitespace().next()?;
    Pid::from_raw(child.parse().unwrap())
}

/// This port of this host.
pub fn address(port: u16) -> Address {
    format!("127.0.0.1:{port}").parse().unwrap()
}

/// A client as the program's own commands use it.
pub fn client() -> MinerClient {
    MinerClient::http(None)
}

/// Waits until all have the same chain, of this length.
pub fn agree(logs: &Logs, miners: &[&TestMiner], length: u64) {
    logs.wait_until(&format!("agreement on {length} blocks"), || {
        let heads: Vec<_> = miners.iter().map(|miner| miner.health()).collect();
        heads.iter().all(|health| health.length == length && health.head == heads[0].head)
    });
}

/// Whether `sha256sum -c test.hash` passes in `folder`.
pub fn sha256sum_agrees(folder: &Path) -> bool {
    let mut check = Command::new("sha256sum");
    check.args(["-c", "--quiet", "test.hash"]).current_dir(folder);
    check.output().unwrap().status.success()
}
