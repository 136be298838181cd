//! The bodies of answers, as they are written and read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Address, Cursor, RunId, Span};
use crate::chain::{Data, DataId, Difficulty, Dropped, Hash, Micros, NetworkName, Why};

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

/// State of a miner.
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
    /// The name that its owner gave it (`--name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    /// Number of dropped blocks.
    pub depth: u64,
    /// Microseconds since the Unix epoch.
    pub at: u64,
}

/// A branch that would win, and drop more than `--finality-depth` allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBranch {
    /// Height of the last block that both share.
    pub fork: u64,
    /// Number of blocks that it would drop.
    pub dropped: u64,
    /// Its last block that was read: what `PUT /accept` takes.
    pub head: Hash,
    /// Its length up to there.
    pub length: u64,
    /// Microseconds since the Unix epoch when it was offered last.
    pub at: u64,
}

/// The answer to [`super::Request::Add`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// `Message added!`
    pub message: String,
    /// Explanation of the outcome.
    pub more_information: String,
    /// The message and its id.
    pub data: Data,
}

/// The answer to [`super::Request::PushBlocks`], also where they don't fit (409): what the
/// sender needs to know to send what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocksTaken {
    /// `Blocks taken!`, or why not.
    pub message: String,
    /// Explanation, with what to do.
    pub more_information: String,
    /// Number of blocks that were taken.
    pub taken: u64,
    /// Blocks in the chain now.
    pub length: u64,
    /// Hash of the last.
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

/// The answer to [`super::Request::DataState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DataState {
    /// It waits.
    Unprocessed {
        /// SHA-256 of its text: two texts under one id are two messages.
        sha256: Hash,
    },
    /// It is in the chain.
    Mined {
        /// Height of its block.
        index: u64,
        /// The number of blocks from it to the head, itself included.
        confirmations: u64,
        /// SHA-256 of its text.
        sha256: Hash,
    },
}

impl DataState {
    /// SHA-256 of the message's text.
    pub fn sha256(&self) -> Hash {
        match self {
            Self::Unprocessed { sha256 } | Self::Mined { sha256, .. } => *sha256,
        }
    }
}

/// Name of a block: its height or its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockName {
    /// The block of the chain at this height.
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

/// When and why a branch left the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Microseconds since the Unix epoch.
    pub at: Micros,
    /// Why.
    pub why: Why,
    /// Head of the chain that took its place.
    pub winner: Hash,
    /// The older version that holds the branch, once it is on disk.
    pub file: Option<String>,
}

impl Departure {
    /// That of a kept branch.
    pub fn of(dropped: &Dropped) -> Self {
        let Dropped { at, why, winner, file, .. } = dropped;
        Self { at: *at, why: *why, winner: *winner, file: file.clone() }
    }
}

/// The answer to [`super::Request::Block`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockAnswer {
    /// The block, as its canonical line.
    pub block: Box<RawValue>,
    /// SHA-256 of that line.
    pub hash: Hash,
    /// True if it is in the chain, false if it is in a kept branch.
    pub in_chain: bool,
    /// The number of blocks from it to the head, itself included; 0 outside of the chain.
    pub confirmations: u64,
    /// When and why it left the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Departure>,
}

/// Kept branches in an answer at the most; the newest come first.
pub const FORKS_MAX: usize = 100;

/// Blocks of a branch that an answer lists at the most.
pub const FORK_BLOCKS_MAX: usize = 100;

/// A kept branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Height of the last block that it shares with the chain it left.
    pub fork: u64,
    /// The number of its blocks.
    pub depth: u64,
    /// Hash of its last block.
    pub head: Hash,
    /// Its first blocks, at most [`FORK_BLOCKS_MAX`].
    pub blocks: Vec<ForkBlock>,
    /// When and why it left the chain.
    pub dropped: Departure,
}

/// A block of a kept branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkBlock {
    /// Height.
    pub index: u64,
    /// SHA-256 of its line.
    pub hash: Hash,
}

/// The answer to [`super::Request::Forks`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForksAnswer {
    /// Kept branches, newest first, at most [`FORKS_MAX`].
    pub forks: Vec<Fork>,
    /// The number of kept branches.
    pub length: u64,
}

/// The answer to [`super::Request::Data`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPage {
    /// Messages that wait.
    pub data: Vec<Data>,
    /// Number of all pending messages.
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
    /// Their number.
    pub length: u64,
    /// Behaviour of each, if asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<NeighbourDetail>,
}

/// The answer to [`super::Request::Bans`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanPage {
    /// Addresses banned by hand.
    pub bans: Vec<Address>,
    /// Their number.
    pub length: u64,
}

/// Behaviour of a neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourDetail {
    /// Where it is.
    pub neighbour: Address,
    /// `new`, `ok`, `failing`, `banned`
    pub state: NeighbourState,
    /// True if it was given by hand and is never forgotten.
    pub permanent: bool,
    /// Microseconds since the Unix epoch of its last good answer.
    pub last_answer: Option<u64>,
    /// Failures since that.
    pub failures: u32,
    /// Last failure.
    pub reason: Option<String>,
    /// Microseconds since the Unix epoch before which it is not asked again.
    pub until: Option<u64>,
    /// Blocks it said to have.
    pub length: Option<u64>,
    /// The head it said to have.
    pub head: Option<Hash>,
}

/// A miner's opinion of a neighbour.
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

