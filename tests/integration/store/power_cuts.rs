//! The power goes at every operation of a miner's life, with every cut of what was not
//! synced, and once more while the miner recovers: it starts by itself, and keeps its word.

use std::sync::Arc;

use super::life::{Miner, Promises, script, starts_and_keeps};
use crate::support::sim_disk::{Loss, Rng, SimDisk, When};

/// Lives the script until the power goes; what was promised by then.
fn live(disk: &Arc<SimDisk>) -> Promises {
    let mut promises = Promises::default();
    let Ok(mut miner) = Miner::start(disk) else { return promises };
    for event in script() {
        if miner.live(&event, &mut promises).is_err() {
            break;
        }
    }
    promises
}

fn operations_of_a_life() -> u64 {
    let disk = Arc::new(SimDisk::default());
    live(&disk);
    disk.operations()
}

/// Every way to lose what was not synced that differs from the others in kind.
fn losses(disk: &SimDisk, seed: u64) -> Vec<Loss> {
    let (bytes, names) = (disk.unsynced_bytes(), disk.unsynced_names());
    let mut losses: Vec<Loss> = (0..8).map(|i| Loss::Any { seed: seed * 8 + i }).collect();
    for kept in 0..=names {
        // Every byte, but of very long tails a part: the cuts within one record are alike.
        let cuts = if kept == 0 && bytes < 1000 { 1 } else { 23 };
        losses.extend((0..=bytes).step_by(cuts).map(|bytes| Loss::Behind { bytes, names: kept }));
        if bytes > 0 {
            let zeros = |(from, count)| Loss::Zeros { from, count, names: kept };
            losses.extend([(0, 99), (0, 1), (1, 1), (1, 99), (2, 1), (3, 99)].map(zeros));
        }
    }
    losses
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_promised() {
    let mut cuts = 0;
    let operations = operations_of_a_life();
    assert!(operations > 100, "the script does too little: {operations} operations");
    for crash in 0..operations {
        for when in [When::Before, When::After] {
            let disk = Arc::new(SimDisk::default());
            disk.crash_at(crash, when);
            let promises = live(&disk);
            assert!(disk.is_down(), "the power did not go at operation {crash}");
            // After one operation the disk is as before the next, and less was promised.
            let few = if when == When::After { 6 } else { usize::MAX };
            for loss in losses(&disk, crash).into_iter().take(few) {
                let context = || format!("crash {when:?} operation {crash}, {loss:?}");
                starts_and_keeps(&Arc::new(disk.after_power_cut(loss)), &promises, &context);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 5_000, "only {cuts} cuts were tried");
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_either() {
    let mut second_crashes = 0;
    for crash in 0..operations_of_a_life() {
        let disk = Arc::new(SimDisk::default());
        disk.crash_at(crash, When::Before);
        let promises = live(&disk);
        let half = disk.unsynced_bytes() / 2;
        let names = disk.unsynced_names();
        for loss in [
            Loss::Behind { bytes: 0, names: 0 },
            Loss::Behind { bytes: half, names },
            Loss::Zeros { from: 0, count: 9, names },
            Loss::Any { seed: crash },
        ] {
            for again in 0.. {
                let disk = Arc::new(disk.after_power_cut(loss));
                disk.crash_at(again, When::Before);
                let recovered = Miner::start(&disk).is_ok();
                if recovered && !disk.is_down() {
                    break;
                }
                second_crashes += 1;
                let names = disk.unsynced_names();
                for second in [
                    Loss::Behind { bytes: 0, names: 0 },
                    Loss::Behind { bytes: 7, names },
                    Loss::Any { seed: crash * 100 + again },
                ] {
                    let context = || format!("crash {crash} {loss:?}, then {again} {second:?}");
                    starts_and_keeps(&Arc::new(disk.after_power_cut(second)), &promises, &context);
                }
            }
        }
    }
    assert!(second_crashes > 500, "only {second_crashes} second crashes");
}

#[test]
fn lives_with_many_power_cuts_keep_every_promise() {
    let mut crashes = 0;
    for seed in 0..150 {
        let mut rng = Rng(seed);
        let mut disk = Arc::new(SimDisk::default());
        let mut promises = Promises::default();
        for life in 0..6 {
            disk.crash_at(rng.below(60) as u64, When::Before);
            if let Ok(mut miner) = Miner::start(&disk) {
                miner.seconds = life * 1000;
                for event in script() {
                    if miner.live(&event, &mut promises).is_err() {
                        break;
                    }
                }
            }
            crashes += u32::from(disk.is_down());
            let loss = Loss::Any { seed: seed * 10 + life };
            disk = Arc::new(disk.after_power_cut(loss));
            starts_and_keeps(&disk, &promises, &|| format!("seed {seed}, life {life}"));
            promises.asked.clear();
            promises.saved = None;
            disk = Arc::new(disk.after_power_cut(Loss::Behind { bytes: 0, names: 0 }));
        }
    }
    assert!(crashes > 400, "only {crashes} crashes");
}
