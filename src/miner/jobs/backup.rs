//! Backup: brings the chain to disk, frees the journal of what is there, and mends a chain file
//! that was damaged under the running miner with what neighbours have.

use std::time::Duration;

use crossbeam_channel::{after, select};

use super::Stop;
use crate::chain::ReadError;
use crate::miner::shared::UNSAVED_BYTES_MAX;
use crate::miner::{Miner, UNREADABLE};
use crate::store::{ChainFile, Saved, StoreError};

/// Damaged pages that one round mends.
const MENDS_MAX: usize = 64;

enum Failed {
    /// Blocks on disk can't be read as they were written.
    Unreadable(ReadError),
    Otherwise(String),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Read(error) => Self::Unreadable(error),
            other => Self::Otherwise(other.to_string()),
        }
    }
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}

/// Waits until new blocks are worth a save: so long, or until they are many; `false` if the miner
/// stops meanwhile.
pub fn settle(miner: &Miner, stop: &Stop, long: Duration) -> bool {
    let end = after(long);
    loop {
        if miner.shared.unsaved_bytes() > UNSAVED_BYTES_MAX / 4 {
            return true;
        }
        select! {
            recv(stop.0) -> _ => return false,
            recv(miner.shared.bells.backup.heard()) -> _ => {}
            recv(end) -> _ => return true,
        }
    }
}

/// Saves the chain as it is now; whether it is on disk.
///
/// A message of a block that leaves the file is in the journal before.
pub fn round(miner: &Miner, file: &mut ChainFile) -> bool {
    let outcome = save_and_mend(miner, file);
    if outcome.is_err() {
        miner.metrics.job_failed("backup");
    }
    miner.note_trouble("backup", outcome.clone().err());
    miner.with_keeper(|keeper, shared| keeper.tidy(shared));
    outcome.is_ok()
}

/// Saves; where pages of the file are damaged, mends them and tries again.
fn save_and_mend(miner: &Miner, file: &mut ChainFile) -> Result<(), String> {
    for _ in 0..MENDS_MAX {
        let whole = if miner.is_in_trouble(UNREADABLE) { file.check() } else { Ok(()) };
        let damaged = match whole.map_err(Failed::from).and_then(|()| save(miner, file)) {
            Ok(()) => {
                miner.note_trouble(UNREADABLE, None);
                return Ok(());
            }
            Err(Failed::Otherwise(why)) => return Err(why),
            Err(Failed::Unreadable(error)) => error,
        };
        miner.note_trouble(UNREADABLE, Some(damaged.to_string()));
        if !mend(miner, file, &damaged) {
            return Err(format!("{damaged}; no neighbour has them"));
        }
    }
    Err("the chain file is damaged in many places; the next rounds go on".to_owned())
}

/// Takes the blocks of a damaged page from a neighbour; whether one had just these.
fn mend(miner: &Miner, file: &mut ChainFile, damaged: &ReadError) -> bool {
    let (from, count) = (damaged.heights.start, damaged.heights.end - damaged.heights.start);
    let whom = miner.shared.with_neighbours(|all| all.answering());
    whom.iter().any(|address| {
        let mut text = String::new();
        let mut next = from;
        while next < from + count {
            let page = miner.client().chain(address, next, from + count - next);
            let lines = page.map(|page| page.chain).unwrap_or_default();
            if lines.is_empty() {
                return false;
            }
            next += lines.len() as u64;
            lines.iter().for_each(|line| text.extend([line.get(), "\n"]));
        }
        match file.mend(from, &text) {
            Ok(true) => {
                log::warn!("backup: mended damaged blocks from={from} neighbour={address}");
                true
            }
            Ok(false) => false,
            Err(error) => {
                log::warn!("backup: {error}");
                false
            }
        }
    })
}

fn save(miner: &Miner, file: &mut ChainFile) -> Result<(), Failed> {
    let (view, mut forks, mark) = miner.shared.to_save();
    // The chain may come back to a block while it leaves the file, or after that has failed:
    // its message is in the journal until the file is known to hold it.
    miner.shared.note_leaving(&view)?;
    let dropped = file.dropped_by(&view)?;
    let kept = miner.with_keeper(|keeper, shared| keeper.keep_dropped(shared, &dropped));
    kept.map_err(Failed::Otherwise)?;
    let saved = file.save(&view, &mut forks, miner.wall()).inspect_err(|_| {
        // What was filed is filed. Of the chain file nothing is certain that was leaving it.
        miner.shared.note_filed(&forks);
    })?;
    miner.shared.note_saved(file.saved(), &forks, mark)?;
    log::debug!("backup: saved={saved:?} length={}", view.length());
    if let Saved::Replaced { dropped } = &saved {
        log::info!("backup: replaced the end of the chain file dropped={dropped}");
    }
    Ok(())
}
