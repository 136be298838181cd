//! The locks of the miners. All jobs run in one thread: one that lets go of a lock may find
//! that others ran before it goes on, as a thread may that had to wait. What runs then never
//! waits for a lock that a job under way holds.
//!
//! A build without debug assertions has nothing to watch.
#![cfg_attr(not(debug_assertions), allow(unused))]

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use blockchain::miner::Miner;
use parking_lot::Mutex;

use super::node::Running;
use super::world::{Gap, World};

/// The locks that the jobs under way hold.
#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<Vec<usize>>,
    /// Pairs that were held together: the first was taken before the second. As places in a
    /// miner.
    order: Mutex<BTreeSet<(usize, usize)>>,
}

/// What the jobs of one miner hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    Keeper,
    /// A lock of `Shared`: nothing else of this miner may run.
    Shared,
}

impl Locks {
    /// What the jobs of this miner hold.
    pub fn held(&self, miner: &Miner) -> Held {
        let held = self.held.lock();
        let mut own = held.iter().filter(|lock| is_within(miner, **lock)).peekable();
        if own.peek().is_none() {
            Held::Nothing
        } else if own.any(|lock| is_within(&miner.shared, *lock)) {
            Held::Shared
        } else {
            Held::Keeper
        }
    }

    /// Whether no job of any miner holds a lock.
    pub fn are_free(&self) -> bool {
        self.held.lock().is_empty()
    }
}

/// Lets `world` see the locks of this thread as long as the guard lives.
#[must_use]
pub fn watch(world: &Arc<World>) -> Watching {
    #[cfg(debug_assertions)]
    blockchain::miner::watch(Some(Rc::new(Watcher(Arc::downgrade(world)))));
    Watching
}

/// Locks of this thread are watched.
pub struct Watching;

impl Drop for Watching {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        blockchain::miner::watch(None);
    }
}

struct Watcher(Weak<World>);

#[cfg(debug_assertions)]
impl blockchain::miner::Watch for Watcher {
    fn takes(&self, lock: usize) {
        if let Some(world) = self.0.upgrade() {
            world.lock_is_taken(lock);
        }
    }

    fn has_freed(&self, lock: usize) {
        if let Some(world) = self.0.upgrade() {
            world.lock_is_free(lock);
        }
    }
}

impl World {
    fn lock_is_taken(&self, lock: usize) {
        let held = self.locks.held.lock().clone();
        assert!(!held.contains(&lock), "a job waits for a lock that is never let go");
        if let Some((_, running)) = held.last().and_then(|_| self.owner(lock)) {
            let miner = &running.miner;
            let place = |lock: usize| lock - std::ptr::from_ref(miner).addr();
            let mut order = self.locks.order.lock();
            for before in held.into_iter().filter(|before| is_within(miner, *before)) {
                let pair = (place(before), place(lock));
                order.insert(pair);
                let deadlock = order.contains(&(pair.1, pair.0));
                assert!(!deadlock, "two locks are taken in both orders");
            }
        }
        self.locks.held.lock().push(lock);
    }

    fn lock_is_free(&self, lock: usize) {
        {
            let mut held = self.locks.held.lock();
            let at = held.iter().rposition(|other| *other == lock);
            held.remove(at.expect("it was taken"));
        }
        // A job that panics lets go of its locks, and nothing is to happen any more.
        if !std::thread::panicking()
            && self.may_race(Gap::Lock)
            && let Some((node, _)) = self.owner(lock)
        {
            self.race(Gap::Lock, node);
        }
    }

    /// The running miner to which a lock belongs. One that was ended has none.
    fn owner(&self, lock: usize) -> Option<(usize, Arc<Running>)> {
        let mut running = self.running().map(|(node, running)| (node.number, running));
        running.find(|(_, running)| is_within(&running.miner, lock))
    }
}

fn is_within<T>(whole: &T, address: usize) -> bool {
    let start = std::ptr::from_ref(whole).addr();
    (start..start + size_of::<T>()).contains(&address)
}
