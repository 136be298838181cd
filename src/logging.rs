//! The log: lines `2026-11-22T07:30:00Z INFO sync_chain: adopted a longer chain length=812`
//! in `miner.log` in the chain's folder, with rotation, and on stderr.
//!
//! Lines are whole and one event each, whatever a stranger wrote into them. A log that
//! can't be written never stops a miner: the file comes first, and stderr gets from a thread of
//! its own what it takes; what it does not take is dropped, counted and told.
//! Several miners may share a folder: they append to one file, and the first that finds it full
//! rotates it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::escape::{Escaped, EscapedJson};
use crate::settings::LogFormat;

/// The log's name within the chain's folder.
pub const FILE_NAME: &str = "miner.log";

/// Length at which a log file makes room for a new one, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Full files that are kept: `miner.log.1` to `.3`.
const FULL_FILES: u32 = 3;

/// Longest text of a line, in bytes; what is above is cut off.
const TEXT_BYTES_MAX: usize = 4096;

/// Lines that may wait for stderr; with a full queue, further ones are dropped.
const WAITING_MAX: usize = 512;

/// Time between two lines on how many were dropped, where the reader of stderr never catches up.
const TELL_DROPPED: Duration = Duration::from_secs(10);

/// Longest wait of the last lines for stderr at the end of the process.
const FLUSH: Duration = Duration::from_millis(250);

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
    let file = folder.map(|folder| RotatingFile::new(folder.join(FILE_NAME), FILE_BYTES_MAX));
    let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let style = Style { format, is_journal: is_journal(&output) };
    let stderr = Stderr::start(output)?;
    let logger = Logger { level, style, file: file.map(|file| Mutex::new(file.into())), stderr };
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

/// How lines look.
#[derive(Clone, Copy)]
struct Style {
    format: LogFormat,
    is_journal: bool,
}

impl Style {
    /// A line for the file: with its end.
    fn line(self, level: Level, text: &str) -> String {
        let time = now();
        match self.format {
            LogFormat::Text => format!("{time} {level} {}\n", shortened(Escaped(text))),
            LogFormat::Json => json_line(&time, level, text),
        }
    }

    /// The same line for stderr.
    fn line_for_stderr(self, level: Level, text: &str, line: String) -> String {
        if !self.is_journal {
            return line;
        }
        // sd-daemon(3)
        let priority = match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        match self.format {
            LogFormat::Text => format!("<{priority}>{}\n", shortened(Escaped(text))),
            LogFormat::Json => format!("<{priority}>{line}"),
        }
    }
}

/// `text` without what is above [`TEXT_BYTES_MAX`].
fn shortened(text: impl ToString) -> String {
    let mut text = text.to_string();
    if text.len() > TEXT_BYTES_MAX {
        let is_whole = |at: &usize| text.is_char_boundary(*at);
        let cut = (0..=TEXT_BYTES_MAX).rev().find(is_whole);
        text.truncate(cut.unwrap_or_default());
        text.push('…');
    }
    text
}

/// The time, as `2026-11-22T07:30:00Z`; a clock beyond the year 9999 shows seconds alone.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| format!("@{seconds}"))
}

/// A line as a JSON object.
#[derive(Serialize)]
struct JsonLine<'a> {
    time: &'a str,
    level: &'a str,
    /// The job or other part of the program that says it.
    part: &'a str,
    message: &'a str,
    #[serde(serialize_with = "as_map")]
    fields: Vec<(&'a str, &'a str)>,
}

fn as_map<S: Serializer>(fields: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().copied())
}

fn json_line(time: &str, level: Level, text: &str) -> String {
    let text = shortened(text);
    let (part, rest) = match text.split_once(": ") {
        Some((part, rest)) if is_word(part) => (part, rest),
        _ => ("", text.as_str()),
    };
    let (message, fields) = fields(rest);
    let level = level.as_str().to_ascii_lowercase();
    let line = JsonLine { time, level: &level, part, message, fields };
    let json = serde_json::to_string(&line).expect("text is always JSON");
    format!("{}\n", EscapedJson(&json))
}

