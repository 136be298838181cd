//! FLOOR 1: what a miner says and understands, used by server, jobs, CLI and UI alike.
//!
//! [`Request`] and [`Reply`] are the two things that cross every wall: HTTP ([`routes`]
//! writes and reads them), the link between a miner and its server process ([`link`]),
//! and the network ([`client`]).

use serde::{Deserialize, Serialize};

use crate::chain::{Data, DataId};

mod address;
mod answers;
pub mod client;
pub mod link;
mod reply;
mod request;
pub mod routes;

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use answers::{
    Added, BanPage, BlockAnswer, BlockName, BlocksTaken, ChainPage, DataPage, DataState, DataTaken,
    DeepReorganisation, Departure, Event, EventPage, FORK_BLOCKS_MAX, FORKS_MAX, FileReport, Fork,
    ForkBlock, ForksAnswer, Happening, Health, JobReport, MiningPace, MiningReport,
    NeighbourDetail, NeighbourPage, NeighbourState, Problem, RefusedBranch, Setting, Status,
    StatusReport, Syncing,
};
pub use reply::{Media, Reply};
pub use request::{Caller, Introduction, Request};

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

impl Cursor {
    /// One of no run, which asks for the first page of unprocessed data.
    pub fn beginning() -> Self {
        Self { run: RunId::from_random([0; 16]), arrivals: 0 }
    }
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
    pub after: Cursor,
    pub cursor: Cursor,
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
