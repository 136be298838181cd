//! The bodies of answers, as they are written and read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Address, Cursor, RunId};
use crate::chain::{Data, Difficulty, Hash, NetworkName};

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
    /// What went wrong, in a few words.
    pub message: String,
    /// What to know or do about it.
    pub more_information: String,
}

/// Whether a miner is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ok,
    /// Something has to be done by its owner.
    Failing,
}

/// The answer to [`super::Request::Health`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` or `failing`.
    pub status: Status,
    /// This run.
    pub id: RunId,
    /// The program's version.
    pub version: String,
    /// The network's name.
    pub network: NetworkName,
    /// The network's difficulty.
    pub difficulty: Difficulty,
    /// SHA-256 of the genesis block's line.
    pub genesis: Hash,
    /// Blocks, the genesis block included.
    pub length: u64,
    /// Hash of the last block.
    pub head: Hash,
    /// Messages that wait.
    pub unprocessed: u64,
    /// Neighbours known.
    pub neighbours: u64,
    /// Whole seconds since the start.
    pub uptime_seconds: u64,
    /// What is wrong, in words; nothing while `ok`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// The answer to [`super::Request::Add`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// `Message added!`
    pub message: String,
    /// What happens next.
    pub more_information: String,
    /// The message and its id.
    pub data: Data,
}

/// The answer to [`super::Request::DataState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DataState {
    /// It waits.
    Unprocessed,
    /// It is in the chain.
    Mined {
        /// In the block of this height.
        index: u64,
        /// With so many blocks from it to the head, itself included.
        confirmations: u64,
    },
}

/// The answer to [`super::Request::Data`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPage {
    /// Messages that wait.
    pub data: Vec<Data>,
    /// How many wait in all.
    pub length: u64,
    /// Asks for what comes after these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// The answer to [`super::Request::Neighbours`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourPage {
    /// Their addresses.
    pub neighbours: Vec<Address>,
    /// How many.
    pub length: u64,
    /// How each behaves, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<NeighbourDetail>,
}

/// How a neighbour behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourDetail {
    /// Where it is.
    pub neighbour: Address,
    /// `new`, `ok`, `failing`, `banned`
    pub state: NeighbourState,
    /// Whether it was given by hand and is never forgotten.
    pub permanent: bool,
    /// Microseconds since the Unix epoch of its last good answer.
    pub last_answer: Option<u64>,
    /// Failures since that.
    pub failures: u32,
    /// What went wrong last.
    pub reason: Option<String>,
    /// Microseconds since the Unix epoch before which it is not asked again.
    pub until: Option<u64>,
    /// Blocks it said to have.
    pub length: Option<u64>,
    /// The head it said to have.
    pub head: Option<Hash>,
}

/// What a miner makes of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighbourState {
    /// Not asked yet.
    New,
    /// Answers.
    Ok,
    /// Did not answer the last time.
    Failing,
    /// Sent what no honest miner sends, and is left alone for a while.
    Banned,
}