/// A message and the `name=value` behind it. A value goes on to the next name; of two with one
/// name the first counts, so that text of others at the end of a line changes none before it.
fn fields(text: &str) -> (&str, Vec<(&str, &str)>) {
    let mut starts: Vec<(usize, &str)> = Vec::new();
    for (at, _) in text.match_indices('=') {
        let start = text[..at].rfind(' ').map_or(0, |space| space + 1);
        let name = &text[start..at];
        if is_word(name) && starts.iter().all(|(_, known)| *known != name) {
            starts.push((start, name));
        }
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let values = starts.iter().zip(ends).map(|((start, name), end)| {
        let value = text[start + name.len() + 1..end].trim_end();
        (*name, value)
    });
    let message = text[..starts.first().map_or(text.len(), |(start, _)| *start)].trim_end();
    (if message.is_empty() { text } else { message }, values.collect())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
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

/// The log file, and how many lines it lacks.
struct LogFile {
    file: RotatingFile,
    missing: u64,
}

impl From<RotatingFile> for LogFile {
    fn from(file: RotatingFile) -> Self {
        Self { file, missing: 0 }
    }
}

impl LogFile {
    /// Appends a line; why that failed, if the one before did not.
    fn put(&mut self, style: Style, line: &str) -> Option<io::Error> {
        if self.missing > 0 {
            let text =
                format!("log: {} lines are missing here, which could not be written", self.missing);
            let both = style.line(Level::Warn, &text) + line;
            match self.file.append(both.as_bytes()) {
                Ok(()) => self.missing = 0,
                Err(_) => self.missing += 1,
            }
            return None;
        }
        let failed = self.file.append(line.as_bytes()).err();
        self.missing += u64::from(failed.is_some());
        failed
    }
}

/// Lines for stderr, and a thread that writes them.
struct Stderr {
    waiting: Sender<Waiting>,
    dropped: &'static AtomicU64,
}

enum Waiting {
    Line(String),
    /// Dropped once all lines before it are out.
    Flush {
        _done: Sender<std::convert::Infallible>,
    },
}

impl Stderr {
    fn start(output: File) -> io::Result<Self> {
        let (waiting, lines) = bounded(WAITING_MAX);
        let dropped: &'static AtomicU64 = Box::leak(Box::default());
        Builder::new().name("log".into()).spawn(move || write_all(&output, &lines, dropped))?;
        Ok(Self { waiting, dropped })
    }

    /// Lets a line wait, or drops it; whether it is not the first that is dropped.
    fn put(&self, line: String) -> bool {
        let is_full = self.waiting.try_send(Waiting::Line(line)).is_err();
        !is_full || self.dropped.fetch_add(1, Ordering::Relaxed) > 0
    }

    fn flush(&self) {
        let (done, end) = bounded(0);
        let deadline = Instant::now() + FLUSH;
        if self.waiting.send_deadline(Waiting::Flush { _done: done }, deadline).is_ok() {
            _ = end.recv_deadline(deadline);
        }
    }
}

fn write_all(output: &File, lines: &Receiver<Waiting>, dropped: &AtomicU64) {
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
fn write_whole(mut output: &File, mut bytes: &[u8]) {
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

/// A file that others append to and rotate as well.
struct RotatingFile {
    path: PathBuf,
    bytes_max: u64,
    file: Option<File>,
    /// True if the last line may lack its end, since the disk was full.
    torn: bool,
}

impl RotatingFile {
    fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max, file: None, torn: false }
    }

    /// Appends whole lines.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.current()?;
        let metadata = file.metadata()?;
        let is_full = metadata.len() + lines.len() as u64 > self.bytes_max;
        if metadata.is_file() && metadata.len() > 0 && is_full && self.rotate(&file)? {
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
                // A named pipe without a reader is an error, and not waited for. A link is one, too:
                // where others may write into the folder, it could lead to any file of ours.
                let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
                let mut open = OpenOptions::new();
                open.create(true).append(true).custom_flags(flags.bits().cast_signed());
                open.open(&self.path).map_err(told_of_a_link)
            }
        }
    }

    fn has_the_name(&self, file: &File) -> bool {
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let named = fs::symlink_metadata(&self.path).map(identity);
        file.metadata().map(identity).is_ok_and(|at_hand| named.is_ok_and(|named| named == at_hand))
    }

    /// Gives the full `file` the name `.1`, unless another miner is doing so or has done so
    /// (then the line goes to the file as it is). Whether there is room for a new one.
    fn rotate(&self, file: &File) -> io::Result<bool> {
        if file.try_lock().is_err() {
            return Ok(false);
        }
        if self.has_the_name(file) {
            let path = &self.path;
            for number in (1..FULL_FILES).rev() {
                _ = fs::rename(numbered(path, number), numbered(path, number + 1));
            }
            fs::rename(path, numbered(path, 1))?;
        }
        file.unlock()?;
        Ok(true)
    }
}

