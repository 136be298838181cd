//! What a monitoring system is told: counts and measures, in the Prometheus text format.
//!
//! What happens is counted where it happens; what merely is (lengths, sizes, states) is
//! looked up when somebody asks. Nothing here decides anything, and a miner that nobody
//! watches pays some atomic additions for it.

use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{
    CounterVec, Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use super::footprint::{Footprint, memory_limit};
use super::{Kept, Miner};
use crate::api::NeighbourState;
use crate::chain::{ChainView, Hash, Micros, ReadError};

/// Begins every name.
const NAMESPACE: &str = "blockchain";

/// Bounds in seconds for what takes 20 µs in memory and seconds in trouble.
const SECONDS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

/// Bounds in blocks.
const DEPTHS: [f64; 7] = [1.0, 2.0, 3.0, 5.0, 10.0, 100.0, 1_000.0];

/// Microseconds in a second.
const MICROS: f64 = 1e6;

/// Microseconds within which a block has reached every neighbour, also by a sync (10 s) alone.
const SETTLES: Micros = 15_000_000;

/// Microseconds between two moments at which miners are compared. Each moment is looked at for as
/// long, so that all miners of a network are scraped at least once while they look at the same.
const MOMENTS: Micros = 30_000_000;

/// Hex digits of a hash that a sample, a floating-point number, holds exactly.
const HASH_DIGITS: usize = 12;

/// The series of a miner.
pub struct Metrics {
    registry: Registry,
    counted: Counted,
    looked_up: LookedUp,
    /// Number of the server process.
    server: Mutex<Option<u32>>,
}

/// Counters, raised where something happens.
struct Counted {
    adds: IntCounterVec,
    requests: HistogramVec,
    journal_sync: Histogram,
    reorganisation_depth: Histogram,
    refused_branches: IntCounter,
    mined: IntCounter,
    guesses: IntCounter,
    job_rounds: HistogramVec,
    job_failures: IntCounterVec,
    sent: IntCounter,
}

/// Gauges, looked up when somebody asks.
struct LookedUp {
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
    resident: IntGaugeVec,
    cpu: CounterVec,
    descriptors: IntGaugeVec,
    descriptors_max: IntGaugeVec,
    memory_limit: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counted = Counted::register(&registry);
        let server = Mutex::default();
        Self { counted, looked_up: LookedUp::register(&registry), registry, server }
    }
}

impl Metrics {
    /// Counts a message that somebody wanted to add.
    pub fn added(&self, kept: &Kept) {
        let outcome = match kept {
            Kept::Added => "added",
            Kept::Again => "repeated",
            Kept::Conflict => "conflict",
            Kept::Full => "full",
            Kept::Failing(_) => "disk_failing",
        };
        self.counted.adds.with_label_values(&[outcome]).inc();
    }

    /// Counts a message that was not even tried: more come in than the disk takes.
    pub fn overloaded(&self) {
        self.counted.adds.with_label_values(&["overloaded"]).inc();
    }

    /// Measures an answer: from when the request was here whole until the answer was on its
    /// way. `sent` are the bytes of an answer to a neighbour.
    pub fn answered(&self, route: &str, status: u16, took: Duration, sent: Option<usize>) {
        let labels = &[route, &status.to_string()];
        self.counted.requests.with_label_values(labels).observe(took.as_secs_f64());
        self.counted.sent.inc_by(sent.unwrap_or(0) as u64);
    }

    /// Measures writing messages to the journal, the sync included.
    pub fn synced(&self, took: Duration) {
        self.counted.journal_sync.observe(took.as_secs_f64());
    }

    /// Counts a reorganisation that dropped so many blocks.
    pub fn reorganised(&self, dropped: u64) {
        self.counted.reorganisation_depth.observe(dropped as f64);
    }

    /// Counts a branch that was refused since it would have gone too deep.
    pub fn refused_branch(&self) {
        self.counted.refused_branches.inc();
    }

    /// Counts a search's guesses, and whether they gave a block.
    pub fn searched(&self, guesses: u64, found: bool) {
        self.counted.guesses.inc_by(guesses);
        self.counted.mined.inc_by(found.into());
    }

    /// Shows a job from its beginning, when nothing has happened yet: a rate needs a zero to
    /// rise from.
    pub fn job_begins(&self, job: &str) {
        self.counted.job_rounds.with_label_values(&[job]);
        self.counted.job_failures.with_label_values(&[job]);
    }

    /// Measures a round of a job.
    pub fn job_ran(&self, job: &str, took: Duration) {
        self.counted.job_rounds.with_label_values(&[job]).observe(took.as_secs_f64());
    }

    /// Counts a failure of a job: with one neighbour, or of the whole round.
    pub fn job_failed(&self, job: &str) {
        self.counted.job_failures.with_label_values(&[job]).inc();
    }

    /// Notes the number of the process that answers from now on.
    pub fn served_by(&self, server: Option<u32>) {
        *self.server.lock() = server;
    }

    /// All series of `miner`, whose metrics these are, as text. Takes its locks one by one,
    /// for moments.
    pub fn scrape(&self, miner: &Miner) -> Vec<u8> {
        self.looked_up.look(miner);
        self.looked_up.look_at_processes(*self.server.lock());
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("memory takes everything, and every family has a series");
        text
    }
}

