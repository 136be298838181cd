//! FLOOR 1: the signals that end a process in order: SIGTERM, SIGINT and SIGHUP.
//!
//! There is one owner of "stop": [`StopSignals`], made before anything else of a process
//! that runs until it is told to stop, and heard by every part of it. So no signal comes too
//! early. A second SIGTERM or SIGINT ends the process at once.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::Builder;

use crossbeam_channel::{Receiver, bounded};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// The signals that mean stop.
pub const STOP: [i32; 3] = [SIGTERM, SIGINT, SIGHUP];

/// The stop signals that a process hears.
pub struct StopSignals {
    first: Arc<AtomicI32>,
    told: Receiver<Infallible>,
}

impl StopSignals {
    /// Hears the signals from now on.
    ///
    /// # Errors
    /// A handler or a thread can't be had.
    pub fn listen() -> io::Result<Self> {
        // A terminal that closes sends SIGHUP twice, by the kernel and by the shell: it makes
        // the next signal a second one, but is none itself. nohup ignores it: so it stays.
        let heard = STOP.into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
        let heard: Vec<i32> = heard.collect();
        // What hears comes first: a signal that found a flag alone was lost.
        let mut signals = Signals::new(&heard)?;
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_default(signal, Arc::clone(&is_second))?;
        }
        for signal in heard {
            flag::register(signal, Arc::clone(&is_second))?;
        }
        let first = Arc::new(AtomicI32::new(0));
        let (tells, told) = bounded(0);
        let number = Arc::clone(&first);
        Builder::new().name("signals".into()).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                number.store(signal, Ordering::SeqCst);
            }
            drop::<crossbeam_channel::Sender<Infallible>>(tells);
        })?;
        Ok(Self { first, told })
    }

    /// The channel that ends with the first signal; nothing is ever sent on it.
    pub fn told(&self) -> &Receiver<Infallible> {
        &self.told
    }

    /// The first signal, as a log line shows it.
    pub fn first(&self) -> i32 {
        self.first.load(Ordering::SeqCst)
    }
}

/// Makes a write beyond the limit of file sizes (`ulimit -f`) an error of the write, as a full
/// disk is, and not the end of the process.
///
/// # Errors
/// The handler can't be had.
pub fn let_writes_fail() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Leaves the stop signals to another process, which ends this one.
///
/// # Errors
/// A handler can't be had.
pub fn leave_stop_to_parent() -> io::Result<()> {
    STOP.into_iter().try_for_each(|signal| flag::register(signal, Arc::default()).map(drop))
}

/// Lets the kernel kill this process when its parent ends, however that ends. The
/// kernel watches the thread that started this process, not the whole parent.
///
/// # Errors
/// In words; also if the process with this id is the parent no more.
pub fn end_with_parent(parent: u32) -> Result<(), String> {
    let set = set_parent_process_death_signal(Some(Signal::KILL));
    set.map_err(|error| format!("cannot end with process {parent}: {error}"))?;
    let is_parent = getppid().is_some_and(|pid| pid.as_raw_pid().unsigned_abs() == parent);
    is_parent.then_some(()).ok_or_else(|| format!("process {parent} did not start this miner"))
}

/// True if the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
