//! FLOOR 3: the log, in `miner.log` in the chain's folder, with rotation, and on stderr:
//! `2026-11-22T07:30:00Z INFO sync_chain: adopted a longer chain length=812`.
//!
//! Lines are whole and one event each, whatever a stranger wrote into them. A log that
//! can't be written never stops a miner: the file comes first, and stderr gets from a thread of
//! its own what it takes; what it does not take is dropped, counted and told.
//! Several miners may share a folder: they append to one file, and the first that finds it full
//! rotates it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;

use crate::settings::LogFormat;
use file::{FILE_BYTES_MAX, LogFile};
use line::Style;
use stderr::Stderr;

mod file;
mod line;
mod stderr;

/// The log's name within the chain's folder.
pub const FILE_NAME: &str = "miner.log";

/// Crates whose own lines would drown ours.
const FOREIGN: [&str; 3] = ["ureq", "ureq_proto", "tiny_http"];

/// The log of this process, once it has one.
static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts the log of this process: to [`FILE_NAME`] in `folder`, if there is one, and to stderr.
/// Panics go there, too.
///
/// # Errors
/// There is a log already, or no thread can be had.
pub fn start(level: LevelFilter, format: LogFormat, folder: Option<&Path>) -> io::Result<()> {
    let file = folder.map(|folder| LogFile::new(folder.join(FILE_NAME), FILE_BYTES_MAX));
    let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let style = Style { format, is_journal: is_journal(&output) };
    let stderr = Stderr::start(output)?;
    let logger = Logger { level, style, file: file.map(Mutex::new), stderr };
    log::set_logger(LOGGER.get_or_init(|| logger)).map_err(io::Error::other)?;
    log::set_max_level(level);
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("thread {}: {panic}", thread.name().unwrap_or("without a name"));
    }));
    Ok(())
}

/// Writes the last line of a process to stderr, behind those of its log.
pub fn last_line(text: &str) {
    match LOGGER.get() {
        Some(logger) => {
            let priority = if logger.style.is_journal { "<3>" } else { "" };
            logger.stderr.put(format!("{priority}{text}\n"));
        }
        None => _ = writeln!(io::stderr(), "{text}"),
    }
}

/// True if journald reads `stderr`: its lines get their time and level there.
fn is_journal(stderr: &File) -> bool {
    let Ok(metadata) = stderr.metadata() else { return false };
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    named == format!("{}:{}", metadata.dev(), metadata.ino())
}

/// Makes each record one line, for the file first, then for stderr.
struct Logger {
    level: LevelFilter,
    style: Style,
    file: Option<Mutex<LogFile>>,
    stderr: Stderr,
}

impl Logger {
    fn put(&self, level: Level, text: &str) {
        let line = self.style.line(level, text);
        let told = self.file.as_ref().and_then(|file| file.lock().put(self.style, &line));
        if !self.stderr.put(self.style.line_for_stderr(level, text, line)) {
            let text = "log: stderr takes no more lines for now; they are here alone";
            let line = self.style.line(Level::Warn, text);
            _ = self.file.as_ref().and_then(|file| file.lock().put(self.style, &line));
        }
        if let Some(why) = told {
            let text = format!("log: {FILE_NAME} cannot be written: {why}");
            let line = self.style.line(Level::Warn, &text);
            self.stderr.put(self.style.line_for_stderr(Level::Warn, &text, line));
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let part = metadata.target().split("::").next().unwrap_or_default();
        metadata.level() <= self.level && !FOREIGN.contains(&part)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.put(record.level(), &record.args().to_string());
        }
    }

    /// Lets stderr take what waits, but not for long.
    fn flush(&self) {
        self.stderr.flush();
    }
}

#[cfg(test)]
mod tests;
