//! SHA-256 of a chain file that grows, and is now and then cut back.
//!
//! Remembers its state every so many lines, so that neither an extension nor a
//! reorganisation hashes the whole chain again.

use sha2::{Digest, Sha256};

use crate::chain::{ChainView, Hash};

/// Lines between two remembered states: about a megabyte to hash anew at worst, and about
/// 30 KiB of states for a million blocks.
const STRIDE: u64 = 4096;

/// The hash of some lines, each with its line break.
#[derive(Clone, Debug)]
pub(super) struct RunningHash {
    state: Sha256,
    lines: u64,
    /// The state after 0, `STRIDE`, 2 · `STRIDE` … lines, but for the present one.
    states: Vec<Sha256>,
}

impl RunningHash {
    pub fn new() -> Self {
        Self { state: Sha256::new(), lines: 0, states: Vec::new() }
    }

    pub fn push(&mut self, line: &str) {
        if self.lines.is_multiple_of(STRIDE) {
            self.states.push(self.state.clone());
        }
        self.state.update(line);
        self.state.update("\n");
        self.lines += 1;
    }

    pub fn digest(&self) -> Hash {
        self.state.clone().into()
    }

    /// The hash of the first `length` of the lines, which are those of `view`.
    pub fn cut_back(&self, view: &ChainView, length: u64) -> Self {
        let mark = (length / STRIDE).min(self.states.len() as u64);
        let marks = usize::try_from(mark).expect("it is at most the length of a Vec");
        let Some(state) = self.states.get(marks) else {
            return self.clone();
        };
        let lines = mark * STRIDE;
        let mut hash = Self { state: state.clone(), lines, states: self.states[..marks].to_vec() };
        let rest = usize::try_from(length - lines).expect("it is below the stride");
        view.lines_from(lines).take(rest).for_each(|line| hash.push(line));
        hash
    }
}

/// How many lines of `view` the file had when its hash was `recorded`.
pub(super) fn border(view: &ChainView, recorded: &Hash) -> Option<u64> {
    let mut hash = RunningHash::new();
    let mut borders = view.lines_from(0).map(|line| {
        hash.push(line);
        (hash.lines, hash.digest())
    });
    borders.find(|(_, digest)| digest == recorded).map(|(lines, _)| lines)
}
