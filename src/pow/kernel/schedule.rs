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

/// The constants of the 64 rounds.
pub(super) const K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];
