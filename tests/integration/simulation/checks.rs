//! What has to hold: at every moment, and once everything is well again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use blockchain::api::{Caller, NeighbourState, Request};
use blockchain::chain::{Block, ChainView, Data, Hash, Head, check_block};
use blockchain::miner::jobs::Wake;
use blockchain::miner::{Miner, Place};

use super::client::{Promise, message_numbers};
use super::jobs::{BELLS, Job};
use super::node::{Ended, Running, names};
use super::world::World;

/// Longer than any neighbour is left alone.
const BACK_OFF: u64 = 700_000_000;

/// A journal is compacted from this length on.
const COMPACTED_BYTES_MIN: usize = 256 << 10;

/// Rings answered until there must be quiet.
const RINGS_MAX: usize = 20_000;

impl World {
    /// Looks at every miner: its chain is valid, and nothing it acknowledged is missing.
    pub fn look_at_all(&self) {
        self.quietly(|| self.look());
    }

    fn look(&self) {
        let promises = self.clients.promises();
        for (node, running) in self.running() {
            self.look_at_chain(node.number, &running);
            let promises: Vec<_> = promises.iter().filter(|it| it.node == node.number).collect();
            let head = running.miner.shared.head().hash;
            let pool = running.miner.shared.with_pool(|pool| (pool.len(), pool.cursor()));
            let now = Some((head, pool, promises.len()));
            if std::mem::replace(&mut *running.looked_at.lock(), now) == now {
                continue;
            }
            for Promise { data, .. } in promises {
                if !is_here(&running.miner, data) {
                    self.say(|| self.all_about(data));
                    panic!("miner {} lost {}", node.number, data.id);
                }
            }
        }
    }

