//! FLOOR 2: the running miner.
//!
//! [`Miner`] is one miner without its threads: what it knows, and what it does when it is
//! asked or when a job's turn comes. [`run`] gives it a host's clock, disk and network, a
//! thread for each job, and a server process.

mod answer;
mod callers;
mod clock;
mod diary;
mod fetching;
mod finality;
mod footprint;
mod group;
pub mod jobs;
mod keeper;
mod lock;
mod metrics;
mod neighbours;
mod new_blocks;
mod pushed;
mod running;
mod server_process;
mod service_manager;
mod shared;
mod sides;
mod thread_group;
mod threads;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub use answer::answer;
pub use clock::{Clock, HostClock, Moment};
pub use diary::Diary;
pub use fetching::Fetching;
pub use finality::{Finality, NotAdopted};
pub use keeper::{Keeper, Kept, Sender};
#[cfg(debug_assertions)]
pub use lock::{Watch, watch};
pub use metrics::Metrics;
pub use neighbours::{End, Fault, Neighbours};
pub use new_blocks::NewBlocks;
pub use running::{Listener, MinerError, how_to_listen, run};
pub use shared::{Adopted, FoundBlock, Place, Shared};
use sides::Sides;

use crate::api::client::{MinerClient, Token};
use crate::api::{Address, Happening, RunId, Setting};
use crate::chain::{Block, Data, DataId, Hash, Micros, Network, ReadError};
use crate::pow::{Kernel, Pace};
use crate::store::Files;

/// Deepest reorganisation that nobody needs to look at, in blocks.
pub const DEEP: u64 = 6;

/// The part of a miner that is in trouble when its chain file can't be read.
pub(crate) const UNREADABLE: &str = "chain file";

/// Where a miner lives: what it can't make itself, and what tests give it.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub client: MinerClient,
    pub random: Box<dyn Fn() -> [u8; 16] + Send + Sync>,
}

pub struct Miner {
    pub id: RunId,
    pub network: Network,
    pub genesis: Hash,
    pub shared: Shared,
    pub kernel: Kernel,
    /// Guesses a second that it may compute.
    pub pace: Arc<Pace>,
    /// How deep a reorganisation may go.
    pub finality: Finality,
    /// Events and work under way.
    pub diary: Diary,
    pub metrics: Metrics,
    pub fetching: Fetching,
    /// Blocks of neighbours that did not win.
    sides: Sides,
    /// Blocks that the log has not told yet.
    pub new_blocks: NewBlocks,
    /// For people.
    pub name: Option<String>,
    /// Where long branches lie while they are checked, and what is remembered.
    pub files: Option<Files>,
    /// Neighbours that are remembered there.
    remembered: Mutex<Vec<Address>>,
    /// What other hosts have to show before they add messages or change neighbours.
    pub token: Option<Token>,
    /// What it was started with.
    pub settings: Vec<Setting>,
    surroundings: Surroundings,
    keeper: lock::Mutex<Keeper>,
    /// Faults, by part of the miner.
    troubles: Mutex<BTreeMap<&'static str, String>>,
}

impl Miner {
    pub fn new(
        id: RunId,
        network: Network,
        shared: Shared,
        keeper: Keeper,
        surroundings: Surroundings,
    ) -> Self {
        let genesis = Hash::of(Block::genesis(&network).line());
        let (keeper, troubles) = (lock::Mutex::new(keeper), Mutex::default());
        let (kernel, diary, metrics) = (Kernel::best(), Diary::default(), Metrics::default());
        diary.begins(surroundings.clock.now().wall);
        Self {
            id,
            network,
            genesis,
            shared,
            kernel,
            pace: Arc::new(Pace::new(None)),
            finality: Finality::default(),
            diary,
            metrics,
            fetching: Fetching::default(),
            sides: Sides::default(),
            new_blocks: NewBlocks::default(),
            name: None,
            files: None,
            remembered: Mutex::default(),
            token: None,
            settings: Vec::new(),
            surroundings,
            keeper,
            troubles,
        }
    }

