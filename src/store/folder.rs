//! The real disk: a folder of the host's file system.
//!
//! Files that are written to stay open from one write to the next.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, Source};

/// A folder that files are kept in.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: File,
    open: Mutex<HashMap<String, Arc<File>>>,
}

impl Folder {
    /// Opens a folder that is there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let handle = File::open(path)?;
        if !handle.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned(), handle, open: Mutex::default() })
    }

    /// Opens a folder, making what is missing of it; on return it is on disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn make(path: &Path) -> io::Result<Self> {
        let missing = path.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists());
        let missing: Vec<&Path> = missing.collect();
        fs::create_dir_all(path)?;
        for made in missing {
            let parent = made.parent().unwrap_or(Path::new("."));
            Self::open(parent)?.sync_folder()?;
        }
        Self::open(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file, open for writing.
    fn writable(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(
            OpenOptions::new().write(true).create(true).truncate(false).open(self.at(name))?,
        );
        open.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn close(&self, name: &str) {
        self.open.lock().remove(name);
    }
}

impl Disk for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Source>> {
        let file = match File::open(self.at(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Source { bytes: file.metadata()?.len(), reader: Box::new(file) }))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.writable(name)?;
        file.write_all_at(bytes, file.metadata()?.len())
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.writable(name)?.write_all_at(bytes, at)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.writable(name)?.sync_data()
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.writable(name)?.set_len(bytes)
    }

    fn copy(&self, from: &str, to: &str, bytes: u64) -> io::Result<()> {
        self.remove(to)?;
        // std copies from file to file within the kernel, sharing blocks where it can.
        let mut source = File::open(self.at(from))?.take(bytes);
        let mut target = OpenOptions::new().write(true).create_new(true).open(self.at(to))?;
        let copied = io::copy(&mut source, &mut target)?;
        if copied == bytes { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.close(from);
        self.close(to);
        fs::rename(self.at(from), self.at(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        match fs::hard_link(self.at(from), self.at(to)) {
            Err(error)
                if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) =>
            {
                let bytes = fs::metadata(self.at(from))?.len();
                self.copy(from, to, bytes)?;
                self.sync(to)?;
                self.close(to);
                Ok(())
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

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_folder(&self) -> io::Result<()> {
        match self.handle.sync_all() {
            // Some file systems know no sync of folders; there is nothing else to ask for.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}
