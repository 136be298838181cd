//! kill -9 for real: a miner under load is killed over and over, and nothing that it
//! acknowledged is lost or doubled, nor has anything to be repaired by hand.
//!
//! `BLOCKCHAIN_CRASH_KILLS` sets how many kills, `BLOCKCHAIN_SEED` repeats a run's choices.

mod support;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use blockchain::api::{Address, DataState};
use blockchain::chain::{Data, DataId, Hash, Message};
use crossbeam_channel::{Sender, unbounded};
use rustix::process::{Signal, kill_process};
use support::{Logs, TestFolder, TestMiner, agree, client};

/// Connections that add at the same time.
const CLIENTS: u64 = 4;

/// How long a miner is loaded at the most: most points are reached within this.
const LIFE_MAX: Duration = Duration::from_secs(1);

/// Where the disk's operations are cut.
const POINTS: [&str; 14] = [
    "before-append",
    "after-append",
    "before-write",
    "after-write",
    "before-sync",
    "after-sync",
    "before-rename",
    "after-rename",
    "before-sync-folder",
    "after-sync-folder",
    "before-link",
    "after-link",
    "before-remove",
    "after-remove",
];

/// What the table shows.
#[derive(Default)]
struct Counts {
    kills_of_the_miner: u32,
    kills_of_the_server_process: u32,
    kills_at_a_point: u32,
    points_not_reached: u32,
    acknowledged: usize,
    lost: usize,
    doubled: usize,
    repairs_by_hand: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills =
            self.kills_of_the_miner + self.kills_of_the_server_process + self.kills_at_a_point;
        writeln!(f, "| kills | {kills} |")?;
        writeln!(f, "|---|---|")?;
        writeln!(f, "| of the miner, at random | {} |", self.kills_of_the_miner)?;
        writeln!(f, "| of the server process, at random | {} |", self.kills_of_the_server_process)?;
        writeln!(f, "| of the miner, at an operation of the disk | {} |", self.kills_at_a_point)?;
        writeln!(f, "| messages acknowledged | {} |", self.acknowledged)?;
        writeln!(f, "| of them lost | {} |", self.lost)?;
        writeln!(f, "| of them doubled | {} |", self.doubled)?;
        write!(f, "| repairs by hand | {} |", self.repairs_by_hand)
    }
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    /// One below `end` (xorshift64*, Vigna 2016).
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn message(number: u64) -> Data {
    let text = format!("message {number}");
    let id = DataId::from_bytes(Hash::of(&text).as_bytes()[..16].try_into().unwrap());
    Data { id, message: Message::new(&text).unwrap() }
}

/// Adds messages until `stop`, and tells of each that was acknowledged.
fn load(
    address: &Address,
    numbers: impl Iterator<Item = u64>,
    stop: &AtomicBool,
    told: &Sender<DataId>,
) {
    let client = client();
    for number in numbers {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let data = message(number);
        let id = data.id;
        if client.add(address, data).is_ok() && told.send(id).is_err() {
            return;
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_nine() {
    let kills = number_from("BLOCKCHAIN_CRASH_KILLS", 30);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number_from("BLOCKCHAIN_SEED", clock.as_secs() | 1).max(1);
    println!("BLOCKCHAIN_SEED={seed} BLOCKCHAIN_CRASH_KILLS={kills}");
    let (began, mut random) = (Instant::now(), Random(seed));
    let (folder, mut counts) = (TestFolder::new(), Counts::default());
    let mut acknowledged: Vec<DataId> = Vec::new();
    for kill in 0..kills {
        let (ids, first) = (acknowledged.len(), kill * 100_000);
        life(&folder, kill, first, &mut random, &mut counts, &mut acknowledged);
        lost(&folder, &acknowledged[ids..], &mut counts);
    }
    acknowledged.sort_unstable();
    acknowledged.dedup();
    counts.acknowledged = acknowledged.len();
    doubled(&folder, &acknowledged, &mut counts);
    println!("{counts}\n| seconds | {} |", began.elapsed().as_secs());
    assert!(kills < 30 || counts.kills_at_a_point > 0, "no point was ever reached");
    assert!(counts.acknowledged > 0);
    assert_eq!((counts.lost, counts.doubled, counts.repairs_by_hand), (0, 0, 0));
}

/// Starts the miner, loads it, and kills it.
fn life(
    folder: &TestFolder,
    kill: u64,
    first: u64,
    random: &mut Random,
    counts: &mut Counts,
    acknowledged: &mut Vec<DataId>,
) {
    let logs = Logs::new();
    let point = (kill % 3 == 2).then(|| {
        let point = POINTS[random.below(POINTS.len() as u64) as usize];
        let often = point.ends_with("write") || point.ends_with("sync");
        format!("{point}:{}", 1 + random.below(if often { 60 } else { 6 }))
    });
    let mut command = TestMiner::command(folder.path(), 0, &["--difficulty", "1"]);
    if let Some(point) = &point {
        command.env("BLOCKCHAIN_CRASH_POINT", point);
    }
    let Some(miner) = start(command, &logs, &point, counts) else { return };
    let (told, tells) = unbounded();
    let stop = AtomicBool::new(false);
    // A point has to be reached; whoever kills at random need not wait.
    let wanted = if point.is_some() { 2_000 } else { 1 + random.below(150) as usize };
    let at_child = kill % 3 == 1;
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (told, address, stop) = (told.clone(), &miner.address, &stop);
            let numbers = (first..).skip(client as usize).step_by(CLIENTS as usize);
            scope.spawn(move || load(address, numbers, stop, &told));
        }
        let before = acknowledged.len();
        let deadline = Instant::now() + LIFE_MAX;
        while acknowledged.len() - before < wanted && miner.is_running() {
            match tells.recv_timeout(Duration::from_millis(200)) {
                Ok(id) => acknowledged.push(id),
                Err(_) if Instant::now() > deadline => break,
                Err(_) => {}
            }
        }
        if at_child && miner.is_running() {
            kill_process(miner.server_process(), Signal::KILL).unwrap();
            logs.wait_for("the server process ended and is started again");
            counts.kills_of_the_server_process += 1;
        } else if point.is_some() && !miner.is_running() {
            counts.kills_at_a_point += 1;
        } else {
            counts.points_not_reached += u32::from(point.is_some());
            counts.kills_of_the_miner += 1;
        }
        let _ = kill_process(miner.pid(), Signal::KILL);
        stop.store(true, Ordering::Relaxed);
    });
    acknowledged.extend(tells.try_iter());
}

