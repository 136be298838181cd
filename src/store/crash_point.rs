//! A disk at which a test can make the program die, as by kill -9, before or after any of
//! its operations. Built into test builds alone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use super::disk::{Disk, DiskFile, Stamp};

/// Names the operation to die at: `before-sync:3` is right before the third sync,
/// `after-rename:1` right after the first rename.
const VARIABLE: &str = "BLOCKCHAIN_CRASH_POINT";

/// Arms `disk`, if the environment says so.
pub fn arm(disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
    let Ok(text) = std::env::var(VARIABLE) else { return disk };
    let point = text.split_once(':').and_then(|(point, left)| {
        let left = AtomicU32::new(left.parse().ok()?);
        Some(Armed { disk, point: point.to_owned(), left })
    });
    Arc::new(point.unwrap_or_else(|| panic!("{VARIABLE}={text} is no <point>:<count>")))
}

struct Armed {
    disk: Arc<dyn Disk>,
    point: String,
    /// How often the point is still passed, the deadly time included.
    left: AtomicU32,
}

impl Armed {
    fn around<T>(&self, operation: &str, work: impl FnOnce() -> T) -> T {
        self.pass("before", operation);
        let done = work();
        self.pass("after", operation);
        done
    }

    fn pass(&self, when: &str, operation: &str) {
        let is_point = self.point.strip_prefix(when) == Some(&format!("-{operation}"));
        if is_point && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            eprintln!("crash point {} reached", self.point);
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}

impl Disk for Armed {
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        self.disk.open(name)
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        self.disk.stamp(name)
    }

    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.scratch()
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.around("write", || self.disk.write(name, at, bytes))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.around("sync", || self.disk.sync(name))
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.around("truncate", || self.disk.truncate(name, bytes))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.around("rename", || self.disk.rename(from, to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.around("link", || self.disk.link(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.around("remove", || self.disk.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.around("sync-folder", || self.disk.sync_folder())
    }
}
