//! Follows the events of every miner that can be found, for the wall.
//!
//! Each miner has a thread that waits for its next event: what it tells is there at once, and a
//! silent network costs a request in half a minute. Limits, neighbours and bans are asked for
//! only while somebody looks. A miner that does not answer holds up nobody else: each question has
//! a thread of its own, and a look waits for a moment only.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;

use super::lanes::{LANES_MAX, Lane, Lanes};
use super::picture::{Known, Picture, Travel};
use crate::api::client::{ClientError, MinerClient};
use crate::api::{
    Address, BanPage, BlockName, EVENT_WAIT_MAX, Event, Happening, MiningPace, Request,
};
use crate::chain::Hash;
use crate::escape::words;

/// Heights below the highest head of which blocks are kept.
const HEIGHTS: u64 = 110;

const TRAVELS_MAX: usize = 300;

/// Characters of a message that are kept: a sentence with a key and a signature.
const MESSAGE_CHARACTERS: usize = 400;

/// Longest name of a person.
pub const NAME_CHARACTERS: usize = 20;

/// Age of the answers of miners beyond which a look asks anew.
const FRESH: Duration = Duration::from_millis(700);

/// Time for which a look waits for answers. One that comes later is there at the next look.
const MOMENT: Duration = Duration::from_millis(300);

/// Time after which a miner that has not answered is shown as one that does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Rest after a miner that does not answer.
const REST: Duration = Duration::from_secs(1);

/// Unknown neighbours of a miner that are visited at a look: it may name thousands.
const VISITS_MAX: usize = 4;

/// Time after which an address that was no new miner is visited again, and the number of them
/// that are kept.
const VISITED: Duration = Duration::from_secs(30);
const VISITED_MAX: usize = 64 * LANES_MAX;

#[derive(Default)]
struct Memory {
    lanes: Lanes,
    blocks: HashMap<Hash, Known>,
    travels: VecDeque<Travel>,
    arrivals: u64,
    asked: Option<Instant>,
    visited: HashMap<Address, Instant>,
    /// The newest blocks that were found in browsers, with names.
    credits: VecDeque<(Hash, String)>,
}

pub struct Watch {
    client: MinerClient,
    /// Names of the miners of the class among others, and where this host reaches them.
    own: HashMap<Address, Address>,
    memory: Mutex<Memory>,
}

impl Watch {
    /// A watch that follows nobody yet. The miners of the class are known to others by the first
    /// of each pair, and reached from here at the second.
    pub fn new(own: impl Iterator<Item = (Address, Address)>) -> Arc<Self> {
        let both = own.flat_map(|(name, at)| [(name, at.clone()), (at.clone(), at)]);
        let (client, own) = (MinerClient::http(None), both.collect());
        Arc::new(Self { client, own, memory: Mutex::default() })
    }

    /// Follows a miner, too, unless it is followed already.
    pub fn follow(self: &Arc<Self>, address: Address) {
        let mut memory = self.memory.lock();
        let is_own = self.own.contains_key(&address);
        let Some(lane) = memory.lanes.give(&address, is_own, Instant::now()) else { return };
        memory.forget(lane.place);
        let names = self.own.iter().filter(|(_, at)| **at == address);
        names.for_each(|(name, _)| memory.lanes.alias(name, lane.place));
        drop(memory);
        let watch = Arc::clone(self);
        // Without a thread its lane stays as it is.
        _ = Builder::new()
            .name(format!("watch-{}", lane.place))
            .spawn(move || watch.listen(lane, &address));
    }

    /// Hears the events of a miner, for as long as it has this lane.
    fn listen(&self, lane: Lane, address: &Address) {
        let mut last = None;
        while self.memory.lock().lanes.get(lane).is_some() {
            let asked = Instant::now();
            let page = match last {
                None => self.client.events(address),
                Some(last) => self.client.events_after(address, last, EVENT_WAIT_MAX),
            };
            self.memory.lock().lanes.note(lane, page.is_ok(), Instant::now());
            match page {
                Ok(page) => {
                    // A stranger may answer at once that nothing happened.
                    if last.is_some() && page.events.is_empty() && asked.elapsed() < REST {
                        thread::sleep(REST);
                    }
                    last = Some(page.last);
                    page.events.iter().for_each(|event| self.note(lane, event));
                }
                Err(_) => thread::sleep(REST),
            }
        }
    }

