//! The rules a block keeps as the child of its parent.
//!
//! [`check_block`] is the one door to a [`ValidBlock`]. The rule that no message comes
//! twice needs the whole chain and is `chain`'s; everything else is here.

use std::cmp::{Ordering, Reverse};
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::block::{Block, Hash, Proof};
use super::data::Data;
use super::index::Keys;
use super::network::Network;
use super::spelling::{BlockError, Field, Rule};

/// How far a block may be ahead of the clock of the host that checks it.
pub const AHEAD_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// Microseconds since the Unix epoch.
pub type Micros = u64;

/// The last timestamp that a host accepts whose clock shows `now`.
pub fn timestamp_max(now: Micros) -> Micros {
    now.saturating_add(AHEAD_MAX.as_micros() as Micros)
}

/// The last block of a chain: what the next one has to know of it, and the fork choice.
///
/// Of two heads the greater one wins: the longer chain, and of two equally long the one whose
/// last hash is lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub index: u64,
    pub timestamp: Micros,
    pub hash: Hash,
    /// `None` for the genesis block alone.
    pub proof: Option<Proof>,
}

impl Head {
    /// The head that `block`, whose line is `line`, makes.
    pub fn of(block: &Block, line: &str) -> Self {
        let Block { index, timestamp, proof, .. } = *block;
        Self { index, timestamp, hash: Hash::of(line), proof }
    }

    pub fn length(&self) -> u64 {
        self.index + 1
    }

    /// The number of blocks and the last hash: all that the fork choice asks for.
    pub fn rank(&self) -> Rank {
        Rank::new(self.length(), self.hash)
    }

    /// Prefix of the search for a child with this `seal`: all of the concatenation of the two
    /// proofs but the nonce.
    pub fn search_prefix(&self, seal: &Hash) -> String {
        let mut prefix = String::with_capacity(4 * 64);
        if let Some(proof) = self.proof {
            write!(prefix, "{proof}").expect("a String takes all");
        }
        write!(prefix, "{seal}-").expect("a String takes all");
        prefix
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.rank().cmp(&other.rank()))
    }
}

/// Key of the fork choice: the greater one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    length: u64,
    hash: Reverse<Hash>,
}

impl Rank {
    /// That of a chain with so many blocks and this last hash.
    pub fn new(length: u64, hash: Hash) -> Self {
        Self { length, hash: Reverse(hash) }
    }
}

/// A block that passed every rule as the child of its parent. Only [`check_block`] makes one.
#[derive(Clone, Debug)]
pub struct ValidBlock {
    line: Arc<str>,
    head: Head,
    parent: Hash,
    data: Data,
    keys: Keys,
}

