//! Threads whose end, or death, is waited for.

use std::convert::Infallible;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Threads whose end is waited for together, but not for ever.
pub struct Group {
    /// Cloned into each thread: when all of them are gone, so are the threads.
    pub held: Option<Sender<Infallible>>,
    ended: Receiver<Infallible>,
}

impl Group {
    pub fn new() -> Self {
        let (held, ended) = bounded(0);
        Self { held: Some(held), ended }
    }

    /// Waits until all of its threads have ended.
    pub fn join(mut self) {
        self.held = None;
        _ = self.ended.recv();
    }

    /// Waits until all of its threads have ended; whether they have by `deadline`.
    pub fn end(&mut self, deadline: Instant) -> bool {
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
