//! What a simulated disk loses when the power goes: bytes and names that were not synced.

use std::collections::BTreeMap;

/// Smallest stretch that the disk writes or does not write.
const SECTOR_BYTES: usize = 512;

/// The part lost of all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Of each file the writes stay up to this many bytes, of the names this many changes.
    Behind {
        /// Bytes that stay.
        bytes: usize,
        /// Changes of names that stay.
        names: usize,
    },
    /// Every file has its new length, but zeros stand where sectors were written, from
    /// this one on (0: the first); of the names this many changes stay.
    Zeros {
        /// The first sector that was not written.
        from: usize,
        /// Number of those not written.
        count: usize,
        /// Changes of names that stay.
        names: usize,
    },
    /// Any of it, in any order, by chance from this seed.
    Any {
        /// The seed.
        seed: u64,
    },
}

impl Loss {
    pub fn seed(self) -> u64 {
        if let Self::Any { seed } = self { seed } else { 0 }
    }

    pub fn keeps_name(self, at: usize, rng: &mut Rng) -> bool {
        match self {
            Self::Behind { names, .. } | Self::Zeros { names, .. } => at < names,
            Self::Any { .. } => rng.below(2) == 0,
        }
    }
}

/// Numbers by chance from a seed (splitmix64).
#[derive(Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % (end as u64).max(1)) as usize
    }
}

/// A change of the folder, which is done whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub gone: Option<String>,
    pub made: Option<(String, usize)>,
}

impl Change {
    pub fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        names.extend(self.made.clone());
    }
}

/// A change of a file that was not synced.
#[derive(Clone, Debug)]
enum Write {
    At(usize, Vec<u8>),
    Cut(usize),
}

impl Write {
    fn bytes(&self) -> usize {
        if let Self::At(_, bytes) = self { bytes.len() } else { 0 }
    }
}

/// The contents of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// As the running program sees them.
    pub written: Vec<u8>,
    /// How often they were changed.
    pub changes: u64,
    on_disk: Vec<u8>,
    unsynced: Vec<Write>,
}

impl File {
    pub fn synced(bytes: Vec<u8>) -> Self {
        Self { written: bytes.clone(), changes: 0, on_disk: bytes, unsynced: Vec::new() }
    }

    pub fn unsynced_bytes(&self) -> usize {
        self.unsynced.iter().map(Write::bytes).sum()
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.change(Write::At(at, bytes.to_vec()));
    }

    pub fn truncate(&mut self, bytes: usize) {
        self.change(Write::Cut(bytes));
    }

    fn change(&mut self, write: Write) {
        apply(&mut self.written, &write);
        self.changes += 1;
        self.unsynced.push(write);
    }

    pub fn sync(&mut self) {
        for write in std::mem::take(&mut self.unsynced) {
            apply(&mut self.on_disk, &write);
        }
    }

    /// A sync failed: the writes are still seen, but no later sync will write them.
    pub fn lose_unsynced(&mut self) {
        self.unsynced.clear();
    }

    pub fn after(&self, loss: Loss, rng: &mut Rng) -> Self {
        let mut bytes = self.on_disk.clone();
        let mut left = if let Loss::Behind { bytes, .. } = loss { bytes } else { 0 };
        for write in &self.unsynced {
            match loss {
                Loss::Behind { .. } => {
                    apply(&mut bytes, &beginning(write, left));
                    if write.bytes() > left {
                        break;
                    }
                    left -= write.bytes();
                }
                Loss::Zeros { from, count, .. } => apply(&mut bytes, &zeroed(write, from, count)),
                Loss::Any { .. } => match rng.below(4) {
                    0 => {}
                    1 => apply(&mut bytes, write),
                    2 => apply(&mut bytes, &beginning(write, rng.below(write.bytes() + 1))),
                    _ => apply(&mut bytes, &zeroed(write, rng.below(4), 1 + rng.below(3))),
                },
            }
        }
        Self::synced(bytes)
    }
}

fn apply(file: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Cut(bytes) => file.truncate(*bytes),
        Write::At(start, bytes) => {
            let end = start + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*start..end].copy_from_slice(bytes);
        }
    }
}

fn beginning(write: &Write, most: usize) -> Write {
    match write {
        Write::At(start, bytes) => Write::At(*start, bytes[..most.min(bytes.len())].to_vec()),
        Write::Cut(bytes) => Write::Cut(*bytes),
    }
}

/// The write with zeros in place of some of the sectors that it touches.
fn zeroed(write: &Write, from: usize, count: usize) -> Write {
    let Write::At(start, bytes) = write else { return write.clone() };
    let first = start / SECTOR_BYTES + from;
    let lost = first..first + count;
    let byte = |(at, byte): (usize, &u8)| {
        if lost.contains(&((start + at) / SECTOR_BYTES)) { 0 } else { *byte }
    };
    Write::At(*start, bytes.iter().enumerate().map(byte).collect())
}
