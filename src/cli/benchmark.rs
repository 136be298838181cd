//! `benchmark`: the hash rate of this host.

use std::num::{NonZeroU64, NonZeroUsize};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::Benchmark;
use super::error::Result;
use super::output::{Look, Output, count};
use crate::chain::Difficulty;
use crate::pow::Kernel;
use crate::pow::rate::{BATCH, expected_time, measure};

/// Guesses of a first, short measurement, which says how long the real one is to be.
const FIRST_GUESSES: NonZeroU64 = NonZeroU64::new(200_000).expect("it is above 0");

/// Time that a kernel is measured for.
const SPAN: Duration = Duration::from_millis(500);

const DIFFICULTIES: [u8; 5] = [4, 5, 6, 7, 8];

#[derive(Serialize)]
struct Measured {
    /// Mining takes the last one.
    kernels: Vec<Rates>,
    threads: NonZeroUsize,
}

/// Guesses a second with a kernel.
#[derive(Serialize)]
struct Rates {
    kernel: &'static str,
    one_thread: f64,
    all_threads: f64,
    blocks: Vec<BlockTime>,
}

/// Average time for a block, with all threads.
#[derive(Serialize)]
struct BlockTime {
    difficulty: Difficulty,
    /// `null` for "longer than any clock runs".
    seconds: Option<f64>,
}

pub fn run(benchmark: &Benchmark, output: &mut Output<'_>) -> Result {
    let all_cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = benchmark.threads.and_then(NonZeroUsize::new).unwrap_or_else(all_cores);
    if benchmark.format.json {
        let kernels = Kernel::available();
        let kernels = kernels.into_iter().map(|kernel| rates(kernel, threads)).collect();
        return Ok(output.json_line(&Measured { kernels, threads })?);
    }
    let heading = format!(
        "{:<9}{:>11}{:>13}  difficulty{}",
        "kernel",
        "1 thread",
        count(threads.get() as u64, "thread"),
        DIFFICULTIES.map(|zeros| format!("{zeros:>8}")).concat()
    );
    output.line(output.look(Look::Bold, heading))?;
    for kernel in Kernel::available() {
        // Each line as soon as it is known: measuring takes a second a kernel.
        output.flush()?;
        let Rates { kernel, one_thread, all_threads, blocks } = rates(kernel, threads);
        let (one, all) = (one_thread / 1e6, all_threads / 1e6);
        let times: String = blocks.iter().map(|block| format!("{:>8}", block.time())).collect();
        output.line(format_args!("{kernel:<9}{one:>9.1} M{all:>11.1} M{:>12}{times}", ""))?;
    }
    Ok(output
        .line("\nM: million guesses a second. Below each difficulty: average time for a block.")?)
}

impl BlockTime {
    fn time(&self) -> String {
        let time = self.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        time.map_or_else(|| "never".into(), |time| format!("{time:.1?}"))
    }
}

fn rates(kernel: Kernel, threads: NonZeroUsize) -> Rates {
    let guesses = measure(kernel, FIRST_GUESSES) * SPAN.as_secs_f64();
    let guesses = NonZeroU64::new(guesses as u64).unwrap_or(FIRST_GUESSES);
    let one_thread = measure(kernel, guesses);
    // More threads than cores share the work: it takes no longer than with one each.
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(threads);
    let share = guesses.get() * cores.get() as u64 / threads.get() as u64;
    let guesses = NonZeroU64::new(share.next_multiple_of(BATCH)).unwrap_or(guesses);
    let began = Instant::now();
    let started = thread::scope(|scope| {
        let start =
            |_| thread::Builder::new().spawn_scoped(scope, move || measure(kernel, guesses));
        // The system may refuse some of many.
        (0..threads.get()).map_while(|number| start(number).ok()).count()
    });
    // Threads that take turns on a core each measure the whole core for themselves: what all
    // have done together counts.
    let done = (guesses.get() * started as u64) as f64;
    let all_threads = done / began.elapsed().max(Duration::from_nanos(1)).as_secs_f64();
    let blocks = DIFFICULTIES.map(|zeros| {
        let difficulty = Difficulty::new(zeros).expect("it is one");
        let seconds = expected_time(difficulty, all_threads).map(|time| time.as_secs_f64());
        BlockTime { difficulty, seconds }
    });
    Rates { kernel: kernel.name(), one_thread, all_threads, blocks: blocks.into() }
}
