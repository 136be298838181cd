//! One search for a nonce, over any number of threads.
//!
//! The first nonces are tried in the calling thread, so that little work costs no thread.
//! After them, threads take batches from a counter, in rising order: whoever takes a batch
//! finishes it, so when all are done every batch below the lowest hit has been searched, and
//! the smallest nonce that works is known.

use std::num::{NonZeroU64, NonZeroUsize};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::guess::{BATCH, LAST_BATCH, Prefix, Target};
use super::kernel::{Kernel, portable};
use super::pace::Pace;
use crate::chain::network::Difficulty;

/// Stops the search it came from. Clones stop the same search.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    is_cancelled: AtomicBool,
    /// For those that wait, since their pace is limited.
    waiting: Mutex<()>,
    woken: Condvar,
}

impl CancelFlag {
    /// Makes [`Search::run`] return [`Outcome::Cancelled`], within a fraction of a millisecond
    /// when it is running, at once when it is started later. There is no way back.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Lets those that wait look again whether anything has changed.
    pub(super) fn wake(&self) {
        let _waiting = self.0.waiting.lock();
        self.0.woken.notify_all();
    }

    /// Waits until `time` (for ever, without one), but no longer than until somebody cancels
    /// or `is_over`.
    pub(super) fn wait_until(&self, time: Option<Instant>, is_over: impl Fn() -> bool) {
        let mut waiting = self.0.waiting.lock();
        while !self.is_cancelled() && !is_over() {
            match time {
                None => self.0.woken.wait(&mut waiting),
                Some(time) => {
                    if self.0.woken.wait_until(&mut waiting, time).timed_out() {
                        return;
                    }
                }
            }
        }
    }

    /// True once the search was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Relaxed)
    }
}