    /// Where a message is in every chain, pool and file.
    fn all_about(&self, data: &Data) -> String {
        let mut about = format!("about {}", data.id);
        for node in &self.nodes {
            let file = |name: &str| {
                let bytes = node.disk().contents(name).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let text = data.message.as_str();
            let has = |line: &&str| line.contains(&format!("{text:?}"));
            let start = |line: &str| line.chars().take(200).collect::<String>();
            for name in [&names().chain, &names().data] {
                for line in file(name).lines().filter(has) {
                    about += &format!("\n{} {name}: {}", node.number, start(line));
                }
            }
            if let Some(running) = node.running() {
                let view = running.miner.shared.chain();
                let id = data.id.to_string();
                let lines = view.lines_from(0).map(|line| line.expect("it can be read"));
                for line in lines.filter(|line| line.contains(&id)) {
                    about += &format!("\n{} has {}", node.number, start(&line));
                }
            }
        }
        about
    }

    /// Looks at the files of a running miner, one of which was replaced: every message that
    /// was acknowledged there is in one of them, if the miner is killed now.
    pub fn file_was_replaced(&self, number: usize, run: u64, name: &str, bytes_before: usize) {
        let node = &self.nodes[number];
        let Some(running) = node.running().filter(|_| node.is_run(run)) else { return };
        let file = |name: &str| node.disk().contents(name).unwrap_or_default();
        let (chain, journal) = (file(&names().chain), file(&names().data));
        if name == names().chain {
            self.tally.count("chain files replaced");
        }
        let saves = running.file.lock().is_none();
        let compacts = bytes_before >= COMPACTED_BYTES_MIN && journal.len() < bytes_before / 2;
        if name == names().data && saves && compacts {
            self.tally.count("journals compacted");
        }
        let kept: HashSet<usize> =
            message_numbers(&chain).chain(message_numbers(&journal)).collect();
        for promise in self.clients.promises().iter().filter(|promise| promise.node == number) {
            let is_kept = kept.contains(&promise.number);
            if !is_kept {
                self.say(|| self.quietly(|| self.all_about(&promise.data)));
            }
            let name_of = promise.name();
            assert!(is_kept, "miner {number} replaced {name}, and {name_of} is in no file");
        }
    }

    fn look_at_chain(&self, number: usize, running: &Running) {
        let mut seen = running.seen.lock();
        if running.miner.shared.head() == *seen.head() {
            return;
        }
        let view = running.miner.shared.chain();
        let shared = view.shared_length(&seen).expect("both can be read");
        let dropped = seen.length() - shared;
        if dropped > 0 {
            self.tally.count("reorganisations");
            self.tally.add("blocks dropped", dropped);
            let dropped = seen.messages_from(shared).map(|data| data.expect("it can be read"));
            let is_back =
                |data: &Data| running.miner.shared.with_pool(|pool| pool.how_came(data).is_some());
            self.tally.add("messages returned", dropped.filter(is_back).count() as u64);
        }
        self.check_from(&view, shared);
        *seen = view;
        self.say(|| format!("{number} has {} blocks, {dropped} dropped", seen.length()));
    }

    /// Checks the blocks from height `from` on by the public rules but the clock, which decides only
    /// about what is taken in, and all ids.
    fn check_from(&self, view: &ChainView, from: u64) {
        let first = view.line(0).expect("it can be read").expect("it is there");
        assert_eq!(*first, Block::genesis(&self.network).line());
        let from = from.max(1);
        let mut head = view.head_at(from - 1).expect("it can be read").expect("it is there");
        for line in view.lines_from(from) {
            let line = line.expect("it can be read");
            let block = check_block(&head, &*line, u64::MAX, &self.network);
            head = *block.unwrap_or_else(|error| panic!("an invalid block: {error}")).head();
        }
        assert_eq!(head, *view.head(), "the head is another block");
        let mut seen = HashSet::new();
        for data in messages(view) {
            assert!(seen.insert(data.clone()), "{} is in a chain twice", data.id);
        }
    }

    /// Makes everything well, and sees that all miners come to agree.
    pub fn heal_and_check(self: &Arc<Self>) {
        self.links.heal();
        while !self.late.lock().is_empty() {
            self.deliver_late();
        }
        self.calm_down();
        for node in &self.nodes {
            node.set_clock(0);
            if let Some(running) = node.running() {
                node.disk().crash_at(u64::MAX, self.when());
                node.disk().set_full(false);
                node.disk().forget_failures();
                drop(running);
            } else {
                self.start(node);
            }
        }
        self.nobody_honest_is_banned();
        let heads: HashSet<Hash> = self.heads().collect();
        self.tally.add("forks at the end", heads.len() as u64 - 1);
        self.say(|| "all is well now".to_owned());
        self.pass(BACK_OFF);
        self.round(Job::Gossip);
        // Blocks that came in while a clock ran ahead are dropped once half the neighbours have said in a
        // round that they lack them; what the others have is taken in the next.
        self.sync_rounds(5);
        self.all_agree();
        self.mine_everything();
        self.nobody_honest_is_banned();
        self.every_message_once();
        self.disks_hold_it_all();
        self.look_at_all();
    }

    fn heads(&self) -> impl Iterator<Item = Hash> {
        self.running().map(|(_, running)| running.miner.shared.head().hash)
    }

    fn round(&self, job: Job) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        self.chance.shuffle(&mut order);
        for node in order {
            self.pass(self.chance.between(1, 1_000_000) as u64);
            self.run(node, job, Wake::Tick);
            self.hear_all();
        }
        self.look_at_all();
    }

    fn sync_rounds(&self, rounds: usize) {
        for _ in 0..rounds {
            self.pass(10_000_000);
            self.round(Job::SyncChain);
            self.round(Job::SyncData);
        }
    }

    /// Hears all bells but those that mine, until none rings.
    fn hear_all(&self) {
        for _ in 0..RINGS_MAX {
            let (node, job) = (self.chance.below(self.nodes.len()), self.chance.below(BELLS.len()));
            let all = (0..self.nodes.len()).flat_map(|n| BELLS.iter().map(move |job| (n, *job)));
            let from = node * BELLS.len() + job;
            let mut all = all.cycle().skip(from).take(self.nodes.len() * BELLS.len());
            if !all.any(|(node, job)| job != Job::Mine && self.hear(node, job)) {
                return;
            }
        }
        panic!("the bells never fall silent");
    }

    fn all_agree(&self) {
        assert_eq!(self.running().count(), self.nodes.len(), "a miner ended though all is well");
        assert!(self.has_one_head(), "the sync rounds left several heads");
        // Blocks that came in while clocks ran ahead stay where all have the same.
        for (_, running) in self.running() {
            self.check_from(&running.miner.shared.chain(), 0);
        }
    }

