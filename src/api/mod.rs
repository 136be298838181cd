//! FLOOR 1: what a miner says and understands, used by server, jobs, CLI and UI alike.
//!
//! [`Request`] and [`Reply`] are the two things that cross every wall: HTTP ([`routes`]
//! writes and reads them), the link between a miner and its server process ([`link`]),
//! and the network ([`client`]).

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chain::{Data, DataId, Hash, Message};

mod address;
mod answers;
pub mod client;
pub mod link;
pub mod routes;

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use answers::{
    Added, BanPage, BlockAnswer, BlockName, BlocksTaken, ChainPage, DataPage, DataState, DataTaken,
    DeepReorganisation, Departure, Event, EventPage, FORK_BLOCKS_MAX, FORKS_MAX, FileReport, Fork,
    ForkBlock, ForksAnswer, Happening, Health, JobReport, MiningPace, MiningReport,
    NeighbourDetail, NeighbourPage, NeighbourState, Problem, RefusedBranch, Setting, Status,
    StatusReport, Syncing,
};

/// Most blocks in one answer to a request that names a limit.
pub const PAGE_BLOCKS_MAX: u64 = 10_000;

/// Bytes after which a page takes no further block or message: at least one is in it, and
/// the longest line is 394 KB.
pub const PAGE_BYTES: usize = 1 << 20;

/// Bytes that a message with its id takes in an answer: JSON spells some characters in six.
pub fn json_bytes(data: &Data) -> usize {
    /// `{"id":"","message":""},` with 32 hex digits.
    const AROUND: usize = 55;
    let spelled = |byte| match byte {
        b'"' | b'\\' | 8..=10 | 12 | 13 => 2,
        0..32 => 6,
        _ => 1,
    };
    AROUND + data.message.as_str().bytes().map(spelled).sum::<usize>()
}

/// Most bytes that a page, whole, can have: what a client has to be ready to read.
pub const PAGE_BYTES_MAX: u64 = 2 << 20;

/// Most bytes of blocks that are pushed at once, but for a single block, which may be longer.
pub const PUSH_BYTES: usize = 128 << 10;

/// Longest body of a push: the longest line of a block has 394 KB.
pub const PUSH_BYTES_MAX: usize = 400 << 10;

/// Most blocks that are pushed at once to a neighbour: a fork is hardly ever deeper. What is
/// missing below is asked for.
pub const PUSH_BLOCKS: u64 = 8;

/// Most events that a miner remembers of the last hour.
pub const EVENTS_MAX: usize = 1_000;

/// Most events about branches that a miner remembers: the others don't push them out.
pub const REORGANISATIONS_MAX: usize = 100;

/// Longest wait for an event, in seconds.
pub const EVENT_WAIT_MAX: u64 = 30;

/// Most ids of returned messages that one event names.
pub const RETURNED_IDS_MAX: usize = 20;

/// 16 random bytes that name one run of a miner, as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(DataId);

impl RunId {
    /// The id of these random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(DataId::from_bytes(bytes))
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RunId {
    type Err = crate::chain::DataError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Asks for the unprocessed data that came after an earlier answer: which run of the
/// miner gave that answer, and how much had come by then. Written `<run id>-<count>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// The run that counts; another run begins anew.
    pub run: RunId,
    /// Messages that had come.
    pub arrivals: u64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.run, self.arrivals)
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// More messages than ever come; as many fit into 64 bits, whatever they are.
const CURSOR_DIGITS_MAX: usize = 19;

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split_once('-').and_then(|(run, arrivals)| {
            let are_digits = arrivals.bytes().all(|byte| byte.is_ascii_digit());
            let is_number = are_digits && arrivals.len() <= CURSOR_DIGITS_MAX;
            let arrivals = is_number.then(|| arrivals.parse().ok())??;
            Some(Self { run: run.parse().ok()?, arrivals })
        });
        parts.ok_or("a cursor is what an earlier answer gave")
    }
}

/// Messages that came to a miner between two cursors of one run of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The cursor before.
    pub after: Cursor,
    /// The cursor behind.
    pub cursor: Cursor,
}

