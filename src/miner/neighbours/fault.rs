//! What can be wrong with a neighbour, and what becomes of it.

use std::fmt;

/// Why a neighbour gave nothing useful.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It did not answer, or can't: to be tried again, less and less often.
    #[error("{0}")]
    Failing(String),
    /// An honest miner can look like this (its clock is off, say): to be shown, no more.
    #[error("{0}")]
    Odd(String),
    /// Its chain changed while it was read, which can happen once or twice to an honest
    /// miner: to be asked again, and left alone for a while if it goes on.
    #[error("its chain changed while it was read: {0}")]
    Changed(String),
    /// No honest miner does this: to be left alone for a while.
    #[error("{0}")]
    Lying(String),
    /// It is of another network: not to be a neighbour.
    #[error("{0}")]
    Stranger(String),
    /// It is this miner: not to be a neighbour.
    #[error("it is this miner itself")]
    Ourselves,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it is none, or it is only shown.
    Kept,
    /// It answered until now, and is tried again.
    Gone,
    /// It failed before, and is tried again.
    Failing,
    Banned,
    Forgotten,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Banned => "banned",
            Self::Forgotten => "forgotten",
        })
    }
}
