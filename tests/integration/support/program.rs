//! The real program in tests: runs commands, and miners on free ports that end with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The program, without variables that would be flags.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockchain"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("BLOCKCHAIN_")) {
            command.env_remove(name);
        }
    }
    command
}

/// What became of a command.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Self { code: output.status.code(), stdout, stderr }
    }
}

/// Runs the program with `arguments`.
pub fn run(arguments: &[&str]) -> Done {
    program().args(arguments).output().expect("it starts").into()
}

/// A miner that runs until it is dropped.
pub struct Miner {
    child: Child,
    folder: tempfile::TempDir,
    pub port: String,
}

impl Miner {
    /// Starts a miner of difficulty 1 and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more flags.
    pub fn start_with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let (child, port) = start(&folder.path().join("new folder").join("test.chain"), flags);
        Self { child, folder, port }
    }

    /// Starts it once more on the same files, after it was stopped.
    pub fn start_again(&mut self) {
        (self.child, self.port) = start(&self.chain(), &[]);
    }

    /// Its chain file.
    pub fn chain(&self) -> PathBuf {
        self.folder.path().join("new folder").join("test.chain")
    }

    /// Runs the program against this miner, with `arguments` that end in flags.
    pub fn run(&self, arguments: &[&str]) -> Done {
        let mut command = program();
        command.args(arguments).env("BLOCKCHAIN_PORT", &self.port);
        command.output().expect("it starts").into()
    }

    /// Stops it as a service manager would; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(kill.expect("there is kill").success());
        self.child.wait().expect("it is our child").code()
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Starts a miner of difficulty 1; the process, and the port on which it answers.
fn start(chain: &Path, flags: &[&str]) -> (Child, String) {
    let mut command = program();
    command.args(["miner", "start"]).arg(chain).args(["--port", "0", "--difficulty", "1"]);
    let mut child = command
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
    let port = line.trim().strip_prefix("listening on http://127.0.0.1:");
    let port = port.unwrap_or_else(|| panic!("{line:?}")).to_owned();
    (child, port)
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
