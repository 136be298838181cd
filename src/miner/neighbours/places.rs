//! Who gets a place among the neighbours: callers before hearsay, and those that know this
//! miner before those that don't, so that news finds its way and newcomers a place.

use std::net::IpAddr;
use std::time::Duration;

use super::{Neighbour, Neighbours, Origin};
use crate::api::{Address, Health};
use crate::miner::clock::Moment;

/// Addresses kept in mind to become neighbours when there is room.
pub(super) const CANDIDATES_MAX: usize = 1_000;

/// Miners kept in mind that asked this one and are no neighbours of it.
pub(super) const CALLERS_MAX: usize = 200;

/// A neighbour that has not asked this miner for so long does not know it: each job of one
/// that does asks more often.
const MUTUAL: Duration = Duration::from_secs(60);

/// Where all places are taken by neighbours that know this miner, one candidate in so many
/// gets one.
pub(super) const CHANCE_WHEN_FULL: u64 = 4;

/// Places in four that callers can't take from mutual neighbours.
const SETTLED_OF_FOUR: usize = 3;

/// Whether `address` may be asked because a miner at `teller` spoke of it: one on this host or
/// link can be told only by another there, or a stranger could have this miner ask what only
/// this host can reach. Names are judged by what they look up to, see [`may_be_looked_at`].
pub fn may_be_told(address: &Address, teller: Option<IpAddr>) -> bool {
    let reach = match address.ip() {
        Some(ip) => Reach::of(ip),
        None if address.host() == "localhost" || address.host().ends_with(".localhost") => {
            Reach::Host
        }
        None => Reach::Network,
    };
    teller.map_or(Reach::Network, Reach::of) <= reach
}

/// Whether a name that a stranger spoke of may be asked, by the addresses that it has. A name
/// without a dot is this network's own.
pub fn may_be_looked_at(name: &Address, addresses: &[Address]) -> bool {
    name.ip().is_some()
        || !name.host().contains('.')
        || name.host().ends_with(".localhost")
        || addresses.iter().filter_map(Address::ip).all(|ip| Reach::of(ip) == Reach::Network)
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// The host itself.
    Host,
    /// Its link.
    Link,
    /// Anywhere.
    Network,
}

impl Reach {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() => Self::Host,
            IpAddr::V4(ip) if ip.is_broadcast() => Self::Host,
            IpAddr::V4(ip) if ip.is_link_local() => Self::Link,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::Link,
            _ => Self::Network,
        }
    }
}

/// How a neighbour stands to this miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Each knows the other.
    Mutual,
    /// It may still come to know this miner.
    New,
    /// It does not ask this miner.
    OneWay,
}

impl Neighbours {
    /// Hears from a miner that is no neighbour; whether it is new. Who asks comes before those
    /// that others spoke of, so that no flood of names keeps a newcomer out.
    pub fn called(&mut self, address: Address, now: Moment) -> bool {
        // A neighbour that was started anew has another id until it is asked for it.
        self.hear_from(&address, now);
        if !self.may_be_suggested(&address, now) || self.callers.contains(&address) {
            return false;
        }
        self.candidates.remove(&address);
        self.callers.len() < CALLERS_MAX && self.callers.insert(address)
    }

    /// Keeps an address in mind that somebody spoke of; whether it is new.
    pub fn suggest(&mut self, address: Address, now: Moment) -> bool {
        self.may_be_suggested(&address, now)
            && !self.callers.contains(&address)
            && self.candidates.len() < CANDIDATES_MAX
            && self.candidates.insert(address)
    }

    fn may_be_suggested(&mut self, address: &Address, now: Moment) -> bool {
        self.banned.retain(|_, (until, _)| *until > now.steady);
        !self.only_given
            && !self.shunned.contains(address)
            && !self.known.contains_key(address)
            && !self.own.contains(address)
            && !self.banned.contains_key(address)
    }

