//! A miner of the class as a process of this program: started, signalled, ended.
//!
//! The kernel kills each one when the thread that started it ends, so one thread starts all
//! and lives as long as the process: whatever ends the lab, nothing of it goes on.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The program that runs, also when its file has been replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Longest time of an end in order. Together with the end of the pages it stays below a second.
const END_TIMEOUT: Duration = Duration::from_millis(600);

/// A command to start, and where the child goes.
type Wanted = (Command, Sender<io::Result<Child>>);

/// Starts processes, all of them in one thread.
pub struct Starter(Sender<Wanted>);

impl Starter {
    /// Begins the thread.
    ///
    /// # Errors
    /// It can't be had.
    pub fn begin() -> io::Result<Self> {
        let (sender, wanted) = bounded::<Wanted>(0);
        Builder::new().name("children".into()).spawn(move || {
            for (mut command, answer) in wanted {
                _ = answer.send(command.spawn());
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts a miner with these arguments and returns once it answers. What it writes to stderr
    /// goes to the file `stderr`.
    ///
    /// # Errors
    /// It did not start, or ended before it answered: its own reason.
    pub fn start(&self, arguments: &[String], stderr: &Path) -> io::Result<Process> {
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0("blockchain").args(arguments);
        // A group of its own: Ctrl-C in the terminal is for the lab, which ends all in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(stderr)?);
        // One heap for all threads of a miner takes a third less memory (malloc(3)).
        command.env("MALLOC_ARENA_MAX", "1");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BLOCKCHAIN_") {
                command.env_remove(name);
            }
        }
        let (answer, child) = bounded(1);
        let gone = |_| io::Error::other("the thread that starts miners has ended");
        self.0.send((command, answer)).map_err(|_| gone(()))?;
        let mut child = child.recv().map_err(|_| gone(()))??;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.is_empty() {
            child.wait()?;
            return Err(io::Error::other(reason(stderr)));
        }
        Ok(Process { child, is_paused: false })
    }
}

/// The last line that a program wrote before it ended.
fn reason(stderr: &Path) -> String {
    let said = fs::read_to_string(stderr).unwrap_or_default();
    let last = said.lines().rev().find(|line| !line.is_empty()).unwrap_or("it ended at once");
    last.strip_prefix("blockchain: ").unwrap_or(last).to_owned()
}

/// A miner that was started, and has not been found ended.
pub struct Process {
    child: Child,
    /// True while it is frozen.
    pub is_paused: bool,
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True if it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Freezes it and its server process, or lets them go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn pause(&mut self, is_paused: bool) -> io::Result<()> {
        let signal = if is_paused { Signal::STOP } else { Signal::CONT };
        kill_process_group(self.group(), signal)?;
        self.is_paused = is_paused;
        Ok(())
    }

    /// Ends it without any warning. Its server process ends with it.
    pub fn kill(mut self) {
        _ = self.child.kill();
        // A frozen server process would not notice.
        _ = kill_process_group(self.group(), Signal::KILL);
        _ = self.child.wait();
    }

    /// Asks it to end.
    fn tell_to_end(&self) {
        _ = kill_process(self.group(), Signal::TERM);
        _ = kill_process_group(self.group(), Signal::CONT);
    }

    fn group(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("a child has a pid")
    }
}

/// Ends all of them in order, and kills those that take too long.
pub fn end(processes: Vec<Process>) {
    processes.iter().for_each(Process::tell_to_end);
    let deadline = Instant::now() + END_TIMEOUT;
    std::thread::scope(|scope| {
        for mut process in processes {
            let group = process.group();
            let (tells, ended) = bounded(1);
            scope.spawn(move || {
                _ = process.child.wait();
                _ = tells.send(());
            });
            if ended.recv_deadline(deadline).is_err() {
                _ = kill_process_group(group, Signal::KILL);
            }
        }
    });
}
