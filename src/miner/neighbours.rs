//! The neighbours: who they are, how they behave, whom to ask now, whom to forget.
//!
//! Pure bookkeeping: it is told what happened and when, and asks nobody itself. Given
//! neighbours are tried for ever; learned ones are forgotten when they fail for long.

mod bans;
mod fault;
mod neighbour;
mod news;
mod places;

pub use fault::{Fate, Fault};
pub use neighbour::Origin;
pub use news::End;
pub use places::{may_be_looked_at, may_be_told};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use self::neighbour::{Neighbour, RETRY_FIRST};
use super::clock::Moment;
use crate::api::{Address, Cursor, Health, NeighbourPage, NeighbourState, RunId};
use crate::chain::Hash;

/// Failures in a row after which a learned neighbour is forgotten: about five minutes.
const FAILURES_MAX: u32 = 10;

/// Time of a ban: a neighbour sent what no honest miner sends.
const BAN: Duration = Duration::from_secs(600);

/// Times in a row that a chain may change while it is read: that of an honest miner moves on
/// every few seconds.
const CHANGES_MAX: u32 = 5;

const BANNED_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub struct Neighbours {
    max: usize,
    known: BTreeMap<Address, Neighbour>,
    /// Given names that have several addresses; each address is a neighbour of its own.
    names: BTreeSet<Address>,
    candidates: BTreeSet<Address>,
    /// Candidates that know this miner already, and those of them that are looked at now; each
    /// with whose share of looks it takes.
    callers: BTreeMap<Address, Option<IpAddr>>,
    invited: BTreeMap<Address, Option<IpAddr>>,
    /// Those of them that were looked at and not taken in, and until when they are not looked at
    /// again: a look is a call, too, and two miners without room for each other would look at
    /// each other without end.
    turned_down: BTreeMap<Address, Duration>,
    banned: BTreeMap<Address, (Duration, String)>,
    shunned: BTreeSet<Address>,
    /// No others than the given ones are taken in.
    pub only_given: bool,
    /// Addresses under which this miner found itself.
    own: BTreeSet<Address>,
    /// Those to be asked for their chain at once.
    pub ask_chain: BTreeSet<Address>,
    /// Those to be asked for their messages at once.
    pub ask_data: BTreeSet<Address>,
}

impl Neighbours {
    /// `given` neighbours, and room for up to `max` in all.
    pub fn new(given: impl IntoIterator<Item = Address>, max: usize) -> Self {
        let mut neighbours = Self { max, ..Self::default() };
        for address in given {
            neighbours.give(address);
        }
        neighbours
    }

    /// Takes in a neighbour that is never forgotten.
    pub fn give(&mut self, address: Address) {
        self.shunned.remove(&address);
        self.own.remove(&address);
        self.banned.remove(&address);
        self.candidates.remove(&address);
        self.callers.remove(&address);
        self.known.insert(address, Neighbour { origin: Origin::Given, ..Neighbour::new() });
    }

