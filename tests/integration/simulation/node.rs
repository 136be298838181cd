//! One simulated host: its disk, its clock, and the miner that runs on it, if one does.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use blockchain::api::client::MinerClient;
use blockchain::api::{Address, Caller, Introduction, RunId};
use blockchain::chain::testing::NOW;
use blockchain::chain::{ChainView, Hash, Micros, Pool, PoolLimits};
use blockchain::miner::{Clock, Keeper, Miner, Moment, Neighbours, Shared, Surroundings};
use blockchain::store::{ChainFile, Files, Journal, Loaded, Names, Start, StoreError};
use parking_lot::Mutex;

use super::disk::watched;
use super::network::Wire;
use super::world::World;
use crate::support::sim_disk::{Loss, SimDisk};

/// Older versions of the chain file that stay.
const VERSIONS_KEPT: usize = 2;

/// A host.
pub struct Node {
    pub number: usize,
    pub address: Address,
    pub given: Vec<Address>,
    pub limits: PoolLimits,
    life: Mutex<Life>,
}

struct Life {
    disk: Arc<SimDisk>,
    running: Option<Arc<Running>>,
    /// How the host's clock differs from the true time.
    clock_off: i64,
    runs: u64,
    /// What becomes of the disk before the next start.
    ended: Ended,
    /// A write failed for good, so that the host's cache is not what will be on disk.
    failed: bool,
}

/// How a miner's last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    InOrder,
    Killed,
    PowerCut,
}

/// Head, pool and promises at the last look.
pub type Looked = (Hash, (usize, u64), usize);

/// A miner that runs.
pub struct Running {
    pub miner: Miner,
    /// Taken by the backup while it works.
    pub file: Mutex<Option<ChainFile>>,
    pub run: u64,
    /// The chain when it was last looked at.
    pub seen: Mutex<ChainView>,
    /// Head, pool and number of promises when its promises were last looked at: they are where
    /// they were as long as these are the same.
    pub looked_at: Mutex<Option<Looked>>,
}

/// The clock of a host.
struct SimClock {
    world: Weak<World>,
    node: usize,
    started: u64,
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        let Some(world) = self.world.upgrade() else { return Moment::default() };
        world.at_clock(self.node);
        let now = world.micros();
        let off = world.nodes[self.node].life.lock().clock_off;
        let wall = NOW.saturating_add_signed(off) + now;
        Moment { wall, steady: Duration::from_micros(now.saturating_sub(self.started)) }
    }
}

impl Node {
    pub fn new(number: usize, given: Vec<Address>, limits: PoolLimits) -> Self {
        let life = Life {
            disk: Arc::default(),
            running: None,
            clock_off: 0,
            runs: 0,
            ended: Ended::InOrder,
            failed: false,
        };
        Self { number, address: address(number), given, limits, life: Mutex::new(life) }
    }

    pub fn running(&self) -> Option<Arc<Running>> {
        self.life.lock().running.clone()
    }

    pub fn is_run(&self, run: u64) -> bool {
        let life = self.life.lock();
        !life.disk.is_down() && life.running.as_ref().is_some_and(|running| running.run == run)
    }

    pub fn disk(&self) -> Arc<SimDisk> {
        Arc::clone(&self.life.lock().disk)
    }

    pub fn set_clock(&self, off: i64) {
        self.life.lock().clock_off = off;
    }

    pub fn clock_off(&self) -> i64 {
        self.life.lock().clock_off
    }

    /// Notes that the cache of the host is not to be trusted any more.
    pub fn write_failed(&self) {
        self.life.lock().failed = true;
    }

    /// Ends the run, whatever is under way.
    pub fn end(&self, ended: Ended) {
        let mut life = self.life.lock();
        life.running = None;
        // What a failed sync lost can't be told apart in the cache: see the module `disk`.
        life.ended = if life.failed { Ended::PowerCut } else { ended };
    }

    /// What others see of a miner that asks.
    pub fn caller(&self, id: RunId) -> Caller {
        let introduction = Introduction { id, host: None, port: self.address.port() };
        Caller { ip: self.address.ip(), miner: Some(introduction), token: None }
    }

    /// Starts a miner on what the disk holds now.
    ///
    /// # Errors
    /// What the store says.
    pub fn start(&self, world: &Arc<World>) -> Result<(), StoreError> {
        let (disk, run) = {
            let mut life = self.life.lock();
            world.tally.add("disk operations that failed", life.disk.failures_struck());
            let disk = match life.ended {
                Ended::InOrder | Ended::Killed => life.disk.after_kill(),
                Ended::PowerCut => {
                    life.failed = false;
                    life.disk.after_power_cut(loss(world))
                }
            };
            life.disk = Arc::new(disk);
            life.runs += 1;
            (Arc::clone(&life.disk), life.runs)
        };
        world.arm(&disk);
        let miner = self.load(world, disk, run)?;
        self.life.lock().running = Some(Arc::new(miner));
        Ok(())
    }

    fn load(
        &self,
        world: &Arc<World>,
        disk: Arc<SimDisk>,
        run: u64,
    ) -> Result<Running, StoreError> {
        let wall: Micros = NOW.saturating_add_signed(self.clock_off()) + world.micros();
        let weak = Arc::downgrade(world);
        let watched = watched(disk, weak.clone(), self.number, run);
        let files = Files::new(watched, names());
        let (network, progress) = (&world.network, &mut |_, _| ControlFlow::Continue(()));
        let Loaded { file, chain, forks } =
            ChainFile::load(&files, network, Start::Keep, VERSIONS_KEPT, wall, progress)?;
        let (journal, kept) = Journal::open(files)?;
        let mut pool = Pool::new(self.limits);
        for data in kept {
            if chain.height_of(&data).map_err(StoreError::from)?.is_none() {
                pool.add(data);
            }
        }
        let neighbours = Neighbours::new(self.given.iter().cloned(), world.neighbours_max());
        let id = RunId::from_random(world.chance.bytes());
        let random = weak.clone();
        let surroundings = Surroundings {
            clock: Arc::new(SimClock {
                world: weak.clone(),
                node: self.number,
                started: world.micros(),
            }),
            client: MinerClient::new(Box::new(Wire::new(weak, self.number, run, id))),
            random: Box::new(move || random.upgrade().map_or([0; 16], |w| w.chance.bytes())),
        };
        let seen = Mutex::new(chain.view());
        let shared = Shared::new(chain, forks, pool, neighbours);
        let network = world.network.clone();
        let miner = Miner::new(id, network, shared, Keeper::new(journal), surroundings);
        miner.shared.bells.gossip.ring();
        miner.shared.bells.mine.ring();
        let (file, looked_at) = (Mutex::new(Some(file)), Mutex::default());
        Ok(Running { miner, file, run, seen, looked_at })
    }
}

/// The files of every simulated miner; each has a disk of its own.
pub fn names() -> Names {
    Names::of(Path::new("miner.chain")).expect("it is a plain name")
}

/// Where the host with this number is: each in an address group of its own.
pub fn address(number: usize) -> Address {
    format!("10.{}.{}.1:12345", number / 250, number % 250).parse().expect("it is one")
}

fn loss(world: &World) -> Loss {
    let chance = &world.chance;
    match chance.below(4) {
        0 => Loss::Behind { bytes: chance.below(300), names: chance.below(6) },
        1 => Loss::Zeros { from: chance.below(2), count: 1, names: chance.below(6) },
        _ => Loss::Any { seed: chance.below(usize::MAX) as u64 },
    }
}
