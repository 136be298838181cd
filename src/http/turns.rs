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

/// The lines of all connections: each is there as long as anybody is in it.
#[derive(Default)]
pub struct Lines(HashMap<u64, Weak<Line>>);

/// Lines after which those that nobody is in are forgotten.
const LINES_KEPT: usize = 64;

impl Lines {
    /// The line of this request, which came next in it.
    pub fn join(&mut self, turn: Turn) -> Arc<Line> {
        if let Some(line) = self.0.get(&turn.connection).and_then(Weak::upgrade) {
            return line;
        }
        if self.0.len() >= LINES_KEPT {
            self.0.retain(|_, line| line.strong_count() > 0);
        }
        let waiting = Waiting { next: turn.number, early: BTreeMap::new() };
        let line = Arc::new(Line(Mutex::new(waiting)));
        self.0.insert(turn.connection, Arc::downgrade(&line));
        line
    }
}

/// Answers of one connection.
pub struct Line(Mutex<Waiting>);

struct Waiting {
    next: u64,
    early: BTreeMap<u64, (tiny_http::Request, Vec<u8>)>,
}

impl Line {
    /// Sends an answer and those that wait for it, or puts it aside.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn answer(
        &self,
        number: u64,
        request: tiny_http::Request,
        answer: Vec<u8>,
    ) -> io::Result<()> {
        let mut waiting = self.0.lock();
        if number != waiting.next {
            waiting.early.insert(number, (request, answer));
            return Ok(());
        }
        let mut sent = send(request, &answer);
        loop {
            waiting.next += 1;
            let next = waiting.next;
            let Some((request, answer)) = waiting.early.remove(&next) else { return sent };
            sent = send(request, &answer);
        }
    }
}

fn send(request: tiny_http::Request, answer: &[u8]) -> io::Result<()> {
    let mut writer = request.into_writer();
    writer.write_all(answer)?;
    writer.flush()
}
