//! Answers that tell of branches which left the chain.

use serde::{Deserialize, Serialize};

use crate::chain::{Dropped, Hash, Micros, Why};

/// When and why a branch left the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Microseconds since the Unix epoch.
    pub at: Micros,
    pub why: Why,
    /// Head of the chain that took its place.
    pub winner: Hash,
    /// The older version that holds the branch, once it is on disk.
    pub file: Option<String>,
}

impl Departure {
    pub fn of(dropped: &Dropped) -> Self {
        let Dropped { at, why, winner, file, .. } = dropped;
        Self { at: *at, why: *why, winner: *winner, file: file.clone() }
    }
}

/// Kept branches in an answer at the most; the newest come first.
pub const FORKS_MAX: usize = 100;

/// Blocks of a branch that an answer lists at the most.
pub const FORK_BLOCKS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Height of the last block that it shares with the chain it left.
    pub fork: u64,
    pub depth: u64,
    pub head: Hash,
    /// Its first blocks, at most [`FORK_BLOCKS_MAX`].
    pub blocks: Vec<ForkBlock>,
    pub dropped: Departure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkBlock {
    pub index: u64,
    /// SHA-256 of its line.
    pub hash: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForksAnswer {
    /// Kept branches, newest first, at most [`FORKS_MAX`].
    pub forks: Vec<Fork>,
    /// The number of kept branches.
    pub length: u64,
}
