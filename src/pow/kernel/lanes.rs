//! Guesses side by side: one in each 32-bit lane of a vector.
//!
//! The algorithm is here, for vectors of any width; [`Lanes`] is what a CPU has to offer.
//! Three things make a guess cheaper than a SHA-256 compression:
//!
//! - Within a run of guesses only one of the 16 message words varies, the *inner* one. The
//!   rounds in front of it, and every part of the message schedule without it, are computed
//!   once a run ([`Run`]); how the four digits come to lie in one word is `layout`'s.
//! - Up to difficulty 8 the last word of the hash decides. It is known after 61 of 64 rounds,
//!   and the last four of these need only one half of their result, which the optimiser finds out.
//! - Digits come from a table.

use super::layout::Layout;
use super::schedule::{ALWAYS_VARYING, K, ROUNDS, VARYING, unrolled};
use crate::pow::guess::{FOUR_DIGITS, OneBlock, Target};
use crate::pow::search::CancelFlag;

/// A vector unit. Having one proves that the CPU has it, so the operations are safe.
///
/// All methods of an implementation are `#[inline(always)]`, as is all code here that calls
/// them: only inside a function that enables the CPU's feature do they become instructions.
pub(super) trait Lanes: Copy {
    /// A vector of 32-bit words.
    type Words: Copy;
    /// Lanes in a vector: 4, 8 or 16.
    const COUNT: usize;

    fn splat(self, word: u32) -> Self::Words;
    /// Fills a vector with 2, 4, 8 or 16 words, repeated.
    fn load(self, words: &[u32]) -> Self::Words;
    fn add(self, x: Self::Words, y: Self::Words) -> Self::Words;
    fn shift_left(self, x: Self::Words, bits: u32) -> Self::Words;
    fn shift_right<const BITS: i32>(self, x: Self::Words) -> Self::Words;
    fn rotate_right<const BITS: i32>(self, x: Self::Words) -> Self::Words;
    fn xor3(self, x: Self::Words, y: Self::Words, z: Self::Words) -> Self::Words;
    /// Takes bits of `y` where `x` has ones, of `z` where it has zeros.
    fn choose(self, x: Self::Words, y: Self::Words, z: Self::Words) -> Self::Words;
    fn majority(self, x: Self::Words, y: Self::Words, z: Self::Words) -> Self::Words;
    /// Returns a one bit, lane 0 lowest, for every lane of `x` that has no bit of `mask`.
    fn lanes_without(self, x: Self::Words, mask: Self::Words) -> u32;
}

/// Returns the smallest number that, as the last digits of `block`, makes the bits of the
/// hash's last word vanish that `target` names.
#[inline(always)]
pub(super) fn smallest<L: Lanes, const STREAMS: usize>(
    lanes: L,
    block: &OneBlock,
    target: Target,
    cancel: &CancelFlag,
) -> Option<u16> {
    let layout = Layout::new(block.digits_at, L::COUNT);
    let inner = layout.inner.word;
    let mask = lanes.splat(target.last_word_mask);
    let mut words = block.words.map(|word| lanes.splat(word));
    words[inner] = lanes.splat(layout.inner_word(block));
    let mut smallest = None;
    for outer_first in layout.runs() {
        let (outer, outer_words) = layout.outer_words(block, outer_first);
        words[outer] = lanes.load(&outer_words[..L::COUNT]);
        let run = Run::new(lanes, inner, &block.midstate, &words);
        for first in (0..layout.inner.count).step_by(STREAMS * layout.inner_lanes) {
            if cancel.is_cancelled() {
                return None;
            }
            // The end of a run may be shorter: a stream then does again what
            // another does.
            let last = layout.inner.count - layout.inner_lanes;
            let inner_firsts: [usize; STREAMS] =
                std::array::from_fn(|stream| last.min(first + stream * layout.inner_lanes));
            let digits = inner_firsts.map(|first| {
                let digits = lanes.load(&FOUR_DIGITS[first..first + layout.inner_lanes]);
                lanes.shift_left(digits, layout.inner.shift)
            });
            let last_words = run.last_words(lanes, digits);
            for (inner_first, last_word) in inner_firsts.into_iter().zip(last_words) {
                let hits = lanes.lanes_without(last_word, mask);
                if hits != 0 {
                    let hit_lanes = (0..L::COUNT).filter(|lane| hits & (1 << lane) != 0);
                    let lows = hit_lanes.map(|lane| layout.low(outer_first, inner_first, lane));
                    smallest = lows.chain(smallest).min();
                }
            }
        }
    }
    smallest
}

/// The common part of the guesses of a run. Digits are added to the inner word.
struct Run<W> {
    /// The inner word's place.
    inner: usize,
    /// The inner word without its digits.
    inner_word: W,
    /// The words of the schedule that vary, as a set.
    varying: u64,
    /// State after the inner word's round, without the digits.
    state: [W; 8],
    /// For each of the first rounds: its constant and its word.
    constants: [W; 16],
    /// For each word of the schedule: the sum of its terms that do not vary.
    partial: [W; ROUNDS],
    /// The last word of the state before the block.
    last_word: W,
}

