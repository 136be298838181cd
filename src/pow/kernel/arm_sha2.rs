//! Several guesses in turn, with the SHA-2 instructions of 64-bit Arm.
//!
//! One instruction does four rounds for half of the state, so the last rounds are cheap and
//! stay in; only the half that is not needed falls away. Rounds in front of the first digit are
//! computed once a batch.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `ArmSha2` proves.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::schedule::K;
use super::unit::proof;
use crate::pow::guess::{FOUR_DIGITS, OneBlock, Target};
use crate::pow::search::CancelFlag;

/// Guesses under way at the same time.
const STREAMS: usize = 4;
const _: () = assert!(FOUR_DIGITS.len().is_multiple_of(STREAMS));

proof!(ArmSha2, is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("sha2"));

impl ArmSha2 {
    /// Returns the smallest number that, as the last digits of `block`, makes the bits of the
    /// hash's last word vanish that `target` names.
    pub(super) fn smallest(
        self,
        block: &OneBlock,
        target: Target,
        cancel: &CancelFlag,
    ) -> Option<u16> {
        // SAFETY: `self` exists, so the CPU has NEON and the SHA-2 instructions.
        unsafe { smallest(block, target, cancel) }
    }
}

/// Half of the state each: `a` to `d` and `e` to `h`.
type State = (uint32x4_t, uint32x4_t);

#[target_feature(enable = "neon,sha2")]
fn smallest(block: &OneBlock, target: Target, cancel: &CancelFlag) -> Option<u16> {
    let [a, b, c, d, e, f, g, h] = block.midstate;
    let mut start = (quad(&[a, b, c, d]), quad(&[e, f, g, h]));
    let (words, _) = block.words.as_chunks::<4>();
    let (constants, _) = K.as_chunks::<4>();
    let fixed = block.digits_at / 16;
    for (words, constants) in words.iter().zip(constants).take(fixed) {
        start = four_rounds(start, quad(words), constants);
    }
    for first in (0..FOUR_DIGITS.len()).step_by(STREAMS) {
        if cancel.is_cancelled() {
            return None;
        }
        let mut states = [start; STREAMS];
        let mut schedules = [[start.0; 4]; STREAMS];
        for (stream, schedule) in schedules.iter_mut().enumerate() {
            let words = block.words_with(FOUR_DIGITS[first + stream]);
            for (quad_words, words) in schedule.iter_mut().zip(words.as_chunks().0) {
                *quad_words = quad(words);
            }
        }
        for (number, constants) in constants.iter().enumerate() {
            for (state, schedule) in states.iter_mut().zip(&mut schedules) {
                if number >= fixed {
                    *state = four_rounds(*state, schedule[0], constants);
                }
                let [w0, w1, w2, w3] = *schedule;
                let next = vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
                *schedule = [w1, w2, w3, next];
            }
        }
        for (stream, (_, efgh)) in states.iter().enumerate() {
            let last_word = vgetq_lane_u32::<3>(*efgh).wrapping_add(h);
            if last_word & target.last_word_mask == 0 {
                return Some((first + stream) as u16);
            }
        }
    }
    None
}

#[target_feature(enable = "neon,sha2")]
#[inline]
fn four_rounds((abcd, efgh): State, words: uint32x4_t, constants: &[u32; 4]) -> State {
    let sums = vaddq_u32(words, quad(constants));
    (vsha256hq_u32(abcd, efgh, sums), vsha256h2q_u32(efgh, abcd, sums))
}

#[target_feature(enable = "neon")]
#[inline]
fn quad(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the reference is good for four words, and no alignment is asked.
    unsafe { vld1q_u32(words.as_ptr()) }
}