/// The guesses of a search so far, over all threads. Clones count the same search.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Hashes computed so far; at most one batch for each thread behind.
    pub fn guesses(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, guesses: u64) {
        self.0.fetch_add(guesses, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No smaller nonce works.
    Found {
        /// Appended to the prefix in decimal, it makes a hash with enough zeros.
        nonce: u64,
        /// Hashes computed, over all threads.
        guesses: u64,
    },
    /// The flag was set before the end.
    Cancelled { guesses: u64 },
    /// No nonce below 2^64 works.
    Exhausted,
}

/// One job: the smallest nonce that makes the hash of a prefix and itself end with enough zeros.
pub struct Search {
    prefix: Prefix,
    target: Target,
    kernel: Kernel,
    cancel: CancelFlag,
    progress: Progress,
    pace: Arc<Pace>,
}

impl Search {
    /// Prepares a search with the best kernel of this CPU. `prefix` may be anything, also empty.
    pub fn new(prefix: &[u8], difficulty: Difficulty) -> Self {
        Self {
            prefix: Prefix::new(prefix),
            target: Target::new(difficulty),
            kernel: Kernel::best(),
            cancel: CancelFlag::default(),
            progress: Progress::default(),
            pace: Arc::new(Pace::new(None)),
        }
    }

    /// Makes no more guesses a second than `pace` allows.
    pub fn with_pace(self, pace: Arc<Pace>) -> Self {
        Self { pace, ..self }
    }

    /// Takes `kernel` instead. The result is the same with every kernel.
    pub fn with_kernel(self, kernel: Kernel) -> Self {
        Self { kernel, ..self }
    }

    pub fn cancel_flag(&self) -> CancelFlag {
        self.cancel.clone()
    }

    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Searches until the smallest nonce that works is known, in this thread and
    /// `threads - 1` more, which have ended when this returns.
    ///
    /// New threads have the priority of the calling one. One that the system refuses to start
    /// costs speed and nothing else.
    pub fn run(&self, threads: NonZeroUsize) -> Outcome {
        self.pace.wait(&self.cancel, || false);
        let mut done =
            if self.cancel.is_cancelled() { Share::default() } else { self.search_short_nonces() };
        self.pace.spend(done.guesses);
        if done.nonce.is_none() {
            done = done.and(self.search_batches_with(threads));
        }
        match done {
            _ if self.cancel.is_cancelled() => Outcome::Cancelled { guesses: done.guesses },
            Share { nonce: Some(nonce), guesses } => Outcome::Found { nonce, guesses },
            Share { nonce: None, .. } => Outcome::Exhausted,
        }
    }

    /// Tries the nonces of up to four digits: any kernel's way with so few is the portable one.
    fn search_short_nonces(&self) -> Share {
        let mut share = Share::default();
        for digits in 1..=4 {
            let tail = self.prefix.short(digits);
            let lows = tail.short_lows();
            let hit = portable::smallest(&tail, lows.clone(), self.target, &self.cancel);
            share.guesses += u64::from(hit.map_or(lows.end, |low| low + 1) - lows.start);
            share.nonce = hit.map(u64::from);
            if share.nonce.is_some() || self.cancel.is_cancelled() {
                break;
            }
        }
        share
    }

    fn search_batches_with(&self, threads: NonZeroUsize) -> Share {
        let race = Race::from(1);
        thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads.get())
                .map_while(|number| {
                    thread::Builder::new()
                        .name(format!("pow-{number}"))
                        .spawn_scoped(scope, || self.search_batches(&race))
                        .ok()
                })
                .collect();
            let own = self.search_batches(&race);
            helpers.into_iter().fold(own, |sum, helper| {
                sum.and(helper.join().unwrap_or_else(|panic| resume_unwind(panic)))
            })
        })
    }

    /// Takes batches until the search is over: one thread's part.
    fn search_batches(&self, race: &Race) -> Share {
        let mut share = Share::default();
        loop {
            self.pace.wait(&self.cancel, || race.is_over());
            if self.cancel.is_cancelled() {
                break;
            }
            let Some(number) = race.take_batch() else {
                break;
            };
            let tail = self.prefix.batch(number);
            let hit = self.kernel.smallest(&tail, self.target, &self.cancel);
            share.guesses += BATCH;
            self.progress.add(BATCH);
            self.pace.spend(BATCH);
            // In the last batch, numbers above 2^64 are no nonces.
            let nonce = hit.and_then(|low| (number.get() * BATCH).checked_add(u64::from(low)));
            if nonce.is_some() {
                race.lowest_hit.fetch_min(number.get(), Ordering::Relaxed);
                share.nonce = nonce;
                self.cancel.wake();
                break;
            }
        }
        share
    }
}

/// State shared by the threads of one search.
struct Race {
    /// The number of the next batch that nobody has taken.
    next: AtomicU64,
    /// The number of the lowest batch with a hit so far; `u64::MAX` is none.
    lowest_hit: AtomicU64,
}

impl Race {
    fn from(number: u64) -> Self {
        Self { next: AtomicU64::new(number), lowest_hit: AtomicU64::new(u64::MAX) }
    }

    /// True if a batch that is taken now can't hold the smallest nonce.
    fn is_over(&self) -> bool {
        self.next.load(Ordering::Relaxed) > self.lowest_hit.load(Ordering::Relaxed)
    }

    /// Takes the next batch, unless it cannot hold the smallest nonce any more.
    fn take_batch(&self) -> Option<NonZeroU64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let last = LAST_BATCH.min(self.lowest_hit.load(Ordering::Relaxed));
        NonZeroU64::new(number).filter(|number| number.get() <= last)
    }
}

/// Work of one thread, or of several together.
#[derive(Default)]
struct Share {
    /// The smallest nonce found.
    nonce: Option<u64>,
    guesses: u64,
}

