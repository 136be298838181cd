//! A large network: real neighbours, gossip, pushes and sync of a thousand miners and
//! more, of which some come and go. Disks and networks do not fail here; what is asked is
//! how far and how fast news goes, what it costs, and whether the network stays in one piece.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use blockchain::api::client::{Exchanged, MinerClient, Transport};
use blockchain::api::{Address, Caller, Introduction, Request, RunId};
use blockchain::chain::testing::{Maker, NOW, data, network};
use blockchain::chain::{Branch, Chain, Forks, Network, Pool};
use blockchain::miner::jobs::{Wake, gossip, push, sync_chain};
use blockchain::miner::{Clock, Keeper, Miner, Moment, Neighbours, Shared, Surroundings, answer};
use blockchain::store::{Files, Journal};
use parking_lot::RwLock;

use super::chance::Chance;
use super::node::{address, names};
use crate::support::sim_disk::SimDisk;

/// Neighbours of each, as by default.
const NEIGHBOURS: usize = 8;

/// Miners that everybody knows of who starts one.
const WELL_KNOWN: usize = 5;

/// Between two gossip rounds, as by default.
const GOSSIP: u64 = 20_000_000;

/// Between two rounds of chain sync, as by default.
const SYNC: u64 = 10_000_000;

/// From sending a request to having its answer.
const EXCHANGE: u64 = 100_000;

/// Miners in a hundred that leave in a minute, as others come.
const CHANGE_PERCENT: usize = 2;

/// A network of many miners.
pub struct Crowd {
    chance: Chance,
    network: Network,
    miners: RwLock<Vec<Option<Arc<Miner>>>>,
    by_address: BTreeMap<Address, usize>,
    micros: AtomicU64,
    requests: AtomicU64,
    me: Weak<Self>,
}

struct Wire {
    crowd: Weak<Crowd>,
    caller: Caller,
}

