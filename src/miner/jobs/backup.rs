//! Backup: brings the chain to disk, and frees the journal of what is there.

use crate::miner::Miner;
use crate::store::{ChainFile, Saved};

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
    let view = miner.shared.chain();
    // The chain may come back to a block while it leaves the file, or after that has failed:
    // its message is in the journal until the file is known to hold it.
    miner.shared.note_leaving(file.saved().shared_length(&view));
    let dropped = file.dropped_by(&view);
    miner.with_keeper(|keeper, shared| keeper.keep_dropped(shared, &dropped))?;
    let saved = file.save(&view, miner.wall()).map_err(|error| error.to_string())?;
    log::debug!("backup: saved={saved:?} length={}", view.length());
    if let Saved::Replaced { version, dropped } = &saved {
        let version = version.as_deref().unwrap_or("none");
        log::info!("backup: replaced the chain file dropped={dropped} older_version={version}");
    }
    miner.shared.note_saved(view);
    Ok(())
}
