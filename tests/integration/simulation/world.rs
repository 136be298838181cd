//! A world of a few miners in one thread: its shape follows from a seed, its time is made,
//! and wherever a thread may have to wait something else may happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use blockchain::api::Address;
use blockchain::chain::testing::network;
use blockchain::chain::{Network, PoolLimits};
use parking_lot::Mutex;

use super::chance::{Chance, Tally};
use super::client::Clients;
use super::jobs::Job;
use super::liar::{Liar, Lie};
use super::locks::{Held, Locks};
use super::network::{Late, Links, Party};
use super::node::{Ended, Node, Running, address};
use crate::support::sim_disk::{SimDisk, When};

/// How deep things happen beside things that happen beside others.
const DEPTH_MAX: usize = 3;

/// Races in a thousand gaps that a job leaves which holds a keeper, as it does to write: these
/// are few, and what is lost is lost there.
const KEEPER_PERMILLE: usize = 200;

/// Numbers of liars' addresses begin here.
const FIRST_LIAR: usize = 100;

/// How long a miner waits for an answer before it gives up.
const TIME_UP: u64 = 10_000_000;

/// A place in a job where others may run before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// A lock was let go.
    Lock,
    /// The clock is read.
    Clock,
    /// The disk works.
    Disk,
    /// Another miner is asked.
    Exchange,
}

impl Gap {
    /// How often something happens there, in a thousand times.
    fn permille(self) -> usize {
        match self {
            Self::Lock => 4,
            Self::Clock => 10,
            Self::Disk => 30,
            Self::Exchange => 80,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lock => "races at a lock",
            Self::Clock => "races at a clock",
            Self::Disk => "races beside the disk",
            Self::Exchange => "races beside an exchange",
        }
    }
}

/// Everything there is.
pub struct World {
    pub chance: Chance,
    pub tally: Tally,
    pub network: Network,
    pub nodes: Vec<Node>,
    pub liars: Vec<Liar>,
    pub links: Links,
    pub late: Mutex<Vec<Late>>,
    pub clients: Clients,
    /// Rounds under way, and whether they are to be repeated: no job asks the same neighbour
    /// twice at once.
    pub busy: Mutex<BTreeMap<(usize, Job, Address), bool>>,
    /// Jobs whose own thread is at work.
    pub turns: Mutex<BTreeSet<(usize, Job)>>,
    pub locks: Locks,
    /// Bytes of the longest messages.
    pub message_bytes_max: usize,
    me: Weak<World>,
    micros: AtomicU64,
    calm: AtomicBool,
    depth: AtomicUsize,
    /// More than 0 while the miners are only looked at.
    quiet: AtomicUsize,
    faultiness: usize,
    talks: bool,
}

impl World {
    /// The world that follows from `seed`; it says what happens if it `talks`.
    pub fn new(seed: u64, talks: bool) -> Arc<Self> {
        let chance = Chance::new(seed);
        let count = chance.between(2, 7);
        let liars = if chance.percent(50) { chance.between(1, 2) } else { 0 };
        let difficulty = if chance.percent(20) { 2 } else { 1 };
        let limits = match chance.percent(15) {
            true => PoolLimits { count: chance.between(3, 12), bytes: 1 << 20 },
            false => PoolLimits::default(),
        };
        let mut given = topology(&chance, count);
        for liar in FIRST_LIAR..FIRST_LIAR + liars {
            for neighbours in &mut given {
                if chance.percent(30) {
                    neighbours.push(liar);
                }
            }
        }
        let node = |(number, given): (usize, Vec<usize>)| {
            Node::new(number, given.into_iter().map(address).collect(), limits)
        };
        let nodes = given.into_iter().enumerate().map(node).collect();
        let liar = |number| Liar::new(address(number), chance.bytes(), Lie::by_chance(&chance));
        let liars = (FIRST_LIAR..FIRST_LIAR + liars).map(liar).collect();
        let faultiness = chance.below(4);
        let message_bytes_max = chance.weighted(&[(7, 1), (2, 2 << 10), (1, 64 << 10)]);
        Arc::new_cyclic(|me| Self {
            chance,
            tally: Tally::default(),
            network: network(difficulty),
            nodes,
            liars,
            links: Links::default(),
            late: Mutex::default(),
            clients: Clients::default(),
            busy: Mutex::default(),
            turns: Mutex::default(),
            locks: Locks::default(),
            message_bytes_max,
            me: me.clone(),
            micros: AtomicU64::new(0),
            calm: AtomicBool::new(false),
            depth: AtomicUsize::new(0),
            quiet: AtomicUsize::new(0),
            faultiness,
            talks,
        })
    }

    /// Microseconds since the beginning, by a clock that is right.
    pub fn micros(&self) -> u64 {
        self.micros.load(Relaxed)
    }

    pub fn pass(&self, micros: u64) {
        self.micros.fetch_add(micros, Relaxed);
    }

