//! A disc that lets other things happen while it works, as they do beside a slow one.

use std::io;
use std::sync::{Arc, Weak};

use blockchain::store::sim_disc::SimDisc;
use blockchain::store::{Disc, Source};

use crate::node::names;
use crate::world::World;

/// The disc of one run of a miner.
pub struct WatchedDisc {
    disc: Arc<SimDisc>,
    world: Weak<World>,
    node: usize,
    run: u64,
}

impl WatchedDisc {
    pub fn new(disc: Arc<SimDisc>, world: Weak<World>, node: usize, run: u64) -> Self {
        Self { disc, world, node, run }
    }

    /// Lets something happen before an operation on a file. Only the backup writes files of
    /// the chain, and while it does, the journal is free.
    fn meanwhile(&self, name: &str) {
        let Some(world) = self.world.upgrade() else { return };
        let names = names();
        let is_chain = name.starts_with(&names.chain) || name.starts_with(&names.hash);
        world.at_disc(self.node, self.run, is_chain);
    }
}

impl Disc for WatchedDisc {
    fn read(&self, name: &str) -> io::Result<Option<Source>> {
        self.disc.read(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.meanwhile(name);
        self.disc.append(name, bytes)
    }

    fn write(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.meanwhile(name);
        self.disc.write(name, at, bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.meanwhile(name);
        let synced = self.disc.sync(name);
        if synced.is_err() && !self.disc.is_down() {
            self.failed();
        }
        synced
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.meanwhile(name);
        self.disc.truncate(name, bytes)
    }

    fn copy(&self, from: &str, to: &str, bytes: u64) -> io::Result<()> {
        self.meanwhile(to);
        self.disc.copy(from, to, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.meanwhile(to);
        self.disc.rename(from, to)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.meanwhile(to);
        self.disc.link(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.meanwhile(name);
        self.disc.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disc.list()
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.meanwhile("");
        let synced = self.disc.sync_folder();
        if synced.is_err() && !self.disc.is_down() {
            self.failed();
        }
        synced
    }
}

impl WatchedDisc {
    /// A sync failed: the host still shows what will never be on disc, and the next process
    /// could not know. Such a host loses its power before the next start, and all of it is
    /// as it will be.
    fn failed(&self) {
        if let Some(world) = self.world.upgrade() {
            world.nodes[self.node].write_failed();
        }
    }
}
