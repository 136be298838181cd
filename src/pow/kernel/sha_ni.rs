//! Several guesses in turn, with the SHA extensions of x86.
//!
//! The instruction for two rounds has to wait for the two before; with other guesses in between
//! the CPU never waits. The rounds in front of the first digit are computed once a batch, the
//! last pair is left out, and what the message schedule has in common leaves the loop by
//! itself: the optimiser sees which words do not vary.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `ShaNi` proves.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::schedule::{K, unrolled};
use super::unit::proof;
use crate::pow::guess::{FOUR_DIGITS, OneBlock, Target};
use crate::pow::search::CancelFlag;

/// Guesses under way at the same time. Measured: 2, 4 and 5 are alike, 1 is a little slower.
const STREAMS: usize = 2;
const _: () = assert!(FOUR_DIGITS.len().is_multiple_of(STREAMS));

proof!(ShaNi, is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1"));

impl ShaNi {
    /// Returns the smallest number that, as the last digits of `block`, makes the bits of the
    /// hash's last word vanish that `target` names.
    pub(super) fn smallest(
        self,
        block: &OneBlock,
        target: Target,
        cancel: &CancelFlag,
    ) -> Option<u16> {
        // SAFETY: `self` exists, so the CPU has the SHA extensions and SSE 4.1.
        unsafe {
            match block.digits_at / 8 {
                0 => smallest::<0>(block, target, cancel),
                1 => smallest::<1>(block, target, cancel),
                2 => smallest::<2>(block, target, cancel),
                3 => smallest::<3>(block, target, cancel),
                4 => smallest::<4>(block, target, cancel),
                5 => smallest::<5>(block, target, cancel),
                6 => smallest::<6>(block, target, cancel),
                _ => unreachable!("digits and padding fit the block"),
            }
        }
    }
}

/// Searches a batch whose first digit lies in the pair of words `PAIR`.
///
/// Long since it is one unrolled loop over the rounds: states and schedule stay in registers only
/// while they are variables of one function.
#[target_feature(enable = "sha,sse4.1")]
fn smallest<const PAIR: usize>(
    block: &OneBlock,
    target: Target,
    cancel: &CancelFlag,
) -> Option<u16> {
    let quad = PAIR / 2;
    let words: [__m128i; 4] = from_fn(|quad| quad_of(&block.words[4 * quad..]));
    let constants: [__m128i; 16] = from_fn(|quad| quad_of(&K[4 * quad..]));
    let places = [digits_places(block.digits_at, quad), digits_places(block.digits_at, quad + 1)];
    let [a, b, c, d, e, f, g, h] = block.midstate;
    // The new `abef` is the result of two rounds, the new `cdgh` is the old `abef`.
    let mut abef = quad_of(&[f, e, b, a]);
    let mut cdgh = quad_of(&[h, g, d, c]);
    for pair in 0..PAIR {
        let sum = _mm_add_epi32(words[pair / 2], constants[pair / 2]);
        let sum = if pair % 2 == 0 { sum } else { _mm_unpackhi_epi64(sum, sum) };
        (cdgh, abef) = (abef, _mm_sha256rnds2_epu32(cdgh, abef, sum));
    }

    for first in (0..FOUR_DIGITS.len()).step_by(STREAMS) {
        if cancel.is_cancelled() {
            return None;
        }
        let mut schedule = [[_mm_setzero_si128(); STREAMS]; 16];
        for stream in 0..STREAMS {
            for (quad, &words) in words.iter().enumerate() {
                schedule[quad][stream] = words;
            }
            let digits = _mm_cvtsi32_si128(FOUR_DIGITS[first + stream].cast_signed());
            for (quad, &places) in (quad..4).zip(&places) {
                let digits = _mm_shuffle_epi8(digits, places);
                schedule[quad][stream] = _mm_or_si128(words[quad], digits);
            }
        }
        let mut states = [(abef, cdgh); STREAMS];
        let mut sums = [_mm_setzero_si128(); STREAMS];
        unrolled!(round, {
            let quad = round / 4;
            for stream in 0..STREAMS {
                match round % 4 {
                    0 => {
                        if quad >= 4 {
                            let [a, b, c, d] = from_fn(|word| schedule[quad - 4 + word][stream]);
                            schedule[quad][stream] = next_quad(a, b, c, d);
                        }
                        sums[stream] = _mm_add_epi32(schedule[quad][stream], constants[quad]);
                    }
                    2 => sums[stream] = _mm_unpackhi_epi64(sums[stream], sums[stream]),
                    _ => continue,
                }
                if 2 * PAIR <= round {
                    let (abef, cdgh) = states[stream];
                    states[stream] = (_mm_sha256rnds2_epu32(cdgh, abef, sums[stream]), abef);
                }
            }
        });
        let mut hits = 0_u32;
        for (stream, (abef, _)) in states.iter().enumerate() {
            // `f` after 62 rounds: `e` after 61, `h` after 64.
            let last_word = _mm_cvtsi128_si32(*abef).cast_unsigned().wrapping_add(h);
            hits |= u32::from(last_word & target.last_word_mask == 0) << stream;
        }
        if hits != 0 {
            return Some((first + hits.trailing_zeros() as usize) as u16);
        }
    }
    None
}

/// Returns the first four of `words`, the first in the lowest lane.
#[target_feature(enable = "sse2")]
fn quad_of(words: &[u32]) -> __m128i {
    let [a, b, c, d] = from_fn(|lane| words[lane].cast_signed());
    _mm_set_epi32(d, c, b, a)
}

/// Returns the next four words of the message schedule after these sixteen.
#[target_feature(enable = "sha,sse4.1")]
#[inline]
fn next_quad(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> __m128i {
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
    _mm_sha256msg2_epu32(sum, d)
}

/// Returns the shuffle that moves four digits to their places in the block's quad `quad`.
///
/// A word's first byte is its highest.
#[target_feature(enable = "sse2")]
fn digits_places(digits_at: usize, quad: usize) -> __m128i {
    /// Makes a zero byte.
    const NOTHING: u32 = 0x80;
    let mut places = [0; 4];
    for (word, places) in places.iter_mut().enumerate() {
        for byte in 0..4 {
            let digit = (16 * quad + 4 * word + byte).checked_sub(digits_at);
            let source = digit.filter(|&digit| digit < 4).map_or(NOTHING, |digit| 3 - digit as u32);
            *places = (*places << 8) | source;
        }
    }
    quad_of(&places)
}
