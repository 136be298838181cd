//! SHA-256 of a chain file that grows, and is now and then cut back.
//!
//! Remembers its state every so many bytes, so that neither an extension nor a
//! reorganisation hashes the whole chain again.

use sha2::{Digest, Sha256};

use crate::chain::{ChainView, Hash, ReadError};

/// Bytes between two remembered states, about: what is hashed anew at worst. A file of 1 GB has
/// about 1,000 states of 112 bytes.
const STRIDE_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug)]
struct Midstate {
    sha: Sha256,
    lines: u64,
    bytes: u64,
}

/// The hash of some lines, each with its line break.
#[derive(Clone, Debug)]
pub(super) struct RunningHash {
    now: Midstate,
    /// Earlier states, about [`STRIDE_BYTES`] apart; the first is of no line.
    marks: Vec<Midstate>,
}

impl RunningHash {
    pub fn new() -> Self {
        let now = Midstate { sha: Sha256::new(), lines: 0, bytes: 0 };
        Self { marks: vec![now.clone()], now }
    }

    pub fn bytes(&self) -> u64 {
        self.now.bytes
    }

    /// Goes on with `lines` whole lines.
    pub fn push(&mut self, text: &[u8], lines: u64) {
        if self.now.bytes - self.marks.last().map_or(0, |mark| mark.bytes) >= STRIDE_BYTES {
            self.marks.push(self.now.clone());
        }
        self.now.sha.update(text);
        self.now.lines += lines;
        self.now.bytes += text.len() as u64;
    }

    /// Goes on with a line without its line break.
    pub fn push_line(&mut self, line: &str) {
        self.push(line.as_bytes(), 0);
        self.now.sha.update("\n");
        self.now.lines += 1;
        self.now.bytes += 1;
    }

    pub fn digest(&self) -> Hash {
        self.now.sha.clone().into()
    }

    /// The hash of the first `length` of the lines, which are those of `view`.
    pub fn cut_back(&self, view: &ChainView, length: u64) -> Result<Self, ReadError> {
        let marks = self.marks.partition_point(|mark| mark.lines <= length);
        let marks = self.marks[..marks].to_vec();
        let now = marks.last().expect("the first is of no line").clone();
        let from = now.lines;
        let mut hash = Self { now, marks };
        for line in view.lines_from(from).take((length - from) as usize) {
            hash.push_line(&line?);
        }
        Ok(hash)
    }
}

/// True if a file with the lines of `view` had this hash when it had some lines less.
pub(super) fn has_border(view: &ChainView, recorded: &Hash) -> Result<bool, ReadError> {
    let mut hash = RunningHash::new();
    for line in view.lines_from(0) {
        hash.push_line(&line?);
        if hash.digest() == *recorded {
            return Ok(true);
        }
    }
    Ok(false)
}
