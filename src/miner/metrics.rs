//! What a monitoring system is told: counts and measures, in the Prometheus text format.
//!
//! What happens is counted where it happens; what merely is (lengths, sizes, states) is
//! looked up when somebody asks. Nothing here decides anything, and a miner that nobody
//! watches pays some atomic additions for it.

use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    TextEncoder, core::Collector,
};

use super::{Kept, Miner};
use looked_up::LookedUp;
use processes::Processes;

mod looked_up;
mod processes;

const NAMESPACE: &str = "blockchain";

/// Bounds in seconds for what takes 20 µs in memory and seconds in trouble.
const SECONDS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

const DEPTHS: [f64; 7] = [1.0, 2.0, 3.0, 5.0, 10.0, 100.0, 1_000.0];

/// The series of a miner.
pub struct Metrics {
    registry: Registry,
    counted: Counted,
    looked_up: LookedUp,
    processes: Processes,
    /// Number of the server process.
    server: Mutex<Option<u32>>,
}

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

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counted = Counted::register(&registry);
        let server = Mutex::default();
        let looked_up = LookedUp::register(&registry);
        let processes = Processes::register(&registry);
        Self { counted, looked_up, processes, registry, server }
    }
}

impl Metrics {
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

    pub fn synced(&self, took: Duration) {
        self.counted.journal_sync.observe(took.as_secs_f64());
    }

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
        self.processes.look(*self.server.lock());
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

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

/// Puts a series into `registry`.
fn known<C: Collector + Clone + 'static>(registry: &Registry, series: prometheus::Result<C>) -> C {
    let series = series.expect("names and labels are well-formed");
    registry.register(Box::new(series.clone())).expect("every name is there once");
    series
}

#[cfg(test)]
mod tests;
