//! The unprocessed data: messages that wait to be mined.
//!
//! Holds each message (id and text) once, within limits of count and bytes. No source can take
//! all places, and mining takes turns between sources, in order within each. Messages of
//! dropped blocks come back to their old place in line, or else to the front, whatever the
//! limits say: they were accepted once.
//!
//! An id may be stolen: another text is mined under it while the text that was accepted here still
//! waits. Which text was here first is remembered for those who ask by id alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;

use super::block::Hash;
use super::data::{Data, DataId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    pub count: usize,
    /// Bytes of UTF-8 over all messages.
    pub bytes: usize,
}

impl Default for PoolLimits {
    /// 100,000 messages or 32 MiB, whichever is reached first: what a small host can keep
    /// in memory and rewrite on disk in about a second.
    fn default() -> Self {
        Self { count: 100_000, bytes: 32 << 20 }
    }
}

/// Places in four that other sources than this host's own clients can take together.
const OTHERS_OF_FOUR: usize = 3;

/// Messages that were taken out whose place in line is remembered: more than a reorganisation
/// brings back.
const PLACES_MAX: usize = 10_000;

/// Stolen ids that are remembered, of about 100 bytes each. Each costs the thief a block.
const STOLEN_MAX: usize = 10_000;

/// A source of messages. Those of one are mined in order, those of several in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Dropped blocks whose messages never waited here. They come first.
    Blocks,
    /// This host's own clients, and the journal.
    Own,
    /// Others: an address, or the first of its group; and a port, where that tells them apart.
    From(IpAddr, u16),
}

/// Messages and bytes by source.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    by_source: BTreeMap<Source, Used>,
    /// Of all sources but this host's own.
    others: Used,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    count: usize,
    bytes: usize,
}

impl Used {
    fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, bytes: self.bytes + other.bytes }
    }

    fn minus(self, other: Self) -> Self {
        let (count, bytes) = (other.count, other.bytes);
        Self { count: self.count.saturating_sub(count), bytes: self.bytes.saturating_sub(bytes) }
    }

    fn fits(self, most: Self) -> bool {
        self.count <= most.count && self.bytes <= most.bytes
    }
}

impl Usage {
    fn of(&self, source: Source) -> Used {
        self.by_source.get(&source).copied().unwrap_or_default()
    }

    pub fn add(&mut self, source: Source, bytes: usize) {
        let one = Used { count: 1, bytes };
        let used = self.by_source.entry(source).or_default();
        *used = used.plus(one);
        if matches!(source, Source::From(..)) {
            self.others = self.others.plus(one);
        }
    }

    fn remove(&mut self, source: Source, bytes: usize) {
        let one = Used { count: 1, bytes };
        let left = self.of(source).minus(one);
        match left.count {
            0 => self.by_source.remove(&source),
            _ => self.by_source.insert(source, left),
        };
        if matches!(source, Source::From(..)) {
            self.others = self.others.minus(one);
        }
    }

    fn all(&self) -> Used {
        self.others.plus(self.of(Source::Own)).plus(self.of(Source::Blocks))
    }
}

/// A place in the order of age; messages that came back without one have places below zero.
type Age = i64;

#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    usage: Usage,
    by_age: BTreeMap<Age, Waiting>,
    /// The messages of each source, oldest first.
    lines: BTreeMap<Source, BTreeSet<Age>>,
    /// The source that had its turn last.
    last_turn: Option<Source>,
    /// Where those stood that were taken out, and which left first.
    places: HashMap<DataId, (Source, Age)>,
    places_order: VecDeque<DataId>,
    /// SHA-256 of the text that was here first under an id that was stolen, and which was stolen
    /// first.
    first_texts: HashMap<DataId, Hash>,
    stolen_order: VecDeque<DataId>,
    /// Every message by its id; several texts may wait under one.
    ages: BTreeSet<(DataId, Age)>,
    /// Every message once more by when it came (or came back), for those who ask what is new.
    arrivals: BTreeMap<u64, Age>,
    next_age: Age,
    next_arrival: u64,
}

#[derive(Debug)]
struct Waiting {
    data: Data,
    source: Source,
    arrival: u64,
    came: Came,
}

/// How a message came into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// By the journal: it is on disk.
    New,
    /// Out of a dropped block, which need not have been on disk.
    Back,
}