/// The answer to [`super::Request::Events`]: what happened here in the last hour, or after an
/// event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// Oldest first; at most the newest [`super::EVENTS_MAX`], the newest
    /// [`super::REORGANISATIONS_MAX`] about branches, and the newest about messages.
    pub events: Vec<Event>,
    /// Their number.
    pub length: u64,
    /// Id of the newest event, or of the run's beginning before the first: `after` of the
    /// next question.
    #[serde(default)]
    pub last: u64,
    /// More happened after the event that was named than is told here: it is forgotten, or
    /// belongs to an earlier run.
    #[serde(default)]
    pub missed: bool,
}

/// Something that happened at a miner, e.g.
/// `{"id":1790000000123456,"at":1790000000123456,"event":"block","index":7,"hash":"…",…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises with every event: `at`, or one more than the id before where that is as high. So
    /// it rises over runs, too, unless the clock is set back between them.
    #[serde(default)]
    pub id: u64,
    /// Microseconds since the Unix epoch, by this miner's clock.
    pub at: u64,
    /// The event.
    #[serde(flatten)]
    pub what: Happening,
}

/// An event at a miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// The chain grew by a block on its head. Of blocks that came many at a time, only the
    /// last is told.
    Block {
        /// Height.
        index: u64,
        /// SHA-256 of its line.
        hash: Hash,
        /// The message in it.
        #[serde(rename = "data_id")]
        id: DataId,
        /// The neighbour that brought it; `null` if it was mined or handed in here.
        from: Option<Address>,
    },
    /// Blocks were dropped for a branch that wins.
    Reorganisation {
        /// Height of the last block that both share.
        fork: u64,
        /// Number of dropped blocks: its depth.
        dropped: u64,
        /// Hash of the last of them.
        dropped_head: Hash,
        /// Number of blocks that came in their place.
        adopted: u64,
        /// Hash of the last block now.
        head: Hash,
        /// Why the branch wins.
        why: Why,
        /// Messages that wait again, oldest first; at most the first
        /// [`super::RETURNED_IDS_MAX`].
        returned: Vec<DataId>,
        /// Number of messages that wait again.
        returned_count: u64,
        /// Whose branch it is.
        from: Option<Address>,
    },
    /// A branch that would win was refused: it would drop more than `--finality-depth` allows.
    BranchRefused {
        /// Height of the last block that both share.
        fork: u64,
        /// Number of blocks that it would drop.
        dropped: u64,
        /// Its last block that was read: what `PUT /accept` takes.
        head: Hash,
        /// Whose branch it is.
        from: Option<Address>,
    },
    /// Messages came that wait to be mined. Only the newest of these events is remembered.
    Messages {
        /// Number of messages that wait.
        unprocessed: u64,
    },
    /// A neighbour is new here, or answers again.
    NeighbourCame {
        /// Where it is.
        neighbour: Address,
    },
    /// A neighbour does not answer any more, is left alone, or was forgotten.
    NeighbourGone {
        /// Where it is.
        neighbour: Address,
        /// Why, in words.
        reason: String,
    },
}

/// The answer to [`super::Request::Status`]: what an owner wants to know of a miner. File
/// names come without their folders, since strangers may read this too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Microseconds since the Unix epoch, by this miner's clock.
    pub now: u64,
    /// The flags it runs with, as on the command line but without dashes before:
    /// `gossip-interval`, `20`.
    pub settings: Vec<Setting>,
    /// Files of its chain path.
    pub files: Vec<FileReport>,
    /// Its jobs.
    pub jobs: Vec<JobReport>,
    /// The block it searches a proof for; `null` while there is nothing to mine.
    pub mining: Option<MiningReport>,
}

/// A flag and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The flag's name.
    pub name: String,
    /// Its value, given or by default.
    pub value: String,
}

/// A file of a miner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// Its name, without the folder.
    pub name: String,
    /// `chain`, `hash`, `version` (an older chain), `journal` or `log`.
    pub kind: String,
    /// Its size.
    pub bytes: u64,
    /// Microseconds since the Unix epoch of its last change.
    pub changed: Option<u64>,
}

/// Rounds of a job of a miner. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// `gossip`, `sync_chain`, `mine`, …
    pub job: String,
    /// When its last round began; `null` before the first.
    pub last_run: Option<u64>,
    /// Duration of that round in microseconds; `null` while it runs.
    pub took: Option<u64>,
    /// When the next begins; `null` for a job that waits to be woken.
    pub next_run: Option<u64>,
    /// Why its last round failed; `null` if it did not.
    pub error: Option<String>,
}

/// The answer to [`super::Request::Mining`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiningPace {
    /// Most guesses a second; 0 while mining is paused, `null` without a limit.
    pub hash_rate_limit: Option<u64>,
    /// Nonces tried a second; the last measured.
    pub guesses_per_second: f64,
}

/// The search for a proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiningReport {
    /// Height of the block.
    pub index: u64,
    /// The message in it.
    pub id: DataId,
    /// Zeros that are asked for.
    pub difficulty: Difficulty,
    /// Microseconds since the Unix epoch of its beginning.
    pub since: u64,
    /// Nonces tried a second; the last measured.
    pub guesses_per_second: f64,
    /// Average duration of a search: 16^difficulty / guesses a second. It does not
    /// shrink by waiting.
    pub expected_seconds: f64,
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