    /// Mines on until nothing waits anywhere.
    fn mine_everything(&self) {
        let waits = |world: &World| {
            world
                .running()
                .map(|(_, running)| running.miner.shared.with_pool(|pool| pool.len()))
                .max()
                .unwrap_or(0)
        };
        let mut rounds = 0;
        // The last blocks may be a tie, whose loser's message then waits again.
        while waits(self) > 0 || !self.has_one_head() {
            for node in 0..self.nodes.len() {
                if self.chance.percent(60) {
                    self.run(node, Job::Mine, Wake::Bell);
                }
                if self.chance.percent(30) {
                    self.hear_all();
                }
            }
            if self.chance.percent(20) {
                self.sync_rounds(1);
            }
            rounds += 1;
            assert!(rounds < 2_000, "{} messages are never mined", waits(self));
        }
        self.sync_rounds(2);
        assert_eq!(waits(self), 0, "messages came back without a tie");
        self.all_agree();
    }

    fn has_one_head(&self) -> bool {
        self.heads().collect::<HashSet<Hash>>().len() == 1
    }

    fn nobody_honest_is_banned(&self) {
        for (node, running) in self.running() {
            let now = running.miner.now();
            let page = running.miner.shared.with_neighbours(|all| all.page(true, now));
            for detail in page.details {
                let honest = self.nodes.iter().any(|node| node.address == detail.neighbour);
                let banned = detail.state == NeighbourState::Banned;
                let (by, reason) = (node.number, detail.reason.unwrap_or_default());
                assert!(!(honest && banned), "{by} bans {}: {reason}", detail.neighbour);
                if banned {
                    self.tally.count("liars banned");
                }
            }
        }
    }

    /// Every message that was acknowledged is in the chain once, and no message twice.
    fn every_message_once(&self) {
        let (_, running) = self.running().next().expect("all run");
        let mut times: HashMap<String, u64> = HashMap::new();
        for data in messages(&running.miner.shared.chain()) {
            *times.entry(data.message.as_str().to_owned()).or_default() += 1;
        }
        let promises = self.clients.promises();
        let lost = promises.iter().filter(|p| !times.contains_key(p.data.message.as_str()));
        let lost: Vec<_> = lost.map(Promise::name).collect();
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        self.tally.add("lost", lost.len() as u64);
        self.tally.add("doubled", twice.len() as u64);
        assert!(lost.is_empty() && twice.is_empty(), "lost {lost:?}, doubled {twice:?}");
    }

    /// Files and hashes are right, and all is there after the power was cut.
    fn disks_hold_it_all(self: &Arc<Self>) {
        for node in &self.nodes {
            let running = node.running().expect("all run");
            assert!(self.back_up(&running), "a backup fails though all is well");
            let disk = node.disk();
            let chain = disk.contents(&names().chain).expect("there is a chain file");
            let hash = disk.contents(&names().hash).expect("there is a hash file");
            assert_eq!(
                String::from_utf8_lossy(&hash),
                format!("{}  miner.chain\n", Hash::of(&chain)),
                "sha256sum would not agree"
            );
            let view = running.miner.shared.chain();
            let lines = view.lines_from(0).map(|line| line.expect("it can be read").to_string());
            let lines: Vec<String> = lines.collect();
            assert_eq!(String::from_utf8_lossy(&chain), lines.join("\n") + "\n");
            let all = Request::Chain { from: 0, limit: None };
            let served = self.deliver(node.number, &all, &Caller::default()).expect("it runs");
            let expected =
                format!("{{\"chain\":[{}],\"length\":{}}}", lines.join(","), lines.len());
            assert_eq!(String::from_utf8_lossy(&served.body), expected);
            let head: Head = *view.head();
            drop(running);
            self.end(node, Ended::PowerCut);
            self.start(node);
            let again = node.running().expect("it starts");
            assert_eq!(again.miner.shared.head(), head, "the power cut changed the chain");
            assert!(again.miner.shared.with_pool(|pool| pool.is_empty()), "old messages wait");
        }
    }
}

fn messages(view: &ChainView) -> impl Iterator<Item = Data> + '_ {
    view.messages_from(1).map(|data| data.expect("it can be read"))
}

/// Whether the message is in the chain or waits.
fn is_here(miner: &Miner, data: &Data) -> bool {
    matches!(miner.shared.place_of(data), Ok(Place::Kept | Place::Unsaved))
}
