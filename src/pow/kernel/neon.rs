//! Four guesses side by side, with NEON, for 64-bit Arm without SHA-2 instructions: Cortex-A53 and
//! A72, as in Raspberry Pi 3 and 4.
//!
//! A guess takes 700 instructions at most, counted in the loop that rustc 1.96 makes of it, where the
//! `sha2` crate takes 1,900 for a block. Of them, 270 are shifts, of which a Cortex-A72 begins one a
//! cycle.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `Neon` proves.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::lanes::{self, Lanes};
use crate::pow::guess::{OneBlock, Target};
use crate::pow::search::CancelFlag;

/// Proof that this CPU has NEON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

/// Vectors of guesses in turns: the rounds of one keep both pipes of a Cortex-A72 busy.
const STREAMS: usize = 1;

impl Neon {
    /// Returns the proof where it holds.
    pub(super) fn new() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    pub(super) fn smallest(
        self,
        block: &OneBlock,
        target: Target,
        cancel: &CancelFlag,
    ) -> Option<u16> {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { smallest(self, block, target, cancel) }
    }
}

#[target_feature(enable = "neon")]
fn smallest(lanes: Neon, block: &OneBlock, target: Target, cancel: &CancelFlag) -> Option<u16> {
    lanes::smallest::<_, STREAMS>(lanes, block, target, cancel)
}

impl Lanes for Neon {
    type Words = uint32x4_t;
    const COUNT: usize = 4;

    #[inline(always)]
    fn splat(self, word: u32) -> uint32x4_t {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vdupq_n_u32(word) }
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> uint32x4_t {
        let start = words.as_ptr();
        // SAFETY: `self` exists, so the CPU has NEON; each load reads as many words as its case
        // says there are, and needs no alignment.
        unsafe {
            match words.len() {
                4 => vld1q_u32(start),
                2 => {
                    let half = vld1_u32(start);
                    vcombine_u32(half, half)
                }
                count => panic!("{count} words do not fill a vector"),
            }
        }
    }

    #[inline(always)]
    fn add(self, x: uint32x4_t, y: uint32x4_t) -> uint32x4_t {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vaddq_u32(x, y) }
    }

    #[inline(always)]
    fn shift_left(self, x: uint32x4_t, bits: u32) -> uint32x4_t {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vshlq_u32(x, vdupq_n_s32(bits.cast_signed())) }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, x: uint32x4_t) -> uint32x4_t {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vshrq_n_u32::<BITS>(x) }
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32>(self, x: uint32x4_t) -> uint32x4_t {
        // A shift, and one that leaves the bits in place that it would fill with zeros.
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vsriq_n_u32::<BITS>(vshlq_u32(x, vdupq_n_s32(32 - BITS)), x) }
    }

    #[inline(always)]
    fn xor3(self, x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { veorq_u32(veorq_u32(x, y), z) }
    }

    #[inline(always)]
    fn choose(self, x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vbslq_u32(x, y, z) }
    }

    #[inline(always)]
    fn majority(self, x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
        // Where `x` and `y` differ, `z` decides.
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { vbslq_u32(veorq_u32(x, y), z, y) }
    }

    #[inline(always)]
    fn lanes_without(self, x: uint32x4_t, mask: uint32x4_t) -> u32 {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe {
            let without = vceqzq_u32(vandq_u32(x, mask));
            vaddvq_u32(vandq_u32(without, self.load(&[1, 2, 4, 8])))
        }
    }
}
