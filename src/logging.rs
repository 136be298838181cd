//! The log: lines `2026-11-22T07:30:00Z INFO sync_chain: adopted a longer chain length=812`
//! on stderr and, with rotation, in `miner.log` in the chain's folder.
//!
//! Lines are whole and one event each, whatever a stranger wrote into them. A log that
//! can't be written never stops a miner: lines are dropped, and the next one tries again.
//! Several miners may share a folder: they append to one file, and whoever finds it full
//! rotates it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, LineWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use simplelog::{CombinedLogger, Config, ConfigBuilder, WriteLogger};
use time::macros::format_description;

use crate::escape::Escaped;

/// The log's name within the chain's folder.
pub const FILE_NAME: &str = "miner.log";

/// Length at which a log file makes room for a new one, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Full files that are kept: `miner.log.1` to `.3`.
const FULL_FILES: u32 = 3;

/// Longest text of a line, in bytes; what is above is cut off.
const TEXT_BYTES_MAX: usize = 4096;

/// Bytes that wait for the end of their line. A line has to fit, or it would be written
/// in pieces, between which another miner may write.
const LINE_BYTES_MAX: usize = 8192;

const _: () = assert!(TEXT_BYTES_MAX + 1024 <= LINE_BYTES_MAX);

/// Crates whose own lines would drown ours.
const FOREIGN: [&str; 3] = ["ureq", "ureq_proto", "tiny_http"];

/// Starts the log of this process: to stderr, and to [`FILE_NAME`] in `folder`.
///
/// # Errors
/// If there is a log already.
pub fn start(level: LevelFilter, folder: &Path) -> Result<(), SetLoggerError> {
    let file = RotatingFile::new(folder.join(FILE_NAME), FILE_BYTES_MAX);
    let logger = Logger(CombinedLogger::new(vec![
        WriteLogger::new(level, config(), lines(io::stderr())),
        WriteLogger::new(level, config(), lines(file)),
    ]));
    log::set_boxed_logger(Box::new(logger))?;
    log::set_max_level(level);
    Ok(())
}

/// simplelog writes the time and hands the line to each output; the rest of the line is
/// [`Logger`]'s.
fn config() -> Config {
    let mut config = ConfigBuilder::new();
    config
        .set_time_format_custom(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        ))
        .set_max_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off);
    for name in FOREIGN {
        config.add_filter_ignore_str(name);
    }
    config.build()
}

fn lines<W: Write>(output: W) -> LineWriter<Lossy<W>> {
    LineWriter::with_capacity(LINE_BYTES_MAX, Lossy(output))
}

/// Makes each record one line. Its text begins with the part of the program that says it.
struct Logger(Box<CombinedLogger>);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let text = format!("{} {}", record.level(), record.args());
        let text = shortened(Escaped(&text).to_string());
        let metadata = record.metadata().clone();
        self.0.log(&Record::builder().metadata(metadata).args(format_args!("{text}")).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// `text` without what is above [`TEXT_BYTES_MAX`].
fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let boundary = (0..TEXT_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(boundary.unwrap_or(0));
        text.push('…');
    }
    text
}

/// An output that is never seen to fail: what it can't take is dropped.
struct Lossy<W>(W);

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        _ = self.0.flush();
        Ok(())
    }
}

/// A file that others append to and rotate as well.
struct RotatingFile {
    path: PathBuf,
    bytes_max: u64,
    file: Option<File>,
    /// Whether the last line may lack its end, since the disk was full.
    torn: bool,
}

