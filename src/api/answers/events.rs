//! Answers that tell of events.

use serde::{Deserialize, Serialize};

use crate::api::Address;
use crate::chain::{DataId, Hash, Why};

/// The answer to [`crate::api::Request::Events`]: what happened here in the last hour, or after an
/// event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventPage {
    /// Oldest first; at most the newest [`crate::api::EVENTS_MAX`], the newest
    /// [`crate::api::REORGANISATIONS_MAX`] about branches, and the newest about messages.
    pub events: Vec<Event>,
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
    #[serde(flatten)]
    pub what: Happening,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// The chain grew by a block on its head. Of blocks that came many at a time, only the
    /// last is told.
    Block {
        index: u64,
        /// SHA-256 of its line.
        hash: Hash,
        #[serde(rename = "data_id")]
        id: DataId,
        /// The neighbour that brought it; `null` if it was mined or handed in here.
        from: Option<Address>,
    },
    /// Blocks were dropped for a branch that wins.
    Reorganisation {
        /// Height of the last block that both share.
        fork: u64,
        dropped: u64,
        dropped_head: Hash,
        adopted: u64,
        head: Hash,
        why: Why,
        /// Messages that wait again, oldest first; at most the first
        /// [`crate::api::RETURNED_IDS_MAX`].
        returned: Vec<DataId>,
        /// Number of messages that wait again.
        returned_count: u64,
        /// Whose branch it is.
        from: Option<Address>,
    },
    /// A branch that would win was refused: it would drop more than `--finality-depth` allows.
    BranchRefused {
        fork: u64,
        dropped: u64,
        /// Its last block that was read: what `PUT /accept` takes.
        head: Hash,
        from: Option<Address>,
    },
    /// Messages came that wait to be mined. Only the newest of these events is remembered.
    Messages { unprocessed: u64 },
    /// A neighbour is new here, or answers again.
    NeighbourCame { neighbour: Address },
    /// A neighbour does not answer any more, is left alone, or was forgotten.
    NeighbourGone { neighbour: Address, reason: String },
}