impl Share {
    fn and(self, other: Self) -> Self {
        Self {
            nonce: self.nonce.into_iter().chain(other.nonce).min(),
            guesses: self.guesses + other.guesses,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pow::proof_hash;

    fn difficulty(zeros: u8) -> Difficulty {
        Difficulty::new(zeros).unwrap()
    }

    fn threads(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    fn nonce(prefix: &str, zeros: u8, thread_count: usize) -> u64 {
        let search = Search::new(prefix.as_bytes(), difficulty(zeros));
        match search.run(threads(thread_count)) {
            Outcome::Found { nonce, guesses } => {
                assert!(guesses > nonce, "{guesses} guesses for nonce {nonce}");
                nonce
            }
            other => panic!("{prefix} {zeros}: {other:?}"),
        }
    }

    #[test]
    fn known_answers_are_found() {
        assert_eq!(nonce("None", 1, 1), 1);
        assert_eq!(nonce("None", 2, 1), 350);
        assert_eq!(nonce("None", 3, 1), 3_969);
        assert_eq!(nonce("None", 4, 1), 15_558);
        assert_eq!(nonce("None", 5, 2), 1_406_000);
        assert_eq!(nonce("1406000", 5, 2), 423_135);
    }

    #[test]
    fn the_smallest_nonce_wins_whatever_the_number_of_threads() {
        for prefix in ["", "a", "the third of some prefixes"] {
            let smallest = (0..)
                .find(|&nonce| difficulty(4).is_met_by(&proof_hash(prefix.as_bytes(), nonce)))
                .unwrap();
            for thread_count in [1, 2, 7] {
                assert_eq!(nonce(prefix, 4, thread_count), smallest, "{prefix:?}");
            }
        }
    }

    #[test]
    fn of_two_threads_hits_the_smaller_counts() {
        let share = |nonce| Share { nonce, guesses: BATCH };
        for (one, other, smaller) in [
            (Some(20_000), Some(10_000), Some(10_000)),
            (Some(10_000), Some(20_000), Some(10_000)),
            (None, Some(10_000), Some(10_000)),
            (None, None, None),
        ] {
            let sum = share(one).and(share(other));
            assert_eq!((sum.nonce, sum.guesses), (smaller, 2 * BATCH));
        }
    }

    /// The last batch holds the 1,616 nonces from 18446744073709550000 on, and larger numbers.
    #[test]
    fn numbers_from_two_to_the_64_on_are_no_nonces() {
        let first = LAST_BATCH * BATCH;
        let mut none_found = 0;
        for number in 0..20_u8 {
            let search = Search::new(&[number], difficulty(3));
            let meets = |nonce: &u64| difficulty(3).is_met_by(&proof_hash(&[number], *nonce));
            let expected = (first..=u64::MAX).find(meets);
            assert_eq!(search.search_batches(&Race::from(LAST_BATCH)).nonce, expected);
            none_found += usize::from(expected.is_none());
        }
        assert!(none_found > 0, "every prefix had a nonce: too easy a test");
    }

    #[test]
    fn a_search_counts_its_guesses_while_it_lasts() {
        let search = Search::new(b"", difficulty(64));
        let (progress, cancel) = (search.progress(), search.cancel_flag());
        thread::scope(|scope| {
            let run = scope.spawn(|| search.run(threads(2)));
            while progress.guesses() < 10 * BATCH {
                thread::yield_now();
            }
            cancel.cancel();
            let Ok(Outcome::Cancelled { guesses }) = run.join() else { panic!("not cancelled") };
            assert!(progress.guesses() <= guesses, "{guesses}");
        });
    }

    #[test]
    fn a_cancelled_search_says_so_at_once() {
        let search = Search::new(b"", difficulty(64));
        search.cancel_flag().cancel();
        let Outcome::Cancelled { guesses } = search.run(threads(2)) else {
            panic!("not cancelled")
        };
        assert!(guesses < 100);
    }

    #[test]
    fn a_running_search_is_cancelled_from_another_thread() {
        let search = Search::new(b"", difficulty(64));
        let cancel = search.cancel_flag();
        let cancelled_at = thread::scope(|scope| {
            let run = scope.spawn(|| search.run(threads(2)));
            cancel.cancel();
            let cancelled_at = Instant::now();
            assert!(matches!(run.join(), Ok(Outcome::Cancelled { .. })));
            cancelled_at
        });
        // The work left is some 10 microseconds; the rest is for a busy machine.
        assert!(cancelled_at.elapsed() < Duration::from_secs(5));
    }
}
