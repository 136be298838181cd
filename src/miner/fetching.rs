//! The fetch of blocks that is under way: from whom, how far it is, and who waits for its turn.
//!
//! Blocks come from one neighbour at a time, so that a miner that joins takes the wire and the
//! memory of one download, however many neighbours have them. Another takes over where the
//! first brings nothing for long.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::Miner;
use crate::api::{Address, Health, PAGE_BLOCKS_MAX, Syncing};
use crate::chain::Rank;

/// Time without a page after which another fetch may begin: longer than a page takes over a
/// line of 64 kB/s.
const STALL: Duration = Duration::from_secs(30);

/// A page that took longer was too large for the line.
const LATE: Duration = Duration::from_secs(5);

/// A page that took less may be larger.
const EARLY: Duration = Duration::from_secs(1);

/// Rest of mining after each sign that a better branch is on its way: after a claim, and
/// after each part of it that was adopted.
const REST: Duration = Duration::from_millis(500);

/// Shortest time between two rests that a mere claim began: what is only claimed costs a tenth
/// of the mining at most.
const REST_INTERVAL: Duration = Duration::from_secs(5);

/// Shortest time between two lines in the log.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Fetching(Mutex<State>);

#[derive(Debug)]
struct State {
    under_way: Option<FetchUnderWay>,
    /// Those that have better blocks, too, and which they claimed.
    waiting: BTreeMap<Address, Rank>,
    page_blocks: u64,
    fetches: u64,
    may_rest_at: Duration,
    told: Option<Duration>,
}

#[derive(Debug)]
struct FetchUnderWay {
    number: u64,
    from: Address,
    at: Syncing,
    progressed: Duration,
    rests_until: Duration,
}

impl Default for Fetching {
    fn default() -> Self {
        Self(Mutex::new(State {
            under_way: None,
            waiting: BTreeMap::new(),
            page_blocks: PAGE_BLOCKS_MAX,
            fetches: 0,
            may_rest_at: Duration::ZERO,
            told: None,
        }))
    }
}

impl Fetching {
    pub fn syncing(&self) -> Option<Syncing> {
        self.0.lock().under_way.as_ref().map(|fetch| fetch.at)
    }

    /// Time that mining still rests: a better branch is being read, and a block on the head
    /// at hand would be lost. A liar can't stretch it: each further rest takes blocks that win.
    pub fn rest(&self, now: Duration) -> Option<Duration> {
        let until = self.0.lock().under_way.as_ref()?.rests_until;
        until.checked_sub(now).filter(|rest| !rest.is_zero())
    }
}

/// The right to fetch blocks, until it is dropped.
pub struct FetchTurn<'a> {
    miner: &'a Miner,
    number: u64,
}

impl<'a> FetchTurn<'a> {
    /// Begins to fetch from a neighbour that claims a better chain. None while another fetch goes on;
    /// the neighbour is asked again when that ends.
    pub fn begin(miner: &'a Miner, from: &Address, claimed: &Health) -> Option<Self> {
        let (now, length) = (miner.now().steady, miner.shared.head().length());
        let (of, rank) = (claimed.length, Rank::new(claimed.length, claimed.head));
        let mut state = miner.fetching.0.lock();
        let goes_on = |fetch: &FetchUnderWay| now.saturating_sub(fetch.progressed) < STALL;
        if state.under_way.as_ref().is_some_and(goes_on) {
            state.waiting.insert(from.clone(), rank);
            return None;
        }
        if let Some(stalled) = &state.under_way {
            log::info!("sync_chain: neighbour={} is too slow, {from} is next", stalled.from);
            state.page_blocks = (state.page_blocks / 2).max(1);
        }
        state.waiting.remove(from);
        state.fetches += 1;
        let number = state.fetches;
        let rests = now >= state.may_rest_at;
        if rests {
            state.may_rest_at = now + REST_INTERVAL;
        }
        state.under_way = Some(FetchUnderWay {
            number,
            from: from.clone(),
            at: Syncing { length, of },
            progressed: now,
            rests_until: if rests { now + REST } else { Duration::ZERO },
        });
        drop(state);
        if rests {
            miner.shared.restart_search();
        }
        Some(Self { miner, number })
    }

    pub fn page_blocks(&self) -> u64 {
        self.miner.fetching.0.lock().page_blocks
    }

    pub fn page_took(&self, blocks: u64, time: Duration) {
        let now = self.miner.now().steady;
        let mut state = self.miner.fetching.0.lock();
        if time > LATE {
            state.page_blocks = (blocks / 2).max(1);
        } else if time < EARLY && blocks >= state.page_blocks {
            state.page_blocks = (blocks * 2).min(PAGE_BLOCKS_MAX);
        }
        if let Some(fetch) = state.under_way.as_mut().filter(|fetch| fetch.number == self.number) {
            fetch.progressed = now;
        }
    }

    /// Notes that a page did not come to its end.
    pub fn page_failed(&self) {
        let mut state = self.miner.fetching.0.lock();
        state.page_blocks = (state.page_blocks / 4).max(1);
    }

    /// Notes that the blocks below `length` of `of` were checked, and tells it now and then.
    pub fn checked(&self, length: u64, of: u64) {
        let now = self.miner.now().steady;
        let mut state = self.miner.fetching.0.lock();
        let Some(fetch) = state.under_way.as_mut().filter(|fetch| fetch.number == self.number)
        else {
            return;
        };
        fetch.at = Syncing { length, of };
        let from = fetch.from.clone();
        let told = *state.told.get_or_insert(now);
        if now.saturating_sub(told) >= TELL_INTERVAL {
            state.told = Some(now);
            drop(state);
            log::info!("sync_chain: syncing neighbour={from} length={length} of={of}");
        }
    }

    /// Notes that a part was adopted: mining rests for the next one.
    pub fn adopted(&self) {
        let now = self.miner.now().steady;
        let mut state = self.miner.fetching.0.lock();
        if let Some(fetch) = state.under_way.as_mut().filter(|fetch| fetch.number == self.number) {
            fetch.rests_until = now + REST;
        }
    }
}

impl Drop for FetchTurn<'_> {
    fn drop(&mut self) {
        let head = self.miner.shared.head().rank();
        let mut state = self.miner.fetching.0.lock();
        if state.under_way.as_ref().is_none_or(|fetch| fetch.number != self.number) {
            return;
        }
        state.under_way = None;
        state.told = None;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        let next: Vec<_> = waiting.into_iter().filter(|(_, rank)| *rank > head).collect();
        let shared = &self.miner.shared;
        if !next.is_empty() {
            let next = next.into_iter().map(|(address, _)| address);
            shared.with_neighbours(|all| all.ask_chain.extend(next));
            shared.bells.sync_chain.ring();
        }
        shared.bells.mine.ring();
    }
}
