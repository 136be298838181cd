//! Follows the events of every miner that can be found, for the wall.
//!
//! Each miner has a thread that waits for its next event: what it tells is there at once, and a
//! silent network costs a request in half a minute. Limits, neighbours and bans are asked for
//! only while somebody looks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use crate::api::client::{ClientError, MinerClient};
use crate::api::{
    Address, BanPage, BlockName, EVENT_WAIT_MAX, Event, Happening, Health, MiningPace, Request,
    RunId,
};
use crate::chain::{Hash, Micros};
use crate::escape::words;

/// Most miners that are followed.
const MINERS_MAX: usize = 32;

/// Heights below the highest head of which blocks are kept.
const HEIGHTS: u64 = 110;

/// Travels that are kept.
const TRAVELS_MAX: usize = 300;

/// Characters of a message that are kept: a sentence with a key and a signature.
const MESSAGE_CHARACTERS: usize = 400;

/// Age of the answers of miners beyond which a look asks anew.
const FRESH: Duration = Duration::from_millis(700);

/// Rest after a miner that does not answer.
const REST: Duration = Duration::from_secs(1);

/// A miner of the network, as it was when it was asked last.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// Where it is.
    pub address: Address,
    /// Its own name for people.
    pub name: Option<String>,
    /// True if it answered the last time.
    pub answers: bool,
    /// Blocks in its chain.
    pub length: u64,
    /// Its last block.
    pub head: Option<Hash>,
    /// Messages that wait.
    pub unprocessed: u64,
    /// Most guesses a second.
    pub limit: Option<u64>,
    /// Guesses a second, measured.
    pub rate: f64,
    /// Its neighbours, by their place in the list of miners.
    pub neighbours: Vec<usize>,
    /// Miners that it has banned, by their place in the list.
    pub bans: Vec<usize>,
    /// Last branch that it refused: number of blocks that would have been dropped.
    pub refused: Option<u64>,
    #[serde(skip)]
    id: Option<RunId>,
}

/// A block that some chain had.
#[derive(Clone, Debug, Serialize)]
pub struct Known {
    /// Its hash.
    pub hash: Hash,
    /// Its height.
    pub index: u64,
    /// The block before.
    pub previous: Option<Hash>,
    /// Beginning of its message.
    pub message: String,
    /// The miner that found it, by its place in the list.
    pub finder: Option<usize>,
}

/// The arrival of a block at a miner.
#[derive(Clone, Debug, Serialize)]
pub struct Travel {
    /// Rises with every arrival.
    pub number: u64,
    /// The block.
    pub hash: Hash,
    /// Its height.
    pub index: u64,
    /// Where it arrived, by its place in the list of miners.
    pub to: usize,
    /// Who brought it; nobody where it was found.
    pub from: Option<usize>,
    /// Microseconds since the Unix epoch, by the clock of the miner where it arrived.
    pub at: Micros,
    /// Blocks that were dropped for it.
    pub dropped: u64,
    /// Messages that went back to the pending ones.
    pub returned: u64,
}

/// All that is seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Picture {
    /// The miners; others name them by their place here.
    pub miners: Vec<Seen>,
    /// Blocks of the last heights.
    pub blocks: Vec<Known>,
    /// The newest arrivals, oldest first.
    pub travels: Vec<Travel>,
}

#[derive(Default)]
struct Memory {
    miners: Vec<Seen>,
    /// Other names of the same miners.
    aliases: BTreeMap<Address, usize>,
    blocks: HashMap<Hash, Known>,
    travels: VecDeque<Travel>,
    arrivals: u64,
    asked: Option<Instant>,
}

/// The watch over a network.
pub struct Watch {
    client: MinerClient,
    /// Miners of the class, first in the list: what guests say is held against their heads.
    own: usize,
    memory: Mutex<Memory>,
}

impl Watch {
    /// Follows these miners, and those that they know.
    pub fn start(miners: impl IntoIterator<Item = Address>) -> Arc<Self> {
        let (client, miners) = (MinerClient::http(None), Vec::from_iter(miners));
        let watch = Arc::new(Self { client, own: miners.len(), memory: Mutex::default() });
        miners.into_iter().for_each(|address| watch.follow(address));
        watch
    }

