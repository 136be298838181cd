//! The files of a chain path on their disk. Each error says what was tried, and with which file.

use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::disk::{Disk, DiskFile, FileReader, Operation, Stamp, read_exact};
use super::error::StoreError;
use super::lines::FileLines;
use super::names::Names;
use crate::chain::Micros;

pub(super) type Parts<'a> = &'a mut dyn Iterator<Item = Result<Vec<u8>, StoreError>>;

/// All files of a chain path, and the disk that they are on.
#[derive(Clone)]
pub struct Files {
    pub disk: Arc<dyn Disk>,
    pub names: Names,
}

impl Files {
    pub fn new(disk: Arc<dyn Disk>, names: Names) -> Self {
        Self { disk, names }
    }

    pub(super) fn open(&self, name: &str) -> Result<Option<Arc<dyn DiskFile>>, StoreError> {
        self.disk.open(name).map_err(self.names.failed("read", name))
    }

    /// Opens a file that was there a moment ago.
    pub(super) fn reopen(&self, name: &str) -> Result<Arc<dyn DiskFile>, StoreError> {
        let gone = || self.names.failed("read", name)(io::ErrorKind::NotFound.into());
        self.open(name)?.ok_or_else(gone)
    }

    pub(super) fn source(&self, name: &str) -> Result<Option<FileReader>, StoreError> {
        let source = self.open(name)?.map(FileReader::of).transpose();
        source.map_err(self.names.failed("read", name))
    }

    pub(super) fn lines<'a>(&'a self, name: &'a str) -> Result<Option<FileLines<'a>>, StoreError> {
        Ok(self.source(name)?.map(|source| FileLines::of(source, &self.names, name)))
    }

    /// The beginning of a file that is worth little: one that can't be read is an empty one.
    pub(super) fn beginning(&self, name: &str, bytes_max: u64) -> Vec<u8> {
        let file = self.disk.open(name).ok().flatten();
        let read = file.map(|file| read_exact(&*file, 0, file.bytes()?.min(bytes_max)));
        read.and_then(io::Result::ok).unwrap_or_default()
    }

    pub(super) fn stamp(&self, name: &str) -> Result<Option<Stamp>, StoreError> {
        self.disk.stamp(name).map_err(self.names.failed("look at", name))
    }

    pub(super) fn list(&self) -> Result<Vec<String>, StoreError> {
        self.disk.list().map_err(self.names.failed("list the folder of", &self.names.chain))
    }

    pub(super) fn write(&self, name: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.operate("write", name, Operation::Write(name, at, bytes))
    }

    pub(super) fn sync(&self, name: &str) -> Result<(), StoreError> {
        self.operate("sync", name, Operation::Sync(name))
    }

    pub(super) fn truncate(&self, name: &str, bytes: u64) -> Result<(), StoreError> {
        self.operate("truncate", name, Operation::Truncate(name, bytes))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.operate("remove", name, Operation::Remove(name))
    }

    /// Returns once what was done to this name is on disk, and to all others.
    pub(super) fn sync_folder(&self, name: &str) -> Result<(), StoreError> {
        self.operate("sync the folder of", name, Operation::SyncFolder)
    }

    pub(super) fn operate(
        &self,
        action: &'static str,
        name: &str,
        operation: Operation<'_>,
    ) -> Result<(), StoreError> {
        self.disk.operate(operation).map_err(self.names.failed(action, name))
    }

    /// Writes and syncs `parts` as the unfinished file of `name`; how many bytes they have. The
    /// file is there before the first part is asked for, and goes after an error, if it can.
    pub(super) fn write_unfinished(&self, name: &str, parts: Parts<'_>) -> Result<u64, StoreError> {
        let name = Names::unfinished(name);
        self.remove(&name)?;
        self.write(&name, 0, b"")?;
        let write = || {
            let mut end = 0;
            for part in parts {
                let part = part?;
                self.write(&name, end, &part)?;
                end += part.len() as u64;
            }
            self.sync(&name).map(|()| end)
        };
        write().inspect_err(|_| {
            // At once, so that a full disk has its room back.
            let _ = self.remove(&name);
        })
    }

    /// Gives an unfinished file its name, and returns once that is on disk.
    pub(super) fn put_in_place(&self, name: &str) -> Result<(), StoreError> {
        let unfinished = Names::unfinished(name);
        let renamed = self.operate("replace", name, Operation::Rename(&unfinished, name));
        renamed.inspect_err(|_| {
            let _ = self.remove(&unfinished);
        })?;
        self.sync_folder(name)
    }

    /// Writes a small file whole, in place of any that is there.
    pub(super) fn write_whole(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.write_unfinished(name, &mut std::iter::once(Ok(bytes)))?;
        self.put_in_place(name)
    }

    /// Gives the file of this name the further name of an older version, on disk; that name.
    pub(super) fn set_aside(
        &self,
        name: &str,
        ending: &str,
        now: Micros,
    ) -> Result<String, StoreError> {
        let version = self.names.version(ending, now, &self.list()?);
        self.operate("keep a copy as", &version, Operation::Link(name, &version))?;
        self.sync_folder(&version)?;
        Ok(version)
    }

    /// Removes what a crash left of files that had not taken their names yet.
    pub(super) fn remove_unfinished(&self) -> Result<(), StoreError> {
        let is_ours = |name: &&String| {
            name.strip_suffix(".tmp").is_some_and(|name| self.names.kind_of(name).is_some())
        };
        self.list()?.iter().filter(is_ours).try_for_each(|name| self.remove(name))
    }

    /// A file that says that there has been a chain file.
    pub(super) fn trace(&self) -> Result<Option<String>, StoreError> {
        let (all, hash) = (self.list()?, &self.names.hash);
        let version = self.names.versions(&all).pop().cloned();
        Ok(version.or_else(|| all.contains(hash).then(|| hash.clone())))
    }
}

/// Adds a line of JSON to `text`.
pub(super) fn push_json(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *text, value).expect("our own types are always JSON");
    text.push(b'\n');
}
