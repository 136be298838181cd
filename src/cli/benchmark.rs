//! `benchmark`: how fast this host mines.

use std::num::{NonZeroU64, NonZeroUsize};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::args::Benchmark;
use super::error::CliError;
use super::output::{Look, Output, count};
use crate::chain::Difficulty;
use crate::pow::Kernel;
use crate::pow::rate::{expected_time, measure};

/// Guesses of a first, short measurement, which says how long the real one is to be.
const FIRST_GUESSES: NonZeroU64 = NonZeroU64::new(200_000).expect("it is above 0");

/// How long a kernel is measured.
const SPAN: Duration = Duration::from_millis(500);

/// Difficulties whose average time for a block is told.
const DIFFICULTIES: [u8; 5] = [4, 5, 6, 7, 8];

/// What was measured.
#[derive(Serialize)]
struct Measured {
    /// The last one is what mining takes.
    kernels: Vec<Rates>,
    threads: NonZeroUsize,
}

/// Guesses a second with a kernel.
#[derive(Serialize)]
struct Rates {
    kernel: &'static str,
    one_thread: f64,
    all_threads: f64,
    blocks: Vec<Block>,
}

/// How long a block takes on average, with all threads.
#[derive(Serialize)]
struct Block {
    difficulty: Difficulty,
    /// `null` for "longer than any clock runs".
    seconds: Option<f64>,
}

/// Runs `benchmark`.
pub fn run(benchmark: &Benchmark, output: &mut Output<'_>) -> Result<(), CliError> {
    let all_cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = benchmark.threads.unwrap_or_else(all_cores);
    let kernels: Vec<_> =
        Kernel::available().into_iter().map(|kernel| rates(kernel, threads)).collect();
    if benchmark.format.json {
        return Ok(output.json_line(&Measured { kernels, threads })?);
    }
    let heading = format!(
        "{:<9}{:>11}{:>12}   a block of{}",
        "kernel",
        "1 thread",
        count(threads.get() as u64, "thread"),
        DIFFICULTIES.map(|zeros| format!("{zeros:>8}")).concat()
    );
    output.line(output.look(Look::Bold, heading))?;
    for Rates { kernel, one_thread, all_threads, blocks } in &kernels {
        let (one, all) = (one_thread / 1e6, all_threads / 1e6);
        let times: String = blocks.iter().map(|block| format!("{:>8}", block.time())).collect();
        output.line(format_args!("{kernel:<9}{one:>9.1} M{all:>10.1} M{:>13}{times}", ""))?;
    }
    Ok(output.line(
        "\nmillions of guesses a second; a block: its difficulty, and the time until it is found \
         on average",
    )?)
}

impl Block {
    fn time(&self) -> String {
        let time = self.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        time.map_or_else(|| "never".into(), |time| format!("{time:.1?}"))
    }
}

fn rates(kernel: Kernel, threads: NonZeroUsize) -> Rates {
    let guesses = measure(kernel, FIRST_GUESSES) * SPAN.as_secs_f64();
    let guesses = NonZeroU64::new(guesses as u64).unwrap_or(FIRST_GUESSES);
    let one_thread = measure(kernel, guesses);
    let all_threads = thread::scope(|scope| {
        let start = |_| scope.spawn(move || measure(kernel, guesses));
        let running: Vec<_> = (0..threads.get()).map(start).collect();
        running.into_iter().map(|thread| thread.join().expect("measuring never panics")).sum()
    });
    let blocks = DIFFICULTIES.map(|zeros| {
        let difficulty = Difficulty::new(zeros).expect("it is one");
        let seconds = expected_time(difficulty, all_threads).map(|time| time.as_secs_f64());
        Block { difficulty, seconds }
    });
    Rates { kernel: kernel.name(), one_thread, all_threads, blocks: blocks.into() }
}
