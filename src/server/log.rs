//! The child's log: lines go to the miner, which keeps the one log file.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::api::link::{self, LogLine, ToMiner};

/// Lines that may wait for the link; those that come while it is stuck are lost, so that a
/// miner that does not read never stops whoever has something to say.
const LINES_MAX: usize = 256;

/// Sends this process's log over the link from now on, panics included.
///
/// # Errors
/// There is a logger already, or no thread can be had.
pub fn install(link: Arc<link::Sender>, level: log::LevelFilter) -> std::io::Result<()> {
    let (lines, waiting) = bounded(LINES_MAX);
    std::thread::Builder::new().name("log".into()).spawn(move || send(&waiting, &link))?;
    log::set_boxed_logger(Box::new(LinkLog(lines))).map_err(std::io::Error::other)?;
    log::set_max_level(level);
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("server: thread {} {panic}", thread.name().unwrap_or("without a name"));
    }));
    Ok(())
}

fn send(waiting: &Receiver<ToMiner>, link: &link::Sender) {
    while let Ok(line) = waiting.recv() {
        if link.to_miner(&[line]).is_err() {
            return;
        }
    }
}

struct LinkLog(Sender<ToMiner>);

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
        match self.0.try_send(ToMiner::Log(line)) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn flush(&self) {}
}
