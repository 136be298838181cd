//! The miners that are followed: each has a lane, and lanes are few.
//!
//! A miner of the class always gets one. The others share the rest: a lane is free again once its
//! miner has not answered for long, and where none is free, the host with the most gives one up to
//! a host with fewer. So one stranger with many addresses takes no place from a real newcomer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::name::Name;
use super::picture::Seen;
use super::plan::GUESTS_MAX;
use crate::api::{Address, RunId};

pub const LANES_MAX: usize = Name::COUNT + GUESTS_MAX;

/// Other names of miners that are kept.
const ALIASES_MAX: usize = 8 * LANES_MAX;

/// Time after which a guest that does not answer loses its lane.
pub const GONE: Duration = Duration::from_secs(60);

/// The lane of a miner, until another one gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Place in the list of miners.
    pub place: usize,
    /// Number of lanes given away before it.
    number: u64,
}

/// What is known of a lane beside its miner.
struct Owner {
    number: u64,
    is_own: bool,
    /// Since when its miner does not answer.
    lost: Option<Instant>,
    /// Since when the question that is under way waits for its answer.
    pub asked: Option<Instant>,
}

#[derive(Default)]
pub struct Lanes {
    /// The miners; others name them by their place here.
    pub miners: Vec<Seen>,
    owners: Vec<Owner>,
    /// Names of the miners, some of which have several.
    aliases: HashMap<Address, usize>,
    given: u64,
}

impl Lanes {
    /// Gives a miner a lane, unless it has one already or there is none for it. The place is new
    /// or was another's, whose traces are to be removed.
    pub fn give(&mut self, address: &Address, is_own: bool, now: Instant) -> Option<Lane> {
        if self.aliases.contains_key(address) {
            return None;
        }
        let place = self.place_for(address, is_own, now)?;
        self.given += 1;
        let owner = Owner { number: self.given, is_own, lost: None, asked: None };
        let seen = Seen::unknown(address.clone());
        if place == self.miners.len() {
            self.miners.push(seen);
            self.owners.push(owner);
        } else {
            self.free(place);
            (self.miners[place], self.owners[place]) = (seen, owner);
        }
        self.aliases.insert(address.clone(), place);
        Some(Lane { place, number: self.given })
    }

    fn place_for(&self, address: &Address, is_own: bool, now: Instant) -> Option<usize> {
        let is_free = |place: &usize| self.miners[*place].is_free;
        let guests = self.guests().count();
        let free = (0..self.miners.len()).find(is_free);
        if is_own || guests < GUESTS_MAX {
            return free.or(Some(self.miners.len()));
        }
        self.guests().find(|place| self.is_gone(*place, now)).or_else(|| self.most_crowded(address))
    }

    /// The newest lane of the host that has the most, if it has two more than that of `address`.
    fn most_crowded(&self, address: &Address) -> Option<usize> {
        let mut hosts: HashMap<&str, Vec<usize>> = HashMap::new();
        self.guests().for_each(|place| {
            hosts.entry(self.miners[place].address.host()).or_default().push(place);
        });
        let own = hosts.get(address.host()).map_or(0, Vec::len);
        let most = hosts.into_values().max_by_key(Vec::len)?;
        let newest = most.iter().copied().max_by_key(|place| self.owners[*place].number);
        newest.filter(|_| most.len() > own + 1)
    }

    /// Places of those that are not of the class.
    fn guests(&self) -> impl Iterator<Item = usize> {
        (0..self.miners.len())
            .filter(|place| !self.owners[*place].is_own && !self.miners[*place].is_free)
    }

    fn is_gone(&self, place: usize, now: Instant) -> bool {
        self.owners[place].lost.is_some_and(|lost| now.duration_since(lost) >= GONE)
    }

    /// Frees the lanes of guests that have not answered for long; their places.
    pub fn sweep(&mut self, now: Instant) -> Vec<usize> {
        let gone: Vec<_> = self.guests().filter(|place| self.is_gone(*place, now)).collect();
        gone.iter().for_each(|place| self.free(*place));
        gone
    }

    fn free(&mut self, place: usize) {
        self.aliases.retain(|_, other| *other != place);
        for seen in &mut self.miners {
            seen.neighbours.retain(|other| *other != place);
            seen.bans.retain(|other| *other != place);
        }
        self.miners[place].is_free = true;
        self.miners[place].answers = false;
        // Those who still follow it notice.
        self.owners[place].number = 0;
    }

    /// The miner of a lane, unless another one has it by now.
    pub fn get(&mut self, lane: Lane) -> Option<&mut Seen> {
        let is_there = self.owners[lane.place].number == lane.number;
        is_there.then(|| &mut self.miners[lane.place])
    }

    /// Notes that the miner of a lane answered, or that it did not.
    pub fn note(&mut self, lane: Lane, answers: bool, now: Instant) {
        if self.get(lane).is_some() {
            self.miners[lane.place].answers = answers;
            let lost = &mut self.owners[lane.place].lost;
            *lost = if answers { None } else { lost.or(Some(now)) };
        }
    }

    /// Lanes that are to be asked: those of whom nothing is asked now.
    pub fn begin_asking(&mut self, now: Instant) -> Vec<(Lane, Address)> {
        let (owners, miners) = (self.owners.iter_mut(), self.miners.iter());
        let idle = owners
            .zip(miners)
            .enumerate()
            .filter(|(_, (owner, seen))| owner.asked.is_none() && !seen.is_free);
        let begin = |(place, (owner, seen)): (usize, (&mut Owner, &Seen))| {
            owner.asked = Some(now);
            (Lane { place, number: owner.number }, seen.address.clone())
        };
        idle.map(begin).collect()
    }