impl Transport for Wire {
    fn exchange(&self, address: &Address, request: &Request, _: u64) -> Exchanged {
        let crowd = self.crowd.upgrade().ok_or("the crowd is gone")?;
        crowd.requests.fetch_add(1, Relaxed);
        let asked = crowd.by_address.get(address).and_then(|number| crowd.miner(*number));
        let asked = asked.ok_or("no answer")?;
        asked.hear_from(&self.caller);
        let reply = answer(&asked, request.clone(), &self.caller);
        Ok((reply.status, reply.body))
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

struct CrowdClock(Weak<Crowd>);

impl Clock for CrowdClock {
    fn now(&self) -> Moment {
        let micros = self.0.upgrade().map_or(0, |crowd| crowd.micros.load(Relaxed));
        Moment { wall: NOW + micros, steady: Duration::from_micros(micros) }
    }
}

/// What a piece of news did.
#[derive(Debug, Default)]
pub struct Spread {
    /// Miners that had it after each hop.
    pub hops: Vec<usize>,
    /// When the last had it by pushes alone, and how many had it then.
    pub pushed: (f64, usize),
    /// Seconds until half, 99 in a hundred and all had it.
    pub seconds: [f64; 3],
    /// Requests that it took, for each miner.
    pub requests: f64,
}

/// How the miners know each other.
#[derive(Debug)]
pub struct Shape {
    pub miners: usize,
    /// Pieces, when ways are walked in both directions; and if only between those that
    /// know each other.
    pub pieces: usize,
    pub mutual_pieces: usize,
    /// Neighbours in a hundred that know each other both ways.
    pub mutual_percent: f64,
    /// Fewest, and most, that know a miner.
    pub known_by: (usize, usize),
}

impl Crowd {
    /// `count` miners, and room for as many that come later; nobody runs yet.
    pub fn new(seed: u64, count: usize) -> Arc<Self> {
        let room = count * 2;
        Arc::new_cyclic(|me| Self {
            chance: Chance::new(seed),
            network: network(1),
            miners: RwLock::new(vec![None; room]),
            by_address: (0..room).map(|number| (address(number), number)).collect(),
            micros: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            me: me.clone(),
        })
    }

    fn miner(&self, number: usize) -> Option<Arc<Miner>> {
        self.miners.read()[number].clone()
    }

    fn running(&self) -> Vec<usize> {
        let miners = self.miners.read();
        (0..miners.len()).filter(|number| miners[*number].is_some()).collect()
    }

    /// Starts a miner that is given one of the well-known ones.
    fn start(&self, number: usize) {
        let id = RunId::from_random(self.chance.bytes());
        let own = address(number);
        let introduction = Introduction { id, host: None, port: own.port() };
        let caller = Caller { ip: own.ip(), miner: Some(introduction), token: None };
        let given = (number > 0).then(|| address(self.chance.below(number.min(WELL_KNOWN))));
        let files = Files::new(Arc::new(SimDisk::default()), names());
        let (journal, _) = Journal::open(files).expect("its disk is empty");
        let neighbours = Neighbours::new(given, NEIGHBOURS);
        let shared =
            Shared::new(Chain::new(&self.network), Forks::default(), Pool::default(), neighbours);
        let random = self.me.clone();
        let surroundings = Surroundings {
            clock: Arc::new(CrowdClock(self.me.clone())),
            client: MinerClient::new(Box::new(Wire { crowd: self.me.clone(), caller })),
            random: Box::new(move || random.upgrade().map_or([0; 16], |c| c.chance.bytes())),
        };
        let miner =
            Miner::new(id, self.network.clone(), shared, Keeper::new(journal), surroundings);
        self.miners.write()[number] = Some(Arc::new(miner));
    }

    /// Lets the network grow for a while, then live for `minutes` with arrivals and
    /// departures.
    pub fn live(&self, count: usize, minutes: u64) {
        let joins_per_round = count.div_ceil(15);
        let rounds = minutes * 60_000_000 / GOSSIP;
        let (mut next, mut round) = (0, 0);
        while next < count || round < rounds {
            let joins = if next < count { joins_per_round.min(count - next) } else { 0 };
            for _ in 0..joins {
                self.start(next);
                next += 1;
            }
            if next >= count {
                round += 1;
                if round % (60_000_000 / GOSSIP) == 0 && next < 2 * count {
                    next = self.change(count, next);
                }
            }
            self.gossip_round();
        }
    }

    /// Some leave, but for the well-known ones, and as many come.
    fn change(&self, count: usize, next: usize) -> usize {
        let mut running = self.running();
        running.retain(|number| *number >= WELL_KNOWN);
        self.chance.shuffle(&mut running);
        let changes = (count * CHANGE_PERCENT / 100).min(2 * count - next);
        for number in &running[..changes] {
            self.miners.write()[*number] = None;
        }
        for number in next..next + changes {
            self.start(number);
        }
        next + changes
    }

    fn gossip_round(&self) {
        let mut running = self.running();
        self.chance.shuffle(&mut running);
        let step = GOSSIP / running.len() as u64;
        for number in running {
            self.micros.fetch_add(step, Relaxed);
            let Some(miner) = self.miner(number) else { continue };
            for address in gossip::whom(&miner) {
                gossip::round(&miner, &address);
            }
            for address in gossip::candidates(&miner, 0) {
                gossip::look_at(&miner, &address);
            }
        }
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Seconds so far.
    pub fn seconds(&self) -> f64 {
        self.micros.load(Relaxed) as f64 / 1e6
    }

    /// Whom everybody knows that runs.
    fn edges(&self) -> BTreeMap<usize, Vec<usize>> {
        let running = self.running();
        let known = |number: &usize| {
            let miner = self.miner(*number)?;
            let all: Vec<Address> =
                miner.shared.with_neighbours(|all| all.addresses().cloned().collect());
            let numbers = all.iter().map(|address| self.by_address[address]);
            Some((*number, numbers.filter(|other| self.miner(*other).is_some()).collect()))
        };
        running.iter().filter_map(known).collect()
    }

    pub fn shape(&self) -> Shape {
        let edges = self.edges();
        let knows = |from: usize, to: usize| edges[&from].contains(&to);
        let (mut all, mut mutual, mut known_by) = (0, 0, BTreeMap::new());
        let (mut any_way, mut both_ways) = (Pieces::of(&edges), Pieces::of(&edges));
        for (from, others) in &edges {
            known_by.entry(*from).or_insert(0);
            for to in others {
                all += 1;
                *known_by.entry(*to).or_insert(0) += 1;
                any_way.join(*from, *to);
                if knows(*to, *from) {
                    mutual += 1;
                    both_ways.join(*from, *to);
                }
            }
        }
        let fewest = known_by.values().copied().min().unwrap_or(0);
        let most = known_by.values().copied().max().unwrap_or(0);
        Shape {
            miners: edges.len(),
            pieces: any_way.count(),
            mutual_pieces: both_ways.count(),
            mutual_percent: 100.0 * f64::from(mutual) / f64::from(all.max(1)),
            known_by: (fewest, most),
        }
    }

    /// Lets one miner have a new block, and watches it travel.
    pub fn spread(&self) -> Spread {
        let running = self.running();
        let first = running[self.chance.below(running.len())];
        let begin = self.micros.load(Relaxed);
        let requests = self.requests();
        let source = self.miner(first).expect("it runs");
        self.silence(&running);
        let head = source.shared.head();
        let mut branch = Branch::new(head);
        let maker = Maker::at(self.network.clone(), head);
        let mut block = maker.candidate("news");
        block.data = data(&format!("news at {begin}"));
        branch.push(maker.mine(block), NOW + begin, &self.network).expect("it is valid");
        source.shared.adopt(&branch, NOW + begin).expect("it is longer");

        let mut news = News::new(first, begin);
        for number in &running {
            news.queue.push(Reverse((begin + self.chance.below(SYNC as usize) as u64, *number, 1)));
        }
        while news.hops.len() < running.len()
            && let Some(Reverse((at, number, kind))) = news.queue.pop()
        {
            assert!(at < begin + 600_000_000, "some never hear of it: {}", news.hops.len());
            self.micros.store(at, Relaxed);
            self.happen(&mut news, number, kind, at);
        }
        self.micros.store(news.last.max(begin), Relaxed);
        news.sum_up(begin, running.len(), self.requests() - requests)
    }

    /// Nobody has anything to say that is old.
    fn silence(&self, running: &[usize]) {
        for miner in running.iter().filter_map(|number| self.miner(*number)) {
            let bells = &miner.shared.bells;
            for bell in [&bells.push, &bells.sync_chain, &bells.gossip] {
                let _ = bell.heard().try_recv();
            }
        }
    }

    /// Pushes (0), or a tick of the chain sync (1).
    fn happen(&self, news: &mut News, number: usize, kind: u8, at: u64) {
        let miner = self.miner(number).expect("nobody leaves meanwhile");
        if kind == 0 {
            for address in push::whom(&miner) {
                let Some(other) = self.by_address.get(&address).copied() else { continue };
                let Some(told) = self.miner(other) else { continue };
                let before = told.shared.head();
                push::round(&miner, &address);
                if told.shared.head() != before {
                    let had = at + EXCHANGE / 2;
                    news.has(other, number, had, false);
                    news.queue.push(Reverse((had, other, 0)));
                }
            }
            return;
        }
        news.queue.push(Reverse((at + SYNC, number, 1)));
        for address in sync_chain::whom(&miner, Wake::Tick) {
            if news.hops.contains_key(&number) {
                break;
            }
            let before = miner.shared.head();
            sync_chain::round(&miner, &address);
            if miner.shared.head() != before {
                let from = self.by_address[&address];
                // Its health, and the block.
                let had = at + 2 * EXCHANGE;
                news.has(number, from, had, true);
                news.queue.push(Reverse((had, number, 0)));
            }
        }
    }
}

/// News on its way: who has it, after how many hops.
struct News {
    hops: BTreeMap<usize, usize>,
    times: Vec<u64>,
    queue: BinaryHeap<Reverse<(u64, usize, u8)>>,
    /// How many had it, and when, before anybody got it at a mere tick.
    pushed: Option<(u64, usize)>,
    last: u64,
}

impl News {
    fn new(first: usize, at: u64) -> Self {
        let queue = BinaryHeap::from([Reverse((at, first, 0))]);
        let hops = BTreeMap::from([(first, 0)]);
        Self { hops, times: vec![at], queue, pushed: None, last: at }
    }

    fn has(&mut self, number: usize, from: usize, at: u64, by_tick: bool) {
        let quiet = !self.queue.iter().any(|Reverse((_, _, kind))| *kind == 0);
        if by_tick && quiet && self.pushed.is_none() {
            self.pushed = Some((self.last, self.hops.len()));
        }
        let hop = self.hops.get(&from).copied().unwrap_or(0) + 1;
        self.hops.insert(number, hop);
        self.times.push(at);
        self.last = self.last.max(at);
    }

    fn sum_up(mut self, begin: u64, miners: usize, requests: u64) -> Spread {
        self.times.sort_unstable();
        let seconds = |at: u64| (at - begin) as f64 / 1e6;
        let after = |percent: usize| seconds(self.times[(miners * percent).div_ceil(100) - 1]);
        let farthest = self.hops.values().copied().max().unwrap_or(0);
        let within = |hop: usize| self.hops.values().filter(|hops| **hops <= hop).count();
        let (last, had) = self.pushed.unwrap_or((self.last, miners));
        Spread {
            hops: (0..=farthest).map(within).collect(),
            pushed: (seconds(last), had),
            seconds: [after(50), after(99), after(100)],
            requests: requests as f64 / miners as f64,
        }
    }
}

/// Pieces of a network.
struct Pieces(BTreeMap<usize, usize>);

impl Pieces {
    fn of(edges: &BTreeMap<usize, Vec<usize>>) -> Self {
        Self(edges.keys().map(|number| (*number, *number)).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[&at] != at {
            let above = self.0[&self.0[&at]];
            self.0.insert(at, above);
            at = above;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0.insert(one, other);
    }

    fn count(&mut self) -> usize {
        self.0.iter().filter(|(number, above)| number == above).count()
    }
}
