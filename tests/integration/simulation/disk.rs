//! A disk that lets other things happen while it works, as they do beside a slow one.

use std::io;
use std::sync::{Arc, Weak};

use blockchain::store::{Disk, DiskFile, Operation, Stamp};

use super::world::World;
use crate::support::sim_disk::SimDisk;

/// The disk of one run of a miner.
pub struct WatchedDisk {
    disk: Arc<SimDisk>,
    world: Weak<World>,
    node: usize,
    run: u64,
}

impl WatchedDisk {
    pub fn new(disk: Arc<SimDisk>, world: Weak<World>, node: usize, run: u64) -> Self {
        Self { disk, world, node, run }
    }

    /// Lets something happen before an operation.
    fn meanwhile(&self) {
        if let Some(world) = self.world.upgrade() {
            world.at_disk(self.node, self.run);
        }
    }
}

impl Disk for WatchedDisk {
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        self.disk.open(name)
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        self.disk.stamp(name)
    }

    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.scratch()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn operate(&self, operation: Operation<'_>) -> io::Result<()> {
        self.meanwhile();
        let replaced = match operation {
            Operation::Rename(_, to) => Some((to, self.disk.contents(to))),
            _ => None,
        };
        let done = self.disk.operate(operation);
        let is_sync = matches!(operation, Operation::Sync(_) | Operation::SyncFolder);
        if is_sync && done.is_err() && !self.disk.is_down() {
            self.failed();
        }
        if let (Ok(()), Some((name, before)), Some(world)) = (&done, replaced, self.world.upgrade())
        {
            let bytes = before.map_or(0, |it| it.len());
            world.file_was_replaced(self.node, self.run, name, bytes);
        }
        done
    }
}

impl WatchedDisk {
    /// A sync failed: the host still shows what will never be on disk, and the next process
    /// could not know. Such a host loses its power before the next start, and all of it is
    /// as it will be.
    fn failed(&self) {
        if let Some(world) = self.world.upgrade() {
            world.nodes[self.node].write_failed();
        }
    }
}
