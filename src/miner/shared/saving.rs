//! What is on disk of the chain, and what is still to be saved.

use std::time::{Duration, Instant};

use super::Shared;
use crate::chain::{ChainView, Forks, ReadError};

/// Bytes of blocks that may be in memory because they are not saved yet: mining and fetching
/// wait beyond that.
pub const UNSAVED_BYTES_MAX: u64 = 8 << 20;

impl Shared {
    /// State to be saved, of one moment: the chain, the branches that left it, and a mark for
    /// [`Shared::note_saved`].
    pub fn to_save(&self) -> (ChainView, Forks, u64) {
        let blocks = self.chain.lock();
        (blocks.chain.view(), blocks.forks.clone(), blocks.bytes)
    }

    /// Notes that blocks which `view` does not have are about to leave the file: from now on they count
    /// as unsaved, also if they come back before it is known what the file holds. Reads.
    pub fn note_leaving(&self, view: &ChainView) -> Result<(), ReadError> {
        // Only the backup, which calls this, changes what is saved.
        let saved = self.chain.lock().saved.clone();
        let shared = saved.shared_length(view)?;
        if let Some(last) = saved.head_at(shared.saturating_sub(1))? {
            self.chain.lock().saved = saved.until(last);
        }
        Ok(())
    }

    /// Notes that `saved` is on disk, with the branches that `forks` says are; `mark` is that of
    /// the moment at which it was taken. Reads.
    ///
    /// # Errors
    /// [`ReadError`]; nothing is noted then.
    pub fn note_saved(&self, saved: &ChainView, forks: &Forks, mark: u64) -> Result<(), ReadError> {
        loop {
            let view = self.chain();
            let shared = view.shared_length(saved)?;
            let mut blocks = self.chain.lock();
            if *blocks.chain.head() != *view.head() {
                continue;
            }
            blocks.chain.take_stored(saved, shared);
            blocks.saved = saved.clone();
            blocks.forks.note_saved(forks);
            blocks.bytes_saved = mark;
            break;
        }
        *self.saves.lock() += 1;
        self.save_ended.notify_all();
        self.bells.mine.ring();
        Ok(())
    }

    /// Notes the branches that `forks` says are on disk, though the chain itself could not be saved.
    pub fn note_filed(&self, forks: &Forks) {
        self.chain.lock().forks.note_saved(forks);
    }

    /// Bytes of blocks that came in and are not saved yet.
    pub fn unsaved_bytes(&self) -> u64 {
        let blocks = self.chain.lock();
        blocks.bytes - blocks.bytes_saved
    }

    /// True if so much is not saved yet that nothing more should come in; asks for a save then.
    pub fn is_unsaved_full(&self) -> bool {
        let full = self.unsaved_bytes() > UNSAVED_BYTES_MAX;
        if full {
            self.bells.backup.ring();
        }
        full
    }

    /// Waits until what is not saved has room in memory again; `false` after `patience`.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let saves_before = *self.saves.lock();
            if !self.is_unsaved_full() {
                return true;
            }
            let mut saves = self.saves.lock();
            let is_same = *saves == saves_before;
            if is_same && self.save_ended.wait_until(&mut saves, deadline).timed_out() {
                return false;
            }
        }
    }
}
