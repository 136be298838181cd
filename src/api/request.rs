//! A request to a miner, and who asks.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Address, BlockName, Cursor, RunId, Span, client};
use crate::chain::{Data, DataId, Hash, Message};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    Add {
        /// Chosen by a sender that wants to be able to repeat itself.
        id: Option<DataId>,
        message: Message,
    },
    /// Blocks from height `from`; all of them without a limit.
    Chain {
        from: u64,
        limit: Option<u64>,
    },
    /// The rest of a chain that is being sent in parts; never comes in over HTTP.
    ChainRest {
        /// Height of the first that was not sent.
        from: u64,
        /// Height to end before.
        until: u64,
        /// Hash of the last that was sent: if it is not in the chain any more, the answer
        /// can't be ended.
        after: Hash,
    },
    Neighbours {
        details: bool,
    },
    AddNeighbour(Address),
    DeleteNeighbour(Address),
    /// Neighbours banned by hand: [`super::BanPage`].
    Bans,
    /// Leave this miner alone, in both directions.
    Ban(Address),
    Unban(Address),
    /// Unprocessed data: all of it, or what is new since a cursor.
    Data {
        after: Option<Cursor>,
    },
    /// The rest of all unprocessed data; never comes in over HTTP.
    DataRest {
        /// Place in the order of age of the last that was sent.
        after: i64,
        /// Number of messages that were sent.
        sent: u64,
    },
    /// Where a message is.
    DataState {
        id: DataId,
        /// SHA-256 of its text: names one of several texts under the id.
        sha256: Option<Hash>,
    },
    /// A block, in the chain or in a kept branch.
    Block(BlockName),
    /// The branches that left the chain and are kept.
    Forks,
    /// Health of the miner: [`super::Health`].
    Health,
    /// Events of the last hour, or after an event: [`super::EventPage`].
    Events {
        after: Option<u64>,
        /// Seconds to wait for the first event after it, or after now; 0 to
        /// [`super::EVENT_WAIT_MAX`].
        wait: u64,
    },
    /// Settings, files, jobs and the search for a proof: [`super::StatusReport`].
    Status,
    /// Take the branch that was refused, which ends in this block.
    Accept(Hash),
    /// Hash rate and its limit: [`super::MiningPace`].
    Mining,
    /// Make so many guesses a second at most; 0 pauses, none lifts the limit.
    LimitMining(Option<u64>),
    Metrics,
    /// Check these blocks and take them if they win: [`super::BlocksTaken`].
    PushBlocks {
        /// Lines of blocks, each the child of the one before.
        lines: Vec<String>,
    },
    /// Keep these messages, which a neighbour has: [`super::DataTaken`].
    PushData {
        data: Vec<Data>,
        /// These are all that came to it between two cursors and that this miner may lack.
        span: Option<Box<Span>>,
    },
}

impl Request {
    /// Events of the last hour.
    pub const EVENTS: Self = Self::Events { after: None, wait: 0 };

    /// Longest wait for its answer until there is something to tell.
    pub fn wait(&self) -> Duration {
        let Self::Events { wait, .. } = self else { return Duration::ZERO };
        Duration::from_secs(*wait)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The other end of the connection.
    pub ip: Option<IpAddr>,
    pub miner: Option<Introduction>,
    /// Proof that it may change something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<client::Token>,
}

/// The introduction of a miner that asks another, in the headers `Miner-Id` and
/// `Miner-Address`, so that knowing goes both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    pub id: RunId,
    /// The host it wants to be known by; otherwise the caller's.
    pub host: Option<String>,
    pub port: u16,
}
