//! Eight guesses side by side, with AVX2, which has neither rotation nor three-input logic.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `Avx2` proves.

use std::arch::x86_64::*;

use super::lanes;
use super::unit::vector_unit;

// One stream: half as many registers as AVX-512's have no room for more.
vector_unit! {
    Avx2, "avx2" if is_x86_feature_detected!("avx2"), 8 x u32 in __m256i, 1 streams;

    fn splat(self, word: u32) -> __m256i { _mm256_set1_epi32(word.cast_signed()) }

    fn load(self, words: &[u32]) -> __m256i {
        let start = words.as_ptr();
        // Each load reads as many words as its case says there are, and needs no alignment.
        match words.len() {
            8 => _mm256_loadu_si256(start.cast()),
            4 => _mm256_broadcastsi128_si256(_mm_loadu_si128(start.cast())),
            count => panic!("{count} words do not fill a vector"),
        }
    }

    fn add(self, x: __m256i, y: __m256i) -> __m256i { _mm256_add_epi32(x, y) }

    fn shift_left(self, x: __m256i, bits: u32) -> __m256i {
        _mm256_sllv_epi32(x, self.splat(bits))
    }

    fn shift_right<const BITS: i32>(self, x: __m256i) -> __m256i { _mm256_srli_epi32::<BITS>(x) }

    fn rotate_right<const BITS: i32>(self, x: __m256i) -> __m256i {
        let left = _mm256_sll_epi32(x, _mm_cvtsi32_si128(32 - BITS));
        _mm256_or_si256(_mm256_srli_epi32::<BITS>(x), left)
    }

    fn xor3(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(x, y), z)
    }

    fn choose(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
    }

    fn majority(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        // The differences are those of the round before and after: computed once for both.
        let differences = _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z));
        _mm256_xor_si256(y, differences)
    }

    fn lanes_without(self, x: __m256i, mask: __m256i) -> u32 {
        let bits = _mm256_and_si256(x, mask);
        let without = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
        _mm256_movemask_ps(_mm256_castsi256_ps(without)).cast_unsigned()
    }
}
