//! What makes a network: its name and its difficulty.
//!
//! Both stand in the genesis block, so miners of two networks differ from their
//! first block on and can never mix. This file knows the limits of both and what
//! "enough work" means; the search for work is `pow`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::json_text::json_text;

/// Longest name of a network, in characters.
const NAME_CHARACTERS_MAX: usize = 32;

/// Number of zeros at the end of the hex form of a proof's hash: 1 to 64.
///
/// Each step more makes a block 16 times as much work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Difficulty(u8);

impl Difficulty {
    /// The difficulty of a network that names none.
    pub const DEFAULT: Self = Self(5);

    /// Makes a difficulty of `zeros` hex zeros, or `None` outside 1 to 64.
    pub const fn new(zeros: u8) -> Option<Self> {
        match zeros {
            1..=64 => Some(Self(zeros)),
            _ => None,
        }
    }

    pub const fn zeros(self) -> u8 {
        self.0
    }

    /// True if the hex form of `hash` ends with enough zeros.
    pub fn is_met_by(self, hash: &[u8; 32]) -> bool {
        let (bytes, half) = (usize::from(self.0) / 2, self.0 % 2 == 1);
        let (head, tail) = hash.split_at(32 - bytes);
        let half_met = || head.last().is_none_or(|byte| byte & 0x0f == 0);
        tail.iter().all(|&byte| byte == 0) && (!half || half_met())
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u8> for Difficulty {
    type Error = NetworkError;

    fn try_from(zeros: u8) -> Result<Self, NetworkError> {
        Self::new(zeros).ok_or_else(|| NetworkError::Difficulty(zeros.to_string()))
    }
}

impl From<Difficulty> for u8 {
    fn from(difficulty: Difficulty) -> Self {
        difficulty.zeros()
    }
}

impl FromStr for Difficulty {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        text.parse()
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| NetworkError::Difficulty(text.to_owned()))
    }
}

/// A network's name: 1 to 32 of a-z, 0-9 and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetworkName(String);

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

json_text!(NetworkName);

impl FromStr for NetworkName {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=NAME_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NetworkError::Name(text.to_owned()))
        }
    }
}

/// The two facts every miner of a network agrees on before the first contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Keeps networks apart that share a difficulty.
    #[serde(rename = "network")]
    pub name: NetworkName,
    /// Work asked of every block.
    pub difficulty: Difficulty,
}

/// A name or difficulty outside its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not 1 to 32 of the allowed characters.
    #[error("a network's name is 1 to {NAME_CHARACTERS_MAX} of a-z, 0-9 and -, not {0:?}")]
    Name(String),
    /// Not a whole number from 1 to 64.
    #[error("a difficulty is a whole number from 1 to 64, not {0:?}")]
    Difficulty(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulty_counts_hex_zeros_at_the_end() {
        let hash_with_zeros = |zeros: usize| {
            let text = format!("{}{}", "1".repeat(64 - zeros), "0".repeat(zeros));
            <[u8; 32]>::try_from(const_hex::decode(text).unwrap()).unwrap()
        };
        for zeros in 0..=64 {
            for asked in 1..=64 {
                let met = Difficulty::new(asked).unwrap().is_met_by(&hash_with_zeros(zeros));
                assert_eq!(met, zeros >= usize::from(asked), "{zeros} zeros, {asked} asked");
            }
        }
    }

    #[test]
    fn names_and_difficulties_have_limits() {
        for good in ["main", "a", "test-net-2", &"x".repeat(32)] {
            assert_eq!(good.parse::<NetworkName>().unwrap().to_string(), good);
        }
        for bad in ["", "Main", "a b", "ä", "a_b", &"x".repeat(33)] {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad:?}");
        }
        for bad in ["0", "65", "-1", "five", "", "300"] {
            assert!(bad.parse::<Difficulty>().is_err(), "{bad:?}");
        }
    }
}