    /// Takes out a candidate to be looked at: the one at `random` among those that called, or
    /// else among all. Where there is no room, only one that has a chance to get it.
    pub fn candidate(&mut self, random: u64, now: Moment) -> Option<Address> {
        let is_call = !self.callers.is_empty();
        if !is_call && !self.has_room() && self.at_standing(Standing::OneWay, now).is_empty() {
            return None;
        }
        let from = if is_call { &mut self.callers } else { &mut self.candidates };
        let index = index(random, from.len())?;
        let address = from.iter().nth(index)?.clone();
        from.remove(&address);
        if is_call && self.invited.len() < CALLERS_MAX {
            self.invited.insert(address.clone());
        }
        Some(address)
    }

    /// Whether somebody called that was not looked at yet.
    pub fn has_callers(&self) -> bool {
        !self.callers.is_empty()
    }

    /// Notes that a candidate did not answer: it is one of many names again.
    pub fn unanswered(&mut self, address: &Address) {
        self.invited.remove(address);
    }

    /// Whether a further neighbour has room.
    pub fn has_room(&self) -> bool {
        self.known.len() < self.max
    }

    /// The learned neighbours of this standing.
    fn at_standing(&self, standing: Standing, now: Moment) -> Vec<&Address> {
        let learned = self.known.iter().filter(|(_, n)| n.origin == Origin::Learned);
        let fits = learned.filter(|(_, n)| n.standing(now) == standing);
        fits.map(|(address, _)| address).collect()
    }

    /// Who makes place for a candidate where there is no room. News is pushed to those
    /// that know each other, so whoever knows this miner stays before one that does not; but
    /// one caller in [`CHANCE_WHEN_FULL`] gets a place all the same, or a newcomer would find
    /// every place taken.
    ///
    /// Three places in four are not for callers to take, as long as those that have them are
    /// mutual neighbours: first those that brought blocks, then those that are there longest.
    /// So a stranger with many ports gets the rest, and an honest newcomer may, too.
    fn makes_place(&self, is_caller: bool, random: u64, now: Moment) -> Option<Address> {
        let mut standings = vec![Standing::OneWay];
        if is_caller {
            standings.push(Standing::New);
            if random.is_multiple_of(CHANCE_WHEN_FULL) {
                standings.push(Standing::Mutual);
            }
        }
        standings.into_iter().find_map(|standing| {
            let mut leaving = self.at_standing(standing, now);
            if standing == Standing::Mutual {
                leaving.sort_by_key(|address| {
                    let neighbour = &self.known[*address];
                    (std::cmp::Reverse(neighbour.brought), neighbour.since)
                });
                let settled = self.max * SETTLED_OF_FOUR / 4;
                let given = self.known.len() - leaving.len();
                leaving.drain(..settled.saturating_sub(given).min(leaving.len()));
            }
            index(random / CHANCE_WHEN_FULL, leaving.len()).map(|index| leaving[index].clone())
        })
    }

    /// Takes in a candidate that answered, where there is room or a learned neighbour makes
    /// place for it. Whether it is one now.
    pub fn learn(&mut self, address: Address, health: &Health, random: u64, now: Moment) -> bool {
        let is_caller = self.invited.remove(&address);
        let place = self.place(&address);
        let is_known = |known: &Address| place.is_some() && self.place(known) == place;
        if self.known.keys().any(is_known) {
            return false;
        }
        if !self.has_room() {
            match self.makes_place(is_caller, random, now) {
                Some(leaves) => self.known.remove(&leaves),
                None => return false,
            };
        }
        let heard = is_caller.then_some(now.steady);
        let neighbour = Neighbour { since: now.steady, heard, ..Neighbour::new() };
        self.known.insert(address.clone(), neighbour);
        self.answered(&address, health, now)
    }
}

impl Neighbour {
    fn standing(&self, now: Moment) -> Standing {
        if self.heard.is_some_and(|heard| heard + MUTUAL > now.steady) {
            Standing::Mutual
        } else if self.since + MUTUAL > now.steady {
            Standing::New
        } else {
            Standing::OneWay
        }
    }
}

/// A place among `count`, by chance; none if there is none.
fn index(random: u64, count: usize) -> Option<usize> {
    let place = random.checked_rem(u64::try_from(count).ok()?)?;
    usize::try_from(place).ok()
}
