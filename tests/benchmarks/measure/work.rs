//! Proof of work: guesses a second.
//!
//! Many short samples, the best of which counts: one that nothing else interrupted.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::thread;
use std::time::Instant;

use blockchain::pow::{Kernel, rate};
use sha2::{Digest, Sha256};

use crate::Outcome;
use crate::references;
use crate::table::{Asked, Table};

const SAMPLES: usize = 200;

/// Guesses in a sample: some milliseconds at most.
const GUESSES: NonZeroU64 = NonZeroU64::new(40_000).expect("it is above 0");

/// Guesses of a sample with two threads: long beside what starting them costs.
const LONG: NonZeroU64 = NonZeroU64::new(2_000_000).expect("it is above 0");

pub fn measure(table: &mut Table) -> Outcome<()> {
    let plain = best(SAMPLES, plain_digest);
    let openssl = references::openssl_blocks();
    for kernel in Kernel::available() {
        let figure = best(SAMPLES, || rate::measure(kernel, GUESSES));
        let (of_plain, of_openssl) = match kernel.name() {
            "avx512" => (Some(Asked::AtLeast(8.0)), Some(Asked::AtLeast(2.6))),
            "sha-ni" | "sha_ni" => (None, Some(Asked::AtLeast(1.5))),
            _ => (None, None),
        };
        let name = format!("guesses, {kernel}");
        let digest = ("Sha256::digest(format!(…))", plain);
        table.row(format!("{name}, plain"), "/s", figure, digest, of_plain);
        match &openssl {
            Ok(rate) => {
                let blocks = ("openssl, blocks of 64 B", *rate);
                table.row(format!("{name}, openssl"), "/s", figure, blocks, of_openssl);
            }
            Err(why) => table.leave_out(&name, why),
        }
    }
    let two = best(10, || in_threads(2));
    let one = best(10, || in_threads(1));
    table.row("guesses, 2 threads", "/s", two, ("1 thread", one), Some(Asked::AtLeast(1.9)));
    Ok(())
}

fn best(samples: usize, mut sample: impl FnMut() -> f64) -> f64 {
    (0..samples).map(|_| sample()).fold(0.0, f64::max)
}

/// What a guess costs a program that does not think about it.
fn plain_digest() -> f64 {
    let (prefix, guesses) = ("a".repeat(9), GUESSES.get() / 8);
    let start = Instant::now();
    for nonce in 1_000_000..1_000_000 + guesses {
        black_box(Sha256::digest(format!("{prefix}{nonce}")));
    }
    guesses as f64 / start.elapsed().as_secs_f64()
}

fn in_threads(threads: usize) -> f64 {
    let kernel = Kernel::best();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || rate::measure(kernel, LONG));
        }
    });
    (threads as u64 * LONG.get()) as f64 / start.elapsed().as_secs_f64()
}
