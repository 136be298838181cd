//! Blocks of neighbours that keep every rule and did not win: what follows them may.
//!
//! Neighbours push only what is new. Without these, the next block of a branch that has not won
//! yet would not fit, and its sender would have to be asked for the rest: over a line of 100 ms
//! there and back the better branch was mined on without us for that long.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::chain::Hash;

/// Blocks that are remembered, and at most followed back; the oldest go first.
pub const SIDES_MAX: usize = 64;

/// Bytes of their lines.
const BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub struct Sides(Mutex<VecDeque<(Hash, Arc<str>)>>);

impl Sides {
    pub fn note(&self, line: &str) {
        let hash = Hash::of(line);
        let mut sides = self.0.lock();
        if sides.iter().any(|(it, _)| *it == hash) {
            return;
        }
        sides.push_back((hash, line.into()));
        let mut bytes: usize = sides.iter().map(|(_, line)| line.len()).sum();
        while sides.len() > SIDES_MAX || bytes > BYTES_MAX {
            let Some((_, line)) = sides.pop_front() else { return };
            bytes -= line.len();
        }
    }

    pub fn line(&self, hash: &Hash) -> Option<Arc<str>> {
        self.0.lock().iter().find(|(it, _)| it == hash).map(|(_, line)| Arc::clone(line))
    }
}
