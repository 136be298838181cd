//! What work costs as the chain grows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blockchain::api::client::MinerClient;
use blockchain::api::{Address, RunId};
use blockchain::chain::rules::AHEAD_MAX;
use blockchain::chain::testing::{NOW, data, network};
use blockchain::chain::{Chain, Forks, Pool, PoolLimits, check_block};
use blockchain::miner::jobs::{backup, sync_chain};
use blockchain::miner::{Clock, HostClock, Keeper, Miner, Neighbours, Shared, Surroundings};
use blockchain::store::{ChainFile, Files, Folder, Journal, Names};

use crate::Outcome;
use crate::chains::{self, MadeChain, message};
use crate::client::{Connection, request};
use crate::program;
use crate::references::sha256sum;
use crate::table::{Asked, Table};

const LENGTHS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Loads are only held against the limit where they take longer than starting a program.
const LOAD_BLOCKS_MIN: u64 = 100_000;

/// What must not depend on the length may vary by this factor.
const FLAT: Asked = Asked::AtMost(1.5);

/// What a miner may hold in memory, in MB: with no blocks, and more for a million.
const RESIDENT_MIN: f64 = 14.0;
const RESIDENT_EACH: f64 = 26.0;

/// Blocks that are new in a round.
const NEW: u64 = 10;

/// Many, so that the best is one that nothing interrupted.
const ROUNDS: usize = 200;

/// Backups, each of which waits for the disk.
const BACKUPS: usize = 25;

/// What a chain of one length cost.
struct Costs {
    blocks: u64,
    resident: f64,
    nothing_new: f64,
    ten_new: f64,
    backup: f64,
    lookup: f64,
}

pub fn measure(table: &mut Table, blocks_max: u64) -> Outcome<()> {
    let mut all = Vec::new();
    for blocks in LENGTHS.into_iter().filter(|blocks| *blocks <= blocks_max) {
        all.push(at_length(table, blocks)?);
    }
    let [first, .., last] = &all[..] else { return Ok(()) };
    for costs in &all[1..] {
        let asked = |limit| (costs.blocks == last.blocks).then_some(limit);
        let rows = [
            ("sync round, nothing new", costs.nothing_new, first.nothing_new),
            ("sync round, ten new blocks", costs.ten_new, first.ten_new),
            ("backup, ten new blocks", costs.backup, first.backup),
            ("GET /data/<id>", costs.lookup, first.lookup),
        ];
        for (name, figure, reference) in rows {
            let name = format!("{name}, {} blocks", costs.blocks);
            table.row(name, "ms", figure, ("with 1000 blocks", reference), asked(FLAT));
        }
    }
    let name = format!("resident, {} blocks", last.blocks);
    let limit = RESIDENT_MIN + RESIDENT_EACH * last.blocks as f64 / 1e6;
    let at_most = Some(Asked::AtMost(1.0));
    table.row(name, "MB", last.resident / 1e6, ("the limit", limit), at_most);
    Ok(())
}

fn at_length(table: &mut Table, blocks: u64) -> Outcome<Costs> {
    let folder = tempfile::tempdir()?;
    let chain = chains::make(folder.path(), blocks)?;
    let (load, reading) = load_beside_sha256sum(&chain, blocks)?;
    let asked = |limit| (blocks >= LOAD_BLOCKS_MIN).then_some(Asked::AtMost(limit));
    let name = format!("load and check, {blocks} blocks");
    table.row(name, "ms", load, ("sha256sum", reading), asked(6.0));

    let seed = program::Miner::start(&chain.file, "1", "1")?;
    let resident = seed.resident_bytes()?;
    let lookup = look_up(&seed, blocks / 2)?;

    let newcomer = Bench::new(Some(seed.address()), Chain::new(&network(1)))?;
    let start = Instant::now();
    sync_chain::round(&newcomer.miner, &seed.address());
    let first_sync = milliseconds(start.elapsed());
    if newcomer.miner.shared.head() != *chain.maker.head() {
        return Err("the newcomer did not get the chain".into());
    }
    let name = format!("first sync, {blocks} blocks");
    table.row(name, "ms", first_sync, ("load and check", load), asked(3.0));

    let bench = newcomer;
    let nothing_new = best(ROUNDS, || timed(|| sync_chain::round(&bench.miner, &seed.address())));
    let before = chain.maker.head().timestamp - NEW;
    let ten_new = best(ROUNDS, || {
        let (shared, now) = (&bench.miner.shared, before - AHEAD_MAX.as_micros() as u64);
        let first = shared.first_ahead(now).unwrap().expect("there are ten");
        shared.drop_ahead(&first, now).unwrap();
        timed(|| sync_chain::round(&bench.miner, &seed.address()))
    });
    if bench.miner.shared.head() != *chain.maker.head() {
        return Err("ten new blocks did not come".into());
    }
    drop(seed);
    let backup = back_up(&bench.miner, &chain)?;
    let blocks = chain.blocks;
    Ok(Costs { blocks, resident, nothing_new, ten_new, backup, lookup })
}

