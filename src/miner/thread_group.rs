//! Threads whose end, or death, is waited for.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// A channel on which nothing is ever sent: it ends when the miner stops.
#[derive(Clone, Debug)]
pub struct Stop(pub Receiver<Infallible>);

impl Stop {
    /// Waits for `duration`; whether the miner stops meanwhile.
    pub fn within(&self, duration: Duration) -> bool {
        self.0.recv_timeout(duration) != Err(RecvTimeoutError::Timeout)
    }
}

/// Threads that are told to end, and waited for, together; but not for ever.
pub struct Group {
    stop: Option<Sender<Infallible>>,
    /// Ends when its threads are to.
    pub stopped: Stop,
    /// Cloned into each thread: when all of them are gone, so are the threads.
    pub held: Option<Sender<Infallible>>,
    ended: Receiver<Infallible>,
}

impl Group {
    pub fn new() -> Self {
        let ((stop, stopped), (held, ended)) = (bounded(0), bounded(0));
        Self { stop: Some(stop), stopped: Stop(stopped), held: Some(held), ended }
    }

    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits until all of its threads have ended.
    pub fn join(mut self) {
        self.held = None;
        _ = self.ended.recv();
    }

    /// Waits until all of its threads have ended; whether they have by `deadline`.
    pub fn end(&mut self, deadline: Instant) -> bool {
        self.stop();
        self.held = None;
        !self.ended.recv_deadline(deadline).is_err_and(|error| error.is_timeout())
    }
}

/// Tells of the death of the thread that holds it.
pub struct Obituary {
    pub name: &'static str,
    pub died: Sender<String>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why = "this is a fault of the program, miner.log says more";
            let _ = self.died.try_send(format!("the {} thread died; {why}", self.name));
        }
    }
}
