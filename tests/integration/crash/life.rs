//! The lives of a miner in one folder: start, look for what was acknowledged, load, kill.

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, unbounded};
use rustix::process::{Signal, kill_process};

use super::files::{self, Renames};
use super::load::{Connection, Loads};
use super::mixture::{Aim, Plan, Random, Spec, Trigger};
use super::rival::Rival;
use super::tally::Tally;
use crate::support::miner::{Logs, TestMiner, sha256sum_agrees};
use crate::support::program::run;
use tempfile::{TempDir, tempdir};

/// How long a life waits at once for a new name in the folder.
const LOOK: Duration = Duration::from_millis(10);

/// Requests under way when a miner is asked for what it knows.
const ASKED_AT_ONCE: usize = 100;

/// Messages of earlier lives that are looked for by the API, too: by the files, all are.
const OLDER_ASKED: usize = 200;

/// Messages that are left to be mined at the end of an era, by difficulty: what takes a second
/// or two. Beyond that they are looked for where they wait.
const MINED_AT_END_MAX: [u64; 5] = [500, 500, 300, 100, 10];

/// The lives in one folder, of one network.
pub struct Era {
    folder: TempDir,
    difficulty: u8,
    flags: Vec<String>,
    next_number: AtomicU64,
    acknowledged: Vec<Spec>,
    /// How many of them the API was asked for, since they were acknowledged.
    asked: usize,
}

impl Era {
    pub fn begin(difficulty: u8, tally: &mut Tally) -> Self {
        let network = format!("crash-{}", tally.networks);
        tally.networks += 1;
        let flags = ["--difficulty", &difficulty.to_string(), "--network", &network];
        Self {
            folder: tempdir().unwrap(),
            difficulty,
            flags: flags.map(str::to_owned).to_vec(),
            next_number: AtomicU64::new(0),
            acknowledged: Vec::new(),
            asked: 0,
        }
    }

    /// Starts the miner, loads it, and kills it.
    pub fn live(&mut self, plan: &Plan, random: &mut Random, tally: &mut Tally) {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let path = self.folder.path();
        let rival = if plan.is_rivalled {
            Rival::start(path, self.difficulty, &flags, random)
        } else {
            None
        };
        tally.rivals += u32::from(rival.is_some());
        let logs = Logs::new();
        let mut command = self.command(plan.backup_interval, plan.threads);
        if let Some(rival) = &rival {
            command.args(["--neighbours", &rival.miner.address.to_string()]);
        }
        if let Some(Trigger::Point(point)) = &plan.trigger {
            command.env("BLOCKCHAIN_CRASH_POINT", point);
        }
        let began = match self.start(command, &logs, tally) {
            Start::Runs(miner) => {
                self.ask(&miner, random, tally);
                let began = Instant::now();
                let hit = self.load(&miner, &logs, plan, random, tally);
                tally.kill(plan.aim, hit);
                miner.kill();
                began
            }
            Start::Died => {
                tally.kill(plan.aim, true);
                Instant::now()
            }
            Start::Failed => return,
        };
        tally.life(plan, self.difficulty, began.elapsed());
        for line in logs.taken().iter().filter(|line| line.contains("adopted a")) {
            let dropped = line.split_once(" dropped=").and_then(|(_, rest)| rest.split(' ').next());
            tally.returned += dropped.and_then(|count| count.parse().ok()).unwrap_or(0u64);
        }
        drop(rival);
        tally.lost_on_disk += self.missing("after a kill", plan);
        if plan.is_stopped_after {
            self.stop_in_order(random, tally);
        }
    }

