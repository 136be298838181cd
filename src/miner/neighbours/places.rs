//! Who gets a place among the neighbours: callers before hearsay, and those that know this
//! miner before those that don't, so that news finds its way and newcomers a place.

use std::net::IpAddr;
use std::time::Duration;

use super::{Neighbour, Neighbours, Origin};
use crate::api::{Address, Health, NeighbourState};
use crate::miner::clock::Moment;
use crate::miner::group::{group_of, place_group_of};

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

/// Learned neighbours of one address group, and callers of one that wait to be looked at or
/// are looked at.
const GROUP_MAX: usize = 2;

/// A caller that was not taken in is not looked at again for so long.
pub(super) const TURNED_DOWN: Duration = Duration::from_secs(5);

/// Places in four that callers can't take from mutual neighbours.
const SETTLED_OF_FOUR: usize = 3;

/// True if `address` may be asked because a miner at `teller` spoke of it: one on this host or
/// link can be told only by another there, or a stranger could have this miner ask what only
/// this host can reach. Names are judged by what they look up to, see [`may_be_looked_at`].
pub fn may_be_told(address: &Address, teller: Option<IpAddr>) -> bool {
    let reach = match address.ip() {
        Some(ip) => Reach::of(ip),
        None if is_localhost(address) => Reach::Host,
        None => Reach::Network,
    };
    teller.map_or(Reach::Network, Reach::of) <= reach
}

/// True if a name that a stranger spoke of may be asked, by the addresses that it has. Names
/// without a dot are judged, too: hosts have other names than "localhost" for themselves
/// (ip6-localhost, their own one).
pub fn may_be_looked_at(name: &Address, addresses: &[Address]) -> bool {
    name.ip().is_some()
        || is_localhost(name)
        || addresses.iter().filter_map(Address::ip).all(|ip| Reach::of(ip) == Reach::Network)
}

/// True if a name means this host everywhere, so that it was judged when it was told.
fn is_localhost(name: &Address) -> bool {
    name.host() == "localhost" || name.host().ends_with(".localhost")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Host,
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
    /// Hears from a miner that is no neighbour, from `ip`; whether it is new. Who asks comes
    /// before those that others spoke of, so that no flood of names keeps a newcomer out; and
    /// so that no flood of calls does, an address group has few looks at a time, and so has
    /// an address of this host that names other hosts.
    pub fn called(&mut self, address: Address, ip: Option<IpAddr>, now: Moment) -> bool {
        // A neighbour that was started anew has another id until it is asked for it.
        self.hear_from(&address, now);
        self.turned_down.retain(|_, until| *until > now.steady);
        if !self.may_be_suggested(&address, now)
            || self.callers.contains_key(&address)
            || self.turned_down.contains_key(&address)
        {
            return false;
        }
        let is_itself = ip.is_none() || address.ip().map(|ip| ip.to_canonical()) == ip;
        let share = ip.and_then(|ip| group_of(ip).or((!is_itself).then_some(ip)));
        let looks = self.callers.values().chain(self.invited.values());
        if share.is_some() && looks.filter(|it| **it == share).count() >= GROUP_MAX {
            return false;
        }
        self.candidates.remove(&address);
        self.callers.len() < CALLERS_MAX && self.callers.insert(address, share).is_none()
    }

    /// True if the group of this address has as many learned neighbours as it may.
    pub fn is_group_full(&self, ip: Option<IpAddr>) -> bool {
        let Some(group) = ip.and_then(place_group_of) else { return false };
        let learned = self.known.iter().filter(|(_, it)| it.origin == Origin::Learned);
        let of_group = learned.filter(|(address, _)| {
            self.place(address).and_then(|(ip, _)| place_group_of(ip)) == Some(group)
        });
        of_group.count() >= GROUP_MAX
    }

    /// Learned neighbours to be remembered over a restart: they answer, and brought blocks or
    /// know this miner.
    pub fn trusted(&self, now: Moment) -> Vec<Address> {
        self.those(|it| {
            let is_proven = it.brought || it.standing(now) == Standing::Mutual;
            it.origin == Origin::Learned && it.state == NeighbourState::Ok && is_proven
        })
    }

    /// Keeps an address in mind that somebody spoke of; whether it is new.
    pub fn suggest(&mut self, address: Address, now: Moment) -> bool {
        self.may_be_suggested(&address, now)
            && !self.callers.contains_key(&address)
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
        if !is_call {
            let index = index(random, self.candidates.len())?;
            let address = self.candidates.iter().nth(index)?.clone();
            self.candidates.remove(&address);
            return Some(address);
        }
        let index = index(random, self.callers.len())?;
        let address = self.callers.keys().nth(index)?.clone();
        let share = self.callers.remove(&address)?;
        if self.invited.len() < CALLERS_MAX {
            self.invited.insert(address.clone(), share);
        }
        Some(address)
    }

    /// True if somebody called that was not looked at yet.
    pub fn has_callers(&self) -> bool {
        !self.callers.is_empty()
    }

    /// Notes that a candidate is not taken in: it is one of many names again.
    pub fn turn_down(&mut self, address: &Address, now: Moment) {
        if self.invited.remove(address).is_some() && self.turned_down.len() < CALLERS_MAX {
            self.turned_down.insert(address.clone(), now.steady + TURNED_DOWN);
        }
    }

    pub fn has_room(&self) -> bool {
        self.known.len() < self.max
    }

    /// The learned neighbours of this standing.
    fn at_standing(&self, standing: Standing, now: Moment) -> Vec<Address> {
        self.those(|it| it.origin == Origin::Learned && it.standing(now) == standing)
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
            if standing != Standing::Mutual {
                leaving.retain(|address| !self.known[address].brought);
            } else {
                leaving.sort_by_key(|address| {
                    let neighbour = &self.known[address];
                    (std::cmp::Reverse(neighbour.brought), neighbour.since)
                });
                let settled = self.max * SETTLED_OF_FOUR / 4;
                let given = self.known.len() - leaving.len();
                leaving.drain(..settled.saturating_sub(given).min(leaving.len()));
            }
            index(random / CHANCE_WHEN_FULL, leaving.len()).map(|index| leaving.swap_remove(index))
        })
    }

    /// Takes in a candidate that answered, where there is room or a learned neighbour makes
    /// place for it. Whether it is one now.
    pub fn learn(&mut self, address: Address, health: &Health, random: u64, now: Moment) -> bool {
        let is_caller = self.invited.contains_key(&address);
        let place = self.place(&address);
        let is_known = |known: &Address| place.is_some() && self.place(known) == place;
        if self.is_group_full(address.ip()) || self.known.keys().any(is_known) {
            self.turn_down(&address, now);
            return false;
        }
        if !self.has_room() {
            let Some(leaves) = self.makes_place(is_caller, random, now) else {
                self.turn_down(&address, now);
                return false;
            };
            self.known.remove(&leaves);
        }
        self.invited.remove(&address);
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
