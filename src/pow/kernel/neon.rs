//! Four guesses side by side, with NEON, for 64-bit Arm without SHA-2 instructions: Cortex-A53 and
//! A72, as in Raspberry Pi 3 and 4.
//!
//! A guess takes 700 instructions at most, counted in the loop that rustc 1.96 makes of it, where the
//! `sha2` crate takes 1,900 for a block. Of them, 270 are shifts, of which a Cortex-A72 begins one a
//! cycle.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `Neon` proves.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::lanes;
use super::unit::vector_unit;

// One stream: its rounds keep both pipes of a Cortex-A72 busy.
vector_unit! {
    Neon, "neon" if is_aarch64_feature_detected!("neon"), 4 x u32 in uint32x4_t, 1 streams;

    fn splat(self, word: u32) -> uint32x4_t { vdupq_n_u32(word) }

    fn load(self, words: &[u32]) -> uint32x4_t {
        let start = words.as_ptr();
        // Each load reads as many words as its case says there are, and needs no alignment.
        match words.len() {
            4 => vld1q_u32(start),
            2 => {
                let half = vld1_u32(start);
                vcombine_u32(half, half)
            }
            count => panic!("{count} words do not fill a vector"),
        }
    }

    fn add(self, x: uint32x4_t, y: uint32x4_t) -> uint32x4_t { vaddq_u32(x, y) }

    fn shift_left(self, x: uint32x4_t, bits: u32) -> uint32x4_t {
        vshlq_u32(x, vdupq_n_s32(bits.cast_signed()))
    }

    fn shift_right<const BITS: i32>(self, x: uint32x4_t) -> uint32x4_t { vshrq_n_u32::<BITS>(x) }

    fn rotate_right<const BITS: i32>(self, x: uint32x4_t) -> uint32x4_t {
        // A shift, and one that leaves the bits in place that it would fill with zeros.
        vsriq_n_u32::<BITS>(vshlq_u32(x, vdupq_n_s32(32 - BITS)), x)
    }

    fn xor3(self, x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
        veorq_u32(veorq_u32(x, y), z)
    }

    fn choose(self, x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
        vbslq_u32(x, y, z)
    }

    fn majority(self, x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
        // Where `x` and `y` differ, `z` decides.
        vbslq_u32(veorq_u32(x, y), z, y)
    }

    fn lanes_without(self, x: uint32x4_t, mask: uint32x4_t) -> u32 {
        let without = vceqzq_u32(vandq_u32(x, mask));
        vaddvq_u32(vandq_u32(without, self.load(&[1, 2, 4, 8])))
    }
}