    /// Follows a miner, too, unless it is followed already.
    pub fn follow(self: &Arc<Self>, address: Address) {
        let mut memory = self.memory.lock();
        let is_full = memory.miners.len() >= MINERS_MAX;
        if is_full || memory.aliases.contains_key(&address) {
            return;
        }
        let place = memory.miners.len();
        memory.aliases.insert(address.clone(), place);
        memory.miners.push(Seen::unknown(address.clone()));
        drop(memory);
        let watch = Arc::clone(self);
        // Without a thread its lane stays as it is.
        _ = Builder::new()
            .name(format!("watch-{place}"))
            .spawn(move || watch.listen(place, &address));
    }

    /// Hears the events of a miner, for as long as the process lives.
    fn listen(&self, place: usize, address: &Address) {
        let mut last = None;
        loop {
            let asked = Instant::now();
            let page = match last {
                None => self.client.events(address),
                Some(last) => self.client.events_after(address, last, EVENT_WAIT_MAX),
            };
            match page {
                Ok(page) => {
                    // A stranger may answer at once that nothing happened.
                    if last.is_some() && page.events.is_empty() && asked.elapsed() < REST {
                        thread::sleep(REST);
                    }
                    last = Some(page.last);
                    page.events.iter().for_each(|event| self.note(place, event));
                }
                Err(_) => thread::sleep(REST),
            }
        }
    }

    fn note(&self, place: usize, event: &Event) {
        let (hash, index, from, dropped, returned) = match &event.what {
            Happening::Block { hash, index, from, .. } => (*hash, *index, from, 0, 0),
            Happening::Reorganisation {
                head,
                fork,
                adopted,
                dropped,
                returned_count,
                from,
                ..
            } => (*head, fork + adopted, from, *dropped, *returned_count),
            _ => return,
        };
        let mut memory = self.memory.lock();
        let is_lost = from.is_some();
        let from = from.as_ref().and_then(|from| memory.aliases.get(from).copied());
        let number = memory.arrivals;
        let travel =
            Travel { number, hash, index, to: place, from, at: event.at, dropped, returned };
        memory.arrivals += 1;
        memory.travels.push_back(travel);
        if memory.travels.len() > TRAVELS_MAX {
            memory.travels.pop_front();
        }
        let seen = &mut memory.miners[place];
        (seen.head, seen.length, seen.answers) = (Some(hash), index + 1, true);
        let address = seen.address.clone();
        drop(memory);
        self.learn(&address, hash);
        if !is_lost
            && dropped == 0
            && let Some(block) = self.memory.lock().blocks.get_mut(&hash)
        {
            block.finder.get_or_insert(place);
        }
    }

    /// Asks a miner for a block, and for those before it, until one is known.
    fn learn(&self, address: &Address, head: Hash) {
        let mut wanted = Some(head);
        while let Some(hash) = wanted.filter(|hash| !self.memory.lock().blocks.contains_key(hash)) {
            let Ok(known) = self.block(address, hash) else { return };
            let mut memory = self.memory.lock();
            // The work of a guest's block is not checked: one at a height of its choice must not
            // take the place of the real ones.
            let own = memory.miners.iter().take(self.own).map(|seen| seen.length).max();
            if known.index > own.unwrap_or(0) + HEIGHTS {
                return;
            }
            let highest = memory.blocks.values().map(|block| block.index).max().unwrap_or(0);
            let lowest = highest.max(known.index).saturating_sub(HEIGHTS);
            wanted = known.previous.filter(|_| known.index > lowest);
            // Another thread may have learned it meanwhile, and its finder.
            memory.blocks.entry(hash).or_insert(known);
            memory.blocks.retain(|_, block| block.index >= lowest);
        }
    }

    fn block(&self, address: &Address, hash: Hash) -> Result<Known, ClientError> {
        let (_, block) = self.client.block(address, BlockName::Hash(hash))?;
        let message = block.data.message.as_str().chars().take(MESSAGE_CHARACTERS).collect();
        Ok(Known { hash, index: block.index, previous: block.previous_hash, message, finder: None })
    }

