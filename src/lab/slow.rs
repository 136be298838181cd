//! A slow line to a miner: its server process is frozen again and again, so that what others send
//! arrives late. The miner itself goes on: it mines, and sends what it found at once.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustix::process::{Pid, Signal, kill_process};

/// Time in which a slow miner hears what has come.
pub const HEARS: Duration = Duration::from_millis(20);

/// Freezes the server process of a miner again and again, until it is dropped.
pub struct Slow {
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Slow {
    /// Begins with the server process of the miner with this number; what is sent there takes up
    /// to `delay` from now on.
    ///
    /// # Errors
    /// It has none, or there is no thread.
    pub fn begin(miner: u32, delay: Duration) -> io::Result<Self> {
        server_of(miner).ok_or_else(|| io::Error::other("its server process is not found"))?;
        let (stop, stopped) = bounded(0);
        let work = move || freeze(miner, delay, &stopped);
        let thread = Builder::new().name("slow".into()).spawn(work)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stop = None;
        _ = self.thread.take().map(JoinHandle::join);
    }
}

fn freeze(miner: u32, delay: Duration, stopped: &Receiver<Infallible>) {
    let goes_on = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    loop {
        // The miner may have started another one.
        let server = server_of(miner);
        let signal = |signal| server.map(|server| kill_process(server, signal));
        _ = signal(Signal::STOP);
        let goes_on_frozen = goes_on(delay);
        _ = signal(Signal::CONT);
        if !goes_on_frozen || !goes_on(HEARS) {
            return;
        }
    }
}

/// The child of a miner that answers for it.
pub fn server_of(miner: u32) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{miner}/task")).ok()?.flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: String = children.collect();
    children.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw)
}
