//! Durable adds a second, beside programs that sync before they acknowledge, too.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::Outcome;
use crate::chains::message;
use crate::client::{Connection, Load, load, request};
use crate::program::{HOPELESS, Miner};
use crate::references::{Redis, sqlite_inserts};
use crate::table::{Asked, Table};

/// Clients, adds of a round, and the ratio to Redis that is asked.
const LOADS: [(usize, usize, f64); 3] = [(1, 3_000, 0.9), (16, 12_000, 0.7), (64, 24_000, 0.6)];

/// Rounds of each, in turns; the best counts.
const ROUNDS: usize = 3;

/// Between two looks at /health.
const HEALTH_INTERVAL: Duration = Duration::from_millis(5);

/// What /health is to stay under, in milliseconds.
pub const HEALTH_MILLISECONDS_MAX: f64 = 20.0;

pub fn measure(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let redis = Redis::start(folder.path());
    for (clients, count, asked) in LOADS {
        let (mut ours, mut theirs) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            ours = f64::max(ours, adds(clients, count)?.rate());
            if let Ok(redis) = &redis {
                theirs = f64::max(theirs, redis.adds(clients, count)?);
            }
        }
        let name = format!("durable adds, {clients} clients");
        match &redis {
            Ok(_) => {
                let redis = ("redis, fsync always", theirs);
                table.row(name, "/s", ours, redis, Some(Asked::AtLeast(asked)));
            }
            Err(why) => table.leave_out(&name, why),
        }
        if clients == 1 {
            match sqlite_inserts(folder.path(), count) {
                Ok(rate) => {
                    let sqlite = ("SQLite, WAL, FULL", rate);
                    table.row("durable adds, 1 clients, SQLite", "/s", ours, sqlite, None);
                }
                Err(why) => table.leave_out("durable adds beside SQLite", why),
            }
        }
    }
    health_meanwhile(table)
}

/// Adds to a miner whose pool only fills: so many fit.
fn adds(clients: usize, count: usize) -> Outcome<Load> {
    let folder = tempfile::tempdir()?;
    let miner = Miner::start(&folder.path().join("test.chain"), HOPELESS, "1")?;
    load(miner.port, clients, count, &request("PUT", "/add", &message(1)))
}

fn health_meanwhile(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let miner = Miner::start(&folder.path().join("test.chain"), HOPELESS, "1")?;
    let (end, ended) = bounded::<()>(0);
    let port = miner.port;
    let watch = thread::spawn(move || {
        let mut latencies = Vec::new();
        let Ok(mut connection) = Connection::open(port) else { return latencies };
        while ended.recv_timeout(HEALTH_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            latencies.extend(connection.exchange(&request("GET", "/health", "")));
        }
        latencies.sort_unstable();
        latencies
    });
    load(port, 64, 10_000, &request("PUT", "/add", &message(1)))?;
    drop(end);
    let latencies = watch.join().map_err(|_| "the watch panicked")?;
    let worst = latencies.len().checked_sub(1 + latencies.len() / 100).ok_or("no /health")?;
    let figure = latencies[worst].as_secs_f64() * 1e3;
    let limit = ("the limit", HEALTH_MILLISECONDS_MAX);
    table.row("/health p99 during adds", "ms", figure, limit, Some(Asked::AtMost(1.0)));
    Ok(())
}