    /// Lets messages be mined as far as that takes no time, and looks for all, once each.
    pub fn end(mut self, tally: &mut Tally) {
        self.asked = 0;
        let logs = Logs::new();
        if let Start::Runs(miner) = self.start(self.command("0.1", "1"), &logs, tally) {
            self.ask(&miner, &mut Random::new(1), tally);
            let waiting = miner.health().unprocessed;
            if waiting <= MINED_AT_END_MAX[usize::from(self.difficulty) - 1] {
                logs.wait_until("an empty pool", || miner.health().unprocessed == 0);
            }
            assert!(miner.stop().success());
            assert!(sha256sum_agrees(self.folder.path()));
            let chain = self.folder.path().join("test.chain");
            let verify = run(&["verify", chain.to_str().unwrap()]);
            assert_eq!(verify.code, Some(0), "{}{}", verify.stdout, verify.stderr);
        }
        let lost = files::missing(self.folder.path(), &self.acknowledged);
        println!("network {}: {} acknowledged", self.flags[3], self.acknowledged.len());
        tally.lost_on_disk += lost.len();
        tally.doubled += files::doubled(self.folder.path());
        tally.acknowledged += self.acknowledged.len();
        tally.acknowledged_bytes += self.acknowledged.iter().map(|spec| spec.bytes).sum::<u64>();
    }

    fn command(&self, backup_interval: &str, threads: &str) -> Command {
        let mut flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        flags.extend(["--backup-interval", backup_interval, "--threads", threads]);
        flags.extend(["--log-level", "info"]);
        TestMiner::command(self.folder.path(), 0, &flags)
    }

    /// Starts a miner that may die before it answers, at its point.
    fn start(&self, command: Command, logs: &Logs, tally: &mut Tally) -> Start {
        match TestMiner::try_start(command, logs) {
            Ok(miner) => Start::Runs(miner),
            Err((_, said)) if said.contains("crash point") => Start::Died,
            Err((status, said)) => {
                println!("a start failed ({status}), a repair by hand is needed: {said}");
                tally.repairs_by_hand += 1;
                Start::Failed
            }
        }
    }

    /// Asks for what was acknowledged since the last time, and for some of what was before. A
    /// miner that dies meanwhile is asked at its next start.
    fn ask(&mut self, miner: &TestMiner, random: &mut Random, tally: &mut Tally) {
        let mut asked = self.acknowledged[self.asked..].to_vec();
        if self.asked > 0 {
            let older = (0..OLDER_ASKED).map(|_| random.below(self.asked as u64) as usize);
            asked.extend(older.map(|at| self.acknowledged[at]));
        }
        let ask = || -> io::Result<usize> {
            let mut connection = Connection::open(&miner.address)?;
            let mut lost = 0;
            for specs in asked.chunks(ASKED_AT_ONCE) {
                for spec in specs {
                    connection.request(&format!("GET /data/{}", spec.id()), "");
                }
                connection.send()?;
                for spec in specs {
                    match connection.answer()?.0 {
                        200 => {}
                        404 => {
                            println!("lost by the API: {spec:?}");
                            lost += 1;
                        }
                        status => return Err(io::Error::other(format!("status {status}"))),
                    }
                }
            }
            Ok(lost)
        };
        if let Ok(lost) = ask() {
            tally.lost_by_api += lost;
            self.asked = self.acknowledged.len();
        }
    }

    /// Loads the miner until it is to be killed, and kills it; whether where it was aimed.
    fn load(
        &mut self,
        miner: &TestMiner,
        logs: &Logs,
        plan: &Plan,
        random: &mut Random,
        tally: &mut Tally,
    ) -> bool {
        let renames = Renames::of(self.folder.path()).unwrap();
        let (told, tells) = unbounded();
        let (stop, stops) = bounded(0);
        let loads = Loads {
            plan,
            address: &miner.address,
            next_number: &self.next_number,
            was_full: AtomicBool::new(false),
        };
        let seeds: Vec<u64> = (0..plan.connections).map(|_| 1 + random.below(1 << 31)).collect();
        let mut acknowledged = std::mem::take(&mut self.acknowledged);
        let hit = thread::scope(|scope| {
            for seed in seeds {
                let (loads, told, stops) = (&loads, told.clone(), stops.clone());
                scope.spawn(move || loads.run(Random::new(seed), &stops, &told));
            }
            let hit = self.watch(miner, plan, &renames, &tells, &mut acknowledged, tally);
            if plan.aim == Aim::ServerProcess && miner.is_running() {
                kill_process(miner.server_process(), Signal::KILL).unwrap();
                logs.wait_for("the server process ended and is started again");
            }
            let _ = kill_process(miner.pid(), Signal::KILL);
            drop(stop);
            hit
        });
        acknowledged.extend(tells.try_iter());
        self.acknowledged = acknowledged;
        count_renames(&renames.within(Duration::ZERO), tally);
        tally.full_pools += u32::from(loads.was_full.load(Ordering::Relaxed));
        hit
    }