impl ValidBlock {
    pub fn line(&self) -> &Arc<str> {
        &self.line
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Hash of the block it follows.
    pub fn parent(&self) -> &Hash {
        &self.parent
    }

    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The fingerprints by which it is found.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// Checks `line` as the block that follows `parent`: spelling, height, link, time, seal
/// and work. `now` is the checking host's clock.
///
/// # Errors
/// [`BlockError`] names the block, the rule, what was found and what was expected.
pub fn check_block(
    parent: &Head,
    line: impl Into<Arc<str>>,
    now: Micros,
    network: &Network,
) -> Result<ValidBlock, BlockError> {
    let line = line.into();
    let (data, head, keys) = check_line(parent, &line, now, network)?;
    Ok(ValidBlock { line, head, parent: parent.hash, data, keys })
}

/// The same for a line that nobody needs to hold: its message, and what is known of the block.
pub fn check_line(
    parent: &Head,
    line: &str,
    now: Micros,
    network: &Network,
) -> Result<(Data, Head, Keys), BlockError> {
    let block = Block::read(line, parent.index + 1)?;
    check_place(parent, &block, now)?;
    let (hash, proof) = check_work(parent, &block, line, network)?;
    let head = Head { index: block.index, timestamp: block.timestamp, hash, proof: Some(proof) };
    let keys = Keys::of(&block.data, &hash);
    Ok((block.data, head, keys))
}

fn fault(
    block: &Block,
    (rule, field): (Rule, Field),
    found: impl Display,
    expected: impl Display,
) -> BlockError {
    let (found, expected) = (found.to_string(), expected.to_string());
    BlockError { block: block.index, rule, field, found, expected }
}

/// Checks link and time.
fn check_place(parent: &Head, block: &Block, now: Micros) -> Result<(), BlockError> {
    let Head { index, timestamp, hash, .. } = parent;
    if block.previous_hash != Some(*hash) {
        let found = block.previous_hash.map_or_else(|| "null".into(), |hash| hash.to_string());
        let expected = format!("the hash of block {index}, {hash}");
        return Err(fault(block, (Rule::Link, Field::PreviousHash), found, expected));
    }
    if block.timestamp <= *timestamp {
        let expected = format!("one above block {index}'s {timestamp}");
        return Err(fault(block, (Rule::Order, Field::Timestamp), block.timestamp, expected));
    }
    if block.timestamp > timestamp_max(now) {
        let expected = format!("at most two hours ahead of this host's clock, {now}");
        return Err(fault(block, (Rule::Clock, Field::Timestamp), block.timestamp, expected));
    }
    Ok(())
}

/// Checks seal and work; the hash of the line, and the proof.
fn check_work(
    parent: &Head,
    block: &Block,
    line: &str,
    network: &Network,
) -> Result<(Hash, Proof), BlockError> {
    const WORK: (Rule, Field) = (Rule::Work, Field::Proof);
    let Some(proof) = block.proof else {
        return Err(fault(block, WORK, "null", "a proof of work"));
    };
    let (hash, seal) = hash_and_seal(line, &proof);
    if proof.seal != seal {
        let (found, expected) = (format!("the seal {}", proof.seal), format!("the seal {seal}"));
        return Err(fault(block, WORK, found, expected));
    }
    let mut concatenation = parent.search_prefix(&seal);
    write!(concatenation, "{}", proof.nonce).expect("a String takes all");
    let work = Hash::of(concatenation);
    if !network.difficulty.is_met_by(work.as_bytes()) {
        let found = format!("nonce {} with work {work}", proof.nonce);
        let expected = format!("one that ends with {} zeros", network.difficulty);
        return Err(fault(block, WORK, found, expected));
    }
    Ok((hash, proof))
}

/// The hash of a canonical line and its seal, which share all bytes but the proof's.
fn hash_and_seal(line: &str, proof: &Proof) -> (Hash, Hash) {
    let digits = proof.nonce.checked_ilog10().unwrap_or(0) as usize + 1;
    let proof_bytes = r#","proof":"-"}"#.len() + 64 + digits;
    let (sealed, tail) = line.split_at(line.len() - proof_bytes);
    let common = Sha256::new_with_prefix(sealed);
    let finish = |tail: &str| Hash::from(common.clone().chain_update(tail));
    (finish(tail), finish("}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::{Maker, NOW, network};

    /// Makes block 2 with a change, seals and mines it anew, and checks it.
    fn check(change: impl Fn(&mut Block), now: Micros) -> Result<ValidBlock, BlockError> {
        let mut maker = Maker::new(network(1));
        maker.add("first");
        let parent = *maker.head();
        let mut block = maker.candidate("second");
        change(&mut block);
        let line = maker.mine(block);
        check_block(&parent, line, now, &network(1))
    }

    fn refused(change: impl Fn(&mut Block), field: Field, words: &str) {
        let error = check(change, NOW).unwrap_err();
        assert_eq!((error.block, error.field), (2, field), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn a_block_that_keeps_every_rule_is_valid() {
        let valid = check(|_| {}, NOW).unwrap();
        assert_eq!(valid.head().hash, Hash::of(&**valid.line()));
        assert_eq!(valid.head().length(), 3);
    }

    #[test]
    fn height_link_and_time_are_checked_against_the_parent() {
        refused(|block| block.index = 3, Field::Index, "found 3, expected 2");
        refused(|block| block.index = 1, Field::Index, "found 1, expected 2");
        refused(|block| block.previous_hash = None, Field::PreviousHash, "found null");
        refused(
            |block| block.previous_hash = Some(Hash::of("other")),
            Field::PreviousHash,
            "the hash of block 1",
        );
        refused(|block| block.timestamp -= 1, Field::Timestamp, "one above block 1's");
        let limit = timestamp_max(NOW);
        assert!(check(|block| block.timestamp = limit, NOW).is_ok());
        refused(|block| block.timestamp = limit + 1, Field::Timestamp, "two hours");
    }

    #[test]
    fn a_proof_without_the_blocks_seal_or_without_work_is_refused() {
        let maker = Maker::new(network(2));
        let parent = *maker.head();
        let block = maker.candidate("hello");
        let line = maker.mine(block);
        let block = Block::read(&line, 1).unwrap();
        let with = |change: &dyn Fn(&mut Block)| {
            let mut block = block.clone();
            change(&mut block);
            check_block(&parent, block.line(), NOW, &network(2)).unwrap_err()
        };
        let error = with(&|block| block.proof = None);
        assert!(error.to_string().contains("found null, expected a proof of work"), "{error}");
        let error =
            with(&|block| block.data.message = super::super::data::Message::new("hellp").unwrap());
        assert!(error.to_string().contains("expected the seal"), "{error}");
        let error = with(&|block| block.proof.as_mut().unwrap().nonce ^= 1);
        assert!(error.to_string().contains("ends with 2 zeros"), "{error}");
        let harder = check_block(&parent, line, NOW, &network(9)).unwrap_err();
        assert!(harder.to_string().contains("ends with 9 zeros"), "{harder}");
    }

    #[test]
    fn the_longer_chain_wins_and_then_the_lower_hash() {
        let head =
            |index, text: &str| Head { index, timestamp: 0, hash: Hash::of(text), proof: None };
        let (mut a, mut b) = (head(5, "a"), head(5, "b"));
        if b.hash < a.hash {
            std::mem::swap(&mut a, &mut b);
        }
        assert_eq!(a.partial_cmp(&b), Some(Ordering::Greater));
        assert_eq!(a.partial_cmp(&a), Some(Ordering::Equal));
        b.index = 6;
        assert_eq!(a.partial_cmp(&b), Some(Ordering::Less));
    }

    #[test]
    fn jq_and_sha256sum_would_agree() {
        let mut maker = Maker::new(network(1));
        maker.add("first");
        let parent = maker.head().proof.unwrap().to_string();
        let candidate = maker.candidate("second");
        let line = maker.mine(candidate);
        let valid_proof = Block::read(&line, 2).unwrap().proof.unwrap().to_string();
        let work = Hash::of(format!("{parent}{valid_proof}")).to_string();
        assert!(work.ends_with('0'));
    }
}
