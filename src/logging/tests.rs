use std::fs::{self, File};
use std::path::{Path, PathBuf};

use std::sync::atomic::Ordering;

use crossbeam_channel::bounded;
use log::{Level, LevelFilter, Log as _, Record};
use parking_lot::Mutex;

use super::file::*;
use super::line::*;
use super::stderr::*;
use super::*;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

const TEXT: Style = Style { format: LogFormat::Text, is_journal: false };

/// A logger whose stderr is `stderr`, and its file.
fn logger(folder: &Path, style: Style, stderr: File) -> (Logger, PathBuf) {
    let path = folder.join("new").join(FILE_NAME);
    let file = LogFile::new(path.clone(), FILE_BYTES_MAX);
    let stderr = Stderr::start(stderr).unwrap();
    let file = Some(Mutex::new(file));
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
        assert!(line.chars().all(crate::escape::is_harmless) || line.ends_with('\n'), "{line:?}");
        assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((read["time"].as_str(), read["level"].as_str()), (Some("now"), Some("warn")));
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
    let mut file = LogFile::new(path.clone(), FILE_BYTES_MAX);
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
    let mut file = LogFile::new(path.clone(), 10);
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
        let mut file = LogFile::new(path.clone(), 10);
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
    let mut file = LogFile::new(path.clone(), 10);
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
    let mut file = LogFile::new(path.clone(), 10);
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
    let mut one = LogFile::new(path.clone(), 30);
    let mut two = LogFile::new(path.clone(), 30);
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
            let mut output = LogFile::new(path.clone(), 4096);
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
    let mut file = LogFile::new(path.clone(), 100);
    file.append(b"kept\n").unwrap();
    fs::remove_file(&path).unwrap();
    file.append(b"in a new file\n").unwrap();
    assert_eq!(read(&path), "in a new file\n");
}

#[test]
fn a_line_after_a_torn_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let mut file = LogFile::new(path.clone(), 100);
    file.append(b"half a li").unwrap();
    file.torn = true;
    file.append(b"whole\n").unwrap();
    file.append(b"next\n").unwrap();
    assert_eq!(read(&path), "half a li\nwhole\nnext\n");
}
