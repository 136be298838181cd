//! The journal of unprocessed messages: whatever was acknowledged is in it or in the chain.
//!
//! Many messages share one sync. A journal whose sync failed, or that somebody changed, takes
//! nothing more until it was written anew from what is alive; so does one that a full disk cut
//! short until the remains are gone.

use std::collections::HashSet;

use super::append_file::AppendFile;
use super::error::StoreError;
use super::files::Files;
use super::lines::{PART_BYTES, ROOM_BYTES};
use super::names::Names;
use super::record::{self, JournalEnd, Numbers, Reading};
use crate::chain::Data;

/// A journal below this length is not worth compaction.
const COMPACTION_BYTES_MIN: u64 = 256 << 10;

/// Bytes of a record beside its message, about.
const RECORD_BYTES: u64 = 80;

pub struct Journal {
    files: Files,
    file: AppendFile,
    /// Its size when all in it was alive.
    full: Size,
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
    /// The part that a crash left of a batch that was not acknowledged is cut off.
    ///
    /// # Errors
    /// [`StoreError`] if anything else is wrong with it; nothing was changed then.
    pub fn open(files: Files) -> Result<(Self, Vec<Data>), StoreError> {
        let name = &files.names.data;
        let Reading { mut data, bytes, numbers, tail, total, room, .. } =
            record::read_journal(&files)?.unwrap_or_default();
        let mut file = AppendFile::unwritten(&files, name);
        match tail {
            JournalEnd::Damaged(fault) => {
                return Err(StoreError::Damaged { kind: "journal", fault });
            }
            JournalEnd::Sound if bytes > 0 => file = AppendFile::go_on(&files, name, bytes, room)?,
            JournalEnd::Sound => {}
            JournalEnd::Copied(fault) => {
                log::warn!("store: takes what is good of a copied journal: {fault}");
            }
            // All that is good is written anew; the torn file stays whole until then.
            JournalEnd::Torn(_) => {
                let cut = total - bytes;
                log::warn!("store: cuts off a torn last batch file={name} bytes={cut}");
            }
        }
        let mut known = HashSet::new();
        data.retain(|data| known.insert(data.clone()));
        let is_ours = numbers == Numbers::present(&files, name)?;
        let full = Size { bytes, asked: asked(data.iter()) };
        let mut journal = Self { files, file, full };
        if journal.is_poisoned() {
            journal.rewrite(&data)?;
        } else if !is_ours {
            // Copied files are our own from now on.
            if let Err(error) = journal.rewrite(&data) {
                log::warn!("store: the journal goes on as it is: {error}");
            }
        }
        Ok((journal, data))
    }

    /// Appends `batch` and returns once it is on disk: one write, one sync. Where there is
    /// no room left, more is made along with it.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; nothing of the batch counts then, and all before it stays.
    /// [`StoreError::Poisoned`] after a failed sync, or when somebody changed the file, until
    /// [`Journal::rewrite`] was done.
    pub fn append(&mut self, batch: &[Data]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut buffer = Vec::new();
        for data in batch {
            record::spell(&mut buffer, self.file.bytes(), data);
        }
        let room = match buffer.len() as u64 > self.file.room() {
            true => ROOM_BYTES,
            false => 0,
        };
        buffer.resize(buffer.len() + room, 0);
        self.file.append(&mut std::iter::once(Ok(buffer)), room as u64)
    }

    /// True if more than half of the file may be messages that wait no longer; `count`
    /// messages with `bytes` bytes in all still do.
    pub fn wants_compaction(&self, count: usize, bytes: usize) -> bool {
        let asked = count as u64 * RECORD_BYTES + bytes as u64;
        let Size { bytes: full, asked: of } = self.full;
        let alive = if asked < of { full * asked / of } else { full };
        let length = self.file.bytes();
        length.saturating_sub(alive) > (length / 2).max(COMPACTION_BYTES_MIN)
    }

    /// True if a sync failed, or the file was changed, so that only [`Journal::rewrite`] helps.
    pub fn is_poisoned(&self) -> bool {
        self.file.is_lost()
    }

    /// Looks whether the journal is still the file that we wrote; `false` if it has to be
    /// rewritten.
    pub fn look(&mut self) -> Result<bool, StoreError> {
        self.file.look()?;
        Ok(!self.file.is_lost())
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
        let (files, name) = (&self.files, &self.files.names.data);
        let numbers = || Numbers::present(files, &Names::unfinished(name));
        let bytes = files.write_unfinished(name, &mut records(live, numbers))?;
        self.file.put_in_place(bytes)?;
        self.full = Size { bytes, asked: asked(live.iter()) };
        Ok(())
    }
}

/// A whole journal of these messages, in parts. The `numbers` are asked for with the first.
pub(super) fn records(
    live: &[Data],
    numbers: impl FnOnce() -> Result<Numbers, StoreError>,
) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> {
    let header = std::iter::once_with(move || {
        let mut buffer = Vec::new();
        let length = live.iter().map(|data| {
            buffer.clear();
            record::spell(&mut buffer, 0, data);
            buffer.len() as u64
        });
        let length = length.sum();
        let mut header = Vec::new();
        record::spell_header(&mut header, length, numbers()?);
        Ok(header)
    });
    let mut left = live.iter();
    let rest = std::iter::from_fn(move || {
        let mut part = Vec::new();
        while part.len() < PART_BYTES
            && let Some(data) = left.next()
        {
            record::spell(&mut part, 0, data);
        }
        (!part.is_empty()).then_some(Ok(part))
    });
    header.chain(rest)
}

fn asked<'a>(data: impl Iterator<Item = &'a Data>) -> u64 {
    data.map(|data| RECORD_BYTES + data.message.as_str().len() as u64).sum()
}
