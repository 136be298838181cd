//! The blocks that a chain file and its older versions still hold, and the best chain of them.

use std::collections::{HashMap, HashSet};

use crate::chain::{Hash, Rank};
use crate::store::error::StoreError;
use crate::store::files::Files;
use crate::store::salvage::{self, Salvaged};

/// A block in one of the files.
pub(super) struct Found {
    /// Which of the files, and the line in it, from 1.
    pub file: usize,
    line: u64,
    height: u64,
    hash: Hash,
}

/// All intact blocks, by the block that they follow.
pub(super) struct FoundBlocks {
    pub all: Vec<Found>,
    after: HashMap<Hash, Vec<usize>>,
}

impl FoundBlocks {
    pub fn find(files: &Files, all: &[&String]) -> Result<Self, StoreError> {
        let mut found = Self { all: Vec::new(), after: HashMap::new() };
        let mut seen = HashSet::new();
        for (file, name) in all.iter().enumerate() {
            each_line(files, name, |line, bytes| {
                for piece in salvage::blocks(bytes) {
                    let Salvaged::Block(block, text) = piece else { continue };
                    let (height, hash) = (block.index, Hash::of(&text));
                    if let Some(previous) = block.previous_hash
                        && seen.insert(hash)
                    {
                        found.after.entry(previous).or_default().push(found.all.len());
                        found.all.push(Found { file, line, height, hash });
                    }
                }
            })?;
        }
        Ok(found)
    }

    /// The blocks of the best chain that begins behind the genesis block, lowest first.
    pub fn best(&self, genesis: &Hash) -> Vec<usize> {
        let mut parents: HashMap<usize, usize> = HashMap::new();
        let (mut open, mut best) = (vec![(*genesis, 1, None)], None::<(Rank, usize)>);
        while let Some((hash, height, parent)) = open.pop() {
            for &at in self.after.get(&hash).into_iter().flatten() {
                let found = &self.all[at];
                if found.height != height {
                    continue;
                }
                if let Some(parent) = parent {
                    parents.insert(at, parent);
                }
                let rank = Rank::new(height + 1, found.hash);
                if best.is_none_or(|(other, _)| rank > other) {
                    best = Some((rank, at));
                }
                open.push((found.hash, height + 1, Some(at)));
            }
        }
        let mut way: Vec<usize> = Vec::new();
        let mut next = best.map(|(_, at)| at);
        while let Some(at) = next {
            way.push(at);
            next = parents.get(&at).copied();
        }
        way.reverse();
        way
    }

    /// The lines of these blocks of the files `all`, in parts; each run of one file is read in one
    /// go.
    pub fn lines<'a>(
        &'a self,
        files: &'a Files,
        all: &'a [&String],
        way: &'a [usize],
    ) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + 'a {
        let runs = way.chunk_by(|a, b| {
            let (a, b) = (&self.all[*a], &self.all[*b]);
            a.file == b.file && a.line <= b.line
        });
        let run = move |run: &'a [usize]| -> Result<Vec<u8>, StoreError> {
            let name = all[self.all[run[0]].file];
            let mut wanted = run.iter().map(|at| &self.all[*at]).peekable();
            let mut part = Vec::new();
            each_line(files, name, |line, bytes| {
                if wanted.peek().is_none_or(|found| found.line != line) {
                    return;
                }
                for piece in salvage::blocks(bytes) {
                    if let Salvaged::Block(_, text) = piece
                        && wanted.next_if(|found| found.hash == Hash::of(&text)).is_some()
                    {
                        part.extend_from_slice(text.as_bytes());
                        part.push(b'\n');
                    }
                }
            })?;
            Ok(part)
        };
        runs.map(run)
    }
}

pub(super) fn each_line(
    files: &Files,
    name: &str,
    mut each: impl FnMut(u64, &[u8]),
) -> Result<(), StoreError> {
    let Some(mut lines) = files.lines(name)? else { return Ok(()) };
    while let Some(line) = lines.next()? {
        each(line.number, line.bytes);
    }
    Ok(())
}
