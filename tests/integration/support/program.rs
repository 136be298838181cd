//! The real program: commands that end by themselves, and processes that listen until they are
//! dropped.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use blockchain::api::Address;
use rustix::process::{Pid, Signal, kill_process};

/// Where cargo built it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_blockchain");

/// The program, or another that `BLOCKCHAIN_PROGRAM` names, without variables that would be flags.
pub fn program() -> Command {
    let named = std::env::var_os("BLOCKCHAIN_PROGRAM");
    let mut command = Command::new(named.unwrap_or(PROGRAM.into()));
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

/// A process of the program that listens: a miner, a UI or a lab. Killed when it is dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it listens, as it says on its first line.
    pub url: String,
    /// The same without `http://`.
    pub address: Address,
}

impl Process {
    /// Starts the program and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        Self::of(program().args(arguments))
    }

    /// The same by this command.
    pub fn of(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        Self::listening(child)
            .unwrap_or_else(|mut child| panic!("it does not listen: {:?}", child.wait()))
    }

    /// Waits until a process listens whose stdout is piped; gives one back that never will.
    pub fn listening(mut child: Child) -> Result<Self, Child> {
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let first = lines.next().transpose().expect("it writes UTF-8").unwrap_or_default();
        let Some(url) = first.strip_prefix("listening on ") else { return Err(child) };
        let address = url.parse().expect("it listens at an address");
        Ok(Self { child, lines, url: url.to_owned(), address })
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Runs a command that asks this miner.
    pub fn run(&self, arguments: &[&str]) -> Done {
        let mut command = program();
        command.args(arguments).env("BLOCKCHAIN_PORT", self.port());
        command.output().expect("it starts").into()
    }

    /// The same for a command that has to succeed.
    pub fn tell(&self, arguments: &[&str]) {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.stderr);
    }

    /// The next line that it prints; `None` once it has ended.
    pub fn line(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
    }

    /// Stops it as a service manager would.
    pub fn stop(&mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.wait()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it without any warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The children of all threads of a process.
pub fn children(of: Pid) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids = |text: String| -> Vec<Pid> {
        text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    };
    texts.flat_map(pids).collect()
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