    pub fn delete(&mut self, address: &Address) -> bool {
        self.candidates.remove(address);
        self.callers.remove(address);
        self.names.remove(address) | self.known.remove(address).is_some()
    }

    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.known.keys()
    }

    /// Whom to ask now: all but those that failed lately or are banned.
    pub fn due(&self, now: Moment) -> Vec<Address> {
        self.those(|it| it.until <= now.steady)
    }

    /// Those that answered the last time.
    pub fn answering(&self) -> Vec<Address> {
        self.those(|it| it.state == NeighbourState::Ok)
    }

    fn those(&self, fit: impl Fn(&Neighbour) -> bool) -> Vec<Address> {
        self.known.iter().filter(|(_, it)| fit(it)).map(|(address, _)| address.clone()).collect()
    }

    /// Notes whether a neighbour has our first block that is ahead of time. `true` once half of
    /// those that answer have said that they don't: were it all, two miners whose clocks ran ahead
    /// together would keep each other there.
    pub fn denied(&mut self, address: &Address, ahead: Hash, denies: bool) -> bool {
        if let Some(neighbour) = self.known.get_mut(address) {
            neighbour.denies = denies.then_some(ahead);
        }
        let answering = self.known.values().filter(|n| n.state == NeighbourState::Ok);
        let (deny, others): (Vec<_>, Vec<_>) = answering.partition(|n| n.denies == Some(ahead));
        denies && deny.len() >= others.len()
    }

    /// The neighbour that is this run of a miner.
    pub fn with_id(&self, id: &RunId) -> Option<Address> {
        self.those(|it| it.id.as_ref() == Some(id)).into_iter().next()
    }

    /// Hears that the neighbour at `address` is alive: it is asked at the next round, however
    /// often it failed. Whether it did
    /// not answer until now, and was not heard in the last second.
    pub fn hear_from(&mut self, address: &Address, now: Moment) -> bool {
        let Some(neighbour) = self.known.get_mut(address) else { return false };
        let lately = neighbour.heard.is_some_and(|heard| heard + RETRY_FIRST > now.steady);
        neighbour.heard = Some(now.steady);
        if neighbour.state == NeighbourState::Failing {
            neighbour.until = Duration::ZERO;
        }
        !lately && matches!(neighbour.state, NeighbourState::Failing | NeighbourState::New)
    }

    /// Notes a good answer to a question for its health. Whether it is new, or did not answer
    /// before.
    ///
    /// A run's id is known to everybody, so that what a neighbour says to be displaces no
    /// other: only one that is at the same place, too, is the same miner. Of the two a given
    /// one stays before a learned one.
    pub fn answered(&mut self, address: &Address, health: &Health, now: Moment) -> bool {
        let id = Some(health.id);
        let twins = self.known.iter().filter(|(a, n)| *a != address && n.id == id);
        let place = self.place(address);
        let (twins, claims): (Vec<_>, Vec<_>) =
            twins.partition(|(twin, _)| place.is_some() && self.place(twin) == place);
        let is_named = twins.iter().any(|(_, twin)| twin.origin != Origin::Learned);
        let twins: Vec<Address> = twins.into_iter().map(|(twin, _)| twin.clone()).collect();
        let claimed = claims.first().map(|(other, _)| (*other).clone());
        let Some(neighbour) = self.known.get_mut(address) else { return false };
        if neighbour.is_banned(now) {
            // It was asked before.
            return false;
        }
        if neighbour.origin == Origin::Learned && is_named {
            self.known.remove(address);
            return false;
        }
        if let Some(other) = claimed.filter(|_| neighbour.id != id) {
            log::warn!(
                "neighbours: two addresses name the same run of a miner one={address} other={other}"
            );
        }
        let head = Some((health.length, health.head));
        if neighbour.id != id || neighbour.head == head {
            // A run that ended took blocks with it that it had not saved; and one whose chain
            // stays as it was has not taken what was pushed meanwhile.
            neighbour.news.forget_has_beyond(health.length);
        }
        let came = neighbour.state != NeighbourState::Ok;
        neighbour.state = NeighbourState::Ok;
        neighbour.id = id;
        neighbour.head = head;
        neighbour.last_answer = Some(now.wall);
        neighbour.failures = 0;
        neighbour.reason = None;
        neighbour.until = Duration::ZERO;
        self.known.retain(|a, n| n.origin != Origin::Learned || !twins.contains(a));
        came
    }

    /// Where a neighbour is: the end of its connection, or what its address says.
    fn place(&self, address: &Address) -> Option<(IpAddr, u16)> {
        let peer = self.known.get(address).and_then(|neighbour| neighbour.news.peer);
        Some((peer.or(address.ip())?.to_canonical(), address.port()))
    }

    /// The address of a neighbour's host, as far as it is known.
    pub fn ip_of(&self, address: &Address) -> Option<IpAddr> {
        self.place(address).map(|(ip, _)| ip)
    }

    /// Notes something of the neighbour at `address`, if it is one.
    pub(super) fn note(&mut self, address: &Address, change: impl FnOnce(&mut Neighbour)) {
        if let Some(neighbour) = self.known.get_mut(address) {
            change(neighbour);
        }
    }

    /// Notes that this miner answers under `address`, which is then no neighbour.
    pub fn note_own(&mut self, address: &Address) {
        self.known.remove(address);
        self.invited.remove(address);
        self.candidates.remove(address);
        self.callers.remove(address);
        if self.own.len() < places::CANDIDATES_MAX {
            self.own.insert(address.clone());
        }
    }

    /// Takes in what a given name stands for. One address: the name itself stays the
    /// neighbour. Several: each of them is one.
    pub fn resolved(&mut self, name: &Address, addresses: &[Address]) {
        if addresses.len() < 2 && !self.names.contains(name) {
            return;
        }
        if addresses.is_empty() {
            return;
        }
        self.names.insert(name.clone());
        self.known.remove(name);
        let stays =
            |a: &Address, n: &Neighbour| n.origin != Origin::Resolved || addresses.contains(a);
        self.known.retain(|address, neighbour| stays(address, neighbour));
        let is_wanted = |it: &&Address| !self.own.contains(it) && !self.shunned.contains(it);
        for address in addresses.iter().filter(is_wanted) {
            let neighbour = self.known.entry(address.clone()).or_insert_with(Neighbour::new);
            if neighbour.origin == Origin::Learned {
                neighbour.origin = Origin::Resolved;
            }
        }
    }

    /// When the first of those that fail may be asked again.
    pub fn retry_at(&self) -> Option<Duration> {
        let failing = self.known.values().filter(|n| n.state == NeighbourState::Failing);
        failing.map(|neighbour| neighbour.until).min()
    }

    pub fn to_retry(&self, now: Moment) -> Vec<Address> {
        self.those(|it| it.state == NeighbourState::Failing && it.until <= now.steady)
    }

    /// Given names that may stand for several addresses.
    pub fn given_names(&self) -> Vec<Address> {
        let given = |neighbour: &Neighbour| neighbour.origin == Origin::Given;
        let known = self.known.iter().filter(|(_, n)| given(n)).map(|(address, _)| address);
        known.chain(&self.names).filter(|address| address.ip().is_none()).cloned().collect()
    }

    /// Where asking for new unprocessed data goes on.
    pub fn cursor(&self, address: &Address) -> Option<Cursor> {
        self.known.get(address)?.cursor
    }

    /// Notes how far unprocessed data has been read.
    pub fn read_until(&mut self, address: &Address, cursor: Cursor) {
        self.note(address, |it| it.cursor = Some(cursor));
    }

    /// The list for people and scripts.
    pub fn page(&self, details: bool, now: Moment) -> NeighbourPage {
        let neighbours: Vec<Address> = self.known.keys().cloned().collect();
        let detail = |(address, neighbour): (&Address, &Neighbour)| neighbour.detail(address, now);
        let banned = self.banned.iter().filter(|(_, (until, _))| *until > now.steady);
        let banned = banned.map(|(address, (until, reason))| {
            let mut neighbour = Neighbour::new();
            neighbour.fail(reason, *until);
            neighbour.state = NeighbourState::Banned;
            neighbour.detail(address, now)
        });
        let details =
            if details { self.known.iter().map(detail).chain(banned).collect() } else { vec![] };
        NeighbourPage { length: neighbours.len() as u64, neighbours, details }
    }
}

#[cfg(test)]
mod tests;