/// Starts a miner that may die before it answers, at its point.
fn start(
    command: std::process::Command,
    logs: &Logs,
    point: &Option<String>,
    counts: &mut Counts,
) -> Option<TestMiner> {
    let (status, said) = match TestMiner::try_start(command, logs) {
        Ok(miner) => return Some(miner),
        Err(ended) => ended,
    };
    if point.is_some() && said.contains("crash point") {
        counts.kills_at_a_point += 1;
    } else {
        counts.repairs_by_hand += 1;
        println!("a start failed ({status}), a repair by hand is needed: {said}");
    }
    None
}

/// Starts a miner again, and looks for what the last one acknowledged.
fn lost(folder: &TestFolder, ids: &[DataId], counts: &mut Counts) {
    let logs = Logs::new();
    let command = TestMiner::command(folder.path(), 0, &["--difficulty", "1"]);
    let Some(miner) = start(command, &logs, &None, counts) else { return };
    for id in ids {
        let state = client().data_state(&miner.address, *id);
        if !matches!(state, Ok(DataState::Unprocessed | DataState::Mined { .. })) {
            println!("lost: {id}: {state:?}");
            counts.lost += 1;
        }
    }
    if counts.kills_of_the_miner.is_multiple_of(2) {
        miner.kill();
    } else {
        assert!(miner.stop().success());
    }
}

/// Lets all messages be mined, and counts each in the chain.
fn doubled(folder: &TestFolder, acknowledged: &[DataId], counts: &mut Counts) {
    let logs = Logs::new();
    let command = TestMiner::command(folder.path(), 0, &["--difficulty", "1"]);
    let Some(miner) = start(command, &logs, &None, counts) else { return };
    logs.wait_until("an empty pool", || miner.health().unprocessed == 0);
    let chain = miner.get("/chain");
    let mut times: HashMap<&str, usize> = HashMap::new();
    for block in chain["chain"].as_array().unwrap() {
        *times.entry(block["data"]["message"].as_str().unwrap()).or_default() += 1;
    }
    counts.doubled = times.values().filter(|times| **times > 1).count();
    let ids: std::collections::HashSet<&str> = chain["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["data"]["id"].as_str().unwrap())
        .collect();
    counts.lost += acknowledged.iter().filter(|id| !ids.contains(&*id.to_string())).count();
    let length = miner.health().length;
    agree(&logs, &[&miner], length);
    assert!(miner.stop().success());
    assert!(support::sha256sum_agrees(folder.path()));
    let verify = std::process::Command::new(env!("CARGO_BIN_EXE_blockchain"))
        .arg("verify")
        .arg(folder.path().join("test.chain"))
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
}
