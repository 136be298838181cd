//! A block and its canonical line: the one spelling that is hashed, stored and sent.
//!
//! Reading is strict: whatever [`Block::read`] accepts is, byte for byte, what
//! [`Block::line`] writes. How a refused line is explained is `spelling`'s; whether a
//! block fits its parent is `rules`'.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::data::{Data, DataId, Message, decode_lower_hex};
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
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its 32 bytes.
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

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits")]
pub struct HashError;

/// A block's proof of work, written `<seal>-<nonce>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 of the block's line without its `proof` field.
    pub seal: Hash,
    /// Result of the search.
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
    /// Height, from 0.
    pub index: u64,
    /// Microseconds since the Unix epoch.
    pub timestamp: u64,
    /// The message and its id.
    pub data: Data,
    /// SHA-256 of the preceding block's line; `None` in the genesis block alone.
    pub previous_hash: Option<Hash>,
    /// `None` in the genesis block, and in a block still without its proof.
    pub proof: Option<Proof>,
}

impl Block {
    /// The first block of `network`.
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

/// Reads a line that is spelled canonically, or says where it is not.
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

/// A line that is being read.
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
            let at = quoted.floor_char_boundary(same);
            let expected: String = canonical[at..].chars().take(12).collect();
            return Err(wrong(at, format!("{expected:?}")));
        }
        limited(&text)
    }
}

/// Where the JSON string that `text` begins with ends.
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
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"index":1,"timestamp":1790000000123456,"data":{"id":"00112233445566778899aabbccddeeff","#,
        r#""message":"hello"},"previous_hash":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","#,
        r#""proof":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-17"}"#
    );

    #[test]
    fn a_line_read_and_written_is_the_same() {
        assert_eq!(Block::read(LINE, 1).unwrap().line(), LINE);
        for message in ["\"\\/\u{8}\u{c}\n\r\t\0\u{1f}", "ä😀\u{2028}\u{80}", "}", "\",\"x\":\""]
        {
            let mut block = Block::read(LINE, 1).unwrap();
            block.data.message = Message::new(message).unwrap();
            assert_eq!(Block::read(&block.line(), 1).unwrap(), block);
        }
    }

    #[test]
    fn the_genesis_line_is_the_published_one() {
        let network = Network {
            name: "main".parse().unwrap(),
            difficulty: super::super::network::Difficulty::DEFAULT,
        };
        let expected = concat!(
            r#"{"index":0,"timestamp":0,"data":{"id":"00000000000000000000000000000000","#,
            r#""message":"network=main difficulty=5"},"previous_hash":null,"proof":null}"#
        );
        assert_eq!(Block::genesis(&network).line(), expected);
        assert_eq!(Block::read(expected, 0).unwrap(), Block::genesis(&network));
    }

    #[test]
    fn the_unsealed_line_is_the_line_without_its_proof() {
        let block = Block::read(LINE, 1).unwrap();
        let end = LINE.find(",\"proof\"").unwrap();
        assert_eq!(block.unsealed_line(), format!("{}}}", &LINE[..end]));
    }

    /// Changes the line once, and wants a refusal that names `field` and says `words`.
    fn refused(from: &str, to: &str, field: &str, words: &str) {
        assert!(LINE.contains(from), "{from}");
        let error = Block::read(&LINE.replacen(from, to, 1), 1).unwrap_err().to_string();
        let head = format!("block 1: {field}: found ");
        assert!(error.starts_with(&head) && error.contains(words), "{from} -> {to}: {error}");
        assert!(error.contains(", expected "), "{error}");
    }

    #[test]
    fn every_other_spelling_is_refused_by_name() {
        refused("\"index\":1", "\"index\":2", "index", "found 2, expected 1");
        refused("\"index\":1", "\"index\":01", "index", "found \"01,");
        refused("\"index\":1", "\"index\":1.0", "line", "found \".0,");
        refused("\"index\":1", "\"index\":\"1\"", "index", "at byte 9, expected a whole number");
        refused("\"index\":1", "\"index\":-1", "index", "-1");
        refused("\"index\":1", "\"index\":1e0", "line", "e0");
        refused("{\"index\":1,", "{", "line", "timestamp");
        refused("{\"index\":1,", "{\"index\":1,\"index\":1,", "line", "at byte 10, expected");
        refused("{\"index\":1,", "{\"index\":1,\"extra\":1,", "line", "extra");
        refused("1790000000123456", "9007199254740992", "timestamp", "9007199254740992");
        refused("1790000000123456", "null", "timestamp", "null");
        refused("1790000000123456", "1790000000.5", "line", "found \".5");
        refused("00112233445566778899aabb", "00112233445566778899AABB", "data.id", "AABB");
        refused("00112233", "0011223", "data.id", "32 lower-case hex digits");
        refused("\"hello\"", "\"\"", "data.message", "empty");
        refused("\"hello\"", "5", "data.message", "found \"5}");
        refused("\"hello\"", "\"hell\\u006f\"", "data.message", "expected \"o\\\"\"");
        refused("\"hello\"", "\"a\\/b\"", "data.message", "expected \"/b\\\"\"");
        refused("\"hello\"", "\"\\u001F\"", "data.message", "at byte 104, expected \"f");
        refused("\"hello\"", "\"a\u{7f}\"", "data.message", "U+007F");
        refused("\"hello\"", "\"a\nb\"", "data.message", "Unicode text");
        refused("\"hello\"", "\"\\ud800\"", "data.message", "ud800");
        refused("\"hello\"", "\"hello", "line", "previous_hash");
        refused("\"data\":{", "\"data\":{\"size\":1,", "line", "size");
        refused(",\"message\":\"hello\"", "", "line", "previous_hash");
        refused("\"data\":{", "\"data\":{ ", "line", "byte");
        refused("{\"index\"", " {\"index\"", "line", "at byte 0, expected \"{");
        refused("-17\"}", "-17\"} ", "line", "expected the end of the line");
        refused("-17", "-017", "proof", "without leading zeros");
        refused("-17", "-", "proof", "found");
        refused("-17", "-+17", "proof", "found");
        refused("-17", "-18446744073709551616", "proof", "below 2^64");
        refused("bbbb-17", "bbbB-17", "proof", "found");
        refused("\"bbb", "\"bb", "proof", "found");
        refused("\"aaa", "\"Aaa", "previous_hash", "found \"\\\"Aaa");
        refused("\"previous_hash\"", "\"Previous_hash\"", "line", "Previous_hash");
        refused("-17\"}", "-17\"", "line", "found the end at byte");
    }

    #[test]
    fn reordered_fields_and_foreign_lines_are_refused() {
        let swapped = LINE.replacen(
            "\"index\":1,\"timestamp\":1790000000123456",
            "\"timestamp\":1790000000123456,\"index\":1",
            1,
        );
        let error = Block::read(&swapped, 1).unwrap_err().to_string();
        assert!(error.contains("at byte 0, expected \"{\\\"index"), "{error}");
        for foreign in ["", "null", "[]", "5", "{}", "<html>", &"[".repeat(200_000), &LINE[..80]] {
            assert!(Block::read(foreign, 1).is_err());
        }
    }

    #[test]
    fn every_changed_byte_is_refused_or_another_block() {
        let block = Block::read(LINE, 1).unwrap();
        for at in 0..LINE.len() {
            for bit in 0..7 {
                let mut bytes = LINE.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let line = String::from_utf8(bytes).unwrap();
                if let Ok(other) = Block::read(&line, 1) {
                    assert_ne!(other, block);
                    assert_eq!(other.line(), line);
                }
            }
        }
    }
}
