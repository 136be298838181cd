//! A disk that is full or fails at any operation: nothing is acknowledged that is not kept,
//! and it all works again once the disk does.

use std::io::ErrorKind;
use std::sync::Arc;

use super::life::{Event, Miner, Promises, script, starts_and_keeps};
use blockchain::chain::testing::{Maker, NOW, data, network};
use blockchain::chain::{Chain, Forks, check_block};
use blockchain::store::StoreError;

use crate::support::sim_disk::{Failure, Loss, Rng, SimDisk, When};

/// What is lost at the least and at the most, and two by chance.
fn losses(seed: u64) -> [Loss; 4] {
    let lazy = Loss::Behind { bytes: 0, names: 0 };
    let eager = Loss::Behind { bytes: usize::MAX, names: usize::MAX };
    [lazy, eager, Loss::Any { seed }, Loss::Any { seed: !seed }]
}

fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Disk { source, .. } if source.kind() == ErrorKind::StorageFull)
}

/// Lives the script on a disk that may fail, with a power cut tried after each event.
/// How many events failed.
fn live_on(disk: &Arc<SimDisk>, miner: &mut Miner, promises: &mut Promises, name: &str) -> usize {
    let mut failed = 0;
    for (at, event) in script().into_iter().enumerate() {
        let before = disk.failures_struck();
        let outcome = miner.live(&event, promises);
        failed += usize::from(outcome.is_err());
        if disk.failures_struck() > before || at % 7 == 0 {
            for loss in losses(at as u64) {
                let context = || format!("{name}, event {at} {event:?} {outcome:?}, {loss:?}");
                starts_and_keeps(&Arc::new(disk.after_power_cut(loss)), promises, &context);
            }
        }
    }
    failed
}

/// The disk works again: everything must be saved, and a power cut changes nothing.
fn ends_well(disk: &Arc<SimDisk>, miner: &mut Miner, promises: &mut Promises, name: &str) {
    for event in [Event::Add(vec!["last".into()]), Event::Mine(1), Event::Save] {
        if let Err(error) = miner.live(&event, promises) {
            panic!("{name}: {event:?} still fails: {error}");
        }
    }
    assert!(!miner.journal.is_poisoned(), "{name}");
    assert_eq!(miner.file.saved().head(), miner.chain.head());
    for loss in losses(7) {
        let disk = Arc::new(disk.after_power_cut(loss));
        starts_and_keeps(&disk, promises, &|| format!("{name}, at the end, {loss:?}"));
        let again = Miner::start(&disk).unwrap();
        assert_eq!(again.chain.head(), miner.chain.head(), "{name}");
    }
}

#[test]
fn one_failure_at_any_operation_loses_nothing_and_passes() {
    let disk = Arc::new(SimDisk::default());
    let mut miner = Miner::start(&disk).unwrap();
    let first = disk.operations();
    live_on(&disk, &mut miner, &mut Promises::default(), "no failure");
    let mut told = 0;
    for operation in first..disk.operations() {
        for failure in [Failure::Full, Failure::Io] {
            let name = format!("{failure:?} at operation {operation}");
            let disk = Arc::new(SimDisk::default());
            disk.fail_at(operation, failure);
            let mut promises = Promises::default();
            let mut miner = Miner::start(&disk).unwrap();
            told += live_on(&disk, &mut miner, &mut promises, &name);
            assert_eq!(disk.failures_struck(), 1, "{name}: the fault did not happen");
            ends_well(&disk, &mut miner, &mut promises, &name);
        }
    }
    assert!(told > 100, "only {told} failures were reported");
}

#[test]
fn many_failures_in_a_row_lose_nothing_and_pass() {
    let mut struck = 0;
    for seed in 0..150 {
        let name = format!("seed {seed}");
        let mut rng = Rng(seed);
        let disk = Arc::new(SimDisk::default());
        let mut miner = Miner::start(&disk).unwrap();
        let mut promises = Promises::default();
        let often = 2 + rng.below(12);
        for operation in disk.operations()..300 {
            let failure = if rng.below(3) == 0 { Failure::Full } else { Failure::Io };
            if rng.below(often) == 0 {
                disk.fail_at(operation, failure);
            }
        }
        live_on(&disk, &mut miner, &mut promises, &name);
        struck += disk.failures_struck();
        while disk.operations() < 300 {
            let _ = miner.live(&Event::Add(vec!["more".into()]), &mut promises);
            let _ = miner.live(&Event::Compact, &mut promises);
        }
        ends_well(&disk, &mut miner, &mut promises, &name);
    }
    assert!(struck > 1000, "only {struck} failures struck");
}