/// A request to a miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Keep this message and see to it that it is mined.
    Add {
        /// Chosen by a sender that wants to be able to repeat itself.
        id: Option<DataId>,
        /// The message.
        message: Message,
    },
    /// Blocks from height `from`; all of them without a limit.
    Chain {
        /// Height of the first.
        from: u64,
        /// Most that are wanted.
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
    /// Known neighbours.
    Neighbours {
        /// With how each behaves.
        details: bool,
    },
    /// Take this neighbour in.
    AddNeighbour(Address),
    /// Forget this neighbour.
    DeleteNeighbour(Address),
    /// Neighbours banned by hand: [`BanPage`].
    Bans,
    /// Leave this miner alone, in both directions.
    Ban(Address),
    /// Take a ban back.
    Unban(Address),
    /// Unprocessed data: all of it, or what is new since a cursor.
    Data {
        /// From an earlier answer.
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
        /// Its id.
        id: DataId,
        /// SHA-256 of its text: names one of several texts under the id.
        sha256: Option<Hash>,
    },
    /// A block, in the chain or in a kept branch.
    Block(BlockName),
    /// The branches that left the chain and are kept.
    Forks,
    /// Health of the miner: [`Health`].
    Health,
    /// Events of the last hour, or after an event: [`EventPage`].
    Events {
        /// Id of the event.
        after: Option<u64>,
        /// Seconds to wait for the first event after it, or after now; 0 to
        /// [`EVENT_WAIT_MAX`].
        wait: u64,
    },
    /// Settings, files, jobs and the search for a proof: [`StatusReport`].
    Status,
    /// Take the branch that was refused, which ends in this block.
    Accept(Hash),
    /// Hash rate and its limit: [`MiningPace`].
    Mining,
    /// Make so many guesses a second at most; 0 pauses, none lifts the limit.
    LimitMining(Option<u64>),
    /// Metrics, in the Prometheus text format.
    Metrics,
    /// Check these blocks and take them if they win: [`BlocksTaken`].
    PushBlocks {
        /// Lines of blocks, each the child of the one before.
        lines: Vec<String>,
    },
    /// Keep these messages, which a neighbour has: [`DataTaken`].
    PushData {
        /// The messages.
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

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The other end of the connection.
    pub ip: Option<IpAddr>,
    /// The introduction of a miner that asks.
    pub miner: Option<Introduction>,
    /// Proof that it may change something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<client::Token>,
}

/// The introduction of a miner that asks another, in the headers `Miner-Id` and
/// `Miner-Address`, so that knowing goes both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// This run of it.
    pub id: RunId,
    /// The host it wants to be known by; otherwise the caller's.
    pub host: Option<String>,
    /// Where it listens.
    pub port: u16,
}

/// Media type of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Media {
    /// JSON: every answer but one.
    #[default]
    Json,
    /// The Prometheus text format.
    Metrics,
}

impl Media {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Json, Self::Metrics];

    /// As in the header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// An answer: what goes out over HTTP, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Seconds after which to try again (`Retry-After`).
    pub retry_after: Option<u32>,
    /// Methods that the path takes (`Allow`).
    pub allow: Option<String>,
    /// Media type of the body.
    pub media: Media,
    /// The body.
    pub body: Vec<u8>,
    /// The request for the next part, if this is not the whole.
    pub rest: Option<Request>,
}

impl Reply {
    /// An answer of `status` with this body.
    pub fn new(status: u16, media: Media, body: Vec<u8>) -> Self {
        Self { status, retry_after: None, allow: None, media, body, rest: None }
    }

    /// An answer of `status` with this body, as JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("our own types are always JSON");
        Self::new(status, Media::Json, body)
    }

    /// An error: what went wrong, and what to know or do about it.
    pub fn problem(status: u16, message: &str, more_information: impl Into<String>) -> Self {
        let message = message.to_owned();
        Self::json(status, &Problem { message, more_information: more_information.into() })
    }

    /// A change is made: which, and what follows from it, in the words of a [`Problem`].
    pub fn done(message: &str, more_information: impl Into<String>) -> Self {
        Self::problem(200, message, more_information)
    }

    /// The same answer with `Retry-After`.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::data;

    #[test]
    fn a_message_is_measured_as_it_will_be_sent() {
        // 40 messages of NUL bytes made a page of 15 MB, which no neighbour could read.
        let every: String = (0..=0x100).map(char::from_u32).map(Option::unwrap).collect();
        for text in ["a", "\0", "\u{1f}\n\"\\", "ä\u{2028}😀", &every.replace('\u{7f}', "")] {
            let data = data(text);
            let sent = serde_json::to_vec(&data).unwrap().len();
            assert_eq!(json_bytes(&data), sent + 1, "{text:?}");
        }
    }
}
