//! One neighbour: what is known of it, and when it may be asked again.

use std::time::Duration;

use super::news::News;
use crate::api::{Address, Cursor, NeighbourDetail, NeighbourState, RunId};
use crate::chain::{Hash, Micros};
use crate::miner::clock::Moment;

/// Wait after a first failure; it doubles with each further one.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

pub const RETRY_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By `--neighbours` or `PUT /neighbours`; never forgotten.
    Given,
    /// One address of several that a given name has; forgotten when the name loses it.
    Resolved,
    /// By gossip or by being asked.
    Learned,
}

#[derive(Clone, Debug)]
pub struct Neighbour {
    pub origin: Origin,
    pub state: NeighbourState,
    pub id: Option<RunId>,
    pub head: Option<(u64, Hash)>,
    pub last_answer: Option<Micros>,
    pub failures: u32,
    pub reason: Option<String>,
    /// Not to be asked before.
    pub until: Duration,
    /// How often in a row its chain changed while it was read.
    pub changed: u32,
    /// Our first block that is ahead of time, when it did not have it.
    pub denies: Option<Hash>,
    /// Asks for the unprocessed data that is new.
    pub cursor: Option<Cursor>,
    pub since: Duration,
    /// When it asked this miner last.
    pub heard: Option<Duration>,
    /// It brought a block that this miner took.
    pub brought: bool,
    pub(super) news: News,
}

impl Neighbour {
    pub fn new() -> Self {
        Self {
            origin: Origin::Learned,
            state: NeighbourState::New,
            id: None,
            head: None,
            denies: None,
            last_answer: None,
            failures: 0,
            reason: None,
            until: Duration::ZERO,
            changed: 0,
            cursor: None,
            since: Duration::ZERO,
            heard: None,
            brought: false,
            news: News::default(),
        }
    }

    pub fn is_banned(&self, now: Moment) -> bool {
        self.state == NeighbourState::Banned && self.until > now.steady
    }

    pub fn fail(&mut self, reason: &str, until: Duration) {
        self.state = NeighbourState::Failing;
        self.failures = self.failures.saturating_add(1);
        self.reason = Some(reason.to_owned());
        self.until = until;
    }

    pub fn detail(&self, address: &Address, now: Moment) -> NeighbourDetail {
        NeighbourDetail {
            neighbour: address.clone(),
            state: self.state,
            permanent: self.origin != Origin::Learned,
            last_answer: self.last_answer,
            failures: self.failures,
            reason: self.reason.clone(),
            until: (self.until > now.steady).then(|| now.wall_at(self.until)),
            length: self.head.map(|(length, _)| length),
            head: self.head.map(|(_, head)| head),
        }
    }
}

/// Wait after so many failures in a row.
pub fn retry_after(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(2u32.saturating_pow(failures)).min(RETRY_MAX)
}
