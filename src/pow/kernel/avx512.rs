//! Sixteen guesses side by side, with AVX-512's rotation and three-input logic.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `Avx512` proves.

use std::arch::x86_64::*;

use super::lanes::{self, Lanes};
use crate::pow::guess::{OneBlock, Target};
use crate::pow::search::CancelFlag;

/// Proof that this CPU, and the system, can do AVX-512F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// Returns the proof where it holds.
    pub(super) fn new() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }

    pub(super) fn smallest(
        self,
        block: &OneBlock,
        target: Target,
        cancel: &CancelFlag,
    ) -> Option<u16> {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { smallest(self, block, target, cancel) }
    }
}

/// Vectors of guesses in turns: one round of one waits for its own results, and there are
/// registers, and memory behind them, for two.
const STREAMS: usize = 2;

#[target_feature(enable = "avx512f")]
fn smallest(lanes: Avx512, block: &OneBlock, target: Target, cancel: &CancelFlag) -> Option<u16> {
    lanes::smallest::<_, STREAMS>(lanes, block, target, cancel)
}

/// Bit for bit `x ^ y ^ z`, as a table over the three bits.
const XOR3: i32 = 0b1001_0110;
/// `if x { y } else { z }`.
const CHOOSE: i32 = 0b1100_1010;
/// Ternary logic: the value of two of the three.
const MAJORITY: i32 = 0b1110_1000;

impl Lanes for Avx512 {
    type Words = __m512i;
    const COUNT: usize = 16;

    #[inline(always)]
    fn splat(self, word: u32) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_set1_epi32(word.cast_signed()) }
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> __m512i {
        let start = words.as_ptr();
        // SAFETY: `self` exists, so the CPU has AVX-512F; each load reads as many words as its
        // case says there are, and needs no alignment.
        unsafe {
            match words.len() {
                16 => _mm512_loadu_si512(start.cast()),
                8 => _mm512_broadcast_i64x4(_mm256_loadu_si256(start.cast())),
                4 => _mm512_broadcast_i32x4(_mm_loadu_si128(start.cast())),
                count => panic!("{count} words do not fill a vector"),
            }
        }
    }

    #[inline(always)]
    fn add(self, x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_add_epi32(x, y) }
    }

    #[inline(always)]
    fn shift_left(self, x: __m512i, bits: u32) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_sllv_epi32(x, self.splat(bits)) }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, x: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_srlv_epi32(x, self.splat(BITS.cast_unsigned())) }
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32>(self, x: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_ror_epi32::<BITS>(x) }
    }

    #[inline(always)]
    fn xor3(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_ternarylogic_epi32::<XOR3>(x, y, z) }
    }

    #[inline(always)]
    fn choose(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_ternarylogic_epi32::<CHOOSE>(x, y, z) }
    }

    #[inline(always)]
    fn majority(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_ternarylogic_epi32::<MAJORITY>(x, y, z) }
    }

    #[inline(always)]
    fn lanes_without(self, x: __m512i, mask: __m512i) -> u32 {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_testn_epi32_mask(x, mask).into() }
    }
}
