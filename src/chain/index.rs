//! Where messages and blocks are: an index of keyed fingerprints, two a block of 12 bytes at the most.
//!
//! A fingerprint is 32 bits, so that two things may share one: who asks compares with the block
//! itself. Strangers choose ids and hashes; the key is random, so that they can't choose
//! fingerprints.

use std::hash::{BuildHasher, Hash, RandomState};
use std::hint::black_box;
use std::sync::LazyLock;

use super::block;
use super::data::{Data, DataId};

/// Shards of the table. A shard grows by itself, so that growing never takes long: 10 ms with ten
/// million blocks. More shards would then be smaller than what the C library gives back to the host
/// when it is freed: with 64, a miner that synced ten million blocks was at 313 MB, not 246.
const SHARDS: usize = 16;

/// A fingerprint in the upper half, a height in the lower: with the bit [`TAKEN`].
type Entry = u64;

/// Marks an entry; heights have 31 bits.
const TAKEN: u64 = 1 << 31;

/// 64 bits of `value` under the random key of this process.
pub fn keyed_hash(value: impl Hash) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(value)
}

/// The fingerprints by which a message is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageKeys {
    id: u32,
    message: u32,
}

impl MessageKeys {
    /// Those of `data`. Hashes its text.
    pub fn of(data: &Data) -> Self {
        Self::of_text(&data.id, &block::Hash::of(data.message.as_str()))
    }

