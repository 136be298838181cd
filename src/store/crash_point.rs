//! A disk at which a test can make the program die, as by kill -9, before or after any of
//! its operations. Built into test builds alone.

use std::collections::BTreeSet;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use rustix::process::{Signal, getpid, kill_process};

use super::disk::{Around, Disk, Operation};

/// Names the operation to die at: `before-sync:3` is right before the third sync of any file,
/// `after-rename:test.data.tmp:1` right after the first rename from or to that name. A sync of
/// the folder goes by each name that was renamed, linked or removed since the last one.
const VARIABLE: &str = "BLOCKCHAIN_CRASH_POINT";

pub fn arm(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
    let Ok(text) = std::env::var(VARIABLE) else { return disk };
    let point: Point = text.parse().unwrap_or_else(|why| panic!("{VARIABLE}={text} {why}"));
    let changed = Mutex::default();
    let around =
        move |disk: &dyn Disk, operation: Operation<'_>| pass(&point, &changed, disk, operation);
    Arc::new(Around { disk, around })
}

/// A moment around an operation on the disk.
#[derive(Debug)]
struct Point {
    /// `before-` or `after-` and the operation.
    moment: String,
    /// The file it is about; `None`: any.
    file: Option<String>,
    /// How often it is still passed, the deadly time included.
    left: AtomicU32,
}

impl FromStr for Point {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "is no <before or after>-<operation>[:<file>]:<count>";
        let (rest, left) = text.rsplit_once(':').ok_or(wrong)?;
        let left = AtomicU32::new(left.parse().map_err(|_| wrong)?);
        let (moment, file) = match rest.split_once(':') {
            Some((moment, file)) => (moment, Some(file.to_owned())),
            None => (rest, None),
        };
        Ok(Self { moment: moment.to_owned(), file, left })
    }
}

impl Point {
    /// Counts a passage; whether it is the deadly one.
    fn is_reached(&self, when: &str, operation: &str, files: &[&str]) -> bool {
        let is_meant = self.file.as_deref().is_none_or(|file| files.contains(&file));
        self.moment.strip_prefix(when).and_then(|rest| rest.strip_prefix('-')) == Some(operation)
            && is_meant
            && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Does an operation, or dies before or after it; `changed` are the names that were changed since the
/// last sync of the folder.
fn pass(
    point: &Point,
    changed: &Mutex<BTreeSet<String>>,
    disk: &dyn Disk,
    operation: Operation<'_>,
) -> io::Result<()> {
    let synced;
    let (kind, files) = match operation {
        Operation::Write(name, ..) => ("write", vec![name]),
        Operation::Sync(name) => ("sync", vec![name]),
        Operation::Truncate(name, _) => ("truncate", vec![name]),
        Operation::Rename(from, to) => ("rename", vec![from, to]),
        Operation::Link(from, to) => ("link", vec![from, to]),
        Operation::Remove(name) => ("remove", vec![name]),
        Operation::SyncFolder => {
            synced = std::mem::take(&mut *changed.lock());
            ("sync-folder", synced.iter().map(String::as_str).collect())
        }
    };
    if matches!(kind, "rename" | "link" | "remove") {
        changed.lock().extend(files.iter().map(|file| (*file).to_owned()));
    }
    let die_if_reached = |when: &str| {
        if point.is_reached(when, kind, &files) {
            eprintln!("crash point {when}-{kind} reached");
            let _ = kill_process(getpid(), Signal::KILL);
        }
    };
    die_if_reached("before");
    let done = disk.operate(operation);
    die_if_reached("after");
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of these passages the point is reached.
    fn reached(point: &str, passages: &[(&str, &str, &[&str])]) -> Vec<usize> {
        let point: Point = point.parse().unwrap();
        let is_reached = |(when, operation, files): &(&str, &str, &[&str])| {
            point.is_reached(when, operation, files)
        };
        passages.iter().enumerate().filter(|(_, it)| is_reached(it)).map(|(at, _)| at).collect()
    }

    #[test]
    fn a_point_is_an_operation_of_any_file_or_of_one() {
        let passages: [(&str, &str, &[&str]); 5] = [
            ("before", "sync", &["a:b"]),
            ("after", "sync", &["a:b"]),
            ("before", "sync-folder", &["a:b"]),
            ("before", "sync", &["c"]),
            ("before", "sync", &["d", "a:b"]),
        ];
        assert_eq!(reached("before-sync:2", &passages), [3]);
        assert_eq!(reached("before-sync:a:b:2", &passages), [4]);
        assert_eq!(reached("before-sync-folder:1", &passages), [2]);
        assert!(reached("before-sync:4", &passages).is_empty());
        assert!(reached("before-sync:e:1", &passages).is_empty());
        for wrong in ["", "before-sync", "before-sync:", "before-sync:x", "before-sync:a:"] {
            assert!(wrong.parse::<Point>().is_err(), "{wrong}");
        }
    }
}
