//! Sixteen guesses side by side, with AVX-512's rotation and three-input logic.
#![allow(unsafe_code)] // CPU instructions; that the CPU has them is what `Avx512` proves.

use std::arch::x86_64::*;

use super::lanes;
use super::unit::vector_unit;

/// Bit for bit `x ^ y ^ z`, as a table over the three bits.
const XOR3: i32 = 0b1001_0110;
/// `if x { y } else { z }`.
const CHOOSE: i32 = 0b1100_1010;
/// The value of two of the three.
const MAJORITY: i32 = 0b1110_1000;

// Two streams: one round of one waits for its own results, and there are registers, and memory
// behind them, for two.
vector_unit! {
    Avx512, "avx512f" if is_x86_feature_detected!("avx512f"), 16 x u32 in __m512i, 2 streams;

    fn splat(self, word: u32) -> __m512i { _mm512_set1_epi32(word.cast_signed()) }

    fn load(self, words: &[u32]) -> __m512i {
        let start = words.as_ptr();
        // Each load reads as many words as its case says there are, and needs no alignment.
        match words.len() {
            16 => _mm512_loadu_si512(start.cast()),
            8 => _mm512_broadcast_i64x4(_mm256_loadu_si256(start.cast())),
            4 => _mm512_broadcast_i32x4(_mm_loadu_si128(start.cast())),
            count => panic!("{count} words do not fill a vector"),
        }
    }

    fn add(self, x: __m512i, y: __m512i) -> __m512i { _mm512_add_epi32(x, y) }

    fn shift_left(self, x: __m512i, bits: u32) -> __m512i {
        _mm512_sllv_epi32(x, self.splat(bits))
    }

    fn shift_right<const BITS: i32>(self, x: __m512i) -> __m512i {
        _mm512_srlv_epi32(x, self.splat(BITS.cast_unsigned()))
    }

    fn rotate_right<const BITS: i32>(self, x: __m512i) -> __m512i { _mm512_ror_epi32::<BITS>(x) }

    fn xor3(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<XOR3>(x, y, z)
    }

    fn choose(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<CHOOSE>(x, y, z)
    }

    fn majority(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<MAJORITY>(x, y, z)
    }

    fn lanes_without(self, x: __m512i, mask: __m512i) -> u32 {
        _mm512_testn_epi32_mask(x, mask).into()
    }
}
