//! A file that grows behind its end, is cut back, or is replaced as a whole: the one way in which
//! the chain file and the journal are written.
//!
//! It knows how much of the file is on disk for certain, and whether the name still means the
//! file that it wrote. What it can't vouch for any more is only good to be replaced.

use std::sync::Arc;

use super::disk::{Disk, Stamp};
use super::error::{Doing, StoreError};
use super::names::Names;

/// State of the file on disk, compared with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Just that.
    Whole,
    /// That, and perhaps a part of an append that failed.
    Tail,
    /// Perhaps less, or another file: a sync failed, and no later one can make up for it, or
    /// somebody changed, replaced or removed the file. It has to be written anew.
    Lost,
}

pub(super) type Parts<'a> = &'a mut dyn Iterator<Item = Result<Vec<u8>, StoreError>>;

pub(super) struct AppendFile {
    disk: Arc<dyn Disk>,
    names: Names,
    name: String,
    /// Where its contents end.
    bytes: u64,
    /// Zeros behind that, up to the end of the file: records that are written over them change
    /// neither its length nor where it lies, so that their sync has less to do.
    room: u64,
    trust: Trust,
    /// The file as our last operation left it.
    left: Option<Stamp>,
}

impl AppendFile {
    /// Stands for a file that is to be written by [`AppendFile::replace`].
    pub fn unwritten(disk: Arc<dyn Disk>, names: &Names, name: &str) -> Self {
        let (names, name, trust) = (names.clone(), name.to_owned(), Trust::Lost);
        Self { disk, names, name, bytes: 0, room: 0, trust, left: None }
    }