/// The best of both, in turns, in milliseconds.
fn load_beside_sha256sum(chain: &MadeChain, blocks: u64) -> Outcome<(f64, f64)> {
    let rounds = if blocks < LOAD_BLOCKS_MIN { 10 } else { 3 };
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    // The first load writes the hash file and warms the cache.
    drop(chains::load(&chain.file)?);
    for _ in 0..rounds {
        let start = Instant::now();
        let loaded = chains::load(&chain.file)?;
        ours = ours.min(milliseconds(start.elapsed()));
        drop(loaded);
        theirs = theirs.min(milliseconds(sha256sum(&chain.file)?));
    }
    Ok((ours, theirs))
}

fn look_up(seed: &program::Miner, index: u64) -> Outcome<f64> {
    let mut connection = Connection::open(seed.port)?;
    let request = request("GET", &format!("/data/{}", data(&message(index)).id), "");
    let mut best = f64::INFINITY;
    for _ in 0..5 * ROUNDS {
        best = best.min(milliseconds(connection.exchange(&request)?));
    }
    Ok(best)
}

/// Backups of ten blocks each that were mined since the one before.
fn back_up(miner: &Miner, chain: &MadeChain) -> Outcome<f64> {
    let mut file = chains::load(&chain.file)?.file;
    let (mut maker, mut number) = (chain.maker.clone(), chain.blocks);
    let mut best = f64::INFINITY;
    for _ in 0..BACKUPS {
        for _ in 0..NEW {
            let parent = *maker.head();
            let line = maker.add(&message(number));
            number += 1;
            miner.shared.extend(&check_block(&parent, line, NOW, &network(1))?)?;
        }
        best = best.min(timed(|| save(miner, &mut file)));
    }
    Ok(best)
}

fn save(miner: &Miner, file: &mut ChainFile) {
    assert!(backup::round(miner, file), "the disk takes it");
}

/// A miner without threads.
pub struct Bench {
    pub miner: Miner,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// One with this neighbour, or none, and this chain.
    pub fn new(neighbour: Option<Address>, chain: Chain) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let disk = Arc::new(Folder::open(folder.path())?);
        let names = Names::of(&folder.path().join("test.chain"))?;
        let (journal, _) = Journal::open(Files::new(disk, names))?;
        let neighbours = Neighbours::new(neighbour, 1);
        let shared =
            Shared::new(chain, Forks::default(), Pool::new(PoolLimits::default()), neighbours);
        let clock: Arc<dyn Clock> = Arc::new(HostClock::start());
        let random: Box<dyn Fn() -> [u8; 16] + Send + Sync> = Box::new(|| [7; 16]);
        let surroundings = Surroundings { clock, client: MinerClient::http(None), random };
        let id = RunId::from_random([7; 16]);
        let miner = Miner::new(id, network(1), shared, Keeper::new(journal), surroundings);
        Ok(Self { miner, _folder: folder })
    }
}

fn best(rounds: usize, mut round: impl FnMut() -> f64) -> f64 {
    (0..rounds).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    milliseconds(start.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