impl<W: Copy> Run<W> {
    #[inline(always)]
    fn new(
        lanes: impl Lanes<Words = W>,
        inner: usize,
        midstate: &[u32; 8],
        words: &[W; 16],
    ) -> Self {
        let zero = lanes.splat(0);
        let varying = VARYING[inner];
        let mut partial = [zero; ROUNDS];
        partial[..16].copy_from_slice(words);
        for i in 16..ALWAYS_VARYING + 16 {
            let varies = |word: usize| varying & (1 << word) != 0;
            let mut sum = zero;
            for word in [i - 7, i - 16] {
                if !varies(word) || word == inner {
                    sum = lanes.add(sum, partial[word]);
                }
            }
            if !varies(i - 2) {
                sum = lanes.add(sum, schedule_1(lanes, partial[i - 2]));
            }
            if !varies(i - 15) {
                sum = lanes.add(sum, schedule_0(lanes, partial[i - 15]));
            }
            partial[i] = sum;
        }
        let mut constants = *words;
        for (sum, &constant) in constants.iter_mut().zip(&K) {
            *sum = lanes.add(*sum, lanes.splat(constant));
        }
        let mut state = midstate.map(|word| lanes.splat(word));
        for &constant in &constants[..=inner] {
            state = round(lanes, state, constant);
        }
        Self {
            inner,
            inner_word: words[inner],
            varying,
            state,
            constants,
            partial,
            last_word: lanes.splat(midstate[7]),
        }
    }

    /// True if a word of the schedule varies within the run.
    #[inline(always)]
    fn varies(&self, word: usize) -> bool {
        word >= ALWAYS_VARYING || self.varying & (1 << word) != 0
    }

    /// Returns the last word of the hash with `digits` added to the inner word, for each of
    /// several streams of guesses. They advance in turns, so that a CPU that waits for a result
    /// of one goes on with the other.
    ///
    /// The branches go the same way in every guess of a search.
    #[inline(always)]
    fn last_words<const STREAMS: usize>(
        &self,
        lanes: impl Lanes<Words = W>,
        digits: [W; STREAMS],
    ) -> [W; STREAMS] {
        let mut states = digits.map(|digits| {
            let mut state = self.state;
            state[0] = lanes.add(state[0], digits);
            state[4] = lanes.add(state[4], digits);
            state
        });
        let mut words = [digits; ROUNDS];
        unrolled!(i, {
            for stream in 0..STREAMS {
                let state = &mut states[stream];
                if i < 16 {
                    if i > self.inner {
                        *state = round(lanes, *state, self.constants[i]);
                    }
                } else {
                    let mut sum = (i < ALWAYS_VARYING + 16).then_some(self.partial[i]);
                    if self.varies(i - 16) {
                        sum = plus(lanes, sum, words[i - 16][stream]);
                    }
                    if self.varies(i - 7) {
                        sum = plus(lanes, sum, words[i - 7][stream]);
                    }
                    if self.varies(i - 15) {
                        let word = match i - 15 < 16 {
                            true => lanes.add(self.inner_word, digits[stream]),
                            false => words[i - 15][stream],
                        };
                        sum = plus(lanes, sum, schedule_0(lanes, word));
                    }
                    if self.varies(i - 2) {
                        sum = plus(lanes, sum, schedule_1(lanes, words[i - 2][stream]));
                    }
                    words[i][stream] = sum.expect("every word of the schedule has terms");
                    let constant = lanes.add(words[i][stream], lanes.splat(K[i]));
                    *state = round(lanes, *state, constant);
                }
            }
        });
        states.map(|state| lanes.add(state[4], self.last_word))
    }
}

#[inline(always)]
fn plus<L: Lanes>(lanes: L, sum: Option<L::Words>, term: L::Words) -> Option<L::Words> {
    Some(match sum {
        Some(sum) => lanes.add(sum, term),
        None => term,
    })
}

/// Returns the state after a round; `constant` is the sum of the round's constant and word.
#[inline(always)]
fn round<L: Lanes>(
    lanes: L,
    [a, b, c, d, e, f, g, h]: [L::Words; 8],
    constant: L::Words,
) -> [L::Words; 8] {
    let sum_1 = lanes.xor3(
        lanes.rotate_right::<6>(e),
        lanes.rotate_right::<11>(e),
        lanes.rotate_right::<25>(e),
    );
    let sum_0 = lanes.xor3(
        lanes.rotate_right::<2>(a),
        lanes.rotate_right::<13>(a),
        lanes.rotate_right::<22>(a),
    );
    let mixed = lanes.add(lanes.add(h, constant), lanes.choose(e, f, g));
    let mixed = lanes.add(mixed, sum_1);
    let new_a = lanes.add(lanes.add(mixed, lanes.majority(a, b, c)), sum_0);
    [new_a, a, b, c, lanes.add(d, mixed), e, f, g]
}

#[inline(always)]
fn schedule_0<L: Lanes>(lanes: L, word: L::Words) -> L::Words {
    lanes.xor3(
        lanes.rotate_right::<7>(word),
        lanes.rotate_right::<18>(word),
        lanes.shift_right::<3>(word),
    )
}

#[inline(always)]
fn schedule_1<L: Lanes>(lanes: L, word: L::Words) -> L::Words {
    lanes.xor3(
        lanes.rotate_right::<17>(word),
        lanes.rotate_right::<19>(word),
        lanes.shift_right::<10>(word),
    )
}
