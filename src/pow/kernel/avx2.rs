//! Eight guesses side by side, with AVX2, which has neither rotation nor three-input logic.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `Avx2` proves.

use std::arch::x86_64::*;

use super::lanes::{self, Lanes};
use crate::pow::guess::{OneBlock, Target};
use crate::pow::search::CancelFlag;

/// Proof that this CPU, and the system, can do AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// Returns the proof where it holds.
    pub(super) fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn smallest(
        self,
        block: &OneBlock,
        target: Target,
        cancel: &CancelFlag,
    ) -> Option<u16> {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { smallest(self, block, target, cancel) }
    }
}

/// Vectors of guesses in turns: half as many registers have no room for more.
const STREAMS: usize = 1;

#[target_feature(enable = "avx2")]
fn smallest(lanes: Avx2, block: &OneBlock, target: Target, cancel: &CancelFlag) -> Option<u16> {
    lanes::smallest::<_, STREAMS>(lanes, block, target, cancel)
}

impl Lanes for Avx2 {
    type Words = __m256i;
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(self, word: u32) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_set1_epi32(word.cast_signed()) }
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> __m256i {
        let start = words.as_ptr();
        // SAFETY: `self` exists, so the CPU has AVX2; each load reads as many words as its case
        // says there are, and needs no alignment.
        unsafe {
            match words.len() {
                8 => _mm256_loadu_si256(start.cast()),
                4 => _mm256_broadcastsi128_si256(_mm_loadu_si128(start.cast())),
                count => panic!("{count} words do not fill a vector"),
            }
        }
    }

    #[inline(always)]
    fn add(self, x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_add_epi32(x, y) }
    }

    #[inline(always)]
    fn shift_left(self, x: __m256i, bits: u32) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_sllv_epi32(x, self.splat(bits)) }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, x: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_srli_epi32::<BITS>(x) }
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32>(self, x: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe {
            let left = _mm256_sll_epi32(x, _mm_cvtsi32_si128(32 - BITS));
            _mm256_or_si256(_mm256_srli_epi32::<BITS>(x), left)
        }
    }

    #[inline(always)]
    fn xor3(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_xor_si256(_mm256_xor_si256(x, y), z) }
    }

    #[inline(always)]
    fn choose(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z))) }
    }

    #[inline(always)]
    fn majority(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        // The differences are those of the round before and after: computed once for both.
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe {
            let differences = _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z));
            _mm256_xor_si256(y, differences)
        }
    }

    #[inline(always)]
    fn lanes_without(self, x: __m256i, mask: __m256i) -> u32 {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe {
            let bits = _mm256_and_si256(x, mask);
            let without = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
            _mm256_movemask_ps(_mm256_castsi256_ps(without)).cast_unsigned()
        }
    }
}
