//! Why a line is not the canonical line of a block, in words for people.
//!
//! Off the hot path: a line comes here only after it was refused.

use std::fmt;

use super::data::DataId;

/// Longest stretch of a refused line that an error shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Line,
    Index,
    Timestamp,
    Data,
    DataId,
    Message,
    PreviousHash,
    Proof,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "line",
            Self::Index => "index",
            Self::Timestamp => "timestamp",
            Self::Data => "data",
            Self::DataId => "data.id",
            Self::Message => "data.message",
            Self::PreviousHash => "previous_hash",
            Self::Proof => "proof",
        })
    }
}

/// The rule that a block broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Spelling,
    Link,
    Order,
    /// Its timestamp is at most two hours ahead of the checking host's clock, which may be wrong.
    Clock,
    Work,
    Twice,
}

/// A block that breaks a rule: which block, which field, what was found and expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block}: {field}: found {found}, expected {expected}")]
pub struct BlockError {
    pub block: u64,
    pub rule: Rule,
    pub field: Field,
    /// The text that stood there, shortened and with control characters escaped.
    pub found: String,
    /// The value that the rule asks for.
    pub expected: String,
}

impl BlockError {
    pub(super) fn index(found: u64, expected: u64) -> Self {
        let (found, wanted) = (found.to_string(), expected.to_string());
        let rule = Rule::Spelling;
        Self { block: expected, rule, field: Field::Index, found, expected: wanted }
    }

    /// The block at height `block` holds a message with this id that is in the chain already.
    pub fn twice(block: u64, id: &DataId) -> Self {
        let expected = "a message (id and text) that is not in the chain yet".to_owned();
        Self { block, rule: Rule::Twice, field: Field::Data, found: id.to_string(), expected }
    }
}

/// Where a line is not canonical, and what would be.
#[derive(Debug)]
pub(super) struct Wrong {
    pub field: Field,
    /// Byte of the line, where a character begins.
    pub at: usize,
    pub expected: String,
}

impl Wrong {
    /// The same about `line`, which was read as the block at height `block`.
    pub fn in_line(self, line: &str, block: u64) -> BlockError {
        let Self { field, at, expected } = self;
        let found = match &line[at..] {
            "" => format!("the end at byte {at}"),
            rest => format!("{} at byte {at}", shown(rest)),
        };
        BlockError { block, rule: Rule::Spelling, field, found, expected }
    }
}

/// Text in quotes, shortened, with control characters escaped.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}