    /// Goes on with a file that was read: `bytes` of contents, then `room` zeros. Whatever lies
    /// behind is cut off, and what was read brought to disk: a killed process may have
    /// written it and not synced it.
    pub fn go_on(
        disk: Arc<dyn Disk>,
        names: &Names,
        name: &str,
        bytes: u64,
        room: u64,
    ) -> Result<Self, StoreError> {
        let mut file = Self::unwritten(disk, names, name);
        (file.bytes, file.room, file.trust) = (bytes, room, Trust::Whole);
        let found = file.disk.stamp(name).doing("read", names, name)?;
        match found.is_some_and(|found| found.bytes == bytes + room) {
            true => file.disk.sync(name).doing("sync", names, name)?,
            false => file.cut(bytes)?,
        }
        file.disk.sync_folder().doing("sync the folder of", names, name)?;
        let unfinished = Names::unfinished(name);
        file.disk.remove(&unfinished).doing("remove", names, &unfinished)?;
        file.note();
        Ok(file)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The zeros behind its contents.
    pub fn room(&self) -> u64 {
        self.room
    }

    /// True if only [`AppendFile::replace`] helps.
    pub fn is_lost(&self) -> bool {
        self.trust == Trust::Lost
    }

    /// Looks whether the name still means the file as we left it. Where it does not, the file is lost;
    /// `true` if that is new.
    ///
    /// # Errors
    /// [`StoreError::Disk`], if nobody can look.
    pub fn look(&mut self) -> Result<bool, StoreError> {
        let found = self.disk.stamp(&self.name).doing("look at", &self.names, &self.name)?;
        if self.trust == Trust::Lost || found == self.left {
            return Ok(false);
        }
        let file = self.names.shown(&self.name);
        log::error!(
            "store: {file} was changed, replaced or removed by another program; it is written anew"
        );
        self.trust = Trust::Lost;
        Ok(true)
    }

    /// Writes `parts` behind the contents and returns once they are on disk. The last `room`
    /// bytes of the last part are room for what comes later.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; nothing of it counts then, and all before stays.
    /// [`StoreError::Poisoned`] while the file is lost.
    pub fn append(&mut self, parts: Parts<'_>, room: u64) -> Result<(), StoreError> {
        self.look()?;
        self.refuse_if_lost()?;
        if self.trust == Trust::Tail {
            self.cut(self.bytes)?;
        }
        self.trust = Trust::Tail;
        let mut end = self.bytes;
        for part in parts {
            let written = part.and_then(|part| {
                let at = end;
                end += part.len() as u64;
                self.disk.write(&self.name, at, &part).doing("write", &self.names, &self.name)
            });
            if written.is_err() {
                // At once, so that a full disk has its room back; the next append makes sure.
                let _ = self.disk.truncate(&self.name, self.bytes);
                self.room = 0;
                self.note();
                return written;
            }
        }
        self.trust = Trust::Lost;
        self.disk.sync(&self.name).doing("sync", &self.names, &self.name)?;
        self.trust = Trust::Whole;
        self.room = (self.bytes + self.room).max(end) - (end - room);
        self.bytes = end - room;
        self.note();
        Ok(())
    }

    /// Writes `bytes` over contents that were damaged, and returns once they are on disk.
    pub fn mend(&mut self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.write(&self.name, at, bytes).doing("mend", &self.names, &self.name)?;
        self.disk.sync(&self.name).doing("sync", &self.names, &self.name)
    }

    /// Makes the contents end after `bytes`, and returns once that is so on disk.
    pub fn cut(&mut self, bytes: u64) -> Result<(), StoreError> {
        (self.trust, self.room) = (Trust::Tail, 0);
        self.disk.truncate(&self.name, bytes).doing("truncate", &self.names, &self.name)?;
        // Without the sync, what is appended next could meet remains of the old tail.
        self.trust = Trust::Lost;
        self.disk.sync(&self.name).doing("sync", &self.names, &self.name)?;
        (self.trust, self.bytes) = (Trust::Whole, bytes);
        self.note();
        Ok(())
    }

    /// Writes and syncs `parts` under the unfinished name; how many bytes they have.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; the unfinished file is then removed, if it can be.
    pub fn prepare(&self, parts: Parts<'_>) -> Result<u64, StoreError> {
        write_unfinished(&*self.disk, &self.names, &self.name, parts)
    }

    /// Gives the prepared file of `bytes` bytes the name, and returns once it has it on disk.
    pub fn put_in_place(&mut self, bytes: u64) -> Result<(), StoreError> {
        put_in_place(&*self.disk, &self.names, &self.name).inspect_err(|_| {
            // The rename may have been done, and may be undone by a crash.
            self.trust = Trust::Lost;
        })?;
        (self.trust, self.bytes, self.room) = (Trust::Whole, bytes, 0);
        self.note();
        Ok(())
    }

    /// Puts a file with `parts` in place of the present one, which stays whole until then. The
    /// parts are asked for when the unfinished file is there and empty.
    pub fn replace<P: Iterator<Item = Result<Vec<u8>, StoreError>>>(
        &mut self,
        parts: impl FnOnce() -> Result<P, StoreError>,
    ) -> Result<(), StoreError> {
        let name = begin_unfinished(&*self.disk, &self.names, &self.name)?;
        let bytes = write_begun(&*self.disk, &self.names, &name, &mut parts()?)?;
        self.put_in_place(bytes)
    }

    fn refuse_if_lost(&self) -> Result<(), StoreError> {
        match self.is_lost() {
            true => Err(StoreError::Poisoned { file: self.names.shown(&self.name) }),
            false => Ok(()),
        }
    }

    fn note(&mut self) {
        self.left = self.disk.stamp(&self.name).unwrap_or(None);
    }
}

/// Writes and syncs `parts` as the unfinished file of `name`; how many bytes they have.
pub(super) fn write_unfinished(
    disk: &dyn Disk,
    names: &Names,
    name: &str,
    parts: Parts<'_>,
) -> Result<u64, StoreError> {
    let name = begin_unfinished(disk, names, name)?;
    write_begun(disk, names, &name, parts)
}

/// Makes the unfinished file of `name`, empty; its name.
fn begin_unfinished(disk: &dyn Disk, names: &Names, name: &str) -> Result<String, StoreError> {
    let name = Names::unfinished(name);
    disk.remove(&name).doing("remove", names, &name)?;
    disk.write(&name, 0, b"").doing("write", names, &name)?;
    Ok(name)
}

/// Writes and syncs `parts` to the empty file `name`; how many bytes they have.
fn write_begun(
    disk: &dyn Disk,
    names: &Names,
    name: &str,
    parts: Parts<'_>,
) -> Result<u64, StoreError> {
    let write = || {
        let mut end = 0;
        for part in parts {
            let part = part?;
            disk.write(name, end, &part).doing("write", names, name)?;
            end += part.len() as u64;
        }
        disk.sync(name).doing("sync", names, name)?;
        Ok(end)
    };
    write().inspect_err(|_| {
        // At once, so that a full disk has its room back.
        let _ = disk.remove(name);
    })
}

/// Gives an unfinished file its name, and returns once that is on disk.
pub(super) fn put_in_place(disk: &dyn Disk, names: &Names, name: &str) -> Result<(), StoreError> {
    let rename = disk.rename(&Names::unfinished(name), name);
    rename.doing("replace", names, name).inspect_err(|_| {
        let _ = disk.remove(&Names::unfinished(name));
    })?;
    disk.sync_folder().doing("sync the folder of", names, name)
}

/// Writes a small file whole, in place of any that is there.
pub(super) fn write_whole(
    disk: &dyn Disk,
    names: &Names,
    name: &str,
    bytes: Vec<u8>,
) -> Result<(), StoreError> {
    write_unfinished(disk, names, name, &mut std::iter::once(Ok(bytes)))?;
    put_in_place(disk, names, name)
}
