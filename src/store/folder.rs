//! The real disk: a folder of the host's file system.
//!
//! Files that are written to stay open from one write to the next.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile, Operation, Stamp};
use super::lock::Lock;

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    open: Mutex<HashMap<String, Arc<File>>>,
    /// Held whenever a file takes the place of another one.
    lock: Option<Arc<Lock>>,
}

impl Folder {
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if !fs::metadata(path)?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned(), open: Mutex::default(), lock: None })
    }

    /// Opens a folder, making what is missing of it; on return it is on disk.
    pub fn make(path: &Path) -> io::Result<Self> {
        let missing = path.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists());
        let missing: Vec<&Path> = missing.collect();
        fs::create_dir_all(path)?;
        for made in missing {
            let parent = made.parent().unwrap_or(Path::new("."));
            Self::open(parent)?.sync()?;
        }
        Self::open(path)
    }

    /// The same folder, in which no file is replaced once another miner has taken it: somebody may
    /// have removed all files, and started one.
    pub fn locked(self, lock: Arc<Lock>) -> Self {
        Self { lock: Some(lock), ..self }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn writable(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .custom_flags(NO_FOLLOW)
                .open(self.at(name))?,
        );
        open.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn close(&self, name: &str) {
        self.open.lock().remove(name);
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if let Some(lock) = &self.lock {
            lock.hold().map_err(io::Error::other)?;
        }
        self.close(from);
        self.close(to);
        fs::rename(self.at(from), self.at(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        match fs::hard_link(self.at(from), self.at(to)) {
            Err(error)
                if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) =>
            {
                // std copies from file to file within the kernel, sharing blocks where it can.
                let mut source = File::open(self.at(from))?;
                let made = OpenOptions::new().write(true).create_new(true).open(self.at(to));
                let mut target = made?;
                io::copy(&mut source, &mut target)?;
                target.sync_data()
            }
            other => other,
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.close(name);
        match fs::remove_file(self.at(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync(&self) -> io::Result<()> {
        // Opened anew each time: a folder that was moved away and made anew is another one.
        match File::open(&self.path)?.sync_all() {
            // Some file systems know no sync of folders; there is nothing else to ask for.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}

/// A link that was put in place of a file is not followed: it may lead anywhere.
pub(super) const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, at) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }
}

impl Disk for Folder {
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let path = self.at(name);
        match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path) {
            Ok(file) => Ok(Some(Arc::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        match fs::symlink_metadata(self.at(name)) {
            Ok(it) => Ok(Some(Stamp {
                identity: (it.dev(), it.ino()),
                bytes: it.len(),
                modified: i128::from(it.mtime()) * 1_000_000_000 + i128::from(it.mtime_nsec()),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // What was open under this name is not what it means any more.
                self.close(name);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>> {
        let name = self.at(&format!(
            ".blockchain-{:016x}.tmp",
            crate::chain::keyed_hash((std::process::id(), std::time::Instant::now(),))
        ));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&name)?;
        fs::remove_file(name)?;
        Ok(Arc::new(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn operate(&self, operation: Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Write(name, at, bytes) => self.writable(name)?.write_all_at(bytes, at),
            Operation::Sync(name) => self.writable(name)?.sync_data(),
            Operation::Truncate(name, bytes) => self.writable(name)?.set_len(bytes),
            Operation::Rename(from, to) => self.rename(from, to),
            Operation::Link(from, to) => self.link(from, to),
            Operation::Remove(name) => self.remove(name),
            Operation::SyncFolder => self.sync(),
        }
    }
}
