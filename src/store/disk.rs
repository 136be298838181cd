//! The few operations on files that the store is built from.
//!
//! All names are of files in one folder. Only what was synced is on disk: contents by
//! [`Disk::sync`], names (made, renamed, removed) by [`Disk::sync_folder`].

use std::io::{self, Read};

/// A file that is being read, as it was when it was opened.
pub struct Source {
    /// Its length.
    pub bytes: u64,
    /// Its contents from the start.
    pub reader: Box<dyn Read + Send>,
}

/// A folder on some disk.
pub trait Disk: Send + Sync {
    /// Opens a file for reading; `None` if there is none of this name.
    ///
    /// # Errors
    /// What the disk says.
    fn read(&self, name: &str) -> io::Result<Option<Source>>;

    /// Writes behind the end of the file, which is made if it is missing.
    ///
    /// # Errors
    /// What the disk says; a part of `bytes` may then be in the file.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes from byte `at` on, in place of what is there and beyond the end of the file.
    ///
    /// # Errors
    /// What the disk says; a part of `bytes` may then be in the file.
    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the contents of the file are on disk (its name needs `sync_folder`).
    ///
    /// # Errors
    /// What the disk says; anything written since the last sync may then be lost for good,
    /// whatever a later sync says.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Cuts the file off behind its first `bytes` bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Makes the file `to` of the first `bytes` bytes of `from`.
    ///
    /// # Errors
    /// What the disk says; a part of `to` may then be there.
    fn copy(&self, from: &str, to: &str, bytes: u64) -> io::Result<()>;

    /// Renames a file, in place of any that has the name `to`.
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Gives the file `from`, whose contents are on disk, the further name `to`.
    ///
    /// # Errors
    /// What the disk says; `AlreadyExists` if there is a file `to`.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; one that is missing counts as removed.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, sorted.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Returns once every name made, renamed or removed so far is so on disk.
    ///
    /// # Errors
    /// What the disk says; any of those names may then be as before.
    fn sync_folder(&self) -> io::Result<()>;
}
