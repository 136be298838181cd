//! Whole networks of miners in one thread, from a seed: partitions, losses, crashes, bad
//! disks, wrong clocks and liars, and all that the miners promise in spite of them.
//!
//! `scripts/simulate` runs many seeds and prints what happened, or one and what it did.

mod chance;
mod checks;
mod client;
mod crowd;
mod disk;
mod jobs;
mod liar;
mod locks;
mod network;
mod node;
mod script;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use chance::Tally;
use crowd::{Crowd, Shape};
use liar::Lie;
use world::World;

/// Seeds that a plain test run lives through.
const SEEDS: u64 = 300;

/// Things that happen in one life before everything is made well.
const STEPS: usize = 200;

/// Miners of the large network in a plain test run, and how long it lives.
const CROWD: usize = 150;
const MINUTES: u64 = 10;

/// Lives one seed from begin to end; what it counted, and whether all held.
fn live(seed: u64, talks: bool) -> (Tally, bool) {
    let world = World::new(seed, talks);
    let watching = locks::watch(&world);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        for node in &world.nodes {
            world.start(node);
        }
        for _ in 0..STEPS {
            world.step();
        }
        world.heal_and_check();
    }));
    drop(watching);
    if lived.is_err() {
        eprintln!("seed {seed} fails; scripts/simulate --seed {seed} repeats it");
    }
    let tally = Tally::default();
    tally.take_in(&world.tally);
    tally.add("miners", world.nodes.len() as u64);
    tally.add("microseconds of their lives", world.micros());
    (tally, lived.is_ok())
}

/// Lives many seeds, over all cores; what they counted together, and those that failed.
fn live_all(seeds: std::ops::Range<u64>) -> (Tally, Vec<u64>) {
    let (tally, failed) = (Tally::default(), parking_lot::Mutex::new(Vec::new()));
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Relaxed)
                    && seed < seeds.end
                {
                    let (counted, held) = live(seed, false);
                    tally.take_in(&counted);
                    if !held {
                        failed.lock().push(seed);
                    }
                }
            });
        }
    });
    (tally, failed.into_inner())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_ends_on_one_chain_with_every_message_once() {
    if let Some(seed) = number("SIMULATE_SEED") {
        let log = simplelog::ConfigBuilder::new().set_time_level(log::LevelFilter::Off).build();
        let _ = simplelog::WriteLogger::init(log::LevelFilter::Debug, log, std::io::stdout());
        assert!(live(seed, true).1, "seed {seed} fails");
        return;
    }
    let first = number("SIMULATE_FIRST").unwrap_or(0);
    let seeds = number("SIMULATE_SEEDS").unwrap_or(SEEDS);
    let began = Instant::now();
    let (tally, failed) = live_all(first..first + seeds);
    println!("{seeds:>12}  seeds");
    for (what, times) in tally.all() {
        println!("{times:>12}  {what}");
    }
    println!("{:>12.1}  seconds", began.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{} seeds fail: {failed:?}", failed.len());
    if seeds >= SEEDS {
        let missing: Vec<_> = must_happen().filter(|what| tally.of(what) == 0).collect();
        assert!(missing.is_empty(), "in no seed there are {missing:?}");
    }
}

/// Everything that goes wrong in some seed; without it the seeds prove nothing.
fn must_happen() -> impl Iterator<Item = &'static str> {
    let faults = [
        "acknowledged",
        "acknowledgements lost",
        "adds refused",
        "adds repeated",
        "answers lost",
        "blocks mined too late",
        "chain files replaced",
        "clocks set back",
        "clocks wrong",
        "crashes at a start",
        "disk operations that failed",
        "disks full",
        "forks at the end",
        "ids refused",
        "ids used for two messages",
        "journals compacted",
        "kills",
        "liars banned",
        "messages returned",
        "partitions",
        "power cuts",
        "races beside the disk",
        "races at a clock",
        "races at a lock",
        "races beside an exchange",
        "races while the journal is held",
        "reorganisations",
        "requests delayed",
        "requests doubled",
        "requests lost",
        "requests stopped by a partition",
        "requests that came late",
        "stops",
    ];
    faults.into_iter().chain(Lie::names())
}

#[test]
fn a_seed_lives_the_same_life_again() {
    for seed in [1, 2, 3] {
        assert_eq!(live(seed, false).0.all(), live(seed, false).0.all(), "seed {seed}");
    }
}

#[test]
fn news_reaches_everybody_in_a_large_network() {
    let count = number("SIMULATE_NETWORK").map_or(CROWD, |count| count as usize);
    let crowd = Crowd::new(1, count);
    crowd.live(count, MINUTES);
    let (requests, seconds) = (crowd.requests(), crowd.seconds());
    let Shape { miners, pieces, mutual_pieces, mutual_percent, known_by } = crowd.shape();
    println!("{miners:>12}  miners after {:.0} minutes, some of them new", seconds / 60.0);
    println!("{pieces:>12}  pieces of the network");
    println!("{mutual_pieces:>12}  pieces of those that know each other");
    println!("{mutual_percent:>12.1}  % of neighbours know each other");
    println!("{:>12}  know the least known miner", known_by.0);
    println!("{:>12}  know the best known miner", known_by.1);
    let gossip = requests as f64 / seconds / miners as f64;
    println!("{gossip:>12.2}  requests a second and miner for gossip");
    assert_eq!(pieces, 1, "the network is in {pieces} pieces");
    for _ in 0..3 {
        let spread = crowd.spread();
        let share = |had: &usize| format!("{:.1}", *had as f64 * 100.0 / miners as f64);
        let hops: Vec<String> = spread.hops.iter().map(share).collect();
        println!("news: {} % after each hop", hops.join(", "));
        println!(
            "      {} % after {:.1} s, before any tick was needed",
            share(&spread.pushed.1),
            spread.pushed.0
        );
        let [half, most, all] = spread.seconds;
        println!("      half of all {half:.1} s, 99 % {most:.1} s, all {all:.1} s");
        println!("      {:.1} requests a miner", spread.requests);
        assert!(all < 30.0, "news took {all} seconds");
    }
}
