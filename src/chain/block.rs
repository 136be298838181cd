//! A block and its canonical line: the one spelling that is hashed, stored and sent.
//!
//! Reading is strict: whatever [`Block::read`] accepts is, byte for byte, what
//! [`Block::line`] writes. How a refused line is explained is `spelling`'s; whether a
//! block fits its parent is `rules`'.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::data::{Data, DataId, Message, decode_lower_hex};
use super::json_text::json_text;
use super::network::Network;
use super::spelling::{BlockError, Field, Wrong};

/// Timestamps stay below 2^53, where every integer is exact in jq and JavaScript.
pub const TIMESTAMP_END: u64 = 1 << 53;

/// A SHA-256 hash: of a block's line, or (the seal) of that line without its proof.
///
/// Ordered as its hex form is, which the fork choice uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<Sha256> for Hash {
    fn from(state: Sha256) -> Self {
        Self(state.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<32, false>::new().format(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        decode_lower_hex(text).map(Self).ok_or(HashError)
    }
}

json_text!(Hash);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits")]
pub struct HashError;

/// A block's proof of work, written `<seal>-<nonce>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 of the block's line without its `proof` field.
    pub seal: Hash,
    pub nonce: u64,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seal, self.nonce)
    }
}

impl FromStr for Proof {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let (seal, nonce) = text.split_once('-').ok_or(HashError)?;
        let nonce = decimal(nonce).ok_or(HashError)?;
        Ok(Self { seal: seal.parse()?, nonce })
    }
}

/// A block: one message, the hash of the block before it, and the proof of work.
///
/// Well spelled, but not checked against its parent: that makes a `ValidBlock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub index: u64,
    pub timestamp: u64,
    pub data: Data,
    /// SHA-256 of the preceding block's line; `None` in the genesis block alone.
    pub previous_hash: Option<Hash>,
    /// `None` in the genesis block, and in a block still without its proof.
    pub proof: Option<Proof>,
}

impl Block {
    pub fn genesis(network: &Network) -> Self {
        let text = format!("network={} difficulty={}", network.name, network.difficulty);
        let message = Message::new(&text).expect("a name and a difficulty are short");
        let data = Data { id: DataId::ZERO, message };
        Self { index: 0, timestamp: 0, data, previous_hash: None, proof: None }
    }

    /// Reads the canonical line of the block at height `index`.
    ///
    /// # Errors
    /// [`BlockError`] names the field, what was found and what was expected; the height in
    /// it is `index`, which the line itself need not have.
    pub fn read(line: &str, index: u64) -> Result<Self, BlockError> {
        let block = scan(line).map_err(|wrong| wrong.in_line(line, index))?;
        if block.index == index { Ok(block) } else { Err(BlockError::index(block.index, index)) }
    }

    /// The canonical line, without a line break.
    pub fn line(&self) -> String {
        let mut line = self.unsealed_line();
        line.pop();
        match &self.proof {
            Some(proof) => write!(line, ",\"proof\":\"{proof}\"}}"),
            None => write!(line, ",\"proof\":null}}"),
        }
        .expect("a String takes all");
        line
    }

    /// The line without its `proof` field, whose SHA-256 is the seal.
    pub fn unsealed_line(&self) -> String {
        let Self { index, timestamp, data, previous_hash, .. } = self;
        let message = serde_json::to_string(&data.message).expect("text is always JSON");
        let previous = previous_hash.map_or_else(|| "null".into(), |hash| format!("\"{hash}\""));
        format!(
            "{{\"index\":{index},\"timestamp\":{timestamp},\"data\":{{\"id\":\"{}\",\
             \"message\":{message}}},\"previous_hash\":{previous}}}",
            data.id
        )
    }
}