    fn note(&self, lane: Lane, event: &Event) {
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
        let Some(seen) = memory.lanes.get(lane) else { return };
        (seen.head, seen.length, seen.answers) = (Some(hash), index + 1, true);
        let address = seen.address.clone();
        let is_found = from.is_none() && dropped == 0;
        let from = from.as_ref().and_then(|from| memory.lanes.place(from));
        let (number, to) = (memory.arrivals, lane.place);
        let travel = Travel { number, hash, index, to, from, at: event.at, dropped, returned };
        memory.arrivals += 1;
        memory.travels.push_back(travel);
        if memory.travels.len() > TRAVELS_MAX {
            memory.travels.pop_front();
        }
        drop(memory);
        self.learn(&address, hash);
        let mut memory = self.memory.lock();
        if is_found
            && memory.lanes.get(lane).is_some()
            && let Some(block) = memory.blocks.get_mut(&hash)
        {
            block.finder.get_or_insert(lane.place);
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
            if known.index > memory.lanes.own_length() + HEIGHTS {
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
        let (index, previous) = (block.index, block.previous_hash);
        Ok(Known { hash, index, previous, message, finder: None, by: None })
    }

    /// Notes that a block was found in the browser of a person of this name. The block says nothing
    /// of it, and so no other process knows.
    pub fn credit(&self, block: Hash, by: &str) {
        let plain = words(by.trim());
        let name: String = plain.chars().take(NAME_CHARACTERS).collect();
        let name = if name.is_empty() { "somebody".to_owned() } else { name };
        let credits = &mut self.memory.lock().credits;
        credits.push_back((block, name));
        if credits.len() > HEIGHTS as usize {
            credits.pop_front();
        }
    }

    /// The present picture; asks all miners first if that is long ago.
    pub fn picture(self: &Arc<Self>, is_silent: impl Fn(&Address) -> bool) -> Picture {
        self.look(is_silent);
        let mut memory = self.memory.lock();
        memory.lanes.mark_slow(PATIENCE, Instant::now());
        let mut blocks: Vec<_> = memory.blocks.values().cloned().collect();
        for (hash, by) in &memory.credits {
            let found = blocks.iter_mut().filter(|block| block.hash == *hash);
            found.for_each(|block| block.by = Some(by.clone()));
        }
        blocks.sort_by_key(|block| block.index);
        let travels = memory.travels.iter().cloned().collect();
        Picture { miners: memory.lanes.miners.clone(), blocks, travels }
    }

    /// Asks all miners how they are and whom they know, and waits for their answers for a moment.
    /// One that is known to be `silent` need not be asked.
    fn look(self: &Arc<Self>, is_silent: impl Fn(&Address) -> bool) {
        let now = Instant::now();
        let mut memory = self.memory.lock();
        if memory.asked.is_some_and(|asked| now.duration_since(asked) < FRESH) {
            return;
        }
        memory.asked = Some(now);
        memory.lanes.sweep(now).into_iter().for_each(|place| memory.forget(place));
        let asked = memory.lanes.begin_asking(now);
        drop(memory);
        let (answers, answered) = bounded(0);
        for (lane, address) in asked {
            let (watch, answers) = (Arc::clone(self), answers.clone());
            let is_silent = is_silent(&address);
            let ask = move || watch.ask(lane, &address, answers);
            if is_silent || Builder::new().name("ask".into()).spawn(ask).is_err() {
                let mut memory = self.memory.lock();
                memory.lanes.note(lane, false, now);
                memory.lanes.end_asking(lane);
            }
        }
        drop(answers);
        // It ends with the last answer: each thread lets go of its end then.
        _ = answered.recv_deadline(now + MOMENT);
    }

    /// Asks one miner, and visits some of those that it knows. `answered` goes with
    /// its answer.
    fn ask(self: &Arc<Self>, lane: Lane, address: &Address, answered: Sender<Infallible>) {
        let neighbours = self.ask_state(lane, address);
        let mut memory = self.memory.lock();
        memory.lanes.note(lane, neighbours.is_ok(), Instant::now());
        let new = neighbours.map(|all| memory.unvisited(all)).unwrap_or_default();
        drop(memory);
        drop(answered);
        new.into_iter().for_each(|other| self.meet(other));
        self.memory.lock().lanes.end_asking(lane);
    }

    /// Asks one miner for all that a lane shows; its neighbours.
    fn ask_state(&self, lane: Lane, address: &Address) -> Result<Vec<Address>, ClientError> {
        let health = self.client.health(address)?;
        let neighbours = self.client.neighbours(address, false)?.neighbours;
        let bans: Result<BanPage, _> = self.client.call(address, &Request::Bans, "bans");
        let bans = bans.map(|page| page.bans).unwrap_or_default();
        let pace: Option<MiningPace> = self.client.call(address, &Request::Mining, "pace").ok();
        let mut memory = self.memory.lock();
        let (known, banned) = (memory.lanes.places(&neighbours), memory.lanes.places(&bans));
        if let Some(seen) = memory.lanes.get(lane) {
            seen.tell(&health, pace);
            (seen.neighbours, seen.bans) = (known, banned);
        }
        drop(memory);
        self.learn(address, health.head);
        Ok(neighbours)
    }

    /// Follows a miner that another one knows, unless it is one of ours under another name.
    fn meet(self: &Arc<Self>, name: Address) {
        let address = self.own.get(&name).cloned().unwrap_or(name);
        let Ok(health) = self.client.health(&address) else { return };
        let is_twin = self.memory.lock().lanes.note_twin(&address, health.id);
        if !is_twin {
            self.follow(address);
        }
    }
}

impl Memory {
    /// Some of these that are not known, and were not visited lately; they are visited now.
    fn unvisited(&mut self, mut addresses: Vec<Address>) -> Vec<Address> {
        let now = Instant::now();
        if self.visited.len() > VISITED_MAX {
            self.visited.retain(|_, visited| now.duration_since(*visited) < VISITED);
        }
        let is_lately = |at: &Instant| now.duration_since(*at) < VISITED;
        addresses.retain(|address| {
            self.lanes.place(address).is_none() && !self.visited.get(address).is_some_and(is_lately)
        });
        addresses.truncate(VISITS_MAX);
        self.visited.extend(addresses.iter().map(|address| (address.clone(), now)));
        addresses
    }

    /// Forgets what a miner did whose place another one gets.
    fn forget(&mut self, place: usize) {
        self.travels.retain(|travel| travel.to != place && travel.from != Some(place));
        for block in self.blocks.values_mut() {
            block.finder.take_if(|finder| *finder == place);
        }
    }
}
