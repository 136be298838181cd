//! Names of the miners of a class.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The names, in the order in which miners get them.
const NAMES: [&str; 12] =
    ["Ada", "Ben", "Cleo", "Dan", "Eva", "Fay", "Gus", "Hana", "Ivo", "Jana", "Kim", "Leo"];

/// Name of a miner of the class; its number is its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(usize);

impl Name {
    pub const COUNT: usize = NAMES.len();

    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    pub fn first() -> Self {
        Self(0)
    }

    pub fn number(self) -> usize {
        self.0
    }

    pub fn as_str(self) -> &'static str {
        NAMES[self.0]
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::all().find(|name| name.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("{text:?} is no miner; there are {}", NAMES.join(", ")))
    }
}
