//! The few operations on files that the store is built from.
//!
//! All names are of files in one folder. Only what was synced is on disk: contents by
//! [`Disk::sync`], names (made, renamed, removed) by [`Disk::sync_folder`].

use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::Arc;

/// A file that is open for reading: also when its name has gone or means another one.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads from byte `at` on; 0 bytes at the end of the file.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    fn bytes(&self) -> io::Result<u64>;

    /// Writes from byte `at` on, for files that have no name ([`Disk::scratch`]).
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
}

/// Bytes `start` to `end` of `file`.
///
/// # Errors
/// The disk's; `UnexpectedEof` if the file ends before.
pub fn read_exact(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (end - start) as usize];
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], start + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(bytes)
}

/// Reads a file from its start, as far as it went when it was opened.
#[derive(Debug)]
pub struct Source {
    pub bytes: u64,
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Source {
    /// Reads the file with this name; `None` if there is none.
    pub fn open(disk: &dyn Disk, name: &str) -> io::Result<Option<Self>> {
        let Some(file) = disk.open(name)? else { return Ok(None) };
        Ok(Some(Self { bytes: file.bytes()?, file, at: 0 }))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Mark that tells a file from another one, and from itself after somebody changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device and number of the file.
    pub identity: (u64, u64),
    pub bytes: u64,
    /// When its contents were last changed, in nanoseconds.
    pub modified: i128,
}

/// A folder on some disk.
pub trait Disk: Send + Sync {
    /// Opens a file for reading; `None` if there is none of this name.
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>>;

    /// The file that this name means now; `None` if there is none.
    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>>;

    /// A new file without a name, which is gone once it is closed.
    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>>;

    /// Writes from byte `at` on, in place of what is there and beyond the end of the file,
    /// which is made if it is missing.
    ///
    /// # Errors
    /// The disk's; a part of `bytes` may then be in the file.
    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the contents of the file are on disk (its name needs `sync_folder`).
    ///
    /// # Errors
    /// The disk's; anything written since the last sync may then be lost for good,
    /// whatever a later sync says.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Cuts the file off behind its first `bytes` bytes.
    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Renames a file, in place of any that has the name `to`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Gives the file `from`, whose contents are on disk, the further name `to`.
    ///
    /// # Errors
    /// The disk's; `AlreadyExists` if there is a file `to`.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; one that is missing counts as removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, sorted.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Returns once every name made, renamed or removed so far is so on disk.
    ///
    /// # Errors
    /// The disk's; any of those names may then be as before.
    fn sync_folder(&self) -> io::Result<()>;
}
