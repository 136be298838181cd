//! The bodies of answers, as they are written and read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Address, Cursor, RunId, Span};
use crate::chain::{Data, Difficulty, Hash, NetworkName};

mod events;
mod forks;
mod status;

pub use events::{Event, EventPage, Happening};
pub use forks::{Departure, FORK_BLOCKS_MAX, FORKS_MAX, Fork, ForkBlock, ForksAnswer};
pub use status::{FileReport, JobReport, MiningPace, MiningReport, Setting, StatusReport};

/// The answer to a request for blocks. Each is kept as it is spelled, since its hash is
/// that of its line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChainPage {
    /// Canonical lines, if the sender is honest.
    pub chain: Vec<Box<RawValue>>,
    /// Blocks in the whole chain.
    pub length: u64,
}

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The problem, in a few words.
    pub message: String,
    /// Explanation, with what to do.
    pub more_information: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Something has to be done by its owner.
    Failing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub status: Status,
    pub id: RunId,
    /// The name that its owner gave it (`--name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub version: String,
    pub network: NetworkName,
    pub difficulty: Difficulty,
    /// SHA-256 of the genesis block's line.
    pub genesis: Hash,
    /// Blocks, the genesis block included.
    pub length: u64,
    pub head: Hash,
    pub unprocessed: u64,
    /// Neighbours that answer.
    pub neighbours: u64,
    /// The proof-of-work kernel that it mines with.
    pub kernel: String,
    /// Whole seconds since the start.
    pub uptime_seconds: u64,
    /// Progress of the fetch of a better chain, while one goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syncing: Option<Syncing>,
    /// The deepest reorganisation of the last hour, if it was deeper than six blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reorganised: Option<DeepReorganisation>,
    /// The last branch that was refused since it would have dropped too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedBranch>,
    /// Faults, in words; none while `ok`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// Progress of a fetch of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syncing {
    /// Blocks that were checked.
    pub length: u64,
    /// Blocks of the chain that is fetched.
    pub of: u64,
}

/// A reorganisation that somebody may want to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeepReorganisation {
    pub depth: u64,
    /// Microseconds since the Unix epoch.
    pub at: u64,
}

/// A branch that would win, and drop more than `--finality-depth` allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBranch {
    /// Height of the last block that both share.
    pub fork: u64,
    pub dropped: u64,
    /// Its last block that was read: what `PUT /accept` takes.
    pub head: Hash,
    /// Its length up to there.
    pub length: u64,
    /// Microseconds since the Unix epoch when it was offered last.
    pub at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// `Message added!`
    pub message: String,
    pub more_information: String,
    pub data: Data,
}

/// The answer to [`super::Request::PushBlocks`], also where they don't fit (409): what the
/// sender needs to know to send what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocksTaken {
    pub message: String,
    pub more_information: String,
    pub taken: u64,
    /// Blocks in the chain now.
    pub length: u64,
    pub head: Hash,
}

/// The answer to [`super::Request::PushData`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataTaken {
    /// Number of new messages.
    pub taken: u64,
    /// Where they are among those that came to this miner: nobody who sent them has to ask
    /// for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DataState {
    Unprocessed {
        /// SHA-256 of its text: two texts under one id are two messages.
        sha256: Hash,
        /// Height of the block in which another text was mined under the id first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other_index: Option<u64>,
    },
    Mined {
        index: u64,
        /// The number of blocks from it to the head, itself included.
        confirmations: u64,
        sha256: Hash,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other_index: Option<u64>,
    },
}

impl DataState {
    /// Height of the block in which another text was mined under the id first: told to those who ask
    /// by the id alone for a message that was accepted here.
    pub fn other_index(&self) -> Option<u64> {
        match self {
            Self::Unprocessed { other_index, .. } | Self::Mined { other_index, .. } => *other_index,
        }
    }

    pub fn sha256(&self) -> Hash {
        match self {
            Self::Unprocessed { sha256, .. } | Self::Mined { sha256, .. } => *sha256,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockName {
    Height(u64),
    /// The block with this hash, in the chain or in a kept branch.
    Hash(Hash),
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Height(height) => height.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
        }
    }
}

impl FromStr for BlockName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let height = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        text.parse().map(Self::Hash).ok().or_else(|| height().map(Self::Height)).ok_or(())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockAnswer {
    /// The block, as its canonical line.
    pub block: Box<RawValue>,
    pub hash: Hash,
    /// True if it is in the chain, false if it is in a kept branch.
    pub in_chain: bool,
    /// The number of blocks from it to the head, itself included; 0 outside of the chain.
    pub confirmations: u64,
    /// When and why it left the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Departure>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPage {
    pub data: Vec<Data>,
    /// Number of all pending messages.
    pub length: u64,
    /// Asks for what comes after these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourPage {
    pub neighbours: Vec<Address>,
    pub length: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<NeighbourDetail>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanPage {
    pub bans: Vec<Address>,
    pub length: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourDetail {
    pub neighbour: Address,
    pub state: NeighbourState,
    /// True if it was given by hand and is never forgotten.
    pub permanent: bool,
    /// Microseconds since the Unix epoch of its last good answer.
    pub last_answer: Option<u64>,
    pub failures: u32,
    pub reason: Option<String>,
    /// Microseconds since the Unix epoch before which it is not asked again.
    pub until: Option<u64>,
    /// Blocks it said to have.
    pub length: Option<u64>,
    pub head: Option<Hash>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighbourState {
    /// Not asked yet.
    New,
    Ok,
    /// Did not answer the last time.
    Failing,
    /// Sent what no honest miner sends, and is left alone for a while.
    Banned,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object() {
        let neighbour = "miner2:1".parse().unwrap();
        let event = Event { id: 6, at: 5, what: Happening::NeighbourCame { neighbour } };
        let json = r#"{"id":6,"at":5,"event":"neighbour_came","neighbour":"miner2:1"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<Event>(json).unwrap(), event);
    }
}
