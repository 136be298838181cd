//! A miner of the class as a process of this program: started, signalled, ended.
//!
//! The kernel kills each one when the thread that started it ends, so one thread starts all
//! and lives as long as the process: whatever ends the lab, nothing of it goes on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::slow::{Slow, server_of};

/// The program that runs, also when its file has been replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What the C library keeps of freed memory in a miner of the class: one heap for all threads takes a third
/// less (malloc(3)); no stacks of threads that have ended, no small pieces by thread, and large ones go
/// back at once (ld.so(8), `--list-tunables`). Twelve miners had 70 MB after half an hour, and 50 anew.
const FRUGAL: &str = "glibc.malloc.arena_max=1:glibc.pthread.stack_cache_size=1:glibc.malloc.tcache_count=0:\
    glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072";

/// Longest time of an end in order. Together with the end of the pages it stays below a second.
const END_TIMEOUT: Duration = Duration::from_millis(600);

/// A command to start, and where the child goes.
type Wanted = (Command, Sender<io::Result<Child>>);

/// Starts processes, all of them in one thread.
pub struct Starter {
    wanted: Sender<Wanted>,
    /// Children that do not answer yet; `None` once no further one may start.
    starting: Mutex<Option<BTreeSet<u32>>>,
}

impl Starter {
    pub fn begin() -> io::Result<Self> {
        let (sender, wanted) = bounded::<Wanted>(0);
        Builder::new().name("children".into()).spawn(move || {
            for (mut command, answer) in wanted {
                _ = answer.send(command.spawn());
            }
        })?;
        Ok(Self { wanted: sender, starting: Mutex::new(Some(BTreeSet::new())) })
    }

    /// Ends those that are about to start, and lets no further one start.
    pub fn end(&self) {
        let starting = self.starting.lock().take();
        starting.into_iter().flatten().for_each(|child| {
            _ = kill_process_group(group(child), Signal::KILL);
        });
    }

    /// True once no further one may start.
    pub fn has_ended(&self) -> bool {
        self.starting.lock().is_none()
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
        command.env("GLIBC_TUNABLES", FRUGAL);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BLOCKCHAIN_") {
                command.env_remove(name);
            }
        }
        let mut process = self.spawn(command)?;
        let mut line = String::new();
        if let Some(stdout) = process.child.stdout.take() {
            // What cannot be read is as good as an end.
            _ = BufReader::new(stdout).read_line(&mut line);
        }
        // Only now may it be waited for: until then its number is that of no other process.
        if let Some(starting) = self.starting.lock().as_mut() {
            starting.remove(&process.child.id());
        }
        if line.is_empty() {
            process.kill();
            return Err(io::Error::other(reason(stderr)));
        }
        Ok(process)
    }

    /// Starts a process, which [`Self::end`] ends as long as it does not answer.
    fn spawn(&self, command: Command) -> io::Result<Process> {
        let (answer, child) = bounded(1);
        let gone = |_| io::Error::other("the thread that starts miners has ended");
        self.wanted.send((command, answer)).map_err(|_| gone(()))?;
        let child = child.recv().map_err(|_| gone(()))??;
        let process = Process { child, is_paused: false, slow: None, delay: None };
        match self.starting.lock().as_mut() {
            Some(starting) => _ = starting.insert(process.child.id()),
            None => {
                process.kill();
                return Err(io::Error::other("the class ends"));
            }
        }
        Ok(process)
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
    pub is_paused: bool,
    slow: Option<Slow>,
    /// For how long at most what is sent to it may take.
    pub delay: Option<Duration>,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Freezes it and its server process, or lets them go on.
    pub fn set_paused(&mut self, is_paused: bool) -> io::Result<()> {
        self.slow = None;
        let signal = if is_paused { Signal::STOP } else { Signal::CONT };
        kill_process_group(self.group(), signal)?;
        self.is_paused = is_paused;
        self.slow_down(self.delay)
    }

    /// Lets what others send arrive so late, or at once again.
    ///
    /// # Errors
    /// Its server process cannot be found.
    pub fn slow_down(&mut self, delay: Option<Duration>) -> io::Result<()> {
        self.slow = None;
        self.delay = delay;
        if let Some(delay) = delay.filter(|_| !self.is_paused) {
            self.slow = Some(Slow::begin(self.pid(), delay)?);
        }
        Ok(())
    }

    pub fn server(&self) -> Option<Pid> {
        server_of(self.pid())
    }

    /// Ends it without any warning. Its server process ends with it.
    pub fn kill(mut self) {
        self.slow = None;
        _ = self.child.kill();
        // A frozen server process would not notice.
        _ = kill_process_group(self.group(), Signal::KILL);
        _ = self.child.wait();
    }

    fn tell_to_end(&mut self) {
        self.slow = None;
        _ = kill_process(self.group(), Signal::TERM);
        _ = kill_process_group(self.group(), Signal::CONT);
    }

    fn group(&self) -> Pid {
        group(self.child.id())
    }
}

/// The group of a child, which has its number.
fn group(child: u32) -> Pid {
    i32::try_from(child).ok().and_then(Pid::from_raw).expect("a child has a pid")
}

/// Ends all of them in order, and kills those that take too long.
pub fn end(mut processes: Vec<Process>) {
    processes.iter_mut().for_each(Process::tell_to_end);
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