    /// Limits the guesses a second from now on; 0 pauses mining.
    pub fn limit_hash_rate(&self, limit: Option<u64>) {
        self.pace.set_limit(limit);
        self.shared.restart_search();
    }

    /// Notes an event in the diary, and wakes those who wait for one.
    pub fn tell(&self, what: Happening) {
        if let Happening::Reorganisation { dropped, fork, .. } = what {
            self.metrics.reorganised(dropped);
            if dropped > DEEP {
                log::warn!("miner: a deep reorganisation dropped={dropped} fork={fork}");
            }
        }
        self.diary.note(self.wall(), what);
        self.shared.bells.events.ring();
    }

    pub fn now(&self) -> Moment {
        self.surroundings.clock.now()
    }

    pub fn client(&self) -> &MinerClient {
        &self.surroundings.client
    }

    pub fn random_id(&self) -> DataId {
        DataId::from_random((self.surroundings.random)())
    }

    pub fn random(&self) -> u64 {
        let bytes = (self.surroundings.random)();
        u64::from_le_bytes(bytes[..8].try_into().expect("8 of 16 bytes"))
    }

    /// Writes messages to disk and lets them wait to be mined. Takes the keeper's lock, and
    /// returns once they are synced.
    pub fn keep(&self, batch: &[(Data, Sender)]) -> Vec<Kept> {
        let mut keeper = self.keeper.lock();
        let began = self.now().steady;
        let kept = keeper.keep(&self.shared, batch);
        if kept.contains(&Kept::Added) {
            self.metrics.synced(self.now().steady.saturating_sub(began));
            let unprocessed = self.shared.with_pool(|pool| pool.len()) as u64;
            self.tell(Happening::Messages { unprocessed });
        }
        kept.iter().for_each(|kept| self.metrics.added(kept));
        self.note_trouble("journal", keeper.failing().map(str::to_owned));
        kept
    }

    pub fn with_keeper<T>(&self, work: impl FnOnce(&mut Keeper, &Shared) -> T) -> T {
        let mut keeper = self.keeper.lock();
        let result = work(&mut keeper, &self.shared);
        self.note_trouble("journal", keeper.failing().map(str::to_owned));
        result
    }

    /// Notes what is wrong with a part of the miner, or that nothing is any more, and logs it
    /// when it begins and ends.
    pub fn note_trouble(&self, part: &'static str, trouble: Option<String>) {
        let before = match trouble.clone() {
            Some(trouble) => self.troubles.lock().insert(part, trouble),
            None => self.troubles.lock().remove(part),
        };
        match (before, trouble) {
            (None, Some(trouble)) => log::error!("{part}: {trouble}"),
            (Some(_), None) => log::info!("{part}: the disk works again"),
            _ => {}
        }
    }

    /// Notes that blocks on disk can't be read as they were written, and lets the next backup
    /// look after them.
    pub fn unreadable(&self, error: &ReadError) {
        self.note_trouble(UNREADABLE, Some(error.to_string()));
        self.shared.bells.backup.ring();
    }

    pub fn is_in_trouble(&self, part: &str) -> bool {
        self.troubles.lock().contains_key(part)
    }

    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().iter().map(|(part, why)| format!("{part}: {why}")).collect()
    }

    /// Lets a neighbour be asked for blocks and messages without waiting for the next round.
    fn ask_soon(&self, address: &Address) {
        self.shared.with_neighbours(|all| {
            all.ask_chain.insert(address.clone());
            all.ask_data.insert(address.clone());
        });
        self.shared.bells.sync_chain.ring();
        self.shared.bells.sync_data.ring();
    }

    /// Microseconds since the Unix epoch, by the host's clock.
    fn wall(&self) -> Micros {
        self.now().wall
    }
}