fn scan(line: &str) -> Result<Block, Wrong> {
    let mut rest = Scanner { line, rest: line };
    rest.literal("{\"index\":")?;
    let index = rest.value(Field::Index, "a whole number", Scanner::number)?;
    rest.literal(",\"timestamp\":")?;
    let micros = |rest: &mut Scanner<'_>| rest.number().filter(|micros| *micros < TIMESTAMP_END);
    let timestamp = rest.value(Field::Timestamp, "whole microseconds below 2^53", micros)?;
    rest.literal(",\"data\":{\"id\":\"")?;
    let id = |rest: &mut Scanner<'_>| rest.take(32)?.parse().ok();
    let id = rest.value(Field::DataId, "32 lower-case hex digits", id)?;
    rest.literal("\",\"message\":")?;
    let message = rest.message()?;
    rest.literal("},\"previous_hash\":")?;
    let previous_hash = rest.value(Field::PreviousHash, HASH, Scanner::optional)?;
    rest.literal(",\"proof\":")?;
    let proof = rest.value(Field::Proof, PROOF, Scanner::optional)?;
    rest.literal("}")?;
    match rest.rest {
        "" => Ok(Block { index, timestamp, data: Data { id, message }, previous_hash, proof }),
        rest => Err(Wrong {
            field: Field::Line,
            at: line.len() - rest.len(),
            expected: "the end of the line".to_owned(),
        }),
    }
}

const HASH: &str = "64 lower-case hex digits, or null";

const PROOF: &str = "<64 lower-case hex digits>-<decimal nonce below 2^64 without leading zeros>";

struct Scanner<'a> {
    line: &'a str,
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn literal(&mut self, expected: &str) -> Result<(), Wrong> {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.wrong(Field::Line, self.rest, format!("{expected:?}"))),
        }
    }

    fn value<T>(
        &mut self,
        field: Field,
        expected: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Wrong> {
        let start = self.rest;
        read(self).ok_or_else(|| self.wrong(field, start, expected.to_owned()))
    }

    /// A fault where `rest` is left of the line.
    fn wrong(&self, field: Field, rest: &str, expected: String) -> Wrong {
        Wrong { field, at: self.line.len() - rest.len(), expected }
    }

    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        decimal(self.take(digits)?)
    }

    /// A value in quotes and without escapes, or `null`.
    fn optional<T: FromStr>(&mut self) -> Option<Option<T>> {
        if let Some(rest) = self.rest.strip_prefix("null") {
            self.rest = rest;
            return Some(None);
        }
        let (text, rest) = self.rest.strip_prefix('"')?.split_once('"')?;
        self.rest = rest;
        text.parse().ok().map(Some)
    }

    /// A message, with the escapes that `serde_json` writes and no others.
    fn message(&mut self) -> Result<Message, Wrong> {
        let start = self.rest;
        let quoted = self.value(Field::Message, "a string of Unicode text", |rest| {
            let end = closing_quote(rest.rest)?;
            rest.take(end + 1)
        })?;
        let wrong = |at: usize, expected| self.wrong(Field::Message, &start[at..], expected);
        let limited = |text: &str| {
            Message::new(text).map_err(|error| wrong(0, format!("it within its limits ({error})")))
        };
        let plain = &quoted[1..quoted.len() - 1];
        if plain.bytes().all(|b| b >= 0x20 && b != b'\\') {
            return limited(plain);
        }
        let Ok(text) = serde_json::from_str::<String>(quoted) else {
            return Err(wrong(0, "a string of Unicode text".to_owned()));
        };
        let canonical = serde_json::to_string(&text).expect("text is always JSON");
        let same = quoted.bytes().zip(canonical.bytes()).take_while(|(a, b)| a == b).count();
        if same < quoted.len() {
            let at = (0..=same).rev().find(|at| quoted.is_char_boundary(*at)).unwrap_or(0);
            let expected: String = canonical[at..].chars().take(12).collect();
            return Err(wrong(at, format!("{expected:?}")));
        }
        limited(&text)
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    if bytes.first() != Some(&b'"') {
        return None;
    }
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// A decimal number as it is written without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
