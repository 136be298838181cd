//! The order of answers.
//!
//! Several requests are on their way over one connection to tiny_http, which makes whoever
//! answers one of them wait for the answers before it. Nobody here may wait for another:
//! an answer that is early is put aside, and goes out with the one before it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// The header by which the guard tells a request's [`Turn`].
pub const TURN: &str = "Turn";

/// A request's place among those of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The name of the connection.
    pub connection: u64,
    /// Requests before it.
    pub number: u64,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connection, self.number)
    }
}

impl FromStr for Turn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (connection, number) = text.split_once('-').ok_or(())?;
        let read = |text: &str| text.parse().map_err(|_| ());
        Ok(Self { connection: read(connection)?, number: read(number)? })
    }
}

/// The queues of all connections: each is there as long as anybody is in it.
#[derive(Default)]
pub struct Queues(HashMap<u64, Weak<Queue>>);

/// Queues after which those that nobody is in are forgotten.
const QUEUES_KEPT: usize = 64;

impl Queues {
    /// The queue of this request, which came next in it.
    pub fn join(&mut self, turn: Turn) -> Arc<Queue> {
        if let Some(queue) = self.0.get(&turn.connection).and_then(Weak::upgrade) {
            return queue;
        }
        if self.0.len() >= QUEUES_KEPT {
            self.0.retain(|_, queue| queue.strong_count() > 0);
        }
        let (next, early) = (turn.number, BTreeMap::new());
        let waiting = Queued { next, early, due: Vec::new(), bytes: Vec::new() };
        let queue = Arc::new(Queue(Mutex::new(waiting)));
        self.0.insert(turn.connection, Arc::downgrade(&queue));
        queue
    }
}

pub struct Queue(Mutex<Queued>);

struct Queued {
    next: u64,
    early: BTreeMap<u64, (tiny_http::Request, Vec<u8>)>,
    /// Answered in order, and not sent yet.
    due: Vec<tiny_http::Request>,
    bytes: Vec<u8>,
}

/// Answers that are not sent yet, up to this many bytes.
const DUE_BYTES_MAX: usize = 64 << 10;

impl Queue {
    /// Takes an answer, which is sent with [`Queue::send`] at the latest, if all before it are
    /// there by then.
    pub fn put(&self, number: u64, request: tiny_http::Request, answer: &[u8]) {
        let mut waiting = self.0.lock();
        if number != waiting.next {
            waiting.early.insert(number, (request, answer.to_vec()));
            return;
        }
        waiting.take(request, answer);
        loop {
            waiting.next += 1;
            let next = waiting.next;
            let Some((request, answer)) = waiting.early.remove(&next) else { return };
            waiting.take(request, &answer);
        }
    }

    /// Sends what there is to send.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn send(&self) -> io::Result<()> {
        self.0.lock().send()
    }
}

impl Queued {
    fn take(&mut self, request: tiny_http::Request, answer: &[u8]) {
        self.due.push(request);
        self.bytes.extend_from_slice(answer);
        if self.bytes.len() >= DUE_BYTES_MAX {
            // Whoever sends the rest is told that the guard is gone.
            let _ = self.send();
        }
    }

    /// Sends all answers at one go, by the last request's writer: those before it are told
    /// that they were answered.
    fn send(&mut self) -> io::Result<()> {
        let mut writer = None;
        for request in self.due.drain(..) {
            writer = Some(request.into_writer());
        }
        let bytes = std::mem::take(&mut self.bytes);
        let Some(mut writer) = writer else { return Ok(()) };
        writer.write_all(&bytes)?;
        writer.flush()
    }
}