    /// Those of the message with this id whose text has this SHA-256.
    pub fn of_text(id: &DataId, sha256: &block::Hash) -> Self {
        Self { id: fingerprint(id), message: fingerprint((id, sha256)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    pub message: MessageKeys,
    pub hash: u32,
}

impl Keys {
    pub fn of(data: &Data, hash: &block::Hash) -> Self {
        Self { message: MessageKeys::of(data), hash: hash_key(hash) }
    }
}

/// The fingerprint by which a block with this hash is found.
pub fn hash_key(hash: &block::Hash) -> u32 {
    fingerprint(hash)
}

fn fingerprint(value: impl Hash) -> u32 {
    (keyed_hash(value) >> 32) as u32
}

/// Blocks found by the id alone that one id or fingerprint may have; further ones are found by
/// id and text. So a stranger who mines many texts under one id makes no look-up long.
const SAME_ID_MAX: usize = 3;

/// Where messages and blocks are: heights at which they may be, to be compared with the block.
#[derive(Clone, Debug, Default)]
pub struct BlockIndex {
    messages: Heights,
    hashes: Heights,
}

impl BlockIndex {
    /// Adds the block at `height`, above all others.
    pub fn insert(&mut self, keys: Keys, height: u64) {
        let Keys { message: MessageKeys { id, message }, hash } = keys;
        let by_id = self.messages.count(id) < SAME_ID_MAX;
        self.messages.insert(if by_id { id } else { message }, height);
        self.hashes.insert(hash, height);
    }

    /// Looks at the places of blocks that are about to be put in, so that the processor fetches
    /// them from memory at the same time and not one after the other: a tenth of a load.
    pub fn touch<'a>(&self, blocks: impl Iterator<Item = &'a Keys>) {
        for Keys { message, hash } in blocks {
            black_box(self.messages.first(message.id) ^ self.hashes.first(*hash));
        }
    }

    /// Removes the block at `height`, above which none is left.
    pub fn remove(&mut self, keys: Keys, height: u64) {
        let Keys { message: MessageKeys { id, message }, hash } = keys;
        let removed = self.messages.remove(id, height) || self.messages.remove(message, height);
        let removed = self.hashes.remove(hash, height) && removed;
        debug_assert!(removed, "block {height} was never put in");
    }

    /// Heights at which the first messages with this id may be.
    pub fn of_id(&self, id: &DataId) -> Vec<u64> {
        self.messages.get(fingerprint(id))
    }

    /// Heights at which the message with these keys may be.
    pub fn of_message(&self, keys: &MessageKeys) -> Vec<u64> {
        let mut heights = self.messages.get(keys.id);
        if heights.len() >= SAME_ID_MAX {
            heights.extend(self.messages.get(keys.message));
        }
        heights
    }

    /// Heights at which the block with this hash may be.
    pub fn of_hash(&self, hash: &block::Hash) -> Vec<u64> {
        self.hashes.get(hash_key(hash))
    }
}

/// Heights by fingerprint, several for one where fingerprints meet.
#[derive(Clone, Debug)]
struct Heights {
    shards: Vec<Shard>,
}

impl Default for Heights {
    fn default() -> Self {
        Self { shards: vec![Shard::default(); SHARDS] }
    }
}

impl Heights {
    /// Adds `height` under `fingerprint`.
    ///
    /// # Panics
    /// Above 2^31 blocks.
    fn insert(&mut self, fingerprint: u32, height: u64) {
        assert!(height < TAKEN, "a chain has at most 2^31 blocks");
        self.shard(fingerprint).insert(u64::from(fingerprint) << 32 | TAKEN | height);
    }

    /// Removes `height` from under `fingerprint`; `false` if it is not there.
    fn remove(&mut self, fingerprint: u32, height: u64) -> bool {
        self.shard(fingerprint).remove(u64::from(fingerprint) << 32 | TAKEN | height)
    }

    /// What lies where entries of `fingerprint` begin.
    fn first(&self, fingerprint: u32) -> Entry {
        let shard = &self.shards[fingerprint as usize % SHARDS];
        shard.slots.get(shard.home(fingerprint)).copied().unwrap_or_default()
    }

    /// The number of heights under `fingerprint`.
    fn count(&self, fingerprint: u32) -> usize {
        let shard = &self.shards[fingerprint as usize % SHARDS];
        let entries = shard.run(fingerprint).map(|at| shard.slots[at]);
        entries.filter(|entry| entry >> 32 == u64::from(fingerprint)).count()
    }

    /// The heights under `fingerprint`, lowest first.
    fn get(&self, fingerprint: u32) -> Vec<u64> {
        let shard = &self.shards[fingerprint as usize % SHARDS];
        let entries = shard.run(fingerprint).map(|at| shard.slots[at]);
        let mut found: Vec<u64> =
            entries.filter(|entry| entry >> 32 == u64::from(fingerprint)).collect();
        found.iter_mut().for_each(|entry| *entry &= TAKEN - 1);
        found.sort_unstable();
        found
    }

    fn shard(&mut self, fingerprint: u32) -> &mut Shard {
        &mut self.shards[fingerprint as usize % SHARDS]
    }
}

#[derive(Clone, Debug, Default)]
struct Shard {
    slots: Vec<Entry>,
    count: usize,
}

impl Shard {
    /// Where entries of this fingerprint begin.
    fn home(&self, fingerprint: u32) -> usize {
        ((u64::from(fingerprint) * self.slots.len() as u64) >> 32) as usize
    }

    /// The slots from the fingerprint's home to the next free one.
    fn run(&self, fingerprint: u32) -> impl Iterator<Item = usize> + '_ {
        let (start, slots) = (self.home(fingerprint), self.slots.len());
        (start..slots).chain(0..start).take_while(|at| self.slots[*at] != 0)
    }

    fn insert(&mut self, entry: Entry) {
        if (self.count + 1) * 10 > self.slots.len() * 9 {
            let larger = (self.slots.len() / 4 * 5).max(16);
            let old = std::mem::replace(&mut self.slots, vec![0; larger]);
            old.into_iter().filter(|entry| *entry != 0).for_each(|entry| self.put(entry));
        }
        self.put(entry);
        self.count += 1;
    }

    fn put(&mut self, entry: Entry) {
        let mut at = self.home((entry >> 32) as u32);
        while self.slots[at] != 0 {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        self.slots[at] = entry;
    }

    fn remove(&mut self, entry: Entry) -> bool {
        let fingerprint = (entry >> 32) as u32;
        let Some(mut hole) = self.run(fingerprint).find(|at| self.slots[*at] == entry) else {
            return false;
        };
        // Entries behind it that were pushed on by it move back, so that no run is broken.
        let slots = self.slots.len();
        let mut at = hole;
        loop {
            at = (at + 1) % slots;
            let moved = self.slots[at];
            if moved == 0 {
                break;
            }
            let home = self.home((moved >> 32) as u32);
            if (at + slots - home) % slots >= (at + slots - hole) % slots {
                self.slots[hole] = moved;
                hole = at;
            }
        }
        self.slots[hole] = 0;
        self.count -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out() {
        let (mut heights, mut state) = (Heights::default(), 1_u64);
        let mut known: Vec<(u32, u64)> = Vec::new();
        for height in 0..20_000 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // Few fingerprints, so that many meet.
            let fingerprint = ((state >> 33) as u32 % 5_000).wrapping_mul(0x9e37_79b1);
            heights.insert(fingerprint, height);
            known.push((fingerprint, height));
            if state >> 62 == 0 {
                let (fingerprint, height) = known.swap_remove(state as usize % known.len());
                assert!(heights.remove(fingerprint, height));
                assert!(!heights.remove(fingerprint, height));
            }
        }
        for (fingerprint, height) in &known {
            assert!(heights.get(*fingerprint).contains(height));
        }
        let kept: usize = heights.shards.iter().map(|shard| shard.count).sum();
        assert_eq!(kept, known.len());
        let bytes: usize = heights.shards.iter().map(|shard| shard.slots.len() * 8).sum();
        assert!(bytes <= 12 * known.len() + SHARDS * 128, "{bytes} bytes");
    }
}
