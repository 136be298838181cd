//! The unprocessed data: messages that wait to be mined, oldest first.
//!
//! Holds each message (id and text) once, within limits of count and bytes. Messages of dropped blocks come
//! back to the front, whatever the limits say: they were accepted once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::data::{Data, DataId};

/// How many messages and bytes of messages may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Messages.
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

/// A place in the order of age; messages that came back have places below zero.
type Age = i64;

/// What waits to be mined.
#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    bytes: usize,
    by_age: BTreeMap<Age, Waiting>,
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
    /// An empty pool with these limits.
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// Bytes of all messages that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The limits it was made with.
    pub fn limits(&self) -> PoolLimits {
        self.limits
    }

    /// Whether `count` more messages with `bytes` bytes in all stay within the limits.
    pub fn has_room(&self, count: usize, bytes: usize) -> bool {
        self.len() + count <= self.limits.count && self.bytes + bytes <= self.limits.bytes
    }

    /// The waiting messages with this id, oldest first.
    pub fn with_id(&self, id: &DataId) -> impl Iterator<Item = &Data> {
        self.places(*id).map(|age| &self.by_age[&age].data)
    }

    /// How this message came, if it waits.
    pub fn how_came(&self, data: &Data) -> Option<Came> {
        self.place(data).map(|age| self.by_age[&age].came)
    }

    /// The one to be mined next.
    pub fn oldest(&self) -> Option<&Data> {
        self.by_age.values().next().map(|waiting| &waiting.data)
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

    /// Takes a message in as the youngest; `false` if it waits already. The limits are the caller's
    /// to ask for ([`Pool::has_room`]) before it promises anything.
    pub fn add(&mut self, data: Data) -> bool {
        let age = self.next_age;
        self.next_age += 1;
        self.insert(age, data, Came::New)
    }

    /// Takes messages back as the oldest, in the order given.
    pub fn give_back(&mut self, returned: impl DoubleEndedIterator<Item = Data>) {
        for data in returned.rev() {
            let oldest = self.by_age.keys().next().copied().unwrap_or(self.next_age);
            self.insert(oldest - 1, data, Came::Back);
        }
    }

    /// Takes a message out; `false` if it does not wait.
    pub fn remove(&mut self, data: &Data) -> bool {
        let Some(age) = self.place(data) else { return false };
        let Some(Waiting { data, arrival, .. }) = self.by_age.remove(&age) else { return false };
        self.ages.remove(&(data.id, age));
        self.arrivals.remove(&arrival);
        self.bytes -= data.message.as_str().len();
        true
    }

    fn places(&self, id: DataId) -> impl Iterator<Item = Age> {
        self.ages.range((id, Age::MIN)..=(id, Age::MAX)).map(|(_, age)| *age)
    }

    fn place(&self, data: &Data) -> Option<Age> {
        self.places(data.id).find(|age| self.by_age[age].data == *data)
    }

    fn insert(&mut self, age: Age, data: Data, came: Came) -> bool {
        if self.place(&data).is_some() {
            return false;
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.bytes += data.message.as_str().len();
        self.ages.insert((data.id, age));
        self.arrivals.insert(arrival, age);
        self.by_age.insert(age, Waiting { data, arrival, came });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::data;

    fn texts(pool: &Pool) -> Vec<&str> {
        pool.iter().map(|data| data.message.as_str()).collect()
    }

    #[test]
    fn messages_wait_in_order_and_once() {
        let mut pool = Pool::default();
        assert!(pool.add(data("a")) && pool.add(data("b")) && !pool.add(data("a")));
        assert_eq!(texts(&pool), ["a", "b"]);
        assert_eq!(pool.oldest().unwrap().message.as_str(), "a");
        assert!(pool.remove(&data("a")));
        assert_eq!((pool.len(), pool.bytes()), (1, 1));
        assert!(!pool.remove(&data("a")));
    }

    #[test]
    fn two_texts_under_one_id_are_two_messages() {
        let mut pool = Pool::default();
        let other = Data { id: data("a").id, ..data("b") };
        assert!(pool.add(data("a")) && pool.add(other.clone()) && !pool.add(other.clone()));
        assert_eq!(pool.with_id(&other.id).collect::<Vec<_>>(), [&data("a"), &other]);
        assert!(pool.remove(&data("a")) && pool.how_came(&data("a")).is_none());
        assert_eq!(pool.how_came(&other), Some(Came::New));
    }

    #[test]
    fn returned_messages_are_the_oldest_and_pass_the_limits() {
        let mut pool = Pool::new(PoolLimits { count: 1, bytes: 1 });
        pool.add(data("d"));
        assert!(!pool.has_room(1, 0) && !pool.has_room(0, 1) && pool.has_room(0, 0));
        pool.give_back([data("b"), data("c")].into_iter());
        pool.give_back([data("a"), data("c")].into_iter());
        assert_eq!(texts(&pool), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_cursor_asks_for_what_came_since() {
        let mut pool = Pool::default();
        pool.add(data("a"));
        pool.add(data("b"));
        let cursor = pool.since(0).next().unwrap().0;
        pool.remove(&data("a"));
        pool.give_back([data("a")].into_iter());
        let new: Vec<_> = pool.since(cursor).map(|(_, data)| data.message.as_str()).collect();
        assert_eq!(new, ["b", "a"]);
        assert_eq!(pool.since(pool.cursor()).count(), 0);
    }
}
