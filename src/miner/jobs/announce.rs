//! Announcing: hints to the neighbours that there is something new here. A flood of messages is
//! announced as one, since a bell begins only so many rounds a second.

use crate::api::Address;
use crate::miner::Miner;

/// Who hears of news.
pub fn whom(miner: &Miner) -> Vec<Address> {
    miner.shared.with_neighbours(|all| all.answering())
}

/// Tells one neighbour. That it does not hear is no fault: the rounds repair it.
pub fn round(miner: &Miner, address: &Address) {
    let head = miner.shared.head();
    let unprocessed = miner.shared.with_pool(|pool| pool.len()) as u64;
    let told = miner.client().announce(address, head.hash, head.length(), unprocessed);
    if let Err(error) = told {
        log::debug!("announce: {error}");
    }
}
