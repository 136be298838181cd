//! What a small host has to give: memory, processor, disk, time.

use std::time::Duration;

use crossbeam_channel::never;

use crate::Outcome;
use crate::adds::HEALTH_MILLISECONDS_MAX;
use crate::chains::message;
use crate::client::{load, request};
use crate::program::{HOPELESS, Miner, program};
use crate::table::{Asked, Table};

/// How long an idle miner is watched.
const IDLE: Duration = Duration::from_secs(20);

/// What the intervals of the default settings come to: jobs' ticks a second.
const TICKS: f64 = 1.0 / 20.0 + 1.0 / 10.0 + 1.0 / 5.0 + 1.0 / 30.0;

pub fn measure(table: &mut Table) -> Outcome<()> {
    let within = |limit| ("the limit", limit);
    let at_most = Some(Asked::AtMost(1.0));
    let folder = tempfile::tempdir()?;
    let size = std::fs::metadata(program())?.len() as f64 / 1e6;
    table.row("binary", "MB", size, within(3.0), at_most);

    let mut started_in = Duration::MAX;
    for _ in 0..10 {
        let miner = Miner::start(&folder.path().join("test.chain"), HOPELESS, "1")?;
        load(miner.port, 1, 1, &request("GET", "/health", ""))?;
        started_in = started_in.min(miner.started_in);
    }
    let milliseconds = started_in.as_secs_f64() * 1e3;
    table.row("start to first answer", "ms", milliseconds, within(50.0), at_most);

    let miner = Miner::start(&folder.path().join("test.chain"), HOPELESS, "2")?;
    idle(table, &miner)?;
    load(miner.port, 1, 1, &request("PUT", "/add", &message(1)))?;
    let busy = load(miner.port, 4, 2_000, &request("GET", "/health", ""))?;
    let p99 = busy.milliseconds(100);
    let limit = within(HEALTH_MILLISECONDS_MAX);
    table.row("/health p99 while two threads mine", "ms", p99, limit, at_most);
    Ok(())
}

fn idle(table: &mut Table, miner: &Miner) -> Outcome<()> {
    let (time, switches) = miner.effort()?;
    _ = never::<()>().recv_timeout(IDLE);
    let (time_after, switches_after) = miner.effort()?;
    let percent = 100.0 * (time_after - time).as_secs_f64() / IDLE.as_secs_f64();
    let wake_ups = (switches_after - switches) as f64 / IDLE.as_secs_f64();
    let resident = miner.all_resident_bytes()? / 1e6;
    let at_most = Some(Asked::AtMost(1.0));
    table.row("idle, both processes resident", "MB", resident, ("the limit", 12.0), at_most);
    let once = miner.all_resident_bytes_once()? / 1e6;
    let name = "idle, both resident, shared pages once";
    table.row(name, "MB", once, ("the limit", 12.0), at_most);
    table.row("idle, processor", "%", percent, ("the limit", 0.2), at_most);
    table.row("idle, wake-ups", "/s", wake_ups, ("the jobs' ticks", TICKS), None);
    Ok(())
}
