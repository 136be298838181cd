//! The loads and the kills, drawn from the seed.

use std::time::Duration;

use blockchain::chain::{DataId, Hash};

/// Choices that follow from a seed.
pub struct Random(fastrand::Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// One below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.u64(..end)
    }

    /// One of `from` to `to`, small ones as often as large ones by their number of digits.
    pub fn by_size(&mut self, from: u64, to: u64) -> u64 {
        let drawn = from as f64 * (to as f64 / from as f64).powf(self.0.f64());
        (drawn.round() as u64).clamp(from, to)
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        *self.0.choice(all).expect("there is one")
    }

    pub fn shuffled<T: Copy, const N: usize>(&mut self, mut all: [T; N]) -> [T; N] {
        self.0.shuffle(&mut all);
        all
    }
}

/// Longest message.
pub const MESSAGE_BYTES_MAX: u64 = 65_536;

/// A message that was or will be sent. Its text follows from this.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub number: u64,
    pub bytes: u64,
    fill: char,
}

impl Spec {
    pub fn text(&self) -> String {
        let mut text = format!("{} ", self.number);
        text.truncate(self.bytes as usize);
        let room = self.bytes as usize - text.len();
        text.extend(std::iter::repeat_n(self.fill, room / self.fill.len_utf8()));
        text
    }

    pub fn id(&self) -> DataId {
        let hash = Hash::of(format!("message {}", self.number));
        DataId::from_bytes(hash.as_bytes()[..16].try_into().unwrap())
    }
}

/// How long messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    Tiny,
    Mixed,
    Large,
}

impl Sizes {
    pub fn draw(self, number: u64, random: &mut Random) -> Spec {
        let bytes = match self {
            Self::Tiny => random.by_size(1, 100),
            Self::Mixed => random.by_size(1, MESSAGE_BYTES_MAX),
            Self::Large => random.by_size(16_384, MESSAGE_BYTES_MAX),
        };
        // A control character takes six bytes in a line, so that the longest lines come about.
        let fill = match random.below(8) {
            0 | 1 => '\u{1}',
            2 => '"',
            3 => 'ä',
            4 => '\n',
            _ => 'x',
        };
        Spec { number, bytes, fill }
    }
}

/// How many messages the loaders keep waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    None,
    Some,
    Many,
    /// As many as the pool takes.
    Full,
}

/// What a kill is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Any moment.
    Chance,
    /// The server process, at any moment; then the miner.
    ServerProcess,
    /// An operation of the disk on any file.
    Operation,
    /// The journal that is written anew, or the time until the next save after that.
    Compaction,
    /// Blocks that are appended to the chain file, and its hash.
    Save,
    /// Another end of the chain file that takes the place of the present one.
    Replacement,
    /// A message that is on disk, or nearly, and is not answered yet.
    Reply,
}

pub const AIMS: [Aim; 7] = [
    Aim::Chance,
    Aim::ServerProcess,
    Aim::Operation,
    Aim::Compaction,
    Aim::Save,
    Aim::Replacement,
    Aim::Reply,
];

/// Operations of the disk, and about how many of each a life has.
const OPERATIONS: [(&str, u64); 7] = [
    ("write", 25),
    ("sync", 25),
    ("rename", 6),
    ("sync-folder", 6),
    ("link", 2),
    ("remove", 6),
    ("truncate", 2),
];

/// The operations of a compaction. The first removal is the start's.
const COMPACTION: [(&str, u64); 5] = [
    ("remove:test.data.tmp", 2),
    ("write:test.data.tmp", 2),
    ("sync:test.data.tmp", 1),
    ("rename:test.data.tmp", 1),
    ("sync-folder:test.data", 1),
];

/// The operations of a save.
const SAVE: [(&str, u64); 6] = [
    ("write:test.chain", 3),
    ("sync:test.chain", 3),
    ("write:test.hash.tmp", 3),
    ("sync:test.hash.tmp", 3),
    ("rename:test.hash.tmp", 3),
    ("sync-folder:test.hash", 3),
];

/// The operations of a replacement: the record of what is to be done, the end of the chain file
/// that is cut off, and the removal of the record.
const REPLACEMENT: [(&str, u64); 7] = [
    ("write:test.redo.tmp", 2),
    ("sync:test.redo.tmp", 2),
    ("rename:test.redo", 2),
    ("sync-folder:test.redo", 2),
    ("truncate:test.chain", 2),
    ("remove:test.redo", 2),
    ("rename:test.hash.tmp", 3),
];

