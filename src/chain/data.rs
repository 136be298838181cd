//! One message and the id it goes by, before and after it is in a block.
//!
//! Whoever holds a [`Message`] or a [`DataId`] holds one that keeps its limits.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json_text::json_text;

/// Longest message, in bytes of UTF-8.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// The one character a message can't hold: `jq` writes U+007F in another way than
/// `serde_json`, so such a block could not be checked with `jq` and `sha256sum`.
const DELETE_CHARACTER: char = '\u{7f}';

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataId([u8; 16]);

impl DataId {
    /// The genesis block's id.
    pub const ZERO: Self = Self([0; 16]);

    /// Makes a random (version 4) UUID of 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<16, false>::new().format(&self.0))
    }
}

impl fmt::Debug for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DataId {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        decode_lower_hex(text)
            .map(Self)
            .ok_or_else(|| DataError::Id(text.chars().take(80).collect()))
    }
}

json_text!(DataId);

/// A message of 1 to 65,536 bytes of UTF-8 without U+007F; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message(Arc<str>);

impl Message {
    /// Checks the limits of `text`.
    ///
    /// # Errors
    /// [`DataError`] says which limit it breaks.
    pub fn new(text: &str) -> Result<Self, DataError> {
        match text.len() {
            0 => Err(DataError::Empty),
            1..=MESSAGE_BYTES_MAX if text.contains(DELETE_CHARACTER) => Err(DataError::Delete),
            1..=MESSAGE_BYTES_MAX => Ok(Self(text.into())),
            bytes => Err(DataError::TooLong { bytes }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A message: its id and its text. What waits in the pool, and what a block holds. Two texts under
/// one id are two messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub id: DataId,
    pub message: Message,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    #[error("the message is empty; it needs 1 to {MESSAGE_BYTES_MAX} bytes")]
    Empty,
    #[error("the message has {bytes} bytes; at most {MESSAGE_BYTES_MAX} are allowed")]
    TooLong { bytes: usize },
    #[error("the message holds the character U+007F (delete), which is not allowed")]
    Delete,
    #[error("an id is 32 lower-case hex digits, not {0:?}")]
    Id(String),
}

/// The bytes that `text` spells in lower-case hex, or `None` if it is not just that.
pub(super) fn decode_lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) || text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    const_hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_1_to_65536_bytes_and_no_delete_character() {
        assert_eq!(Message::new(""), Err(DataError::Empty));
        assert!(Message::new("a").is_ok());
        assert!(Message::new(&"ä".repeat(MESSAGE_BYTES_MAX / 2)).is_ok());
        let long = "a".repeat(MESSAGE_BYTES_MAX + 1);
        let bytes = MESSAGE_BYTES_MAX + 1;
        assert_eq!(Message::new(&long), Err(DataError::TooLong { bytes }));
        assert_eq!(Message::new("a\u{7f}b"), Err(DataError::Delete));
        assert!(Message::new("\0\u{1}\u{80}\u{2028}😀").is_ok());
    }

    #[test]
    fn an_id_is_32_lower_case_hex_digits() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<DataId>().unwrap().to_string(), text);
        for bad in ["", "0x23456789abcdef0123456789abcdef", &text.to_uppercase(), &text[1..], "ä"]
        {
            assert!(bad.parse::<DataId>().is_err(), "{bad:?}");
        }
    }
}
