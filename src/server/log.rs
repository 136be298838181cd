//! The child's log: lines go to the miner, which keeps the one log file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::api::link::{self, LogLine, ToMiner};

/// Lines that may wait for the link; those that come while it is stuck are dropped and counted,
/// so that a miner that does not read never stops a thread that has something to say.
const LINES_MAX: usize = 256;

/// Sends this process's log over the link from now on, panics included.
///
/// # Errors
/// There is a logger already, or no thread can be had.
pub fn install(link: Arc<link::Sender>, level: log::LevelFilter) -> std::io::Result<()> {
    let (lines, waiting) = bounded(LINES_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let lost = Arc::clone(&dropped);
    std::thread::Builder::new().name("log".into()).spawn(move || send(&waiting, &link, &lost))?;
    log::set_boxed_logger(Box::new(LinkLog { lines, dropped })).map_err(std::io::Error::other)?;
    log::set_max_level(level);
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("server: thread {} {panic}", thread.name().unwrap_or("without a name"));
    }));
    Ok(())
}

fn send(waiting: &Receiver<ToMiner>, link: &link::Sender, dropped: &AtomicU64) {
    while let Ok(line) = waiting.recv() {
        if link.to_miner(&[line]).is_err() {
            return;
        }
        let count = if waiting.is_empty() { dropped.swap(0, Relaxed) } else { 0 };
        if count > 0 {
            log::warn!("log: dropped {count} lines of the server process");
        }
    }
}

struct LinkLog {
    lines: Sender<ToMiner>,
    dropped: Arc<AtomicU64>,
}

impl log::Log for LinkLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = LogLine {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
        };
        if self.lines.try_send(ToMiner::Log(line)).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    fn flush(&self) {}
}
