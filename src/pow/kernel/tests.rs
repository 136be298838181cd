//! Every kernel of this CPU against the portable one, and that one against plain hashing.

use std::num::{NonZeroU64, NonZeroUsize};

use super::*;
use crate::chain::network::Difficulty;
use crate::pow::guess::{BATCH, LAST_BATCH, Prefix};
use crate::pow::{Outcome, Search, proof_hash};

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    /// Starts from a seed of its own, which tests print when they fail.
    fn new() -> (Self, u64) {
        let seed = u64::from_ne_bytes(crate::random::bytes());
        (Self(seed), seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn target(zeros: u8) -> Target {
    Target::new(Difficulty::new(zeros).unwrap())
}

fn smallest(kernel: Kernel, prefix: &[u8], batch: u64, zeros: u8) -> Option<u16> {
    let tail = Prefix::new(prefix).batch(NonZeroU64::new(batch).unwrap());
    kernel.smallest(&tail, target(zeros), &CancelFlag::default())
}

/// All kernels find the same in a batch, and it is right.
fn check(prefix: &[u8], batch: u64, zeros: u8, seed: u64) {
    let expected = smallest(Kernel::Portable, prefix, batch, zeros);
    let nonce = expected.and_then(|low| (batch * BATCH).checked_add(low.into()));
    if let Some(nonce) = nonce {
        let hash = proof_hash(prefix, nonce);
        assert!(Difficulty::new(zeros).unwrap().is_met_by(&hash));
    }
    for kernel in Kernel::available() {
        assert_eq!(
            smallest(kernel, prefix, batch, zeros),
            expected,
            "{kernel}: prefix of {} bytes, batch {batch}, difficulty {zeros}, seed {seed}",
            prefix.len()
        );
    }
}

#[test]
fn kernels_agree_wherever_the_digits_lie() {
    let (mut random, seed) = Random::new();
    for length in 0..=200 {
        let prefix = random.bytes(length);
        // From 1 to 16 digits in front of the last four.
        let batch = 1 + random.next() % LAST_BATCH / 10_u64.pow((random.next() % 16) as u32);
        let zeros = 1 + random.next() % 4;
        check(&prefix, batch, zeros as u8, seed);
    }
}

#[test]
fn kernels_agree_where_the_number_of_digits_changes() {
    let (mut random, seed) = Random::new();
    let past_32_bits = (1 << 32) / BATCH;
    for length in [0, 4, 65, 141, 142, 143] {
        let prefix = random.bytes(length);
        for batch in [1, 9, 10, 99, 100, past_32_bits, past_32_bits + 1, LAST_BATCH] {
            check(&prefix, batch, 3, seed);
        }
    }
}

#[test]
fn kernels_agree_at_every_difficulty() {
    let (mut random, seed) = Random::new();
    let prefix = random.bytes(137);
    for zeros in 1..=64 {
        check(&prefix, 100, zeros, seed);
    }
}

/// The hash of `None1075732132` ends with nine zeros: one more than the last word holds.
#[test]
fn beyond_eight_zeros_the_rest_of_the_hash_decides() {
    let (batch, low) = (107_573, 2132);
    for kernel in Kernel::available() {
        for zeros in 5..=9 {
            assert_eq!(smallest(kernel, b"None", batch, zeros), Some(low), "{kernel} {zeros}");
        }
        assert_eq!(smallest(kernel, b"None", batch, 10), None, "{kernel}");
    }
}

#[test]
fn every_kernel_gives_up_a_batch_when_cancelled() {
    let cancel = CancelFlag::default();
    cancel.cancel();
    let tail = Prefix::new(b"").batch(NonZeroU64::MIN);
    for kernel in Kernel::available() {
        assert_eq!(kernel.smallest(&tail, target(1), &cancel), None, "{kernel}");
    }
}

#[test]
fn every_kernel_finds_the_known_answers() {
    for kernel in Kernel::available() {
        for (prefix, zeros, expected) in [
            ("None", 1, 1),
            ("None", 2, 350),
            ("None", 3, 3_969),
            ("None", 4, 15_558),
            ("None", 5, 1_406_000),
            ("1406000", 5, 423_135),
        ] {
            let difficulty = Difficulty::new(zeros).unwrap();
            let search = Search::new(prefix.as_bytes(), difficulty).with_kernel(kernel);
            let outcome = search.run(NonZeroUsize::MIN);
            assert!(
                matches!(outcome, Outcome::Found { nonce, .. } if nonce == expected),
                "{kernel}: prefix {prefix}, difficulty {zeros}: {outcome:?}"
            );
        }
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for kernel in Kernel::available() {
        assert_eq!(kernel.to_string().parse(), Ok(kernel));
    }
    let error = "abacus".parse::<Kernel>().unwrap_err().to_string();
    assert!(error.starts_with("no kernel \"abacus\" on this CPU; it has portable"));
}
