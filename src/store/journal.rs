//! The journal of unprocessed messages: whatever was acknowledged is in it or in the chain.
//!
//! Many messages share one sync. A journal whose sync failed takes nothing more until it
//! was written anew from what is alive; so does one that a full disk cut short until the
//! remains are gone.

use std::collections::HashSet;
use std::sync::Arc;

use super::disk::Disk;
use super::error::{Doing, StoreError};
use super::lines::ROOM_BYTES;
use super::names::Names;
use super::record::{self, Trouble};
use crate::chain::Data;

/// A journal below this length is not worth compaction.
const COMPACTION_BYTES_MIN: u64 = 256 << 10;

/// Bytes of a record beside its message, about.
const RECORD_BYTES: u64 = 80;

/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;

/// What is written to see whether the disk has room again: room for a batch of messages.
const PROBE_BYTES: usize = 64 << 10;

/// What the disk holds of the journal, compared with what we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Just that.
    Whole,
    /// That, and perhaps a part of an append that failed.
    Tail,
    /// Perhaps less, or a journal that has been replaced: a sync failed.
    Lost,
}

/// The journal of a running miner.
pub struct Journal {
    disk: Arc<dyn Disk>,
    names: Names,
    /// Where its last record ends.
    bytes: u64,
    /// Zeros behind that, up to the end of the file.
    room: u64,
    trust: Trust,
    /// What it took when all in it was alive.
    full: Size,
    buffer: Vec<u8>,
}

/// Length of a file, and about how much of it messages of this number and size ask for.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    bytes: u64,
    asked: u64,
}

impl Journal {
    /// Reads the journal, or makes one; the messages in it, in their order, each once.
    ///
    /// What a crash left of a batch that was not acknowledged is cut off.
    ///
    /// # Errors
    /// [`StoreError`] if anything else is wrong with it; nothing was changed then.
    pub fn open(disk: Arc<dyn Disk>, names: Names) -> Result<(Self, Vec<Data>), StoreError> {
        let scan = record::scan(&*disk, &names)?;
        let (trust, full) = (Trust::Lost, Size::default());
        let mut journal = Self { disk, names, bytes: 0, room: 0, trust, full, buffer: Vec::new() };
        let Some(scan) = scan else {
            journal.rewrite(&[])?;
            return Ok((journal, Vec::new()));
        };
        let name = &journal.names.data;
        (journal.bytes, journal.room, journal.trust) = (scan.bytes, scan.room, Trust::Whole);
        match scan.trouble {
            None => {}
            Some(Trouble::Damaged(fault)) => {
                return Err(StoreError::Damaged { kind: "journal", fault });
            }
            Some(Trouble::NoBreak) => {
                log::warn!("store: ended the last record with a line break file={name}");
                let end = journal.bytes;
                journal.disk.write(name, end, b"\n").doing("write", &journal.names, name)?;
                journal.disk.sync(name).doing("sync", &journal.names, name)?;
                journal.bytes += 1;
                journal.room = journal.room.saturating_sub(1);
            }
            Some(Trouble::Torn(_)) => {
                let cut = scan.total - scan.bytes;
                log::warn!("store: cut off a torn last batch file={name} bytes={cut}");
                journal.cut_tail()?;
            }
        }
        // A killed process may have written what was read, and not synced it.
        let name = &journal.names.data;
        journal.disk.sync(name).doing("sync", &journal.names, name)?;
        journal.disk.sync_folder().doing("sync the folder of", &journal.names, name)?;
        let unfinished = Names::unfinished(&journal.names.data);
        journal.disk.remove(&unfinished).doing("remove", &journal.names, &unfinished)?;
        // Two messages under one id are two: one got it, and the other will get a new one.
        let mut known = HashSet::new();
        let mut data = scan.data;
        data.retain(|data| known.insert(data.clone()));
        journal.full = Size { bytes: journal.bytes, asked: asked(data.iter()) };
        Ok((journal, data))
    }

