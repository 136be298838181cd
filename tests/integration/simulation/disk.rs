//! A disk that lets other things happen while it works, as they do beside a slow one.

use std::io;
use std::sync::{Arc, Weak};

use blockchain::store::sim_disk::SimDisk;
use blockchain::store::{Disk, DiskFile, Stamp};

use super::world::World;

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

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.meanwhile();
        self.disk.write(name, at, bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.meanwhile();
        let synced = self.disk.sync(name);
        if synced.is_err() && !self.disk.is_down() {
            self.failed();
        }
        synced
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.meanwhile();
        self.disk.truncate(name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.meanwhile();
        let before = self.disk.contents(to);
        self.disk.rename(from, to)?;
        if let Some(world) = self.world.upgrade() {
            world.file_was_replaced(self.node, self.run, to, before.map_or(0, |it| it.len()));
        }
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.meanwhile();
        self.disk.link(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.meanwhile();
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.meanwhile();
        let synced = self.disk.sync_folder();
        if synced.is_err() && !self.disk.is_down() {
            self.failed();
        }
        synced
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
