//! Chance and counting: everything that happens follows from a seed, and is counted.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::support::sim_disk::Rng;

/// The one source of chance of a world.
pub struct Chance(Mutex<Rng>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37)))
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&self, end: usize) -> usize {
        self.0.lock().below(end)
    }

    /// A number from `first` to `last`.
    pub fn between(&self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True `times` times in a hundred.
    pub fn percent(&self, times: usize) -> bool {
        self.below(100) < times
    }

    pub fn pick<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Picks by weight.
    pub fn weighted<T: Copy>(&self, all: &[(usize, T)]) -> T {
        let mut at = self.below(all.iter().map(|(weight, _)| weight).sum());
        for (weight, what) in all {
            if at < *weight {
                return *what;
            }
            at -= weight;
        }
        unreachable!("the weights add up")
    }

    pub fn shuffle<T>(&self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }

    pub fn bytes(&self) -> [u8; 16] {
        let mut rng = self.0.lock();
        std::array::from_fn(|_| rng.below(256) as u8)
    }
}

/// How often what happened.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub fn count(&self, what: &'static str) {
        self.add(what, 1);
    }

    pub fn add(&self, what: &'static str, times: u64) {
        *self.0.lock().entry(what).or_default() += times;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.lock().get(what).copied().unwrap_or(0)
    }

    pub fn take_in(&self, other: &Self) {
        for (what, times) in &*other.0.lock() {
            self.add(what, *times);
        }
    }

    pub fn all(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().clone()
    }
}
