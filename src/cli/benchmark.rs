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

/// What was measured.
#[derive(Serialize)]
struct Measured {
    kernels: Vec<Rates>,
    threads: NonZeroUsize,
    difficulty: Difficulty,
    /// With the last kernel, which mining takes, and all threads; `null` for "for ever".
    seconds_per_block: Option<f64>,
}

/// Guesses a second with a kernel.
#[derive(Serialize)]
struct Rates {
    kernel: &'static str,
    one_thread: f64,
    all_threads: f64,
}

/// Runs `benchmark`.
pub fn run(benchmark: &Benchmark, output: &mut Output<'_>) -> Result<(), CliError> {
    let all_cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = benchmark.threads.unwrap_or_else(all_cores);
    let difficulty = benchmark.difficulty;
    let kernels: Vec<_> =
        Kernel::available().into_iter().map(|kernel| rates(kernel, threads)).collect();
    let fastest = kernels.last().map_or(0.0, |rates| rates.all_threads);
    let time = expected_time(difficulty, fastest);
    let seconds_per_block = time.map(|time| time.as_secs_f64());
    if benchmark.format.json {
        let measured = Measured { kernels, threads, difficulty, seconds_per_block };
        return Ok(output.json_line(&measured)?);
    }
    let heading = format!(
        "{:<10} {:>12} {:>13}",
        "kernel",
        "1 thread",
        count(threads.get() as u64, "thread")
    );
    output.line(output.look(Look::Bold, heading))?;
    for Rates { kernel, one_thread, all_threads } in &kernels {
        output.line(format_args!(
            "{kernel:<10} {:>10.1} M {:>11.1} M",
            one_thread / 1e6,
            all_threads / 1e6
        ))?;
    }
    let takes =
        time.map_or_else(|| "longer than any clock runs".into(), |time| format!("{time:.1?}"));
    Ok(output.line(format_args!(
        "\nmillions of guesses a second; a block of difficulty {difficulty} takes {takes} on average"
    ))?)
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
    Rates { kernel: kernel.name(), one_thread, all_threads }
}
