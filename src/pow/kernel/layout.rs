//! Place of the last four digits in the words of a block, for guesses side by side.
//!
//! Within a run of guesses only the *inner* word varies. When the digits lie in two words, the
//! other one is the *outer*: each lane keeps one of its numbers through a run. A batch then
//! fills whole vectors, whatever the layout: 10,000 = 10 x 1,000 = 100 x 100.

use crate::pow::guess::{FOUR_DIGITS, OneBlock};

/// The two words that hold the last four digits.
pub(super) struct Layout {
    /// The word that varies within a run.
    pub(super) inner: Part,
    /// The word that differs between lanes and runs only; one number, 0, if there is none.
    outer: Part,
    /// Number of neighbouring lanes that share an outer number.
    pub(super) inner_lanes: usize,
    outer_lanes: usize,
}

/// One word's part of the digits.
pub(super) struct Part {
    /// The word's place in the block.
    pub(super) word: usize,
    /// Number of values that the digits show.
    pub(super) count: usize,
    /// Contribution of the number to the four digits, per unit.
    weight: usize,
    /// Distance of the digits from the word's end, in bits.
    pub(super) shift: u32,
    /// The digits' bits, in an entry of the table.
    mask: u32,
}

impl Layout {
    pub(super) fn new(digits_at: usize, lanes: usize) -> Self {
        let word = digits_at / 4;
        let part = |word, count, weight, shift, mask| Part { word, count, weight, shift, mask };
        let (inner, outer) = match digits_at % 4 {
            0 => (part(word, 10_000, 1, 0, u32::MAX), part(word + 1, 1, 0, 0, 0)),
            1 => (part(word, 1000, 10, 0, 0xff_ffff), part(word + 1, 10, 1, 24, 0xff)),
            2 => (part(word + 1, 100, 1, 16, 0xffff), part(word, 100, 100, 0, 0xffff)),
            _ => (part(word + 1, 1000, 1, 8, 0xff_ffff), part(word, 10, 1000, 0, 0xff)),
        };
        let inner_lanes = match outer.count {
            1 => lanes,
            10 => lanes / 2,
            _ => 4,
        };
        Self { inner, outer, inner_lanes, outer_lanes: lanes / inner_lanes }
    }

    /// The first outer number of every run.
    pub(super) fn runs(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.outer.count).step_by(self.outer_lanes)
    }

    /// Returns the outer word's place, and the word in each lane of the run.
    pub(super) fn outer_words(&self, block: &OneBlock, run: usize) -> (usize, [u32; 16]) {
        let words = std::array::from_fn(|lane| {
            let number = (run + lane / self.inner_lanes).min(self.outer.count - 1);
            let digits = FOUR_DIGITS[number] & self.outer.mask;
            block.words[self.outer.word] + (digits << self.outer.shift)
        });
        (self.outer.word, words)
    }

    /// Returns the inner word less what an entry of the table, shifted, brings along in front of
    /// the digits.
    pub(super) fn inner_word(&self, block: &OneBlock) -> u32 {
        let excess = (FOUR_DIGITS[0] & !self.inner.mask) << self.inner.shift;
        block.words[self.inner.word].wrapping_sub(excess)
    }

    /// Returns the number the four digits show in `lane`.
    pub(super) fn low(&self, run: usize, inner_first: usize, lane: usize) -> u16 {
        let inner = (inner_first + lane % self.inner_lanes) * self.inner.weight;
        let outer = (run + lane / self.inner_lanes) * self.outer.weight;
        u16::try_from(inner + outer).expect("four digits fit")
    }
}
