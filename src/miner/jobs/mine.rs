//! Mining: the oldest unprocessed message, in a block on the head, with its proof of work.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::api::Happening;
use crate::chain::block::TIMESTAMP_END;
use crate::chain::{Block, Data, Hash, Head, Micros, Proof, check_block};
use crate::miner::Miner;
use crate::pow::rate::measure;
use crate::pow::{Outcome, Search};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mined {
    Nothing,
    /// A better branch is being read: not before so long.
    Rests(Duration),
    Block,
    /// The head moved first.
    TooLate,
}

/// Mines one block, if there is something to mine: searches until it is found, or until the
/// head moves.
pub fn round(miner: &Miner, threads: NonZeroUsize) -> Mined {
    if miner.shared.is_unsaved_full() {
        // The end of the save wakes this job.
        return Mined::Nothing;
    }
    if let Some(rest) = miner.fetching.rest(miner.now().steady) {
        return Mined::Rests(rest);
    }
    let candidate = miner.shared.candidate();
    miner.note_trouble("mine", candidate.as_ref().err().map(ToString::to_string));
    let Ok(Some((head, data))) = candidate else { return Mined::Nothing };
    let Some(mut block) = block_of(&head, data, miner.wall()) else { return Mined::Nothing };
    let Some((proof, guesses)) = search(miner, &head, &block, threads) else {
        return Mined::TooLate;
    };
    let nonce = proof.nonce;
    block.proof = Some(proof);
    let valid = check_block(&head, block.line(), Micros::MAX, &miner.network)
        .expect("a block made by the rules keeps them");
    match miner.shared.extend(&valid) {
        Ok(()) => {
            let (index, head) = (valid.head().index, valid.head().hash);
            log::debug!(
                "mine: new block index={index} head={head} nonce={nonce} guesses={guesses}"
            );
            miner.new_blocks.mined(valid.head(), miner.now().steady);
            let id = valid.data().id;
            miner.tell(Happening::Block { index, hash: head, id, from: None });
            Mined::Block
        }
        Err(_) => Mined::TooLate,
    }
}

/// Searches the proof of `block` on `head`, and how many guesses it took; `None` if the head moves
/// first.
fn search(
    miner: &Miner,
    head: &Head,
    block: &Block,
    threads: NonZeroUsize,
) -> Option<(Proof, u64)> {
    let seal = Hash::of(block.unsealed_line());
    let search = Search::new(head.search_prefix(&seal).as_bytes(), miner.network.difficulty)
        .with_kernel(miner.kernel)
        .with_pace(Arc::clone(&miner.pace));
    miner.shared.searching(search.cancel_flag());
    if miner.shared.head() != *head {
        return None;
    }
    let began = miner.now();
    miner.diary.search_begins(block.index, block.data.id, began, search.progress());
    let outcome = search.run(threads);
    let guesses = match outcome {
        Outcome::Found { guesses, .. } | Outcome::Cancelled { guesses } => guesses,
        Outcome::Exhausted => 0,
    };
    miner.diary.search_ended(guesses, miner.now().steady.saturating_sub(began.steady));
    miner.metrics.searched(guesses, matches!(outcome, Outcome::Found { .. }));
    match outcome {
        Outcome::Found { nonce, .. } => Some((Proof { seal, nonce }, guesses)),
        _ => None,
    }
}

/// Estimates the hash rate of `threads` threads, for those who ask before the first block.
pub fn estimate(miner: &Miner, threads: NonZeroUsize) {
    miner.diary.estimate(measure(miner.kernel, ESTIMATE_GUESSES) * threads.get() as f64);
}

/// Guesses of an estimate: at most some milliseconds of one thread.
const ESTIMATE_GUESSES: NonZeroU64 = NonZeroU64::new(50_000).expect("it is above 0");

/// The block that holds `data` on `head`, still without its proof; `None` on a head whose time
/// is the last that there is. A clock that is slow, or shows what no block may have (after the
/// year 2255), does not stop mining: time goes on from the parent's then.
fn block_of(head: &Head, data: Data, now: Micros) -> Option<Block> {
    let now = if now < TIMESTAMP_END { now } else { 0 };
    let timestamp = now.max(head.timestamp + 1);
    let previous_hash = Some(head.hash);
    let block = Block { index: head.index + 1, timestamp, data, previous_hash, proof: None };
    (timestamp < TIMESTAMP_END).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::data;

    #[test]
    fn a_clock_that_no_block_may_show_mines_valid_blocks() {
        // It ended the miner by a panic: "a block made by the rules keeps them".
        let at = |timestamp| Head { index: 1, timestamp, hash: Hash::of("x"), proof: None };
        for (parent, now, expected) in [
            (5, 9, Some(9)),
            (5, 3, Some(6)),
            (5, TIMESTAMP_END - 1, Some(TIMESTAMP_END - 1)),
            (5, TIMESTAMP_END, Some(6)),
            (5, Micros::MAX, Some(6)),
            (TIMESTAMP_END - 1, 9, None),
        ] {
            let block = block_of(&at(parent), data("x"), now);
            assert_eq!(block.map(|block| block.timestamp), expected, "{parent} {now}");
        }
    }
}
