//! The few operations on files that the store is built from.
//!
//! All names are of files in one folder. Only what was synced is on disk: contents by
//! [`Operation::Sync`], names (made, renamed, removed) by [`Operation::SyncFolder`].

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
pub(super) fn read_exact(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<Vec<u8>> {
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
pub(super) struct FileReader {
    pub bytes: u64,
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl FileReader {
    pub fn of(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        Ok(Self { bytes: file.bytes()?, file, at: 0 })
    }
}

impl Read for FileReader {
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

#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Writes these bytes to the file of this name from a place on, over what is there and beyond
    /// its end. A file that is missing is made. After an error a part of them may be in the file.
    Write(&'a str, u64, &'a [u8]),
    /// Brings the contents of a file to disk. After an error anything written since the last sync
    /// may be lost for good, whatever a later sync says.
    Sync(&'a str),
    /// Cuts a file off behind so many bytes.
    Truncate(&'a str, u64),
    /// Renames a file, in place of any that has the second name.
    Rename(&'a str, &'a str),
    /// Gives a file, whose contents are on disk, a further name; `AlreadyExists` if another file
    /// has it.
    Link(&'a str, &'a str),
    /// Removes a file; one that is missing counts as removed.
    Remove(&'a str),
    /// Brings every name made, renamed or removed so far to disk. After an error any of them may
    /// be as before.
    SyncFolder,
}

/// A folder on some disk.
pub trait Disk: Send + Sync {
    /// Opens a file for reading; `None` if there is none of this name.
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>>;

    /// The file that this name means now; `None` if there is none.
    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>>;

    /// A new file without a name, which is gone once it is closed.
    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>>;

    fn list(&self) -> io::Result<Vec<String>>;

    /// Does it, and returns once it is done.
    fn operate(&self, operation: Operation<'_>) -> io::Result<()>;
}

/// A disk on which `around` does each operation: for tests that look on, or stop the program.
pub struct Around<F> {
    pub disk: Arc<dyn Disk>,
    pub around: F,
}

impl<F> Disk for Around<F>
where
    F: Fn(&dyn Disk, Operation<'_>) -> io::Result<()> + Send + Sync,
{
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        self.disk.open(name)
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        self.disk.stamp(name)
    }

    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.scratch()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn operate(&self, operation: Operation<'_>) -> io::Result<()> {
        (self.around)(&*self.disk, operation)
    }
}