impl Counted {
    fn register(to: &Registry) -> Self {
        let counter = |name, help| known(to, IntCounter::with_opts(opts(name, help)));
        let counters =
            |name, help, label| known(to, IntCounterVec::new(opts(name, help), &[label]));
        let histogram = |name, help, bounds: &[f64]| {
            HistogramOpts::from(opts(name, help)).buckets(bounds.into())
        };
        let adds = counters("adds_total", "Requests to add a message, by outcome", "outcome");
        // A rate of 0 says more than no series at all.
        for outcome in ["added", "repeated", "conflict", "full", "disk_failing", "overloaded"] {
            adds.with_label_values(&[outcome]);
        }
        let requests =
            histogram("request_seconds", "Time from a whole request to its answer", &SECONDS);
        let sync = histogram("journal_sync_seconds", "Time to write messages to disk", &SECONDS);
        let depth = histogram("reorganisation_depth_blocks", "Blocks dropped at once", &DEPTHS);
        let rounds = histogram("job_round_seconds", "Duration of a job's rounds", &SECONDS);
        Self {
            adds,
            requests: known(to, HistogramVec::new(requests, &["route", "code"])),
            journal_sync: known(to, Histogram::with_opts(sync)),
            reorganisation_depth: known(to, Histogram::with_opts(depth)),
            refused_branches: counter(
                "refused_branches_total",
                "Branches that would have dropped more than --finality-depth allows",
            ),
            mined: counter("mined_blocks_total", "Proofs found here, also for blocks that lost"),
            guesses: counter("guesses_total", "Nonces tried"),
            job_rounds: known(to, HistogramVec::new(rounds, &["name"])),
            job_failures: counters("job_failures_total", "Failures of a job", "name"),
            sent: counter("neighbour_sent_bytes_total", "Bytes of answers to other miners"),
        }
    }
}

impl LookedUp {
    fn register(to: &Registry) -> Self {
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
            resident: numbers("resident_bytes", "Memory that a process holds", &["process"]),
            cpu: known(
                to,
                CounterVec::new(
                    opts("cpu_seconds_total", "Time that a process computed"),
                    &["process"],
                ),
            ),
            descriptors: numbers("open_files", "Descriptors that a process has open", &["process"]),
            descriptors_max: numbers(
                "open_files_max",
                "Descriptors that it may open",
                &["process"],
            ),
            memory_limit: number(
                "memory_limit_bytes",
                "Memory that all processes may hold: of the control group, or of the host",
            ),
        }
    }

    fn look(&self, miner: &Miner) {
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

    fn look_at_processes(&self, server: Option<u32>) {
        self.memory_limit.set(signed(memory_limit().unwrap_or_default()));
        let server = server.and_then(|number| Footprint::of(&number.to_string()));
        for (name, process) in [("miner", Footprint::of("self")), ("server", server)] {
            let Some(process) = process else { continue };
            self.resident.with_label_values(&[name]).set(signed(process.resident));
            self.descriptors.with_label_values(&[name]).set(signed(process.descriptors));
            self.descriptors_max.with_label_values(&[name]).set(signed(process.descriptors_max));
            let cpu = self.cpu.with_label_values(&[name]);
            // Another server process begins at 0, as a counter may.
            if process.cpu_seconds < cpu.get() {
                cpu.reset();
            }
            cpu.inc_by(process.cpu_seconds - cpu.get());
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
fn last_until(chain: &ChainView, moment: Micros) -> Result<Hash, ReadError> {
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
fn as_number(hash: &Hash) -> i64 {
    i64::from_str_radix(&hash.to_string()[..HASH_DIGITS], 16).expect("a hash is hex digits")
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

/// Puts a series into `registry`.
fn known<C: Collector + Clone + 'static>(registry: &Registry, series: prometheus::Result<C>) -> C {
    let series = series.expect("names and labels are well-formed");
    registry.register(Box::new(series.clone())).expect("every name is there once");
    series
}

/// Gauges are signed, and nothing here comes near 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Head;
    use crate::chain::testing::{Maker, NOW, network};

    #[test]
    fn miners_are_compared_at_the_last_block_before_a_moment() {
        let mut maker = Maker::new(network(1));
        let mut chain = ChainView::empty(0, *maker.head());
        let genesis = crate::chain::Block::genesis(&network(1));
        chain.push(genesis.line().into(), Head::of(&genesis, &genesis.line()));
        // Their timestamps are one microsecond apart, from this one on.
        let first = NOW - 1_000_000 + 1;
        for length in 2..40 {
            let line = maker.add(&format!("{length}"));
            chain.push(line.into(), *maker.head());
            let last = first + length - 2;
            for (moment, height) in [
                (0, 0),
                (first - 1, 0),
                (first, 1),
                (last - 1, length - 2),
                (last, length - 1),
                (u64::MAX, length - 1),
            ] {
                let expected = chain.hash(height).unwrap().unwrap();
                assert_eq!(last_until(&chain, moment).unwrap(), expected, "{length} {height}");
            }
        }
    }

    #[test]
    fn a_sample_holds_the_number_of_a_hash_exactly() {
        let number = as_number(&Hash::of("x"));
        assert_eq!(format!("{number:012x}"), Hash::of("x").to_string()[..12]);
        assert_eq!(number as f64 as i64, number);
        assert!(number < 1 << 53);
    }
}