    /// The present picture; asks all miners first if that is long ago.
    pub fn picture(self: &Arc<Self>, is_silent: impl Fn(&Address) -> bool + Sync) -> Picture {
        self.look(is_silent);
        let memory = self.memory.lock();
        let mut blocks: Vec<_> = memory.blocks.values().cloned().collect();
        blocks.sort_by_key(|block| block.index);
        let travels = memory.travels.iter().cloned().collect();
        Picture { miners: memory.miners.clone(), blocks, travels }
    }

    /// Asks all miners how they are and whom they know. One that is known to be `silent` would
    /// hold all up.
    fn look(self: &Arc<Self>, is_silent: impl Fn(&Address) -> bool + Sync) {
        let mut memory = self.memory.lock();
        if memory.asked.is_some_and(|asked| asked.elapsed() < FRESH) {
            return;
        }
        memory.asked = Some(Instant::now());
        let addresses: Vec<_> = memory.miners.iter().map(|seen| seen.address.clone()).collect();
        drop(memory);
        let found: Vec<Vec<Address>> = thread::scope(|scope| {
            let asked = addresses.iter().enumerate().map(|(place, address)| {
                let is_silent = is_silent(address);
                scope.spawn(
                    move || if is_silent { self.lost(place) } else { self.ask(place, address) },
                )
            });
            let asked: Vec<_> = asked.collect();
            asked.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        found.into_iter().flatten().for_each(|address| self.meet(address));
    }

    fn lost(&self, place: usize) -> Vec<Address> {
        self.memory.lock().miners[place].answers = false;
        Vec::new()
    }

    /// Asks one miner; the neighbours of it that nobody followed yet.
    fn ask(&self, place: usize, address: &Address) -> Vec<Address> {
        let Ok(health) = self.client.health(address) else { return self.lost(place) };
        let neighbours = self.client.neighbours(address, false).map(|page| page.neighbours);
        let neighbours = neighbours.unwrap_or_default();
        let bans: Result<BanPage, _> = self.client.call(address, &Request::Bans, "bans");
        let bans = bans.map(|page| page.bans).unwrap_or_default();
        let pace: Option<MiningPace> = self.client.call(address, &Request::Mining, "pace").ok();
        let mut memory = self.memory.lock();
        let places = |memory: &Memory, all: &[Address]| {
            all.iter().filter_map(|address| memory.aliases.get(address).copied()).collect()
        };
        let known = places(&memory, &neighbours);
        let banned = places(&memory, &bans);
        let head = health.head;
        let seen = &mut memory.miners[place];
        seen.tell(&health, pace);
        (seen.neighbours, seen.bans) = (known, banned);
        let new = |other: &Address| !memory.aliases.contains_key(other);
        let new = neighbours.into_iter().filter(new).collect();
        drop(memory);
        self.learn(address, head);
        new
    }

    /// Follows a miner that another one knows, unless it is one of ours under another name.
    fn meet(self: &Arc<Self>, address: Address) {
        let Ok(health) = self.client.health(&address) else { return };
        let mut memory = self.memory.lock();
        let twin = memory.miners.iter().position(|seen| seen.id == Some(health.id));
        if let Some(twin) = twin {
            memory.aliases.insert(address, twin);
            return;
        }
        drop(memory);
        self.follow(address);
    }
}

impl Seen {
    fn unknown(address: Address) -> Self {
        Self {
            address,
            name: None,
            answers: false,
            length: 0,
            head: None,
            unprocessed: 0,
            limit: None,
            rate: 0.0,
            neighbours: Vec::new(),
            bans: Vec::new(),
            refused: None,
            id: None,
        }
    }

    fn tell(&mut self, health: &Health, pace: Option<MiningPace>) {
        self.name = health.name.as_deref().map(words);
        self.answers = true;
        (self.length, self.head, self.unprocessed) =
            (health.length, Some(health.head), health.unprocessed);
        self.id = Some(health.id);
        self.refused = health.refused.as_ref().map(|refused| refused.dropped);
        if let Some(pace) = pace {
            (self.limit, self.rate) = (pace.hash_rate_limit, pace.guesses_per_second);
        }
    }
}
