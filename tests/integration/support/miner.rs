//! Real miners, on free ports.
//!
//! Nothing here sleeps: whoever waits for something reads the miners' log lines as they
//! come, with a deadline.

use std::io::{BufRead, BufReader};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use blockchain::api::client::MinerClient;
use blockchain::api::{Address, Health};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Process, children, program};

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Silence after which a condition is looked at again.
const SILENCE: Duration = Duration::from_millis(100);

/// A miner of difficulty 1 with the usual intervals, and files of its own.
pub struct Miner {
    process: Process,
    folder: TempDir,
}

impl Deref for Miner {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Miner {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Miner {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more flags.
    pub fn start_with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { process: Self::process(&Self::chain_in(&folder), flags), folder }
    }

    /// Starts it once more on the same files, after it was stopped.
    pub fn start_again(&mut self) {
        self.process = Self::process(&self.chain(), &[]);
    }

    fn process(chain: &Path, flags: &[&str]) -> Process {
        let mut command = program();
        command.args(["miner", "start"]).arg(chain).args(["--port", "0", "--difficulty", "1"]);
        Process::of(command.args(flags).stderr(Stdio::null()))
    }

    /// Its chain file.
    pub fn chain(&self) -> PathBuf {
        Self::chain_in(&self.folder)
    }

    fn chain_in(folder: &TempDir) -> PathBuf {
        folder.path().join("new folder").join("test.chain")
    }
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

/// A quick miner whose log is read; killed when it is dropped.
pub struct TestMiner(Process);

impl Deref for TestMiner {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

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
        let ended = |mut child: Child| (child.wait().unwrap(), reader.join().unwrap());
        Process::listening(child).map(Self).map_err(ended)
    }

    /// What starts a miner in `folder`, with its output piped.
    pub fn command(folder: &Path, port: u16, flags: &[&str]) -> Command {
        let mut command = program();
        command.args(["miner", "start"]).arg(folder.join("test.chain"));
        command.args(["--port", &port.to_string()]).args(flags);
        let is_given = |flag: &&[&str]| flags.contains(&flag[0]);
        for flag in QUICK.chunks(2).filter(|flag| !is_given(flag)) {
            command.args(flag);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The process that speaks HTTP for it.
    pub fn server_process(&self) -> Pid {
        children(self.pid()).into_iter().next().expect("a child runs")
    }

    /// Ends it without any warning.
    pub fn kill(mut self) {
        self.0.kill();
    }

    /// Asks it to end.
    pub fn stop(mut self) -> ExitStatus {
        self.0.stop()
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

/// Starts an eager miner of difficulty 3, with its files in the folder `name`.
pub fn eager_miner(folder: &TempDir, name: &str, neighbours: &[&Process]) -> Process {
    let chain = folder.path().join(name).join("test.chain");
    let neighbours: Vec<_> = neighbours.iter().map(|other| other.address.to_string()).collect();
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
