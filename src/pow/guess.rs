//! One guess: the bytes that it hashes, and the test for a hit.
//!
//! Guesses come in batches of 10,000 nonces that share all digits but the last four. Whatever
//! a batch has in common is laid out, and where it fills whole blocks compressed, once; the
//! kernels in `kernel` only put in the last digits. Invariant: a [`Tail`] with its last digits
//! put in, compressed on its midstate, is the SHA-256 of prefix and nonce.

use std::num::NonZeroU64;

use sha2::block_api::compress256;

use crate::chain::network::Difficulty;

/// Nonces in a batch: those that differ in the last four digits only.
pub const BATCH: u64 = 10_000;

/// The number of the last batch that holds a nonce below 2^64.
pub(super) const LAST_BATCH: u64 = u64::MAX / BATCH;

/// Bytes in a block of SHA-256.
const BLOCK: usize = 64;

/// Bytes of padding at the least: one of 0x80 and eight of length.
const PADDING_MIN: usize = 9;

/// State of SHA-256 before the first block.
#[rustfmt::skip]
const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// The numbers 0 to 9999 as four ASCII digits, first digit in the highest byte.
pub(super) static FOUR_DIGITS: [u32; BATCH as usize] = four_digits();

const fn four_digits() -> [u32; BATCH as usize] {
    let mut table = [0; BATCH as usize];
    let mut number = 0;
    while number < table.len() {
        let n = number as u32;
        let digits = ((n / 1000) << 24) | ((n / 100 % 10) << 16) | ((n / 10 % 10) << 8) | (n % 10);
        table[number] = digits | 0x3030_3030;
        number += 1;
    }
    table
}

/// A prefix with its whole blocks compressed.
pub(super) struct Prefix {
    midstate: [u32; 8],
    /// Bytes behind the whole blocks: less than a block.
    rest: Vec<u8>,
    bytes: u64,
}

impl Prefix {
    pub(super) fn new(prefix: &[u8]) -> Self {
        let (blocks, rest) = prefix.as_chunks::<BLOCK>();
        let mut midstate = INITIAL;
        compress256(&mut midstate, blocks);
        Self { midstate, rest: rest.to_vec(), bytes: prefix.len() as u64 }
    }

    /// Lays out the nonces `number * BATCH` to `number * BATCH + 9999`.
    pub(super) fn batch(&self, number: NonZeroU64) -> Tail {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut left = number.get();
        while left > 0 {
            start -= 1;
            digits[start] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.tail(&digits[start..], 4)
    }

    /// Lays out the nonces that have only `digits` digits, 1 to 4.
    pub(super) fn short(&self, digits: usize) -> Tail {
        self.tail(&[], digits)
    }

    fn tail(&self, leading_digits: &[u8], last_digits: usize) -> Tail {
        let mut blocks = [[0; BLOCK]; 2];
        let bytes = blocks.as_flattened_mut();
        let mut digits_at = self.rest.len() + leading_digits.len();
        bytes[..self.rest.len()].copy_from_slice(&self.rest);
        bytes[self.rest.len()..digits_at].copy_from_slice(leading_digits);

        let mut midstate = self.midstate;
        if digits_at >= BLOCK {
            compress256(&mut midstate, &blocks[..1]);
            blocks = [blocks[1], [0; BLOCK]];
            digits_at -= BLOCK;
        }

        let end = digits_at + last_digits;
        let count = if end + PADDING_MIN <= BLOCK { 1 } else { 2 };
        let message_bits = 8 * (self.bytes + (leading_digits.len() + last_digits) as u64);
        let bytes = blocks.as_flattened_mut();
        bytes[end] = 0x80;
        bytes[count * BLOCK - 8..count * BLOCK].copy_from_slice(&message_bits.to_be_bytes());
        Tail { midstate, blocks, count, digits_at, digits: last_digits }
    }
}

/// The end of a message, padded: the blocks that hold the last digits of the nonce.
pub(super) struct Tail {
    /// State of SHA-256 before these blocks.
    pub(super) midstate: [u32; 8],
    blocks: [[u8; BLOCK]; 2],
    /// Blocks in use: 2 when the last digits or the padding cross the border of a block.
    count: usize,
    digits_at: usize,
    digits: usize,
}

impl Tail {
    /// The numbers that the last digits can show, without a leading zero where there is
    /// nothing in front of them.
    pub(super) fn short_lows(&self) -> std::ops::Range<u16> {
        match self.digits {
            1 => 0..10,
            digits => 10_u16.pow(digits as u32 - 1)..10_u16.pow(digits as u32),
        }
    }

    /// The tail for the fast kernels, which need four digits and their padding in one block.
    pub(super) fn one_block(&self) -> Option<OneBlock> {
        let (words, _) = self.blocks[0].as_chunks();
        (self.count == 1 && self.digits == 4).then(|| OneBlock {
            midstate: self.midstate,
            words: std::array::from_fn(|word| u32::from_be_bytes(words[word])),
            digits_at: self.digits_at,
        })
    }

    /// The blocks, with zero bytes in place of the last digits.
    pub(super) fn blocks(&self) -> ([[u8; BLOCK]; 2], usize) {
        (self.blocks, self.count)
    }