    /// Notes the end of the question under way.
    pub fn end_asking(&mut self, lane: Lane) {
        if self.get(lane).is_some() {
            self.owners[lane.place].asked = None;
        }
    }

    /// Marks those that have let a question wait for so long.
    pub fn mark_slow(&mut self, patience: Duration, now: Instant) {
        for (owner, seen) in self.owners.iter_mut().zip(&mut self.miners) {
            if owner.asked.is_some_and(|asked| now.duration_since(asked) >= patience) {
                seen.answers = false;
                owner.lost = owner.lost.or(Some(now));
            }
        }
    }

    /// The place of the miner that is known by this name.
    pub fn place(&self, name: &Address) -> Option<usize> {
        self.aliases.get(name).copied()
    }

    pub fn places(&self, names: &[Address]) -> Vec<usize> {
        names.iter().filter_map(|name| self.place(name)).collect()
    }

    /// Gives the miner at this place another name.
    pub fn alias(&mut self, name: &Address, place: usize) {
        if self.aliases.len() < ALIASES_MAX {
            self.aliases.entry(name.clone()).or_insert(place);
        }
    }

    /// Notes that this name is another one of a run of a miner, if that has a lane.
    pub fn note_twin(&mut self, name: &Address, run: RunId) -> bool {
        let twin = self.miners.iter().position(|seen| !seen.is_free && seen.id == Some(run));
        if let Some(twin) = twin {
            self.alias(name, twin);
        }
        twin.is_some()
    }

    /// Length of the longest chain of the class: what guests say is held against it.
    pub fn own_length(&self) -> u64 {
        let own = self.miners.iter().zip(&self.owners).filter(|(_, owner)| owner.is_own);
        own.map(|(seen, _)| seen.length).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: usize) -> Address {
        format!("{host}:{port}").parse().unwrap()
    }

    /// Lanes of which a stranger took as many as it could.
    fn taken_by_a_stranger(now: Instant) -> (Lanes, Vec<Lane>) {
        let mut lanes = Lanes::default();
        let given = (1..100).filter_map(|port| lanes.give(&address("10.0.0.9", port), false, now));
        let given: Vec<_> = given.collect();
        assert_eq!(given.len(), GUESTS_MAX);
        (lanes, given)
    }

    #[test]
    fn a_stranger_with_many_addresses_keeps_no_newcomer_out() {
        let now = Instant::now();
        let (mut lanes, strangers) = taken_by_a_stranger(now);
        let lane = lanes.give(&address("10.0.0.3", 1), false, now).unwrap();
        assert_eq!(lanes.get(lane).unwrap().address, address("10.0.0.3", 1));
        assert!(lanes.get(strangers[GUESTS_MAX - 1]).is_none(), "the newest of the stranger's");
        assert!(lanes.give(&address("10.0.0.9", 200), false, now).is_none());
        // Of two hosts that share all lanes none takes one from the other.
        (2..100).for_each(|port| _ = lanes.give(&address("10.0.0.3", port), false, now));
        let of = |lanes: &Lanes, host: &str| {
            lanes.miners.iter().filter(|seen| !seen.is_free && seen.address.host() == host).count()
        };
        assert_eq!((of(&lanes, "10.0.0.3"), of(&lanes, "10.0.0.9")), (10, 10));
    }

    #[test]
    fn a_miner_of_the_class_always_has_a_lane() {
        let now = Instant::now();
        let (mut lanes, _) = taken_by_a_stranger(now);
        for port in 1..=Name::COUNT {
            assert!(lanes.give(&address("127.0.0.1", port), true, now).is_some());
        }
        assert_eq!(lanes.miners.len(), LANES_MAX);
    }

    #[test]
    fn the_lane_of_a_guest_that_is_gone_is_free_again_and_an_own_one_is_not() {
        let began = Instant::now();
        let (mut lanes, strangers) = taken_by_a_stranger(began);
        let own = lanes.give(&address("127.0.0.1", 1), true, began).unwrap();
        for lane in strangers.iter().skip(1).chain([&own]) {
            lanes.note(*lane, false, began);
        }
        let before = began + GONE - Duration::from_millis(1);
        assert!(lanes.sweep(before).is_empty());
        assert!(lanes.give(&address("10.0.0.9", 200), false, before).is_none());
        let (place, later) = (strangers[1].place, began + GONE);
        lanes.get(own).unwrap().neighbours = vec![0, place];
        let given = lanes.give(&address("10.0.0.9", 200), false, later).unwrap();
        assert_eq!(given.place, place);
        assert!(lanes.get(strangers[1]).is_none());
        assert_eq!(lanes.get(own).unwrap().neighbours, [0]);
        assert_eq!(lanes.sweep(later).len(), GUESTS_MAX - 2);
        assert!(lanes.get(own).is_some() && lanes.get(strangers[0]).is_some());
    }

    #[test]
    fn one_that_let_a_question_wait_is_asked_no_second_and_answers_no_more() {
        let now = Instant::now();
        let mut lanes = Lanes::default();
        let lane = lanes.give(&address("10.0.0.3", 1), false, now).unwrap();
        assert_eq!(lanes.begin_asking(now).len(), 1);
        lanes.note(lane, true, now);
        assert!(lanes.begin_asking(now).is_empty());
        let patience = Duration::from_secs(1);
        lanes.mark_slow(patience, now);
        assert!(lanes.get(lane).unwrap().answers);
        lanes.mark_slow(patience, now + patience);
        assert!(!lanes.get(lane).unwrap().answers);
        lanes.end_asking(lane);
        assert_eq!(lanes.begin_asking(now).len(), 1);
    }
}
