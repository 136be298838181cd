//! Lines for stderr, which gets from a thread of its own what it takes; what it does not take is
//! dropped, counted and told.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, poll};

/// Lines that may wait for stderr; with a full queue, further ones are dropped.
pub const WAITING_MAX: usize = 512;

/// Time between two lines on how many were dropped, where the reader of stderr never catches up.
const TELL_DROPPED: Duration = Duration::from_secs(10);

/// Longest wait of the last lines for stderr at the end of the process.
const FLUSH: Duration = Duration::from_millis(250);

/// Lines for stderr, and a thread that writes them.
pub struct Stderr {
    pub(super) waiting: Sender<Waiting>,
    pub(super) dropped: &'static AtomicU64,
}

pub enum Waiting {
    Line(String),
    /// Dropped once all lines before it are out.
    Flush {
        _done: Sender<std::convert::Infallible>,
    },
}

impl Stderr {
    pub fn start(output: File) -> io::Result<Self> {
        let (waiting, lines) = bounded(WAITING_MAX);
        let dropped: &'static AtomicU64 = Box::leak(Box::default());
        Builder::new().name("log".into()).spawn(move || write_all(&output, &lines, dropped))?;
        Ok(Self { waiting, dropped })
    }

    /// Lets a line wait, or drops it; whether it is not the first that is dropped.
    pub fn put(&self, line: String) -> bool {
        let is_full = self.waiting.try_send(Waiting::Line(line)).is_err();
        !is_full || self.dropped.fetch_add(1, Ordering::Relaxed) > 0
    }

    pub fn flush(&self) {
        let (done, end) = bounded(0);
        let deadline = Instant::now() + FLUSH;
        if self.waiting.send_deadline(Waiting::Flush { _done: done }, deadline).is_ok() {
            _ = end.recv_deadline(deadline);
        }
    }
}

pub fn write_all(output: &File, lines: &Receiver<Waiting>, dropped: &AtomicU64) {
    let mut told = Instant::now();
    for waiting in lines {
        if let Waiting::Line(line) = waiting {
            write_whole(output, line.as_bytes());
        }
        let is_due = lines.is_empty() || told.elapsed() > TELL_DROPPED;
        if is_due && dropped.load(Ordering::Relaxed) > 0 {
            told = Instant::now();
            let count = dropped.swap(0, Ordering::Relaxed);
            log::warn!("log: dropped {count} lines on stderr, which did not take them in time");
        }
    }
}

/// Writes to an output that may be in non-blocking mode, which it shares with other processes.
pub fn write_whole(mut output: &File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                _ = poll(&mut [PollFd::new(&output, PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}
