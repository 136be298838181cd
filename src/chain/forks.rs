//! Branches that left the chain and are kept: where each began, when it was dropped and for what.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::block::Hash;
use super::index::{Keys, hash_key};
use super::rules::{Head, Micros};
use super::view::ChainView;

/// Branches kept in memory until they are on disk. While the disk fails the shallowest of more
/// are given up.
const UNFILED_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Longer,
    /// Of two equally long branches the other one had the lower last hash.
    LowerHash,
    /// Its blocks were ahead of time, and no neighbour had them.
    Clock,
    /// The owner of the miner chose the other branch.
    Accepted,
}

#[derive(Clone, Debug)]
pub struct Dropped {
    /// Height of the last block that it shares with the chain it left.
    pub fork: u64,
    /// Its blocks, from `fork` + 1 on.
    pub blocks: ChainView,
    pub at: Micros,
    pub why: Why,
    pub winner: Hash,
    /// The older version that holds it, once it is on disk.
    pub file: Option<String>,
    /// Fingerprints of the hashes of its blocks.
    pub hashes: Arc<[u32]>,
}

impl Dropped {
    /// The blocks of `view` above `fork`, whose keys are `keys`.
    pub fn new(view: &ChainView, fork: u64, keys: &[Keys], at: Micros, winner: &Head) -> Self {
        let why = if winner.index > view.head().index { Why::Longer } else { Why::LowerHash };
        let (blocks, winner) = (view.from(fork + 1), winner.hash);
        let hashes = keys.iter().map(|keys| keys.hash).collect();
        Self { fork, blocks, at, why, winner, file: None, hashes }
    }

    pub fn depth(&self) -> u64 {
        self.blocks.length() - self.blocks.first()
    }

    fn is(&self, other: &Self) -> bool {
        (self.fork, self.blocks.head().hash) == (other.fork, other.blocks.head().hash)
    }
}

/// The kept branches, newest first.
#[derive(Clone, Debug, Default)]
pub struct Forks {
    kept: Vec<Dropped>,
}

impl Forks {
    pub fn of(mut kept: Vec<Dropped>) -> Self {
        kept.sort_by_key(|dropped| std::cmp::Reverse(dropped.at));
        Self { kept }
    }

    pub fn all(&self) -> &[Dropped] {
        &self.kept
    }

    /// Keeps one more. A branch that was dropped before is kept once.
    pub fn add(&mut self, dropped: Dropped) {
        let file =
            self.kept.iter().find(|kept| kept.is(&dropped)).and_then(|kept| kept.file.clone());
        self.kept.retain(|kept| !kept.is(&dropped));
        self.kept.insert(0, Dropped { file, ..dropped });
        let unfiled = self.unfiled().skip(1);
        if self.unfiled().count() > UNFILED_MAX
            && let Some(shallowest) = unfiled.min_by_key(|kept| kept.depth())
        {
            let shallowest = shallowest.clone();
            self.kept.retain(|kept| !kept.is(&shallowest));
        }
    }

    /// Those that are not on disk yet.
    pub fn unfiled(&self) -> impl Iterator<Item = &Dropped> {
        self.kept.iter().filter(|kept| kept.file.is_none())
    }

    /// Notes that the same branch as `filed` is on disk now, as that says.
    pub fn filed(&mut self, filed: &Dropped) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.is(filed)) {
            kept.blocks = filed.blocks.clone();
            kept.file.clone_from(&filed.file);
        }
    }

    /// Takes over what a save, which worked on a copy, says of files. What was dropped since stays.
    pub fn note_saved(&mut self, saved: &Self) {
        self.kept.retain(|kept| kept.file.is_none() || saved.kept.iter().any(|it| it.is(kept)));
        saved.kept.iter().for_each(|filed| self.filed(filed));
        let missing = saved.kept.iter().filter(|it| !self.kept.iter().any(|kept| kept.is(it)));
        let missing: Vec<Dropped> = missing.cloned().collect();
        self.kept.extend(missing);
        self.kept.sort_by_key(|kept| std::cmp::Reverse(kept.at));
    }

    pub fn removed(&mut self, files: &[String]) {
        self.kept.retain(|kept| kept.file.as_ref().is_none_or(|file| !files.contains(file)));
    }

    /// Branches and heights at which a block may have this hash.
    pub fn may_have(&self, hash: &Hash) -> Vec<(Dropped, u64)> {
        let key = hash_key(hash);
        let places = self.kept.iter().flat_map(|kept| {
            let heights = (kept.blocks.first()..).zip(kept.hashes.iter());
            heights.filter(|(_, found)| **found == key).map(|(height, _)| (kept.clone(), height))
        });
        places.collect()
    }
}