/// The operations between a message and its answer.
const REPLY: [(&str, u64); 2] = [("write:test.data", 20), ("sync:test.data", 20)];

/// When the miner is killed, if not after a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// At an operation, by the program itself.
    Point(String),
    /// So long after a new file has taken this name.
    Renamed(&'static str, Duration),
}

/// One life of a miner.
#[derive(Clone, Debug)]
pub struct Plan {
    pub aim: Aim,
    pub sizes: Sizes,
    pub backlog: Backlog,
    /// Messages that the loaders keep waiting.
    pub waiting: u64,
    /// Requests that a connection sends before it reads an answer.
    pub pipelined: u64,
    pub connections: u64,
    /// How long it is loaded, unless its trigger comes first.
    pub length: Duration,
    pub backup_interval: &'static str,
    /// That mine: several get more of a busy host.
    pub threads: &'static str,
    /// Whether a rival has a longer branch.
    pub is_rivalled: bool,
    pub trigger: Option<Trigger>,
    /// Whether the miner is started and stopped in order before the next life.
    pub is_stopped_after: bool,
}

impl Plan {
    pub fn draw(aim: Aim, difficulty: u8, random: &mut Random) -> Self {
        let (mut sizes, mut backlog) = match aim {
            // Enough bytes have to be mined.
            Aim::Compaction => (random.one_of(&[Sizes::Mixed, Sizes::Large]), Backlog::Some),
            _ => {
                let backlogs = [Backlog::None, Backlog::Some, Backlog::Some, Backlog::Many];
                let sizes = [Sizes::Tiny, Sizes::Tiny, Sizes::Mixed, Sizes::Large];
                (random.one_of(&sizes), random.one_of(&backlogs))
            }
        };
        let mut length = match random.below(20) {
            0..=9 => random.by_size(50, 300),
            10..=15 => random.by_size(300, 1_000),
            16..=18 => random.by_size(1_000, 5_000),
            _ => random.by_size(5_000, 20_000),
        };
        match aim {
            Aim::Chance if random.below(4) == 0 => {
                (sizes, backlog) = (random.one_of(&[Sizes::Mixed, Sizes::Large]), Backlog::Full);
                length = length.max(4_000);
            }
            Aim::Chance | Aim::ServerProcess => {}
            Aim::Compaction if difficulty == 5 => (sizes, length) = (Sizes::Large, 6_000),
            Aim::Compaction => length = 4_000,
            Aim::Replacement => length = 3_000,
            Aim::Operation | Aim::Save | Aim::Reply => length = 1_000,
        }
        let waiting = match backlog {
            Backlog::None => 0,
            Backlog::Some if aim == Aim::Compaction && difficulty == 5 => random.by_size(1, 4),
            Backlog::Some => random.by_size(2, 100),
            Backlog::Many => random.by_size(500, 5_000),
            Backlog::Full => u64::MAX,
        };
        let is_full = backlog == Backlog::Full;
        let rivals = if aim == Aim::Replacement { 1 } else { 5 };
        Self {
            aim,
            sizes,
            backlog,
            waiting,
            pipelined: if is_full { 32 } else { random.one_of(&[1, 4, 32]) },
            connections: random.by_size(if is_full { 4 } else { 1 }, 8),
            length: Duration::from_millis(length),
            backup_interval: random.one_of(&["0.1", "0.1", "0.5", "30"]),
            threads: random.one_of(&["1", "2", "4"]),
            is_rivalled: random.below(rivals) == 0,
            trigger: trigger(aim, random),
            is_stopped_after: random.below(4) == 0,
        }
    }
}

fn trigger(aim: Aim, random: &mut Random) -> Option<Trigger> {
    let renamed = |file, random: &mut Random| {
        Some(Trigger::Renamed(file, Duration::from_millis(random.by_size(1, 900))))
    };
    let is_renamed = random.below(2) == 0;
    let points: &[(&str, u64)] = match aim {
        Aim::Chance | Aim::ServerProcess => return None,
        Aim::Compaction if is_renamed => return renamed("test.data", random),
        Aim::Replacement if is_renamed => return renamed("test.redo", random),
        Aim::Operation => &OPERATIONS,
        Aim::Compaction => &COMPACTION,
        Aim::Save => &SAVE,
        Aim::Replacement => &REPLACEMENT,
        Aim::Reply => &REPLY,
    };
    let (operation, often) = random.one_of(points);
    let when = random.one_of(&["before", "after"]);
    Some(Trigger::Point(format!("{when}-{operation}:{}", 1 + random.below(often))))
}
