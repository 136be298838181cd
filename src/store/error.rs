//! What can go wrong on disk, in words that say where and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::names::Names;
use crate::chain::{BlockError, Network, ReadError};

/// Something in a file that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as a path from where the chain path was given.
    pub file: String,
    /// Line in it, from 1.
    pub line: Option<u64>,
    pub block: Option<u64>,
    /// The field of the block, or the part of the line.
    pub field: String,
    pub found: String,
    /// The value that the rule asks for.
    pub expected: String,
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, block, field, found, expected, remedy } = self;
        write!(f, "{file}: ")?;
        if let Some(line) = line {
            write!(f, "line {line}: ")?;
        }
        if let Some(block) = block {
            write!(f, "block {block}: ")?;
        }
        write!(f, "{field}: found {found}, expected {expected}; {remedy}")
    }
}

impl Fault {
    /// A fault in line `line` of `file`, for which repair is the remedy.
    pub(super) fn new(names: &Names, file: &str, line: u64, field: &str) -> Self {
        Self {
            file: names.shown(file),
            line: Some(line),
            block: None,
            field: field.to_owned(),
            found: String::new(),
            expected: String::new(),
            remedy: format!("run \"blockchain repair {}\"", names.path().display()),
        }
    }

    pub(super) fn found(mut self, found: impl Into<String>, expected: impl Into<String>) -> Self {
        (self.found, self.expected) = (found.into(), expected.into());
        self
    }

    /// The block on line `line` breaks a rule.
    pub(super) fn of_block(names: &Names, file: &str, line: u64, error: BlockError) -> Self {
        let fault = Self::new(names, file, line, &error.field.to_string());
        Self { block: Some(error.block), ..fault.found(error.found, error.expected) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A path that names no usable file.
    #[error(
        "{} names no chain file; give the path of a file whose name is UTF-8 without control characters or backslash",
        path.display()
    )]
    Path { path: PathBuf },
    #[error(
        "another miner runs on {chain}: {lock} is locked by process {holder}; \
         stop that one, or give this one another CHAIN_PATH"
    )]
    Busy { chain: String, lock: String, holder: String },
    #[error("cannot {action} {file}: {source}")]
    Disk { action: &'static str, file: String, source: io::Error },
    /// A file is damaged; nothing was changed.
    #[error("cannot open {kind} {fault}")]
    Damaged { kind: &'static str, fault: Box<Fault> },
    /// The chain file is sound but belongs to another network.
    #[error(
        "chain file {file} is of network {} with difficulty {}, not of {} with {}; \
         start with \"--network {} --difficulty {}\", or give another CHAIN_PATH",
        found.name, found.difficulty, expected.name, expected.difficulty, found.name, found.difficulty
    )]
    OtherNetwork { file: String, found: Network, expected: Network },
    #[error(
        "chain file {file} is missing, but {trace} is there; run \"blockchain repair {file}\", \
         or start with --force-new-chain"
    )]
    Missing { file: String, trace: String },
    /// No chain file, and nothing that says that there was one.
    #[error("there is no chain file {file}")]
    NoChain { file: String },
    #[error("{file} is there already; give a folder without files of this name")]
    Present { file: String },
    #[error("cannot repair {file}: {reason}")]
    BeyondRepair { file: String, reason: String },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("stopped while {file} was read")]
    Stopped { file: String },
    /// A sync failed, or the file was changed; it takes nothing more until it was rewritten.
    #[error("{file} cannot be trusted since a write to it failed; it is being rewritten")]
    Poisoned { file: String },
}