#[test]
fn a_full_disk_refuses_adds_until_there_is_room_and_keeps_what_there_is() {
    let disk = Arc::new(SimDisk::default());
    let mut miner = Miner::start(&disk).unwrap();
    let mut promises = Promises::default();
    let add = |text: &str| Event::Add(vec![text.to_owned()]);
    miner.live(&add("before"), &mut promises).unwrap();
    // Room for records to come may be gone, too.
    let records = || {
        let mut contents = disk.contents("test.data").unwrap();
        contents.truncate(contents.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        contents
    };
    let before = records();
    disk.set_full(true);
    for _ in 0..3 {
        let error = miner.live(&add("refused"), &mut promises).unwrap_err();
        assert!(is_full(&error) && !miner.journal.is_poisoned(), "{error}");
        assert_eq!(records(), before, "the half record is gone");
    }
    miner.live(&Event::Mine(1), &mut promises).unwrap();
    assert!(is_full(&miner.live(&Event::Save, &mut promises).unwrap_err()));
    assert_eq!(disk.failures_struck(), 4);
    disk.set_full(false);
    miner.live(&add("after"), &mut promises).unwrap();
    miner.live(&Event::Save, &mut promises).unwrap();
    assert_eq!(promises.acknowledged, [data("before"), data("after")]);
    starts_and_keeps(&disk, &promises, &|| "after a full disk".into());
}

#[test]
fn a_failed_sync_poisons_the_journal_until_it_is_written_anew() {
    let disk = Arc::new(SimDisk::default());
    let mut miner = Miner::start(&disk).unwrap();
    miner.journal.append(&[data("a")]).unwrap();
    disk.fail_at(disk.operations() + 1, Failure::Io);
    let error = miner.journal.append(&[data("b")]).unwrap_err().to_string();
    assert!(error.contains("cannot sync test.data"), "{error}");
    assert_eq!(disk.failures_struck(), 1);
    let error = miner.journal.append(&[data("b")]).unwrap_err().to_string();
    assert!(error.contains("cannot be trusted"), "{error}");
    assert!(miner.journal.is_poisoned());
    miner.journal.rewrite(&[data("a")]).unwrap();
    miner.journal.append(&[data("b")]).unwrap();
    let disk = Arc::new(disk.after_power_cut(Loss::Behind { bytes: 0, names: 0 }));
    assert_eq!(Miner::start(&disk).unwrap().pool, [data("a"), data("b")]);
}

#[test]
fn remains_of_a_failed_append_never_mix_with_the_next_one() {
    let add = |texts: [&str; 3]| Event::Add(texts.map(|text| text.repeat(40)).to_vec());
    let mut crashes = 0;
    for seed in 0..400 {
        let disk = Arc::new(SimDisk::default());
        let mut promises = Promises::default();
        let mut miner = Miner::start(&disk).unwrap();
        // The half that is written of these has whole lines in it.
        miner.live(&add(["a", "b", "c"]), &mut promises).unwrap();
        disk.set_full(true);
        assert!(is_full(&miner.live(&add(["d", "e", "f"]), &mut promises).unwrap_err()));
        miner.live(&Event::Mine(3), &mut promises).unwrap();
        assert!(is_full(&miner.live(&Event::Save, &mut promises).unwrap_err()));
        disk.set_full(false);
        // The cut, its sync, the append, or its sync is lost.
        disk.crash_at(disk.operations() + seed % 4, When::Before);
        miner.live(&Event::Reorganise(3), &mut promises).unwrap();
        let next = if seed % 8 < 4 { Event::Save } else { add(["ggg", "hh", "i"]) };
        assert!(miner.live(&next, &mut promises).is_err());
        crashes += u64::from(disk.is_down());
        let disk = Arc::new(disk.after_power_cut(Loss::Any { seed }));
        starts_and_keeps(&disk, &promises, &|| format!("seed {seed}, {next:?}"));
    }
    assert_eq!(crashes, 400);
}

#[test]
fn a_replacement_that_failed_half_way_may_be_followed_by_any_chain() {
    let chain = |texts: &[&str]| {
        let mut chain = Chain::new(&network(1));
        let mut maker = Maker::new(network(1));
        for text in texts {
            let block = check_block(chain.head(), maker.add(text), NOW, &network(1)).unwrap();
            chain.extend(&block).unwrap();
        }
        chain.view()
    };
    let (first, other) = (chain(&["a", "b"]), chain(&["c", "d", "e"]));
    let back = chain(&["a", "b", "f", "g"]);
    let mut told = 0;
    for offset in 0.. {
        let disk = Arc::new(SimDisk::default());
        let mut file = Miner::start(&disk).unwrap().file;
        let mut forks = Forks::default();
        file.save(&first, &mut forks, NOW).unwrap();
        disk.fail_at(disk.operations() + offset, Failure::Io);
        let saved = file.save(&other, &mut forks, NOW);
        if disk.failures_struck() == 0 {
            break;
        }
        told += u32::from(saved.is_err());
        let saved_back = file.save(&back, &mut forks, NOW);
        saved_back.unwrap_or_else(|error| panic!("operation {offset}: {error}"));
        for loss in losses(offset) {
            let disk = Arc::new(disk.after_power_cut(loss));
            let loaded = Miner::start(&disk).map(|miner| *miner.chain.head());
            assert_eq!(loaded.unwrap(), *back.head(), "operation {offset}, {loss:?}");
        }
    }
    assert!(told > 8, "only {told} operations of a replacement failed");
}