impl RotatingFile {
    fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max, file: None, torn: false }
    }

    /// Appends whole lines.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.current()?;
        let length = file.metadata()?.len();
        if length > 0 && length + lines.len() as u64 > self.bytes_max && self.rotate(&file)? {
            file = self.current()?;
        }
        let result = match self.torn {
            true => (&file).write_all(&[b"\n", lines].concat()),
            false => (&file).write_all(lines),
        };
        self.torn = result.is_err();
        self.file = Some(file);
        result
    }

    /// The file that has the name now; another miner may have rotated the one at hand.
    fn current(&mut self) -> io::Result<File> {
        match self.file.take() {
            Some(file) if self.has_the_name(&file) => Ok(file),
            _ => {
                if let Some(folder) = self.path.parent() {
                    fs::create_dir_all(folder)?;
                }
                OpenOptions::new().create(true).append(true).open(&self.path)
            }
        }
    }

    fn has_the_name(&self, file: &File) -> bool {
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let named = fs::metadata(&self.path).map(identity);
        file.metadata().map(identity).is_ok_and(|at_hand| named.is_ok_and(|named| named == at_hand))
    }

    /// Gives the full `file` the name `.1`, unless another miner is doing so or has done so
    /// (then the line goes to the file as it is). Whether there is room for a new one.
    fn rotate(&self, file: &File) -> io::Result<bool> {
        if file.try_lock().is_err() {
            return Ok(false);
        }
        if self.has_the_name(file) {
            for number in (1..FULL_FILES).rev() {
                _ = fs::rename(self.numbered(number), self.numbered(number + 1));
            }
            fs::rename(&self.path, self.numbered(1))?;
        }
        file.unlock()?;
        Ok(true)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Write for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.append(lines)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_line_says_when_how_important_and_where_and_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join(FILE_NAME);
        let file = RotatingFile::new(path.clone(), FILE_BYTES_MAX);
        let level = LevelFilter::Info;
        let logger =
            Logger(CombinedLogger::new(vec![WriteLogger::new(level, config(), lines(file))]));
        let log = |level, target, text: &str| {
            let mut record = Record::builder();
            let record = record.level(level).target(target);
            logger.log(&record.args(format_args!("{text}")).build());
        };
        log(Level::Warn, "blockchain::miner", "gossip: odd\nINFO \u{1b}[31m message=x");
        log(Level::Debug, "gossip", "too detailed");
        log(Level::Info, "ureq::pool", "foreign");
        log(Level::Info, "server", &"x\u{9b}".repeat(5000));
        let text = read(&path);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let (time, rest) = lines[0].split_once(' ').unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
        assert_eq!(rest, r"WARN gossip: odd\nINFO \u{1b}[31m message=x");
        assert!(lines[1].ends_with('…') && lines[1].len() < TEXT_BYTES_MAX + 30);
    }

    #[test]
    fn full_files_move_on_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut file = RotatingFile::new(path.clone(), 10);
        for number in 0..6 {
            file.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        assert_eq!(read(&path), "line 5\n");
        for (number, expected) in [(1, "line 4\n"), (2, "line 3\n"), (3, "line 2\n"), (4, "")] {
            assert_eq!(read(&file.numbered(number)), expected);
        }
    }

    #[test]
    fn two_miners_share_a_file_and_rotate_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut one = RotatingFile::new(path.clone(), 30);
        let mut two = RotatingFile::new(path.clone(), 30);
        one.append(b"one 1 ---------\n").unwrap();
        two.append(b"two 1 ---\n").unwrap();
        one.append(b"one 2 ---------\n").unwrap();
        two.append(b"two 2 ---\n").unwrap();
        assert_eq!(read(&path), "one 2 ---------\ntwo 2 ---\n");
        assert_eq!(read(&one.numbered(1)), "one 1 ---------\ntwo 1 ---\n");
        assert!(!one.numbered(2).exists());
    }

    #[test]
    fn many_threads_and_rotations_cut_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let mut output = lines(RotatingFile::new(path.clone(), 4096));
                scope.spawn(move || {
                    for number in 0..200 {
                        for part in ["<", &format!("{writer}"), " ", &format!("{number}"), ">\n"] {
                            output.write_all(part.as_bytes()).unwrap();
                        }
                    }
                });
            }
        });
        let file = RotatingFile::new(path.clone(), 0);
        let all = (1..=FULL_FILES).map(|number| read(&file.numbered(number))).collect::<String>();
        let all = all + &read(&path);
        assert!(all.lines().count() > 100);
        for line in all.lines() {
            assert!(line.starts_with('<') && line.ends_with('>'), "{line:?}");
            assert_eq!(line.matches('<').count(), 1, "{line:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_dropped_and_the_next_line_tries_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::create_dir(&path).unwrap();
        let mut output = lines(RotatingFile::new(path.clone(), 100));
        output.write_all(b"lost\n").unwrap();
        fs::remove_dir(&path).unwrap();
        output.write_all(b"kept\n").unwrap();
        fs::remove_file(&path).unwrap();
        output.write_all(b"in a new file\n").unwrap();
        assert_eq!(read(&path), "in a new file\n");
    }

    #[test]
    fn a_line_after_a_torn_one_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut file = RotatingFile::new(path.clone(), 100);
        file.append(b"half a li").unwrap();
        file.torn = true;
        file.append(b"whole\n").unwrap();
        file.append(b"next\n").unwrap();
        assert_eq!(read(&path), "half a li\nwhole\nnext\n");
    }
}
