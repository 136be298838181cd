//! Backup: brings the chain to disk, and frees the journal of what is there.

use crate::miner::Miner;
use crate::store::{ChainFile, Saved, StoreError};

/// Saves the chain as it is now; whether it is on disk.
///
/// A message of a block that leaves the file is in the journal before.
pub fn round(miner: &Miner, file: &mut ChainFile) -> bool {
    let outcome = save(miner, file);
    if outcome.is_err() {
        miner.metrics.job_failed("backup");
    }
    miner.note_trouble("backup", outcome.clone().err());
    miner.with_keeper(|keeper, shared| keeper.tidy(shared));
    outcome.is_ok()
}

fn save(miner: &Miner, file: &mut ChainFile) -> Result<(), String> {
    let words = |error: StoreError| error.to_string();
    let (view, mut forks, mark) = miner.shared.to_save();
    // The chain may come back to a block while it leaves the file, or after that has failed:
    // its message is in the journal until the file is known to hold it.
    miner.shared.note_leaving(&view).map_err(|error| error.to_string())?;
    let dropped = file.dropped_by(&view).map_err(words)?;
    miner.with_keeper(|keeper, shared| keeper.keep_dropped(shared, &dropped))?;
    let saved = file.save(&view, &mut forks, miner.wall()).map_err(|error| {
        // What was filed is filed. Of the chain file nothing is certain that was leaving it.
        miner.shared.note_filed(&forks);
        words(error)
    })?;
    let noted = miner.shared.note_saved(file.saved(), &forks, mark);
    noted.map_err(|error| error.to_string())?;
    log::debug!("backup: saved={saved:?} length={}", view.length());
    if let Saved::Replaced { dropped } = &saved {
        log::info!("backup: replaced the end of the chain file dropped={dropped}");
    }
    Ok(())
}
