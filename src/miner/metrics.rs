//! What a monitoring system is told: counts and measures, in the Prometheus text format.
//!
//! What happens is counted where it happens; what merely is (lengths, sizes, states) is
//! looked up when somebody asks. Nothing here decides anything, and a miner that nobody
//! watches pays some atomic additions for it.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use super::{Kept, Miner};
use crate::api::NeighbourState;

/// Begins every name.
const NAMESPACE: &str = "blockchain";

/// Bounds in seconds for what takes 20 µs in memory and seconds in trouble.
const SECONDS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

/// Bounds in blocks.
const DEPTHS: [f64; 7] = [1.0, 2.0, 3.0, 5.0, 10.0, 100.0, 1_000.0];

/// Microseconds in a second.
const MICROS: f64 = 1e6;

/// The series of a miner.
pub struct Metrics {
    registry: Registry,
    counted: Counted,
    looked_up: LookedUp,
}

/// What is counted where it happens.
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

/// What is looked up when somebody asks.
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
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counted = Counted::register(&registry);
        Self { counted, looked_up: LookedUp::register(&registry), registry }
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

    /// All series of `miner`, whose metrics these are, as text. Takes its locks one by one,
    /// for moments.
    pub fn scrape(&self, miner: &Miner) -> Vec<u8> {
        self.looked_up.look(miner);
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