    /// Waits for the moment of the kill; whether it is the one that was aimed at.
    fn watch(
        &self,
        miner: &TestMiner,
        plan: &Plan,
        renames: &Renames,
        tells: &Receiver<Spec>,
        acknowledged: &mut Vec<Spec>,
        tally: &mut Tally,
    ) -> bool {
        let mut end = Instant::now() + plan.length;
        let mut is_hit = plan.trigger.is_none();
        while Instant::now() < end && miner.is_running() {
            let names = renames.within(LOOK.min(end.saturating_duration_since(Instant::now())));
            count_renames(&names, tally);
            acknowledged.extend(tells.try_iter());
            if let Some(Trigger::Renamed(name, delay)) = &plan.trigger
                && !is_hit
                && names.iter().any(|it| it == name)
            {
                (is_hit, end) = (true, Instant::now() + *delay);
            }
            if names.iter().any(|name| name == "test.data") {
                self.look_after_compaction(plan, renames, acknowledged, tally);
            }
        }
        is_hit || !miner.is_running()
    }

    /// Looks whether a journal that was written anew lacks anything.
    fn look_after_compaction(
        &self,
        plan: &Plan,
        renames: &Renames,
        acknowledged: &[Spec],
        tally: &mut Tally,
    ) {
        let lost = files::missing(self.folder.path(), acknowledged);
        let names = renames.within(Duration::ZERO);
        count_renames(&names, tally);
        // A file that was replaced meanwhile may have moved a message from one to the other.
        if names.iter().any(|name| name == "test.redo" || name == "test.data") {
            return;
        }
        tally.looks_after_a_compaction += 1;
        tally.lost_by_compaction += lost.len();
        tell(&lost, "after a compaction", plan);
    }

    /// How many acknowledged messages the files lack.
    fn missing(&mut self, when: &str, plan: &Plan) -> usize {
        let lost = files::missing(self.folder.path(), &self.acknowledged);
        tell(&lost, when, plan);
        // Once is enough to be counted.
        let is_there = |spec: &Spec| !lost.iter().any(|lost| lost.number == spec.number);
        if !lost.is_empty() {
            self.acknowledged.retain(is_there);
            self.asked = self.asked.min(self.acknowledged.len());
        }
        lost.len()
    }

    /// Starts the miner once more, and stops it as a service manager would.
    fn stop_in_order(&mut self, random: &mut Random, tally: &mut Tally) {
        let logs = Logs::new();
        if let Start::Runs(miner) = self.start(self.command("0.1", "1"), &logs, tally) {
            self.ask(&miner, random, tally);
            assert!(miner.stop().success());
        }
    }
}

/// How a start ended.
enum Start {
    Runs(TestMiner),
    /// At its point.
    Died,
    Failed,
}

fn count_renames(names: &[String], tally: &mut Tally) {
    let times = |name: &str| names.iter().filter(|it| *it == name).count() as u32;
    tally.compactions += times("test.data");
    tally.replacements += times("test.redo");
}

fn tell(lost: &[Spec], when: &str, plan: &Plan) {
    if let Some(first) = lost.first() {
        println!("lost {when}: {} messages, among them {first:?}; {plan:?}", lost.len());
    }
}
