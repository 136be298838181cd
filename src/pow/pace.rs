//! A limit of guesses a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::search::CancelFlag;

/// Time made up for after a pause: a thread that woke late, or a search that had to be
/// prepared, costs no rate.
const MADE_UP: Duration = Duration::from_millis(50);

/// Stands for no limit.
const NO_LIMIT: u64 = u64::MAX;

/// A limit for all searches that share it, one after the other or at once.
#[derive(Debug)]
pub struct Pace {
    limit: AtomicU64,
    /// When the guesses made so far are paid for.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most `limit` guesses a second; 0 pauses.
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit: AtomicU64::new(limit.unwrap_or(NO_LIMIT)), paid: Mutex::new(None) }
    }

    /// The limit.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    /// Changes the limit. Searches under way that wait have to be cancelled to see it.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        *self.paid.lock() = None;
    }

    /// Waits until guesses may be made, or until `cancel` says or `is_over` tells that none
    /// are wanted.
    pub(super) fn wait(&self, cancel: &CancelFlag, is_over: impl Fn() -> bool) {
        match self.limit() {
            None => {}
            Some(0) => cancel.wait_until(None, is_over),
            Some(_) => {
                let paid = *self.paid.lock();
                if paid.is_some_and(|paid| paid > Instant::now()) {
                    cancel.wait_until(paid, is_over);
                }
            }
        }
    }

    /// Notes guesses that were made.
    pub(super) fn spend(&self, guesses: u64) {
        let Some(limit) = self.limit().filter(|limit| *limit > 0) else { return };
        let cost = Duration::from_secs_f64(guesses as f64 / limit as f64);
        let mut paid = self.paid.lock();
        let now = Instant::now();
        let earliest = now.checked_sub(MADE_UP).unwrap_or(now);
        *paid = paid.unwrap_or(now).max(earliest).checked_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::super::search::{Outcome, Search};
    use super::*;
    use crate::chain::network::Difficulty;

    /// Guesses of an endless search in `time`, and what was left of it.
    fn run(pace: &Arc<Pace>, threads: usize, time: Duration) -> (u64, Duration) {
        let search = Search::new(b"", Difficulty::new(64).unwrap()).with_pace(Arc::clone(pace));
        let cancel = search.cancel_flag();
        thread::scope(|scope| {
            let began = Instant::now();
            let run = scope.spawn(move || search.run(NonZeroUsize::new(threads).unwrap()));
            // The time that is measured, and no waiting for something to happen.
            thread::sleep(time);
            cancel.cancel();
            let Outcome::Cancelled { guesses } = run.join().unwrap() else { panic!("found") };
            (guesses, began.elapsed())
        })
    }

    #[test]
    fn a_limited_search_keeps_its_pace_over_any_number_of_threads() {
        for threads in [1, 3] {
            let pace = Arc::new(Pace::new(Some(1_000_000)));
            let (guesses, took) = run(&pace, threads, Duration::from_secs(1));
            let rate = guesses as f64 / took.as_secs_f64();
            assert!(rate < 1_100_000.0, "{rate} with {threads} threads");
        }
    }

    #[test]
    fn a_paused_search_guesses_nothing_and_is_cancelled_at_once() {
        let pace = Arc::new(Pace::new(Some(0)));
        let (guesses, took) = run(&pace, 2, Duration::from_millis(20));
        assert_eq!(guesses, 0);
        assert!(took < Duration::from_secs(5));
    }

    #[test]
    fn one_that_waits_does_not_hold_up_one_that_has_found() {
        // All threads have to end before a nonce is known to be the smallest, and the next batch
        // may begin in an hour.
        let pace = Pace::new(Some(1));
        pace.spend(3_600);
        let (cancel, found) = (CancelFlag::default(), AtomicBool::new(false));
        let (waits, begins_to_wait) = crossbeam_channel::unbounded();
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                pace.wait(&cancel, || {
                    waits.send(()).unwrap();
                    found.load(Ordering::Relaxed)
                })
            });
            begins_to_wait.recv().unwrap();
            found.store(true, Ordering::Relaxed);
            cancel.wake();
        });
        assert!(began.elapsed() < Duration::from_secs(600) && !cancel.is_cancelled());
    }
}