    /// Appends `batch` and returns once it is on disk: one write, one sync. Where there is
    /// no room left, more is made along with it.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; nothing of the batch counts then, and all before it stays.
    /// [`StoreError::Poisoned`] after a failed sync, until [`Journal::rewrite`] was done.
    pub fn append(&mut self, batch: &[Data]) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        if batch.is_empty() {
            return Ok(());
        }
        if self.trust == Trust::Tail {
            self.cut_tail()?;
        }
        self.buffer.clear();
        for data in batch {
            record::spell(&mut self.buffer, self.bytes, data);
        }
        let length = self.buffer.len() as u64;
        if length > self.room {
            self.buffer.resize(self.buffer.len() + ROOM_BYTES, 0);
            self.room = self.buffer.len() as u64;
        }
        let name = &self.names.data;
        self.trust = Trust::Tail;
        let written = self.disk.write(name, self.bytes, &self.buffer);
        if written.is_err() {
            // At once, so that a full disk has its room back; the next append makes sure.
            let _ = self.disk.truncate(name, self.bytes);
        }
        written.doing("write", &self.names, name)?;
        self.trust = Trust::Lost;
        self.disk.sync(name).doing("sync", &self.names, name)?;
        self.trust = Trust::Whole;
        self.bytes += length;
        self.room -= length;
        self.buffer.shrink_to(WRITE_BYTES);
        Ok(())
    }

    /// Whether more than half of the file may be messages that wait no longer; `count`
    /// messages with `bytes` bytes in all still do.
    pub fn wants_compaction(&self, count: usize, bytes: usize) -> bool {
        let asked = count as u64 * RECORD_BYTES + bytes as u64;
        let Size { bytes: full, asked: of } = self.full;
        let alive = if asked < of { full * asked / of } else { full };
        self.bytes.saturating_sub(alive) > (self.bytes / 2).max(COMPACTION_BYTES_MIN)
    }

    /// Whether a sync failed, so that only [`Journal::rewrite`] helps.
    pub fn is_poisoned(&self) -> bool {
        self.trust == Trust::Lost
    }

    /// Writes the journal anew with just the messages in `live`: all that were acknowledged
    /// and are not in the *saved* chain, those in blocks that are still to be saved included.
    ///
    /// For compaction, after a failed sync, and for a stop in order, since all in a new
    /// journal is known to have been on disk.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; the present journal then goes on, unless its folder could not be synced.
    pub fn rewrite(&mut self, live: &[Data]) -> Result<(), StoreError> {
        let unfinished = Names::unfinished(&self.names.data);
        let written = write_new(&*self.disk, &unfinished, live).inspect_err(|_| {
            // At once, so that a full disk has its room back.
            let _ = self.disk.remove(&unfinished);
        });
        let bytes = written.doing("write", &self.names, &unfinished)?;
        let name = &self.names.data;
        self.disk.rename(&unfinished, name).doing("replace", &self.names, name)?;
        // Until the folder is on disk a crash may bring the old journal back.
        self.trust = Trust::Lost;
        self.disk.sync_folder().doing("sync the folder of", &self.names, name)?;
        self.trust = Trust::Whole;
        (self.bytes, self.room) = (bytes, 0);
        self.full = Size { bytes, asked: asked(live.iter()) };
        Ok(())
    }

    /// Finds out whether the disk takes a write again, without any message at hand.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn probe(&self) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        let name = Names::unfinished(&self.names.data);
        let write = || {
            self.disk.remove(&name)?;
            self.disk.append(&name, &[b' '; PROBE_BYTES])?;
            self.disk.sync(&name)
        };
        let written = write();
        let removed = self.disk.remove(&name);
        written.and(removed).doing("write", &self.names, &name)
    }

    fn refuse_if_poisoned(&self) -> Result<(), StoreError> {
        match self.is_poisoned() {
            true => Err(StoreError::Poisoned { file: self.names.shown(&self.names.data) }),
            false => Ok(()),
        }
    }

    /// Makes the file end where it did before an append that failed.
    fn cut_tail(&mut self) -> Result<(), StoreError> {
        let name = &self.names.data;
        self.trust = Trust::Tail;
        self.disk.truncate(name, self.bytes).doing("truncate", &self.names, name)?;
        self.room = 0;
        // Without the sync, what is appended next could meet remains of the old tail.
        self.trust = Trust::Lost;
        self.disk.sync(name).doing("sync", &self.names, name)?;
        self.trust = Trust::Whole;
        Ok(())
    }
}

/// Writes and syncs a journal under the name `name`; its length.
pub(super) fn write_new(disk: &dyn Disk, name: &str, live: &[Data]) -> std::io::Result<u64> {
    disk.remove(name)?;
    let mut buffer = Vec::new();
    let mut length = 0;
    for data in live {
        record::spell(&mut buffer, 0, data);
        length += buffer.len() as u64;
        buffer.clear();
    }
    record::spell_header(&mut buffer, length);
    length += buffer.len() as u64;
    for data in live {
        record::spell(&mut buffer, 0, data);
        if buffer.len() >= WRITE_BYTES {
            disk.append(name, &buffer)?;
            buffer.clear();
        }
    }
    if !buffer.is_empty() {
        disk.append(name, &buffer)?;
    }
    disk.sync(name)?;
    Ok(length)
}

fn asked<'a>(data: impl Iterator<Item = &'a Data>) -> u64 {
    data.map(|data| RECORD_BYTES + data.message.as_str().len() as u64).sum()
}