impl Pool {
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.by_age.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.usage.all().bytes
    }

    /// True if there is room for a message of `source` with so many bytes, besides those of
    /// `batch`. A source of others may have as much as it leaves free to all others: so there
    /// is room for one more, however many have taken their share.
    pub fn has_room(&self, batch: &Usage, source: Source, bytes: usize) -> bool {
        let one = Used { count: 1, bytes };
        let limits = Used { count: self.limits.count, bytes: self.limits.bytes };
        let all = self.usage.all().plus(batch.all()).plus(one);
        if !matches!(source, Source::From(..)) {
            return all.fits(limits);
        }
        let part = |limit: usize| limit / 4 * OTHERS_OF_FOUR;
        let for_others = Used { count: part(limits.count), bytes: part(limits.bytes) };
        let others = self.usage.others.plus(batch.others).plus(one);
        let its_own = self.usage.of(source).plus(batch.of(source)).plus(one);
        all.fits(limits) && others.fits(for_others) && its_own.fits(for_others.minus(others))
    }

    /// The waiting messages with this id, oldest first.
    pub fn with_id(&self, id: &DataId) -> impl Iterator<Item = &Data> {
        self.ages_of(*id).map(|age| &self.by_age[&age].data)
    }

    /// How this message came, if it waits.
    pub fn how_came(&self, data: &Data) -> Option<Came> {
        self.place(data).map(|age| self.by_age[&age].came)
    }

    /// The one to be mined next: the oldest of the source whose turn it is.
    pub fn next(&self) -> Option<&Data> {
        let behind = match self.last_turn {
            Some(last) => (Bound::Excluded(last), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let line = self.lines.get(&Source::Blocks);
        let line = line.or_else(|| self.lines.range(behind).next().map(|(_, line)| line));
        let line = line.or_else(|| self.lines.values().next())?;
        Some(&self.by_age[line.first()?].data)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Data> {
        self.by_age.values().map(|waiting| &waiting.data)
    }

    /// Those younger than the place `age` (all, without one), oldest first, each with its
    /// place in the order of age.
    pub fn younger_than(&self, age: Option<i64>) -> impl Iterator<Item = (i64, &Data)> {
        let start = age.map_or(Bound::Unbounded, Bound::Excluded);
        let younger = self.by_age.range((start, Bound::Unbounded));
        younger.map(|(age, waiting)| (*age, &waiting.data))
    }

    /// Those that came at or after `cursor`, in the order they came, each with the cursor
    /// that asks for what came after it.
    pub fn since(&self, cursor: u64) -> impl Iterator<Item = (u64, &Data)> {
        self.arrivals.range(cursor..).map(|(arrival, age)| (arrival + 1, &self.by_age[age].data))
    }

    /// The cursor that asks for what comes from now on.
    pub fn cursor(&self) -> u64 {
        self.next_arrival
    }

    /// Takes a message of this host's own in, as [`Pool::add_from`] does.
    pub fn add(&mut self, data: Data) -> bool {
        self.add_from(Source::Own, data)
    }

    /// Takes a message in as the youngest; `false` if it waits already. The limits are the
    /// caller's to ask for ([`Pool::has_room`]) before it promises anything.
    pub fn add_from(&mut self, source: Source, data: Data) -> bool {
        let age = self.next_age;
        self.next_age += 1;
        self.insert(age, source, data, Came::New)
    }

    /// Takes messages back, which were in the order given. Those that waited here before have
    /// their old place in line. Those that did not, and all before them, come first: so none
    /// overtakes another that came by the same way.
    pub fn give_back(&mut self, returned: impl DoubleEndedIterator<Item = Data>) {
        let mut are_first = false;
        for data in returned.rev() {
            let place = self.places.remove(&data.id);
            let place = place.filter(|(_, age)| !are_first && !self.by_age.contains_key(age));
            are_first |= place.is_none();
            let (source, age) = place.unwrap_or_else(|| {
                let oldest = self.by_age.keys().next().copied().unwrap_or(0).min(0);
                (Source::Blocks, oldest - 1)
            });
            self.insert(age, source, data, Came::Back);
        }
    }

    /// SHA-256 of the text that was here first under this id, if another was mined before it was.
    pub fn first_text(&self, id: &DataId) -> Option<Hash> {
        self.first_texts.get(id).copied()
    }

    /// Notes that `mined` is in the chain, which had no message of its id before: another text
    /// that waits under the id was here first.
    pub fn note_stolen(&mut self, mined: &Data) {
        let place = self.place(mined);
        let Some(oldest) = self.ages_of(mined.id).next().filter(|age| Some(*age) != place) else {
            return;
        };
        if self.first_texts.contains_key(&mined.id) {
            return;
        }
        // Under the pool's lock, though that takes 40 µs for the longest text: at no moment may the
        // other text be in the chain and this one not be known to be the first.
        let first = Hash::of(self.by_age[&oldest].data.message.as_str());
        self.first_texts.insert(mined.id, first);
        self.stolen_order.push_back(mined.id);
        if self.stolen_order.len() > STOLEN_MAX {
            self.stolen_order.pop_front().map(|id| self.first_texts.remove(&id));
        }
    }

    pub fn remove(&mut self, data: &Data) -> bool {
        let Some(age) = self.place(data) else { return false };
        let Some(waiting) = self.by_age.remove(&age) else { return false };
        let Waiting { data, source, arrival, .. } = waiting;
        self.ages.remove(&(data.id, age));
        self.arrivals.remove(&arrival);
        self.usage.remove(source, data.message.as_str().len());
        let line = self.lines.entry(source).or_default();
        line.remove(&age);
        if line.is_empty() {
            self.lines.remove(&source);
        }
        if source != Source::Blocks {
            self.last_turn = Some(source);
        }
        self.remember(data.id, (source, age));
        true
    }

    fn remember(&mut self, id: DataId, place: (Source, Age)) {
        if self.places.insert(id, place).is_none() {
            self.places_order.push_back(id);
        }
        while self.places_order.len() > PLACES_MAX {
            self.places_order.pop_front().map(|id| self.places.remove(&id));
        }
    }

    fn ages_of(&self, id: DataId) -> impl Iterator<Item = Age> {
        self.ages.range((id, Age::MIN)..=(id, Age::MAX)).map(|(_, age)| *age)
    }

    fn place(&self, data: &Data) -> Option<Age> {
        self.ages_of(data.id).find(|age| self.by_age[age].data == *data)
    }

    fn insert(&mut self, age: Age, source: Source, data: Data, came: Came) -> bool {
        if self.place(&data).is_some() {
            return false;
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.usage.add(source, data.message.as_str().len());
        self.lines.entry(source).or_default().insert(age);
        self.ages.insert((data.id, age));
        self.arrivals.insert(arrival, age);
        self.by_age.insert(age, Waiting { data, source, arrival, came });
        true
    }
}

#[cfg(test)]
mod tests;
