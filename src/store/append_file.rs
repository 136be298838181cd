//! A file that grows behind its end, is cut back, or is replaced as a whole: the one way in which
//! the chain file and the journal are written.
//!
//! It knows how much of the file is on disk for certain, and whether the name still means the
//! file that it wrote. What it can't vouch for any more is only good to be replaced.

use super::disk::{Operation, Stamp};
use super::error::StoreError;
use super::files::{Files, Parts};
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

pub(super) struct AppendFile {
    files: Files,
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
    /// Stands for a file that is to be written by [`AppendFile::put_in_place`].
    pub fn unwritten(files: &Files, name: &str) -> Self {
        let (files, name, trust) = (files.clone(), name.to_owned(), Trust::Lost);
        Self { files, name, bytes: 0, room: 0, trust, left: None }
    }

    /// Goes on with a file that was read: `bytes` of contents, then `room` zeros. Whatever lies
    /// behind is cut off, and what was read brought to disk: a killed process may have
    /// written it and not synced it.
    pub fn go_on(files: &Files, name: &str, bytes: u64, room: u64) -> Result<Self, StoreError> {
        let mut file = Self::unwritten(files, name);
        (file.bytes, file.room, file.trust) = (bytes, room, Trust::Whole);
        match files.stamp(name)?.is_some_and(|found| found.bytes == bytes + room) {
            true => files.sync(name)?,
            false => file.cut(bytes)?,
        }
        files.sync_folder(name)?;
        files.remove(&Names::unfinished(name))?;
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

    /// True if it has to be written anew.
    pub fn is_lost(&self) -> bool {
        self.trust == Trust::Lost
    }

    /// Looks whether the name still means the file as we left it. Where it does not, the file is lost.
    ///
    /// # Errors
    /// [`StoreError::Disk`], if nobody can look.
    pub fn look(&mut self) -> Result<(), StoreError> {
        let found = self.files.stamp(&self.name)?;
        if self.trust != Trust::Lost && found != self.left {
            let file = self.files.names.shown(&self.name);
            log::error!(
                "store: {file} was changed, replaced or removed by another program; it is written \
                 anew"
            );
            self.trust = Trust::Lost;
        }
        Ok(())
    }

    /// Writes `parts` behind the contents and returns once they are on disk. The last `room`
    /// bytes of the last part are room for what comes later.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; nothing of it counts then, and all before stays.
    /// [`StoreError::Poisoned`] while the file is lost.
    pub fn append(&mut self, parts: Parts<'_>, room: u64) -> Result<(), StoreError> {
        self.look()?;
        match self.trust {
            Trust::Whole => {}
            Trust::Tail => self.cut(self.bytes)?,
            Trust::Lost => {
                return Err(StoreError::Poisoned { file: self.files.names.shown(&self.name) });
            }
        }
        self.trust = Trust::Tail;
        let mut end = self.bytes;
        for part in parts {
            let written = part.and_then(|part| {
                let at = end;
                end += part.len() as u64;
                self.files.write(&self.name, at, &part)
            });
            if written.is_err() {
                // At once, so that a full disk has its room back; the next append makes sure.
                let _ = self.files.truncate(&self.name, self.bytes);
                self.room = 0;
                self.note();
                return written;
            }
        }
        self.trust = Trust::Lost;
        self.files.sync(&self.name)?;
        self.trust = Trust::Whole;
        self.room = (self.bytes + self.room).max(end) - (end - room);
        self.bytes = end - room;
        self.note();
        Ok(())
    }

    /// Writes `bytes` over contents that were damaged, and returns once they are on disk.
    pub fn mend(&mut self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.files.operate("mend", &self.name, Operation::Write(&self.name, at, bytes))?;
        self.files.sync(&self.name)
    }

    pub fn cut(&mut self, bytes: u64) -> Result<(), StoreError> {
        (self.trust, self.room) = (Trust::Tail, 0);
        self.files.truncate(&self.name, bytes)?;
        // Without the sync, what is appended next could meet remains of the old tail.
        self.trust = Trust::Lost;
        self.files.sync(&self.name)?;
        (self.trust, self.bytes) = (Trust::Whole, bytes);
        self.note();
        Ok(())
    }

    /// Gives the unfinished file of `bytes` bytes the name, and returns once it has it on disk.
    pub fn put_in_place(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.files.put_in_place(&self.name).inspect_err(|_| {
            // The rename may have been done, and may be undone by a crash.
            self.trust = Trust::Lost;
        })?;
        (self.trust, self.bytes, self.room) = (Trust::Whole, bytes, 0);
        self.note();
        Ok(())
    }

    fn note(&mut self) {
        self.left = self.files.disk.stamp(&self.name).unwrap_or(None);
    }
}
