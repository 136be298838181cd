//! Why a line is not the canonical line of a block, in words for people.
//!
//! Off the hot path: a line comes here only after it was refused.

use std::fmt;

use serde_json::value::RawValue;

use super::block::{Hash, Proof, TIMESTAMP_END, decimal};
use super::data::{DataId, Message};

/// Longest stretch of a refused value that an error shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 120;

/// The fields of a block, in their order.
const FIELDS: [Field; 5] =
    [Field::Index, Field::Timestamp, Field::Data, Field::PreviousHash, Field::Proof];

/// The fields of a block's `data`, in their order.
const DATA_FIELDS: [Field; 2] = [Field::DataId, Field::Message];

/// The part of a block that broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The line as a whole.
    Line,
    /// `index`
    Index,
    /// `timestamp`
    Timestamp,
    /// `data` as a whole.
    Data,
    /// `data.id`
    DataId,
    /// `data.message`
    Message,
    /// `previous_hash`
    PreviousHash,
    /// `proof`
    Proof,
}

impl Field {
    /// The field's name within the object that holds it.
    fn key(self) -> &'static str {
        let name = self.name();
        name.rsplit('.').next().unwrap_or(name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Index => "index",
            Self::Timestamp => "timestamp",
            Self::Data => "data",
            Self::DataId => "data.id",
            Self::Message => "data.message",
            Self::PreviousHash => "previous_hash",
            Self::Proof => "proof",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rule that a block broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The line is no block, spelled as it has to be, at the height it has.
    Spelling,
    /// It follows the block before it.
    Link,
    /// Its timestamp is above that of the block before it.
    Order,
    /// Its timestamp is at most two hours ahead of the checking host's clock, which may be wrong.
    Clock,
    /// It has its seal and enough work.
    Work,
    /// Its message is in the chain once.
    Twice,
}

/// A block that breaks a rule: which block, which field, what was found and expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block}: {field}: found {found}, expected {expected}")]
pub struct BlockError {
    /// Height of the refused block.
    pub block: u64,
    /// The rule.
    pub rule: Rule,
    /// Where it went wrong.
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

/// Says why `line`, read as block `index`, is not canonical.
pub(super) fn explain(line: &str, index: u64) -> BlockError {
    let wrong = wrong_object(line).unwrap_or_else(|| wrong_bytes(line));
    let Wrong { field, found, expected } = wrong;
    BlockError { block: index, rule: Rule::Spelling, field, found, expected }
}

/// A fault within a line.
struct Wrong {
    field: Field,
    found: String,
    expected: String,
}

fn wrong(field: Field, found: impl Into<String>, expected: impl Into<String>) -> Wrong {
    Wrong { field, found: found.into(), expected: expected.into() }
}

/// The keys and raw values of a JSON object, in the order they stand in, duplicates kept.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The first fault in names, order, types or limits.
fn wrong_object(line: &str) -> Option<Wrong> {
    let members = match serde_json::from_str::<Members>(line) {
        Ok(members) => members,
        Err(error) => {
            let found = format!("{} ({error})", shown(line));
            return Some(wrong(Field::Line, found, "a block as one JSON object"));
        }
    };
    wrong_names(&members, Field::Line, &FIELDS).or_else(|| {
        members.0.iter().zip(FIELDS).find_map(|((_, raw), field)| wrong_value(field, raw.get()))
    })
}

fn wrong_names(members: &Members, whole: Field, fields: &[Field]) -> Option<Wrong> {
    for field in fields {
        match members.0.iter().filter(|(key, _)| key == field.key()).count() {
            0 if members.0.len() < fields.len() => {
                return Some(wrong(*field, "no such field", "it to be there"));
            }
            2.. => return Some(wrong(*field, "it twice", "it once")),
            _ => {}
        }
    }
    let order = || fields.iter().map(|field| field.key()).collect::<Vec<_>>().join(", ");
    let is_known = |key: &str| fields.iter().any(|field| field.key() == key);
    if let Some((key, _)) = members.0.iter().find(|(key, _)| !is_known(key)) {
        let found = format!("the field {}", shown(key));
        return Some(wrong(whole, found, format!("only {}", order())));
    }
    let misplaced = members.0.iter().zip(fields).find(|((key, _), field)| key != field.key());
    misplaced.map(|((key, _), field)| {
        let place = if *field == fields[0] { "first" } else { "out of order" };
        wrong(whole, format!("{} {place}", shown(key)), format!("the order {}", order()))
    })
}

/// The fault in one field's value, which is JSON.
fn wrong_value(field: Field, raw: &str) -> Option<Wrong> {
    let text = || serde_json::from_str::<String>(raw).ok();
    let (good, expected) = match field {
        Field::Index => (decimal(raw).is_some(), "a whole number without sign or fraction"),
        Field::Timestamp => (
            decimal(raw).is_some_and(|micros| micros < TIMESTAMP_END),
            "whole microseconds below 2^53",
        ),
        Field::DataId => {
            (text().is_some_and(|id| id.parse::<DataId>().is_ok()), "32 lower-case hex digits")
        }
        Field::PreviousHash => (
            raw == "null" || text().is_some_and(|hash| hash.parse::<Hash>().is_ok()),
            "64 lower-case hex digits",
        ),
        Field::Proof => (
            raw == "null" || text().is_some_and(|proof| proof.parse::<Proof>().is_ok()),
            "<64 lower-case hex digits>-<decimal nonce below 2^64 without leading zeros>",
        ),
        Field::Message => return wrong_message(raw),
        Field::Data => return wrong_data(raw),
        Field::Line => return None,
    };
    (!good).then(|| wrong(field, clipped(raw), expected))
}

fn wrong_data(raw: &str) -> Option<Wrong> {
    let Ok(members) = serde_json::from_str::<Members>(raw) else {
        return Some(wrong(Field::Data, clipped(raw), "an object of id and message"));
    };
    wrong_names(&members, Field::Data, &DATA_FIELDS).or_else(|| {
        members
            .0
            .iter()
            .zip(DATA_FIELDS)
            .find_map(|((_, raw), field)| wrong_value(field, raw.get()))
    })
}

fn wrong_message(raw: &str) -> Option<Wrong> {
    let Ok(text) = serde_json::from_str::<String>(raw) else {
        return Some(wrong(Field::Message, clipped(raw), "a string of Unicode text"));
    };
    if let Err(error) = Message::new(&text) {
        return Some(wrong(
            Field::Message,
            clipped(raw),
            format!("it within its limits ({error})"),
        ));
    }
    let canonical = serde_json::to_string(&text).expect("text is always JSON");
    difference(raw, &canonical).map(|(found, expected)| wrong(Field::Message, found, expected))
}

/// The first byte that differs from the canonical spelling, where names and values are right.
fn wrong_bytes(line: &str) -> Wrong {
    let compact = |members: Members, parts: fn(&str) -> String| {
        let members = members.0.iter().map(|(key, raw)| format!("\"{key}\":{}", parts(raw.get())));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let inner = |raw: &str| match serde_json::from_str::<Members>(raw) {
        Ok(members) => {
            let parts = members.0.iter().map(|(key, raw)| format!("\"{key}\":{}", raw.get()));
            format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
        }
        Err(_) => raw.to_owned(),
    };
    let canonical = serde_json::from_str(line).map(|members| compact(members, inner));
    let (found, expected) = difference(line, &canonical.unwrap_or_default())
        .unwrap_or_else(|| (shown(line), "other escapes".to_owned()));
    wrong(Field::Line, found, expected)
}

/// Where two texts part, as what was found and what was expected there.
fn difference(found: &str, expected: &str) -> Option<(String, String)> {
    let same = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
    let tail = |text: &str| {
        let start = (0..=same).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        shown(&text[start..].chars().take(12).collect::<String>())
    };
    (found != expected).then(|| (format!("{} at byte {same}", tail(found)), tail(expected)))
}

/// Text in quotes, shortened, with control characters escaped.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}

/// JSON as it stands, shortened, with control characters escaped.
fn clipped(raw: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    let short: String = raw.chars().take(SHOWN_CHARACTERS_MAX).map(escape).collect();
    let dots = if raw.chars().nth(SHOWN_CHARACTERS_MAX).is_some() { "…" } else { "" };
    format!("{short}{dots}")
}
