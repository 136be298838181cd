//! The token of `--write-token-file`: who shows it may change something from another host.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest token file: a token is a line.
const FILE_BYTES_MAX: u64 = 4096;

/// A secret that a miner wants to see before it changes anything. It never shows in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Reads a token file.
    ///
    /// # Errors
    /// In words, with the path and never with what is in the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed =
            |why: &dyn Display| format!("cannot read the token file {}: {why}", path.display());
        let mut text = String::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| failed(&error))?;
        text.parse().map_err(|why| failed(&why))
    }

    /// The value of the header `Authorization`.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Reads the value of the header `Authorization`.
    pub fn of_header(value: &str) -> Option<Self> {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.parse().ok()).flatten()
    }

    /// True if it is this one. It takes as long wherever the two differ.
    pub fn is(&self, other: &Self) -> bool {
        let differs = |(one, other): (u8, u8)| one ^ other;
        let pairs = self.0.bytes().zip(other.0.bytes());
        self.0.len() == other.0.len() && pairs.map(differs).fold(0, |all, one| all | one) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = &'static str;

    /// Reads the content of a token file: one word of visible ASCII.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim();
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        if is_word { Ok(Self(word.to_owned())) } else { Err("a token is one word of ASCII") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_compared_whole_and_never_shown() {
        let token: Token = " s3cret\n".parse().unwrap();
        for (header, is) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3creT", false),
            ("Bearer s3cret2", false),
        ] {
            assert_eq!(Token::of_header(header).unwrap().is(&token), is, "{header}");
        }
        for bad in ["", "Bearer", "Bearer ", "Basic s3cret", "Bearer a b", "s3cret"] {
            assert!(Token::of_header(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
