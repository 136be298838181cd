//! SHA-256's constants, and which words of its message schedule vary when one word does.

/// Rounds until the last word of the hash is known: it is `e` after this many.
pub(super) const ROUNDS: usize = 61;

/// For each message word that may hold digits, the words of the schedule that depend on it, as
/// a set of bits.
pub(super) const VARYING: [u64; 14] = {
    let mut sets = [0; 14];
    let mut inner = 0;
    while inner < sets.len() {
        let mut set = 1_u64 << inner;
        let mut word = 16;
        while word < ROUNDS {
            let terms = (set >> (word - 2))
                | (set >> (word - 7))
                | (set >> (word - 15))
                | (set >> (word - 16));
            set |= (terms & 1) << word;
            word += 1;
        }
        sets[inner] = set;
        inner += 1;
    }
    sets
};

/// From here on every word of the schedule varies, whichever message word does.
pub(super) const ALWAYS_VARYING: usize = {
    let mut always = u64::MAX;
    let mut inner = 0;
    while inner < VARYING.len() {
        always &= VARYING[inner];
        inner += 1;
    }
    ROUNDS - (always << (64 - ROUNDS)).leading_ones() as usize
};
const _: () = assert!(ALWAYS_VARYING + 16 < ROUNDS);

/// Repeats a block for every round, with the round's number in a variable, so that each copy is
/// compiled for its round alone and vectors stay in registers.
macro_rules! unrolled {
    ($round:ident, $body:block) => {
        unrolled!(@ $round $body
             0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20
            21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40
            41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60)
    };
    (@ $round:ident $body:block $($number:literal)*) => {
        $({
            let $round: usize = $number;
            $body
        })*
    };
}
pub(super) use unrolled;

/// The constants of the 64 rounds, as FIPS 180-4 prints them.
#[rustfmt::skip]
pub(super) const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];