    /// Tells what happens, where somebody reads it.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.talks {
            let indent = "  ".repeat(self.depth.load(Relaxed));
            println!("{:>12} {indent}{}", self.micros(), what());
        }
    }

    /// Room for everybody: whom to leave out is the simulation of large networks'.
    pub fn neighbours_max(&self) -> usize {
        self.nodes.len() + self.liars.len() + 1
    }

    pub fn party(&self, address: &Address) -> Option<Party> {
        let miner = self.nodes.iter().position(|node| node.address == *address);
        let liar = || self.liars.iter().position(|liar| liar.address == *address);
        miner.map(Party::Miner).or_else(|| liar().map(Party::Liar))
    }

    pub fn running(&self) -> impl Iterator<Item = (&Node, Arc<Running>)> {
        self.nodes.iter().filter_map(|node| Some((node, node.running()?)))
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Relaxed)
    }

    pub fn calm_down(&self) {
        self.calm.store(true, Relaxed);
    }

    /// Whether something goes wrong that does so about `percent` times in a hundred.
    pub fn fault(&self, percent: usize) -> bool {
        !self.is_calm() && self.chance.percent(percent * self.faultiness)
    }

    /// A request and its answer take a while.
    pub fn passes_for_a_request(&self) {
        self.pass(self.chance.between(200, 20_000) as u64);
    }

    /// Lets the time go by that somebody waits for an answer in vain.
    pub fn time_is_up(&self) -> String {
        self.pass(TIME_UP);
        "timeout".to_owned()
    }

    /// Lets something happen while a miner waits for the network.
    pub fn at_exchange(&self, node: usize) {
        if self.may_race(Gap::Exchange) {
            self.race(Gap::Exchange, node);
        }
    }

    /// Lets something happen between two steps that take no lock.
    pub fn at_clock(&self, node: usize) {
        if self.may_race(Gap::Clock) {
            self.race(Gap::Clock, node);
        }
    }

    /// Lets something happen while a disk works.
    pub fn at_disk(&self, node: usize, run: u64) {
        if self.nodes[node].is_run(run) && self.may_race(Gap::Disk) {
            self.race(Gap::Disk, node);
        }
    }

    /// Whether chance lets something happen in a gap.
    pub fn may_race(&self, gap: Gap) -> bool {
        let is_over = self.quiet.load(Relaxed) > 0 || self.is_calm();
        if is_over || self.depth.load(Relaxed) >= DEPTH_MAX {
            return false;
        }
        let least = if self.locks.are_free() { 0 } else { KEEPER_PERMILLE };
        self.chance.below(1_000) < gap.permille().max(least)
    }

    /// Lets something happen in a gap of a job of this miner: mostly there, where the job goes on.
    pub fn race(&self, gap: Gap, node: usize) {
        let Some(running) = self.nodes[node].running() else { return };
        match (gap, self.locks.held(&running.miner)) {
            (_, Held::Nothing) => {}
            (_, Held::Keeper) => self.tally.count("races while the journal is held"),
            (Gap::Lock | Gap::Clock, Held::Shared) => return,
            (_, Held::Shared) => panic!("disk or network under a lock"),
        }
        let Some(me) = self.me.upgrade() else { return };
        drop(running);
        self.tally.count(gap.name());
        self.depth.fetch_add(1, Relaxed);
        let everywhere = self.chance.percent(if gap == Gap::Exchange { 80 } else { 10 });
        me.step_beside(if everywhere { None } else { Some(node) });
        self.depth.fetch_sub(1, Relaxed);
    }

    /// Looks at miners, while nothing happens.
    pub fn quietly<T>(&self, look: impl FnOnce() -> T) -> T {
        self.quiet.fetch_add(1, Relaxed);
        let seen = look();
        self.quiet.fetch_sub(1, Relaxed);
        seen
    }

    /// Lets some disks lose their power while a miner starts on them.
    pub fn arm(&self, disk: &SimDisk) {
        if self.fault(6) {
            disk.crash_at(self.chance.below(12) as u64, self.when());
        }
    }

    pub fn when(&self) -> When {
        if self.chance.percent(50) { When::Before } else { When::After }
    }

    /// Ends miners whose disk has lost its power.
    pub fn bury_the_dead(&self) {
        for (node, running) in self.running() {
            if node.disk().is_down() {
                drop(running);
                self.end(node, self.violent_end());
            }
        }
    }

    pub fn violent_end(&self) -> Ended {
        if self.chance.percent(50) { Ended::Killed } else { Ended::PowerCut }
    }

    /// Ends a miner. What it has under way goes on, and can do nothing more.
    pub fn end(&self, node: &Node, ended: Ended) {
        self.say(|| format!("{} ends: {ended:?}", node.number));
        self.tally.count(match ended {
            Ended::InOrder => "stops",
            Ended::Killed => "kills",
            Ended::PowerCut => "power cuts",
        });
        node.disk().crash();
        node.end(ended);
    }

    /// Starts a miner. Only a disk that fails meanwhile keeps it from starting.
    pub fn start(self: &Arc<Self>, node: &Node) {
        match node.start(self) {
            Ok(()) => self.say(|| format!("{} starts", node.number)),
            Err(error) if node.disk().is_down() => {
                self.say(|| format!("{} crashes as it starts: {error}", node.number));
                self.tally.count("crashes at a start");
                node.end(self.violent_end());
            }
            Err(error) => panic!("miner {} does not start: {error}", node.number),
        }
        self.bury_the_dead();
    }
}

/// Whom each miner is given: always in one piece, when ways are walked in both directions.
fn topology(chance: &Chance, count: usize) -> Vec<Vec<usize>> {
    let mut given = vec![Vec::new(); count];
    let shape = chance.below(5);
    for number in 0..count {
        let next = (number + 1) % count;
        match shape {
            0 if next != 0 => given[number].push(next),
            1 => given[number].push(next),
            2 if number > 0 => given[number].push(0),
            3 => given[number].extend((0..count).filter(|other| *other != number)),
            4 if number > 0 => {
                let other = chance.below(number);
                let (from, to) = if chance.percent(50) { (number, other) } else { (other, number) };
                given[from].push(to);
            }
            _ => {}
        }
    }
    given
}
