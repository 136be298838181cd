//! What merely is (lengths, sizes, states), looked up when somebody asks.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Registry};

use super::{known, opts};
use crate::api::NeighbourState;
use crate::chain::{ChainView, Hash, Micros, ReadError};
use crate::miner::Miner;

const MICROS: f64 = 1e6;

/// Microseconds within which a block has reached every neighbour, also by a sync (10 s) alone.
const SETTLES: Micros = 15_000_000;

/// Microseconds between two moments at which miners are compared. Each moment is looked at for as
/// long, so that all miners of a network are scraped at least once while they look at the same.
const MOMENTS: Micros = 30_000_000;

/// Hex digits of a hash that a sample, a floating-point number, holds exactly.
const HASH_DIGITS: usize = 12;

/// Gauges, looked up when somebody asks.
pub struct LookedUp {
    build: IntGaugeVec,
    blocks: IntGauge,
    head_age: Gauge,
    unprocessed: IntGauge,
    unprocessed_bytes: IntGauge,
    guesses_per_second: Gauge,
    neighbours: IntGaugeVec,
    received: IntCounter,
    files: IntGaugeVec,
    troubles: IntGauge,
    uptime: Gauge,
    settled: IntGauge,
    to_fetch: IntGauge,
    disk_free: IntGauge,
    disk: IntGauge,
}

impl LookedUp {
    pub fn register(to: &Registry) -> Self {
        let gauge = |name, help| known(to, Gauge::with_opts(opts(name, help)));
        let number = |name, help| known(to, IntGauge::with_opts(opts(name, help)));
        let numbers =
            |name, help, labels: &[&str]| known(to, IntGaugeVec::new(opts(name, help), labels));
        let build = ["version", "network", "difficulty", "kernel"];
        let received = opts("neighbour_received_bytes_total", "Bytes of other miners' answers");
        Self {
            build: numbers("build_info", "Version of the program, as labels; always 1", &build),
            blocks: number("blocks", "Blocks in the chain, the genesis block included"),
            head_age: gauge(
                "head_age_seconds",
                "Age of the last block; while there is only the genesis block, of the miner",
            ),
            unprocessed: number("unprocessed_messages", "Pending messages"),
            unprocessed_bytes: number("unprocessed_bytes", "Bytes of the pending messages"),
            guesses_per_second: gauge(
                "guesses_per_second",
                "Hash rate of the current search, or of the last one",
            ),
            neighbours: numbers("neighbours", "Neighbours by state", &["state"]),
            received: known(to, IntCounter::with_opts(received)),
            files: numbers(
                "file_bytes",
                "Size of the files of a kind, by the last backup",
                &["kind"],
            ),
            troubles: number("troubles", "Parts of the miner that are failing"),
            uptime: gauge("uptime_seconds", "Time since the start"),
            settled: number(
                "settled_hash",
                "First 12 hex digits, as a number, of the hash of the last block before a moment of \
                 15 to 45 s ago: the same on miners that agree",
            ),
            to_fetch: number("blocks_to_fetch", "Blocks that the fetch under way still lacks"),
            disk_free: number("disk_free_bytes", "Room on the disk of the chain file"),
            disk: number("disk_bytes", "Size of the disk of the chain file"),
        }
    }

    pub fn look(&self, miner: &Miner) {
        let (now, head) = (miner.now(), miner.shared.head());
        let (version, kernel) = (env!("CARGO_PKG_VERSION"), miner.kernel.to_string());
        let (network, difficulty) = (miner.network.name.to_string(), miner.network.difficulty);
        let build = [version, &network, &difficulty.to_string(), &kernel];
        self.build.with_label_values(&build).set(1);
        self.blocks.set(signed(head.length()));
        let age = match head.index {
            0 => now.steady.as_secs_f64(),
            _ => now.wall.saturating_sub(head.timestamp) as f64 / MICROS,
        };
        self.head_age.set(age);
        let (count, bytes) = miner.shared.with_pool(|pool| (pool.len(), pool.bytes()));
        self.unprocessed.set(signed(count as u64));
        self.unprocessed_bytes.set(signed(bytes as u64));
        self.guesses_per_second.set(miner.diary.guesses_per_second(miner.now()));
        self.look_at_neighbours(miner);
        self.look_at_files(miner);
        self.troubles.set(signed(miner.troubles().len() as u64));
        self.uptime.set(now.steady.as_secs_f64());
        let moment = now.wall.saturating_sub(SETTLES) / MOMENTS * MOMENTS;
        // What cannot be read is told by /health.
        if let Ok(hash) = last_until(&miner.shared.chain(), moment) {
            self.settled.set(as_number(&hash));
        }
        let lacks = miner.fetching.syncing().map_or(0, |at| at.of.saturating_sub(at.length));
        self.to_fetch.set(signed(lacks));
        if let Some(room) = miner.diary.room() {
            self.disk_free.set(signed(room.free));
            self.disk.set(signed(room.total));
        }
    }

    fn look_at_neighbours(&self, miner: &Miner) {
        let page = miner.shared.with_neighbours(|all| all.page(true, miner.now()));
        for (state, name) in [
            (NeighbourState::New, "new"),
            (NeighbourState::Ok, "ok"),
            (NeighbourState::Failing, "failing"),
            (NeighbourState::Banned, "banned"),
        ] {
            let count = page.details.iter().filter(|neighbour| neighbour.state == state).count();
            self.neighbours.with_label_values(&[name]).set(signed(count as u64));
        }
        let received = miner.client().received_bytes();
        self.received.inc_by(received.saturating_sub(self.received.get()));
    }

    fn look_at_files(&self, miner: &Miner) {
        self.files.reset();
        for file in miner.diary.files() {
            self.files.with_label_values(&[&file.kind]).add(signed(file.bytes));
        }
    }
}

/// Hash of the last block with a timestamp of at most `moment`, which rise along a chain. Looks
/// near the head first: the block is seldom far.
pub fn last_until(chain: &ChainView, moment: Micros) -> Result<Hash, ReadError> {
    let is_later = |height| {
        chain.head_at(height).map(|it| it.is_some_and(|it| it.timestamp > moment && height > 0))
    };
    let (mut step, mut later) = (1, chain.length());
    let mut low = chain.head().index;
    while is_later(low)? {
        (later, low) = (low, low.saturating_sub(step));
        step *= 2;
    }
    while later - low > 1 {
        let middle = low + (later - low) / 2;
        if is_later(middle)? { later = middle } else { low = middle }
    }
    Ok(chain.hash(low)?.expect("a chain has all blocks below its head"))
}

/// The beginning of a hash as a number.
pub fn as_number(hash: &Hash) -> i64 {
    i64::from_str_radix(&hash.to_string()[..HASH_DIGITS], 16).expect("a hash is hex digits")
}

/// Gauges are signed, and nothing here comes near 2^63.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
