//! Guesses a second of every kernel of this host, beside plain hashing: `cargo bench --bench pow`.

use std::num::NonZeroU64;

use blockchain::pow::{Kernel, rate};
use divan::{Bencher, black_box, counter::ItemsCount};
use sha2::{Digest, Sha256, block_api::compress256};

/// Guesses in a sample.
const GUESSES: u64 = 100_000;

fn main() {
    divan::main();
}

/// What a guess costs a program that does not think about it.
#[divan::bench]
fn plain_digest(bencher: Bencher) {
    let prefix = "a".repeat(9);
    bencher.counter(ItemsCount::new(GUESSES)).bench_local(|| {
        for nonce in 1_000_000..1_000_000 + GUESSES {
            black_box(Sha256::digest(format!("{prefix}{nonce}")));
        }
    });
}

/// One block after the other into one state, as for a large file.
#[divan::bench]
fn sha2_blocks(bencher: Bencher) {
    let blocks = vec![[7; 64]; GUESSES as usize];
    bencher.counter(ItemsCount::new(GUESSES)).bench_local(|| {
        let mut state = [1; 8];
        compress256(&mut state, black_box(&blocks));
        state
    });
}

#[divan::bench(args = Kernel::available())]
fn kernel(bencher: Bencher, kernel: Kernel) {
    let guesses = NonZeroU64::new(GUESSES).expect("100,000 is not 0");
    bencher.counter(ItemsCount::new(GUESSES)).bench_local(|| rate::measure(kernel, guesses));
}