    /// Puts `low` where the last digits belong.
    #[inline]
    pub(super) fn put(&self, blocks: &mut [[u8; BLOCK]; 2], low: u16) {
        let digits = FOUR_DIGITS[usize::from(low)].to_be_bytes();
        blocks.as_flattened_mut()[self.digits_at..self.digits_at + self.digits]
            .copy_from_slice(&digits[4 - self.digits..]);
    }
}

/// A tail of one block, in words: what the fast kernels take.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
pub(super) struct OneBlock {
    /// State of SHA-256 before the block.
    pub(super) midstate: [u32; 8],
    /// The block, zero where the four digits belong.
    pub(super) words: [u32; 16],
    /// The first digit's place in the block, in bytes; 51 at most.
    pub(super) digits_at: usize,
}

impl OneBlock {
    /// Returns the words with `digits`, an entry of [`FOUR_DIGITS`], where they belong.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
    #[inline]
    pub(super) fn words_with(&self, digits: u32) -> [u32; 16] {
        let mut words = self.words;
        let placed = (u64::from(digits) << 32) >> (8 * (self.digits_at % 4));
        words[self.digits_at / 4] |= (placed >> 32) as u32;
        words[self.digits_at / 4 + 1] |= placed as u32;
        words
    }
}

/// The end that a hash has to have.
#[derive(Clone, Copy)]
pub(super) struct Target {
    difficulty: Difficulty,
    /// Bits of the hash's last word that have to be zero. Up to difficulty 8 they decide alone.
    pub(super) last_word_mask: u32,
}

impl Target {
    pub(super) fn new(difficulty: Difficulty) -> Self {
        let last_word_mask = match difficulty.zeros() {
            zeros @ 0..8 => (1 << (4 * zeros)) - 1,
            8.. => u32::MAX,
        };
        Self { difficulty, last_word_mask }
    }

    /// True if the last word alone decides.
    pub(super) fn is_last_word_enough(self) -> bool {
        self.difficulty.zeros() <= 8
    }

    #[inline]
    pub(super) fn is_met_by(self, state: &[u32; 8]) -> bool {
        state[7] & self.last_word_mask == 0
            && (self.is_last_word_enough() || self.is_met_by_all(state))
    }

    #[cold]
    fn is_met_by_all(self, state: &[u32; 8]) -> bool {
        let mut hash = [0; 32];
        for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        self.difficulty.is_met_by(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::proof_hash;

    fn hash_of(tail: &Tail, low: u16) -> [u32; 8] {
        let (mut blocks, count) = tail.blocks();
        tail.put(&mut blocks, low);
        let mut state = tail.midstate;
        compress256(&mut state, &blocks[..count]);
        state
    }

    fn check(prefix: &[u8], tail: &Tail, low: u16, nonce: u64) {
        let hash = hash_of(tail, low).map(u32::to_be_bytes);
        assert_eq!(
            hash.as_flattened(),
            proof_hash(prefix, nonce),
            "prefix of {} bytes, nonce {nonce}",
            prefix.len()
        );
    }

    #[test]
    fn tails_hash_like_the_whole_message_wherever_the_digits_lie() {
        for length in 0..=200_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let prefix = Prefix::new(&bytes);
            for nonce in [0, 9, 10, 99, 100, 999, 1000, 9999_u16] {
                let tail = prefix.short(nonce.to_string().len());
                check(&bytes, &tail, nonce, nonce.into());
            }
            for nonce in [10_000, 99_999, 100_000, 1 << 32, u64::MAX] {
                let tail = prefix.batch(NonZeroU64::new(nonce / BATCH).unwrap());
                check(&bytes, &tail, (nonce % BATCH) as u16, nonce);
            }
        }
    }

    #[test]
    fn blocks_in_words_are_the_blocks_in_bytes() {
        for length in 0..=200 {
            let tail = Prefix::new(&vec![b'x'; length]).batch(NonZeroU64::MIN);
            let Some(block) = tail.one_block() else {
                continue;
            };
            let (mut blocks, _) = tail.blocks();
            tail.put(&mut blocks, 1234);
            let words = block.words_with(FOUR_DIGITS[1234]).map(u32::to_be_bytes);
            assert_eq!(words.as_flattened(), blocks[0], "prefix of {length} bytes");
        }
    }

    #[test]
    fn short_tails_show_each_small_number_once() {
        let prefix = Prefix::new(b"");
        let shown: Vec<u16> =
            (1..=4).flat_map(|digits| prefix.short(digits).short_lows()).collect();
        assert_eq!(shown, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn target_agrees_with_difficulty() {
        for zeros in 1..=64 {
            let target = Target::new(Difficulty::new(zeros).unwrap());
            for have in 0..=64_u32 {
                let mut nibbles = [1_u8; 64];
                nibbles[64 - have as usize..].fill(0);
                let state: [u32; 8] = std::array::from_fn(|word| {
                    nibbles[8 * word..8 * word + 8]
                        .iter()
                        .fold(0, |sum, &nibble| (sum << 4) | u32::from(nibble))
                });
                assert_eq!(target.is_met_by(&state), have >= u32::from(zeros));
            }
        }
    }
}