/// The same error, in words where the name is a symbolic link.
fn told_of_a_link(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::new(error.kind(), "it is a symbolic link; make it a file"),
        _ => error,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    const TEXT: Style = Style { format: LogFormat::Text, is_journal: false };

    /// A logger whose stderr is `stderr`, and its file.
    fn logger(folder: &Path, style: Style, stderr: File) -> (Logger, PathBuf) {
        let path = folder.join("new").join(FILE_NAME);
        let file = RotatingFile::new(path.clone(), FILE_BYTES_MAX);
        let stderr = Stderr::start(stderr).unwrap();
        let file = Some(Mutex::new(LogFile::from(file)));
        (Logger { level: LevelFilter::Info, style, file, stderr }, path)
    }

    fn log(logger: &Logger, level: Level, target: &str, text: &str) {
        let mut record = Record::builder();
        let record = record.level(level).target(target);
        logger.log(&record.args(format_args!("{text}")).build());
    }

    #[test]
    fn a_line_says_when_how_important_and_where_and_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let stderr = tempfile::tempfile().unwrap();
        let (logger, path) = logger(folder.path(), TEXT, stderr.try_clone().unwrap());
        log(&logger, Level::Warn, "blockchain::miner", "gossip: odd\nINFO \u{1b}[31m message=x");
        log(&logger, Level::Debug, "gossip", "too detailed");
        log(&logger, Level::Info, "ureq::pool", "foreign");
        log(&logger, Level::Info, "server", &"x\u{9b}".repeat(5000));
        let text = read(&path);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let (time, rest) = lines[0].split_once(' ').unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
        assert_eq!(rest, r"WARN gossip: odd\nINFO \u{1b}[31m message=x");
        assert!(lines[1].ends_with('…') && lines[1].len() < TEXT_BYTES_MAX + 30);
        let (done, end) = bounded(0);
        logger.stderr.waiting.send(Waiting::Flush { _done: done }).unwrap();
        _ = end.recv();
        assert_eq!(stderr.metadata().unwrap().len(), text.len() as u64);
    }

    #[test]
    fn a_line_of_json_has_what_a_line_of_text_has() {
        for (text, part, message, fields) in [
            (
                "mine: new blocks blocks=3 length=9",
                "mine",
                "new blocks",
                [("blocks", "3"), ("length", "9")],
            ),
            (
                "a fault: at=x error=disk full: b c",
                "",
                "a fault:",
                [("at", "x"), ("error", "disk full: b c")],
            ),
            ("x: a=1 b=\u{9b}a=2\n", "x", "a=1 b=\u{9b}a=2\n", [("a", "1"), ("b", "\u{9b}a=2")]),
        ] {
            let line = json_line("now", Level::Warn, text);
            assert!(
                line.chars().all(crate::escape::is_harmless) || line.ends_with('\n'),
                "{line:?}"
            );
            assert_eq!(line.matches('\n').count(), 1);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(
                (read["time"].as_str(), read["level"].as_str()),
                (Some("now"), Some("warn"))
            );
            assert_eq!(read["part"], part, "{line}");
            assert_eq!(read["message"], message, "{line}");
            for (name, value) in fields {
                assert_eq!(read["fields"][name], value, "{line}");
            }
        }
    }

    #[test]
    fn journald_gets_levels_as_priorities_and_no_time() {
        let style = Style { format: LogFormat::Text, is_journal: true };
        let line = |level| style.line_for_stderr(level, "a: b\nc", String::new());
        assert_eq!(line(Level::Error), "<3>a: b\\nc\n");
        assert_eq!(line(Level::Warn), "<4>a: b\\nc\n");
        assert_eq!(line(Level::Info), "<6>a: b\\nc\n");
        assert_eq!(line(Level::Debug), "<7>a: b\\nc\n");
        assert!(style.line(Level::Info, "a").ends_with("Z INFO a\n"), "the file goes on as it is");
    }

    #[test]
    fn a_reader_of_stderr_that_stands_still_stops_nobody_and_is_told_what_it_missed() {
        // Each thread that had something to say waited for the reader, the signals' included.
        let folder = tempfile::tempdir().unwrap();
        let (reader, stderr) = std::io::pipe().unwrap();
        let (logger, path) =
            logger(folder.path(), TEXT, File::from(std::os::fd::OwnedFd::from(stderr)));
        let long = "x".repeat(500);
        let count = 2 * WAITING_MAX;
        for number in 0..count {
            log(&logger, Level::Info, "test", &format!("test: {number} {long}"));
        }
        let text = read(&path);
        assert_eq!(text.lines().filter(|line| line.contains("test: ")).count(), count);
        assert_eq!(text.matches("stderr takes no more lines").count(), 1);
        let dropped = logger.stderr.dropped.load(Ordering::Relaxed);
        assert!(dropped > 0 && dropped < count as u64, "{dropped}");
        drop(logger);
        let said = io::read_to_string(reader).unwrap();
        assert_eq!(said.lines().count() as u64, count as u64 - dropped);
    }

    #[test]
    fn a_file_that_cannot_be_written_says_later_how_many_lines_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut file = LogFile::from(RotatingFile::new(path.clone(), FILE_BYTES_MAX));
        fs::create_dir(&path).unwrap();
        assert!(file.put(TEXT, "a\n").is_some());
        assert!(file.put(TEXT, "b\n").is_none(), "told twice");
        fs::remove_dir(&path).unwrap();
        assert!(file.put(TEXT, "c\n").is_none());
        assert!(read(&path).contains("log: 2 lines are missing here"));
        assert!(read(&path).ends_with("\nc\n"));
    }

    #[test]
    fn a_pipe_without_a_reader_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut file = RotatingFile::new(path.clone(), 10);
        assert!(file.append(b"lost\n").is_err());
    }

    #[test]
    fn a_link_under_the_name_of_the_log_is_not_followed() {
        // It was, also when a link took the name of an open log: whoever could write into the
        // folder had lines appended to any file of the miner's user.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let victim = folder.path().join("precious");
        fs::write(&victim, "precious\n").unwrap();
        for at_the_start in [true, false] {
            let mut file = RotatingFile::new(path.clone(), 10);
            if !at_the_start {
                file.append(b"open\n").unwrap();
                fs::remove_file(&path).unwrap();
            }
            std::os::unix::fs::symlink(&victim, &path).unwrap();
            for _ in 0..3 {
                let refused = file.append(b"long line\n").unwrap_err();
                assert!(refused.to_string().contains("symbolic link"), "{refused}");
            }
            assert_eq!(read(&victim), "precious\n");
            fs::remove_file(&path).unwrap();
            file.append(b"a file\n").unwrap();
            assert_eq!(read(&path), "a file\n");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_rotation_replaces_links_and_follows_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let victim = folder.path().join("precious");
        fs::write(&victim, "precious\n").unwrap();
        for number in 1..=FULL_FILES {
            std::os::unix::fs::symlink(&victim, numbered(&path, number)).unwrap();
        }
        let mut file = RotatingFile::new(path.clone(), 10);
        for number in 0..6 {
            file.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        assert_eq!((read(&victim).as_str(), read(&path).as_str()), ("precious\n", "line 5\n"));
        assert_eq!(read(&numbered(&path, 1)), "line 4\n");
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
            assert_eq!(read(&numbered(&path, number)), expected);
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
        assert_eq!(read(&numbered(&path, 1)), "one 1 ---------\ntwo 1 ---\n");
        assert!(!numbered(&path, 2).exists());
    }

    #[test]
    fn many_threads_and_rotations_cut_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let mut output = RotatingFile::new(path.clone(), 4096);
                scope.spawn(move || {
                    for number in 0..200 {
                        output.append(format!("<{writer} {number}>\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        let all = (1..=FULL_FILES).map(|number| read(&numbered(&path, number))).collect::<String>();
        let all = all + &read(&path);
        assert!(all.lines().count() > 100);
        for line in all.lines() {
            assert!(line.starts_with('<') && line.ends_with('>'), "{line:?}");
            assert_eq!(line.matches('<').count(), 1, "{line:?}");
        }
    }

    #[test]
    fn a_file_that_was_removed_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut file = RotatingFile::new(path.clone(), 100);
        file.append(b"kept\n").unwrap();
        fs::remove_file(&path).unwrap();
        file.append(b"in a new file\n").unwrap();
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
