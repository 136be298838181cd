//! Hash rate of a kernel on this host, and the expected time of a block.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

pub use super::guess::BATCH;
use super::guess::{Prefix, Target};
use super::kernel::Kernel;
use super::search::CancelFlag;
use crate::chain::network::Difficulty;

/// Bytes in front of a mined nonce: the previous proof with a seven-digit nonce, and a seal.
const PREFIX_BYTES: usize = 137;

/// Measures the guesses a second that one thread does with `kernel`, over `guesses` guesses
/// (rounded up to whole batches of 10,000) of the kind that mining does.
pub fn measure(kernel: Kernel, guesses: NonZeroU64) -> f64 {
    let prefix = Prefix::new(&[b'a'; PREFIX_BYTES]);
    let target = Target::new(HOPELESS);
    let cancel = CancelFlag::default();
    // Seven-digit nonces, as the default difficulty needs.
    let batches = (100..).map_while(NonZeroU64::new).take(guesses.get().div_ceil(BATCH) as usize);
    let mut done = 0;
    let start = Instant::now();
    for number in batches {
        let hit = kernel.smallest(&prefix.batch(number), target, &cancel);
        assert_eq!(hit, None, "nobody has ever seen a hash of zeros");
        done += BATCH;
    }
    // A clock that did not move is one that is too coarse.
    done as f64 / start.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

/// Never met, so that no search ends early.
const HOPELESS: Difficulty = Difficulty::new(64).expect("64 is within the limits");

/// Returns the time a block takes on average at `difficulty` with so many guesses a second.
///
/// `None` if that is longer than any clock runs.
pub fn expected_time(difficulty: Difficulty, guesses_per_second: f64) -> Option<Duration> {
    let guesses = 16_f64.powi(difficulty.zeros().into());
    Duration::try_from_secs_f64(guesses / guesses_per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_a_rate() {
        for kernel in Kernel::available() {
            let rate = measure(kernel, NonZeroU64::MIN);
            assert!(rate > 0.0 && rate.is_finite(), "{kernel}: {rate}");
        }
    }

    #[test]
    fn each_zero_more_takes_sixteen_times_as_long() {
        let time = |zeros| expected_time(Difficulty::new(zeros).unwrap(), 65_536.0);
        assert_eq!(time(4), Some(Duration::from_secs(1)));
        assert_eq!(time(5), Some(Duration::from_secs(16)));
        assert_eq!(time(64), None);
    }
}
