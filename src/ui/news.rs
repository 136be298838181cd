//! Pages that wait until something happens at miners. One thread a miner follows its events for
//! all of them: a page that waits takes no worker, and asks no miner.
//!
//! A page names the mark that it was last told, and hears of the next one. The mark of miners is
//! the sum of each one's, which rises with every event.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::Mutex;

use super::http::{Answer, Pending};
use crate::api::Address;
use crate::api::client::{ClientError, MinerClient};

/// Seconds that a miner may let its answer wait. One that is frozen is seen to be ten seconds later
/// (the limit of any exchange): with 8 s a page took the better part of 20 s to say so.
const WAIT: u64 = 5;

/// An answer that comes sooner than this and tells nothing is from a miner that lets nobody wait.
const AT_ONCE: Duration = Duration::from_secs(WAIT / 2);

/// Between two events of a miner that are told, so that a quick one does not keep everybody busy. A
/// message and its block come that close together, and a block is on the screen within 100 ms.
const EVENTS_APART: Duration = Duration::from_millis(10);

/// Until a miner is asked again that does not answer, or lets nobody wait.
const PAUSE: Duration = Duration::from_secs(2);

/// For how long a miner is followed after the last page that waited for it.
const LINGER: Duration = Duration::from_secs(20);

/// For how long a page waits at most, give or take a miner's answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Miners that are followed at a time, and pages that wait; there is an answer at once beyond.
const FOLLOWED_MAX: usize = 64;
const PAGES_MAX: usize = 1_024;

/// Miners that are followed, and the pages that wait for news of them.
pub struct News {
    client: Arc<MinerClient>,
    state: Mutex<State>,
    /// Disconnected at the end.
    ended: Receiver<Infallible>,
}

#[derive(Default)]
struct State {
    followed: HashMap<Address, Followed>,
    pages: Vec<Page>,
}

/// A miner that is followed.
struct Followed {
    /// Id of its newest event, as far as known; 0 while it does not answer.
    mark: u64,
    /// When a page last waited for it.
    wanted: Instant,
}

/// A page that waits.
struct Page {
    miners: Vec<Address>,
    /// The mark that it was told.
    mark: u64,
    since: Instant,
    pending: Pending,
}

impl State {
    /// The mark of these miners together.
    fn mark(&self, miners: &[Address]) -> u64 {
        let marks = miners.iter().filter_map(|miner| self.followed.get(miner));
        marks.fold(0, |sum, followed| sum.wrapping_add(followed.mark))
    }

    /// Takes out the pages that have waited enough, each with its new mark; those that are closed
    /// hold no place.
    fn due(&mut self) -> Vec<(Pending, u64)> {
        let pages = std::mem::take(&mut self.pages);
        let (mut due, mut waiting) = (Vec::new(), Vec::new());
        for page in pages {
            let mark = self.mark(&page.miners);
            let is_closed = page.pending.is_given_up();
            if is_closed || mark != page.mark || page.since.elapsed() > PATIENCE {
                due.push((page.pending, mark));
            } else {
                waiting.push(page);
            }
        }
        self.pages = waiting;
        due
    }
}

impl News {
    /// News that are told until `ended` is disconnected.
    pub fn new(client: Arc<MinerClient>, ended: Receiver<Infallible>) -> Arc<Self> {
        Arc::new(Self { client, state: Mutex::default(), ended })
    }

    /// Answers `pending` as soon as the mark of `miners` is not `mark`.
    pub fn wait(self: &Arc<Self>, miners: Vec<Address>, mark: u64, pending: Pending) {
        let mut state = self.state.lock();
        let closed = if state.pages.len() >= PAGES_MAX { state.due() } else { Vec::new() };
        let is_full = state.pages.len() >= PAGES_MAX;
        let new = if is_full { Ok(()) } else { self.follow(&mut state, &miners) };
        if is_full || new.is_err() {
            drop(state);
            tell(closed);
            let busy = "too many pages wait for news";
            return pending.answer(Answer::new(503, "text/plain", busy));
        }
        state.pages.push(Page { miners, mark, since: Instant::now(), pending });
        let due = state.due();
        drop(state);
        tell(closed);
        tell(due);
    }

    /// Begins to follow those of `miners` that are not followed yet.
    fn follow(self: &Arc<Self>, state: &mut State, miners: &[Address]) -> io::Result<()> {
        for miner in miners {
            let wanted = Instant::now();
            if let Some(followed) = state.followed.get_mut(miner) {
                followed.wanted = wanted;
            } else if state.followed.len() < FOLLOWED_MAX {
                let (news, address) = (Arc::clone(self), miner.clone());
                let follow = move || news.keep_up(&address);
                thread::Builder::new().name("news".into()).spawn(follow)?;
                state.followed.insert(miner.clone(), Followed { mark: 0, wanted });
            } else {
                return Err(io::Error::other("too many miners are followed"));
            }
        }
        Ok(())
    }

    /// Follows a miner for as long as pages want it.
    fn keep_up(&self, miner: &Address) {
        let (mut last, mut mark) = (0, 0);
        loop {
            let asked = Instant::now();
            let answer = self.client.events_after(miner, last, WAIT);
            let pause = match answer {
                Ok(page) if page.last != last => {
                    (last, mark) = (page.last, page.last);
                    EVENTS_APART
                }
                Ok(_) if asked.elapsed() > AT_ONCE => Duration::ZERO,
                // It lets nobody wait: something may have happened.
                Ok(_) | Err(ClientError::Refused { .. }) => {
                    mark += 1;
                    PAUSE
                }
                Err(_) => {
                    (last, mark) = (0, 0);
                    PAUSE
                }
            };
            let is_wanted = self.note(miner, mark);
            let has_ended = self.ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
            if !is_wanted || has_ended {
                return;
            }
        }
    }

    /// Notes the mark of a miner and tells pages; forgets it and is false if none wants it.
    fn note(&self, miner: &Address, mark: u64) -> bool {
        let mut state = self.state.lock();
        let is_awaited = state.pages.iter().any(|page| page.miners.contains(miner));
        let Some(followed) = state.followed.get_mut(miner) else { return false };
        followed.mark = mark;
        let is_wanted = is_awaited || followed.wanted.elapsed() < LINGER;
        if !is_wanted {
            state.followed.remove(miner);
        }
        let due = state.due();
        drop(state);
        tell(due);
        is_wanted
    }
}

fn tell(due: Vec<(Pending, u64)>) {
    for (pending, mark) in due {
        pending.answer(Answer::new(200, "text/plain", mark.to_string()));
    }
}
