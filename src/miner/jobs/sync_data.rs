//! Sync of unprocessed data: asks a neighbour for messages that came to it since last time.

use super::{Wake, note_fault};
use crate::api::{Address, Cursor};
use crate::chain::Data;
use crate::miner::{Fault, Kept, Miner, Place, Sender};

const PAGES_MAX: usize = 40;

/// Whom a round asks: at a tick all that answer, in between those of them that are new. One
/// that was never asked for its health may be of another network, and its messages with it.
pub fn whom(miner: &Miner, wake: Wake) -> Vec<Address> {
    miner.shared.with_neighbours(|all| {
        let hinted = std::mem::take(&mut all.ask_data);
        let mut whom = all.answering();
        whom.retain(|address| wake == Wake::Tick || hinted.contains(address));
        whom
    })
}

/// Asks one neighbour, and keeps what is new.
pub fn round(miner: &Miner, address: &Address) {
    if let Err(fault) = fetch(miner, address) {
        note_fault(miner, "sync_data", address, &fault);
    }
}

fn fetch(miner: &Miner, address: &Address) -> Result<(), Fault> {
    let start = Cursor { run: miner.id, arrivals: 0 };
    for _ in 0..PAGES_MAX {
        let known = miner.shared.with_neighbours(|all| all.cursor(address));
        let page = miner.client().data(address, known.unwrap_or(start))?;
        let Some(cursor) = page.cursor else {
            return Err(Fault::Lying("its unprocessed data has no cursor".to_owned()));
        };
        // What can't be looked up is left to the keeper, which says why it can't.
        let is_new =
            |data: &&Data| !matches!(miner.shared.place_of(data), Ok(Place::Kept | Place::Unsaved));
        let new: Vec<Data> = page.data.iter().filter(is_new).cloned().collect();
        if !keep(miner, address, &new) {
            return Ok(());
        }
        miner.shared.with_neighbours(|all| all.read_until(address, cursor));
        if page.data.is_empty() || known == Some(cursor) {
            return Ok(());
        }
    }
    Ok(())
}

/// Keeps the messages; whether all that are honest were taken, so that none of these has to be asked
/// for again.
fn keep(miner: &Miner, address: &Address, new: &[Data]) -> bool {
    if new.is_empty() {
        return true;
    }
    let sender = Sender::Neighbour(miner.source_of(address));
    let batch: Vec<_> = new.iter().map(|data| (data.clone(), sender)).collect();
    let kept = miner.keep(&batch);
    let added = kept.iter().filter(|kept| **kept == Kept::Added).count();
    if added > 0 {
        log::debug!("sync_data: new messages neighbour={address} count={added}");
    }
    !kept.iter().any(|kept| matches!(kept, Kept::Full | Kept::Failing(_)))
}
