//! Mining: the oldest unprocessed message, in a block on the head, with its proof of work.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::api::Happening;
use crate::chain::{Block, Data, Hash, Head, Micros, Proof, check_block};
use crate::miner::Miner;
use crate::pow::{Outcome, Search};

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mined {
    /// Nothing waits.
    Nothing,
    /// There is a new block.
    Block,
    /// The head moved first.
    TooLate,
}

/// Mines one block, if there is something to mine: searches until it is found, or until the
/// head moves.
pub fn round(miner: &Miner, threads: NonZeroUsize) -> Mined {
    let Some((head, data)) = miner.shared.candidate() else { return Mined::Nothing };
    let mut block = candidate(&head, data, miner.wall());
    let seal = Hash::of(block.unsealed_line());
    let search = Search::new(head.search_prefix(&seal).as_bytes(), miner.network.difficulty)
        .with_kernel(miner.kernel)
        .with_pace(Arc::clone(&miner.pace));
    miner.shared.searching(search.cancel_flag());
    if miner.shared.head() != head {
        return Mined::TooLate;
    }
    let began = miner.now();
    miner.diary.search_begins(block.index, block.data.id, began.wall);
    let outcome = search.run(threads);
    let guesses = match outcome {
        Outcome::Found { guesses, .. } | Outcome::Cancelled { guesses } => guesses,
        Outcome::Exhausted => 0,
    };
    miner.diary.search_ended(guesses, miner.now().steady.saturating_sub(began.steady));
    miner.metrics.searched(guesses, matches!(outcome, Outcome::Found { .. }));
    let Outcome::Found { nonce, .. } = outcome else { return Mined::TooLate };
    block.proof = Some(Proof { seal, nonce });
    let valid = check_block(&head, block.line(), Micros::MAX, &miner.network)
        .expect("a block made by the rules keeps them");
    match miner.shared.extend(&valid) {
        Ok(()) => {
            let (index, head) = (valid.head().index, valid.head().hash);
            log::info!("mine: new block index={index} head={head} nonce={nonce} guesses={guesses}");
            let id = *valid.id();
            miner.tell(Happening::Block { index, hash: head, id, from: None });
            Mined::Block
        }
        Err(_) => Mined::TooLate,
    }
}

/// The block that holds `data` on `head`, still without its proof. A slow clock does not
/// stop mining: time goes on from the parent's then.
fn candidate(head: &Head, data: Data, now: Micros) -> Block {
    let timestamp = now.max(head.timestamp + 1);
    let previous_hash = Some(head.hash);
    Block { index: head.index + 1, timestamp, data, previous_hash, proof: None }
}
