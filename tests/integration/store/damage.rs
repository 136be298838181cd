//! Files that were changed behind the miner's back: it starts from what is certain, or says
//! which file, which line, what rule and what to do; after a repair it starts. What is
//! damaged is never overwritten.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::life::{Event, Miner, Promises, files};
use blockchain::chain::testing::{NOW, data, network};
use blockchain::chain::{Data, Hash};
use blockchain::store::{ChainFile, Disk, Repair, Start, repair, verify};

use crate::support::sim_disk::{Rng, SimDisk, When};

const CHAIN: &str = "test.chain";
const HASH: &str = "test.hash";
const JOURNAL: &str = "test.data";

/// The files of a miner that has lived a little, and what it had promised.
struct Store {
    disk: Arc<SimDisk>,
    files: BTreeMap<String, Vec<u8>>,
    acknowledged: Vec<Data>,
    head: Hash,
}

impl Store {
    fn new() -> Self {
        let disk = Arc::new(SimDisk::default());
        let mut miner = Miner::start(&disk).unwrap();
        let mut promises = Promises::default();
        let add = |texts: &[&str]| Event::Add(texts.iter().map(|text| text.to_string()).collect());
        for event in [
            add(&["a", "b", "c"]),
            Event::Mine(1),
            Event::Save,
            Event::Reorganise(1),
            Event::Mine(3),
            Event::Save,
            add(&["d", "e"]),
            Event::Compact,
            add(&["f", "g"]),
            add(&["h"]),
            add(&["i", "j"]),
        ] {
            miner.live(&event, &mut promises).unwrap();
        }
        let contents = |name: String| (name.clone(), disk.contents(&name).unwrap());
        let files: BTreeMap<_, _> = disk.list().unwrap().into_iter().map(contents).collect();
        assert_eq!(files.len(), 5, "chain, hash, journal, forks, a version: {:?}", files.keys());
        let (acknowledged, head) = (promises.acknowledged, miner.chain.head().hash);
        Self { disk, files, acknowledged, head }
    }

    fn version(&self) -> &str {
        self.files.keys().find(|name| name.starts_with("test_")).unwrap()
    }

    /// A disk with these files, but for one that has other contents or is missing.
    fn with(&self, name: &str, contents: Option<&[u8]>) -> Arc<SimDisk> {
        let disk = self.disk.after_kill();
        match contents {
            Some(contents) => disk.put(name, contents),
            None => disk.take(name),
        }
        Arc::new(disk)
    }

    /// The messages that a miner started from `disk` has neither mined nor waiting.
    fn lost(&self, disk: &Arc<SimDisk>) -> Vec<String> {
        let miner = Miner::start(disk).unwrap();
        let has = |data: &&Data| {
            miner.chain.height_of(data).unwrap().is_some() || miner.pool.contains(data)
        };
        let lost = self.acknowledged.iter().filter(|data| !has(data));
        lost.map(|data| data.message.as_str().to_owned()).collect()
    }
}

/// How a start from damaged files ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// With these messages lost.
    Started(Vec<String>),
    /// And after a repair it starts, with these messages lost.
    Refused(Vec<String>),
}

/// Starts from files of which `name` was changed; if that is refused, repairs and starts.
fn start(store: &Store, name: &str, contents: &[u8]) -> Outcome {
    let disk = store.with(name, Some(contents));
    let error = match Miner::start(&disk) {
        Ok(_) => return Outcome::Started(store.lost(&disk)),
        Err(error) => error.to_string(),
    };
    let what = format!("{name} of {} bytes: {error}", contents.len());
    assert!(error.contains(": line ") && error.contains(": found "), "{what}");
    assert!(error.contains(", expected "), "{what}");
    assert!(error.ends_with("; run \"blockchain repair test.chain\""), "{what}");
    assert!(error.contains("test.") && !error.contains('\n'), "{what}");
    assert_eq!(disk.contents(name).unwrap(), contents, "{what}: the file was changed");
    let report = verify(&files(&disk), &mut |_, _| ControlFlow::Continue(())).unwrap();
    // Without a genesis block nobody says to `verify` which network it should be.
    let same = error.contains(&report.faults[0].to_string()) || error.contains(": line 1: ");
    assert!(!report.ok && same, "{what}: {report:?}");
    let repair = repaired(&disk);
    for (damaged, aside) in [(CHAIN, &repair.chain_moved_to), (JOURNAL, &repair.journal_moved_to)] {
        if name == damaged && disk.contents(name).unwrap() != contents {
            let aside = aside.as_ref().unwrap_or_else(|| panic!("{what}: {repair:?}"));
            assert_eq!(disk.contents(aside).unwrap(), contents, "{what}");
        }
    }
    Outcome::Refused(store.lost(&disk))
}

fn repaired(disk: &Arc<SimDisk>) -> Repair {
    let files = files(disk);
    let repair = repair(&files, NOW, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let report = verify(&files, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!((repair.length, repair.unprocessed), (report.length, report.unprocessed));
    repair
}

/// Each byte of the file once with one bit changed, with the highest one, and as a zero.
fn changes(contents: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let change = |at: usize| {
        [contents[at] ^ 1, contents[at] ^ 0x80, 0].map(|byte| {
            let mut changed = contents.to_vec();
            changed[at] = byte;
            (at, changed)
        })
    };
    (0..contents.len()).flat_map(change)
}

/// What was written, and the zeros behind it that a journal has.
fn records_and_room(contents: &[u8]) -> (&[u8], &[u8]) {
    contents.split_at(contents.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1))
}

#[test]
fn every_changed_byte_of_the_chain_is_refused_and_repaired() {
    let store = Store::new();
    for (at, changed) in changes(&store.files[CHAIN]) {
        let Outcome::Refused(lost) = start(&store, CHAIN, &changed) else {
            panic!("byte {at} was changed and the chain was served")
        };
        assert!(lost.len() <= 1, "byte {at}: lost {lost:?}");
    }
}

#[test]
fn a_changed_genesis_block_costs_no_other_block() {
    let store = Store::new();
    let genesis = store.files[CHAIN].iter().position(|&byte| byte == b'\n').unwrap();
    for (at, changed) in changes(&store.files[CHAIN]).take_while(|(at, _)| *at < genesis) {
        let disk = store.with(CHAIN, Some(&changed));
        assert!(Miner::start(&disk).is_err());
        repaired(&disk);
        // What the network was called is in the first line alone.
        let named = String::from_utf8_lossy(&changed).contains("network=test ");
        let head = Miner::start(&disk).map(|miner| miner.chain.head().hash);
        assert!(!named || head.unwrap() == store.head, "byte {at}");
    }
}

#[test]
fn every_changed_byte_of_the_hash_is_refused_or_does_not_matter() {
    let store = Store::new();
    let digits = 64;
    for (at, changed) in changes(&store.files[HASH]) {
        let outcome = start(&store, HASH, &changed);
        let nothing = Vec::new();
        let expected =
            if at < digits { Outcome::Refused(nothing) } else { Outcome::Started(nothing) };
        assert_eq!(outcome, expected, "byte {at}");
    }
}

#[test]
fn every_changed_byte_of_the_journal_is_refused_and_repaired() {
    let store = Store::new();
    let (records, room) = records_and_room(&store.files[JOURNAL]);
    for (at, mut changed) in changes(records) {
        changed.extend(room);
        match start(&store, JOURNAL, &changed) {
            Outcome::Refused(lost) => assert!(lost.len() <= 1, "byte {at}: lost {lost:?}"),
            // The last record is whole, and all that it lacks is its line break.
            Outcome::Started(lost) => {
                let is_last = at == records.len() - 1 && changed[at] == 0;
                assert!(is_last && lost.is_empty(), "byte {at} was changed and nobody was told");
            }
        }
    }
}

#[test]
fn what_is_in_the_room_of_the_journal_costs_no_record() {
    let store = Store::new();
    let (records, room) = records_and_room(&store.files[JOURNAL]);
    for at in [0, 1, 511 - records.len() % 512, 512 - records.len() % 512, room.len() - 1] {
        let mut changed = store.files[JOURNAL].clone();
        changed[records.len() + at] = b'x';
        let (Outcome::Started(lost) | Outcome::Refused(lost)) = start(&store, JOURNAL, &changed);
        assert_eq!(lost, Vec::<String>::new(), "byte {at} of the room");
    }
}

#[test]
fn a_changed_version_keeps_no_miner_from_starting() {
    let store = Store::new();
    for (_, changed) in changes(&store.files[store.version()]).step_by(11) {
        assert_eq!(start(&store, store.version(), &changed), Outcome::Started(Vec::new()));
    }
}

#[test]
fn a_shortened_chain_or_hash_is_refused() {
    let store = Store::new();
    for length in 0..store.files[CHAIN].len() {
        let outcome = start(&store, CHAIN, &store.files[CHAIN][..length]);
        assert!(matches!(outcome, Outcome::Refused(_)), "{length} bytes: {outcome:?}");
    }
    for length in 0..64 {
        let outcome = start(&store, HASH, &store.files[HASH][..length]);
        assert_eq!(outcome, Outcome::Refused(Vec::new()), "{length} bytes");
    }
}

#[test]
fn a_shortened_journal_keeps_what_stands_before_the_cut() {
    let store = Store::new();
    let (whole, _) = records_and_room(&store.files[JOURNAL]);
    let messages = ["d", "e", "f", "g", "h", "i", "j"];
    let (mut started, mut refused) = (0, 0);
    for length in 0..whole.len() {
        // A record that lacks but its line break is whole.
        let good = whole[..=length].iter().filter(|&&byte| byte == b'\n').count();
        let keeps = |lost: &[String]| {
            messages[..good.saturating_sub(1)]
                .iter()
                .all(|message| !lost.contains(&message.to_string()))
        };
        match start(&store, JOURNAL, &whole[..length]) {
            Outcome::Started(lost) => {
                assert!(good > 2, "{length} bytes: what was synced before is not all there");
                assert!(keeps(&lost), "{length} bytes: lost {lost:?}");
                started += 1;
            }
            Outcome::Refused(lost) => {
                assert!(good < 3, "{length} bytes: a torn batch keeps a miner from starting");
                assert!(keeps(&lost), "{length} bytes: lost {lost:?}");
                refused += 1;
            }
        }
    }
    assert!(started > 300 && refused > 100, "{started} started, {refused} refused");
}

#[test]
fn stretches_of_zeros_and_foreign_bytes_are_refused() {
    let store = Store::new();
    let mut rng = Rng(3);
    for round in 0..600 {
        let name = [CHAIN, HASH, JOURNAL][round % 3];
        let (records, _) = records_and_room(&store.files[name]);
        let mut contents = records.to_vec();
        let from = rng.below(contents.len());
        let to = (from + 1 + rng.below(400)).min(contents.len());
        let zeros = round % 2 == 0;
        contents[from..to].fill_with(|| if zeros { 0 } else { rng.below(256) as u8 });
        let outcome = start(&store, name, &contents);
        // A last record that has no end may be what a crash leaves of a batch.
        let torn = name == JOURNAL && to == contents.len();
        let harmless = name == HASH && from >= 64;
        let refused = matches!(outcome, Outcome::Refused(_));
        assert!(refused || torn || harmless, "{name} {from}..{to} zeros: {zeros}, {outcome:?}");
    }
}

#[test]
fn empty_doubled_random_and_foreign_files_are_refused() {
    let store = Store::new();
    let mut rng = Rng(4);
    let random: Vec<u8> = (0..5000).map(|_| rng.below(256) as u8).collect();
    for name in [CHAIN, HASH, JOURNAL] {
        let whole = &store.files[name];
        let other = &store.files[if name == CHAIN { JOURNAL } else { CHAIN }];
        let more = [whole.as_slice(), &random].concat();
        let text = [whole.as_slice(), b"more\n"].concat();
        let mut bad =
            vec![Vec::new(), random.clone(), vec![0; 700], other.clone(), vec![b'x'; 999_999]];
        if name != HASH {
            bad.extend([whole.repeat(2), more, text]);
        }
        for contents in bad {
            let outcome = start(&store, name, &contents);
            assert!(matches!(outcome, Outcome::Refused(_)), "{name} {outcome:?}");
        }
    }
}

#[test]
fn a_missing_chain_is_not_replaced_by_a_new_one() {
    let store = Store::new();
    let disk = store.with(CHAIN, None);
    let error = Miner::start(&disk).map(drop).unwrap_err().to_string();
    let version = store.version();
    let expected = format!(
        "chain file test.chain is missing, but {version} is there; \
         run \"blockchain repair test.chain\", or start with --force-new-chain"
    );
    assert_eq!(error, expected);
    assert!(disk.contents(CHAIN).is_none());
    let repair = repaired(&disk);
    assert_eq!(repair.taken_from, [version]);
    Miner::start(&disk).unwrap();
    disk.take(version);
    disk.take(CHAIN);
    let error = Miner::start(&disk).map(drop).unwrap_err().to_string();
    assert!(error.contains("but test.hash is there"), "{error}");
    let error =
        blockchain::store::repair(&files(&disk), NOW, &mut |_, _| ControlFlow::Continue(()))
            .unwrap_err();
    assert!(error.to_string().contains("start with --force-new-chain"), "{error}");
}

#[test]
fn a_forced_new_chain_moves_the_old_one_aside_as_it_is() {
    let store = Store::new();
    let disk = store.with(CHAIN, Some(b"damaged"));
    let before = disk.list().unwrap();
    let now = NOW + 60_000_000;
    let force_new = |network| {
        let progress = &mut |_, _| ControlFlow::Continue(());
        ChainFile::load(&files(&disk), &network, Start::ForceNew, 9, now, progress).map(drop)
    };
    force_new(network(1)).unwrap();
    let mut names = disk.list().unwrap();
    names.retain(|name| !before.contains(name));
    assert_eq!(names, ["test_2026-09-21_14-14-20.chain"]);
    assert_eq!(disk.contents(&names[0]).unwrap(), b"damaged");
    assert_eq!(Miner::start(&disk).unwrap().chain.head().length(), 1);
    // There is only a genesis block now, and nothing to set aside.
    let before = disk.list().unwrap();
    force_new(network(2)).unwrap();
    assert_eq!(disk.list().unwrap(), before);
}

#[test]
fn a_chain_of_another_network_is_refused_by_name() {
    let store = Store::new();
    let files = files(&store.with(HASH, None));
    let load = ChainFile::load(&files, &network(2), Start::Keep, 9, NOW, &mut |_, _| {
        ControlFlow::Continue(())
    });
    let expected = "chain file test.chain is of network test with difficulty 1, not of test with 2; \
         start with \"--network test --difficulty 1\", or give another CHAIN_PATH";
    assert_eq!(load.map(drop).unwrap_err().to_string(), expected);
}

#[test]
fn a_torn_last_line_is_cut_off_only_if_the_hash_vouches_for_the_rest() {
    let store = Store::new();
    let torn = [store.files[CHAIN].as_slice(), b"{\"index\":6,\"timest"].concat();
    let disk = store.with(CHAIN, Some(&torn));
    assert_eq!(Miner::start(&disk).unwrap().chain.head().hash, store.head);
    assert_eq!(disk.contents(CHAIN).unwrap(), store.files[CHAIN]);
    let disk = store.with(CHAIN, Some(&torn));
    disk.take(HASH);
    let error = Miner::start(&disk).map(drop).unwrap_err().to_string();
    assert!(error.contains("expected a line break at its end"), "{error}");
    assert_eq!(disk.contents(CHAIN).unwrap(), torn);
}

#[test]
fn a_missing_hash_is_written_again_and_a_missing_journal_begun() {
    let store = Store::new();
    let disk = store.with(HASH, None);
    Miner::start(&disk).unwrap();
    assert_eq!(disk.contents(HASH).unwrap(), store.files[HASH]);
    let disk = store.with(JOURNAL, None);
    assert_eq!(Miner::start(&disk).unwrap().pool, []);
}

#[test]
fn repair_returns_messages_of_intact_blocks_behind_the_damage() {
    let store = Store::new();
    let text = String::from_utf8(store.files[CHAIN].clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let second = text.find(lines[2]).unwrap();
    let mut changed = text.clone().into_bytes();
    changed[second + 2] ^= 1;
    let disk = store.with(CHAIN, Some(&changed));
    let error = Miner::start(&disk).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("cannot open chain file test.chain: line 3: block 2: "), "{error}");
    let repair = repaired(&disk);
    assert!(repair.returned > 0, "{repair:?}");
    assert!(store.lost(&disk).len() <= 1);
    assert!(Miner::start(&disk).unwrap().pool.contains(&data("d")));
}

/// A change of a whole file.
type Damage = fn(&[u8], &mut Rng) -> Vec<u8>;

/// Kinds of damage, and whether whole lines may be gone without a trace.
const DAMAGES: [(&str, Damage, bool); 9] = [
    ("CRLF", |bytes, _| replaced(bytes, b"\n", b"\r\n"), false),
    ("a byte order mark", |bytes, _| [b"\xef\xbb\xbf", bytes].concat(), false),
    ("no first line", |bytes, _| bytes[line_at(bytes, 1)..].to_vec(), false),
    ("a byte", changed_byte, false),
    ("two bytes", |bytes, rng| changed_byte(&changed_byte(bytes, rng), rng), false),
    ("a line less", line_less, true),
    ("a cut", |bytes, rng| bytes[..rng.below(bytes.len())].to_vec(), true),
    ("empty", |_, _| Vec::new(), true),
    ("zeros", zeros, true),
];

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    bytes.split(|byte| from == [*byte]).collect::<Vec<_>>().join(to)
}

/// Where line `number`, from 0, begins.
fn line_at(bytes: &[u8], number: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).nth(number).unwrap_or(bytes.len())
}

fn changed_byte(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[rng.below(bytes.len())] ^= 1 << rng.below(8);
    changed
}

fn line_less(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let number = rng.below(bytes.iter().filter(|byte| **byte == b'\n').count());
    [&bytes[..line_at(bytes, number)], &bytes[line_at(bytes, number + 1)..]].concat()
}

fn zeros(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let from = rng.below(bytes.len());
    let to = (from + 1 + rng.below(600)).min(bytes.len());
    changed[from..to].fill(0);
    changed
}

#[test]
fn repair_keeps_or_names_every_message_whatever_was_damaged() {
    let store = Store::new();
    for seed in 0..700 {
        let mut rng = Rng(seed);
        let (what, damage, may_vanish) = DAMAGES[seed as usize % DAMAGES.len()];
        let name = [CHAIN, CHAIN, JOURNAL, HASH][rng.below(4)];
        let (contents, room) = match name {
            JOURNAL => records_and_room(&store.files[name]),
            _ => (&store.files[name][..], &[][..]),
        };
        let damaged = [&damage(contents, &mut rng)[..], room].concat();
        let disk = store.with(name, Some(&damaged));
        let repair = repaired(&disk);
        let what = format!("seed {seed}, {what} in {name}: {repair:?}");
        let miner = Miner::start(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        let is_missing = |data: &&Data| {
            miner.chain.height_of(data).unwrap().is_none() && !miner.pool.contains(data)
        };
        let missing: Vec<&Data> = store.acknowledged.iter().filter(is_missing).collect();
        let named = |data: &Data| repair.lost.iter().any(|lost| lost.id == Some(data.id));
        let unnamed = missing.iter().filter(|data| !named(data)).count();
        let unknown = repair.lost.iter().filter(|lost| {
            lost.id.is_none_or(|id| store.acknowledged.iter().all(|data| data.id != id))
        });
        assert!(may_vanish || unnamed <= unknown.count(), "{what}: missing {missing:?}");
        let held = |data: &Data| !missing.contains(&data) && named(data);
        let held: Vec<_> = store.acknowledged.iter().filter(|data| held(data)).collect();
        assert!(held.is_empty(), "{what}: said to be lost, and is not: {held:?}");
    }
}

#[test]
fn line_ends_and_marks_of_editors_cost_no_block() {
    let store = Store::new();
    for (what, damage, _) in &DAMAGES[..3] {
        let damaged = damage(&store.files[CHAIN], &mut Rng(1));
        let disk = store.with(CHAIN, Some(&damaged));
        disk.take(store.version());
        let repair = repaired(&disk);
        assert_eq!((repair.lost.len(), store.lost(&disk)), (0, Vec::new()), "{what}");
        let head = Miner::start(&disk).unwrap().chain.head().hash;
        assert_eq!(head, store.head, "{what}");
    }
}

#[test]
fn blocks_gone_without_a_trace_are_counted_by_the_heights_around_them() {
    let store = Store::new();
    let chain = &store.files[CHAIN];
    let damaged = [&chain[..line_at(chain, 2)], &chain[line_at(chain, 3)..]].concat();
    let repair = repaired(&store.with(CHAIN, Some(&damaged)));
    assert_eq!(repair.lost.len(), 1, "{repair:?}");
    assert!(repair.lost[0].found.starts_with("nothing of block 2 "), "{repair:?}");
    let cut = &chain[..line_at(chain, 3)];
    let repair = repaired(&store.with(CHAIN, Some(cut)));
    assert!(repair.doubt.is_some() && repair.lost.is_empty(), "{repair:?}");
}

/// Of an emptied file repair said nothing, of one that was cut within a line that one message is lost.
#[test]
fn damage_up_to_the_end_of_a_chain_file_may_have_cost_more_than_is_told() {
    let store = Store::new();
    let chain = &store.files[CHAIN];
    for (cut, lost) in [(0, 0), (line_at(chain, 2) + 30, 1)] {
        let repair = repaired(&store.with(CHAIN, Some(&chain[..cut])));
        assert!(repair.doubt.is_some() && repair.lost.len() == lost, "{cut}: {repair:?}");
    }
    let middle = [&chain[..line_at(chain, 2)], b"?\n", &chain[line_at(chain, 3)..]].concat();
    let repair = repaired(&store.with(CHAIN, Some(&middle)));
    assert!(repair.doubt.is_none() && repair.lost.len() == 1, "{repair:?}");
}

/// Files copied one after the other while their miner wrote.
#[test]
fn copies_of_files_that_were_being_written_start_without_repair() {
    let store = Store::new();
    let (chain, hash) = (&store.files[CHAIN], &store.files[HASH]);
    let (records, room) = records_and_room(&store.files[JOURNAL]);
    let mut holes = records.to_vec();
    let third = line_at(records, 3);
    holes[third + 5..third + 20].fill(0);
    holes.extend(room);
    let copies: [(&str, Vec<u8>, u64, usize); 4] = [
        ("a hash of a later moment", chain[..line_at(chain, 4)].to_vec(), 4, 0),
        ("a torn last line", chain[..line_at(chain, 4) + 30].to_vec(), 4, 0),
        ("whole", chain.clone(), 5, 0),
        ("a hole", holes, 5, 1),
    ];
    for (what, contents, length, lost) in copies {
        let name = if lost > 0 { JOURNAL } else { CHAIN };
        assert!(name == CHAIN || Miner::start(&store.with(name, Some(&contents))).is_err());
        let disk = store.with(name, None);
        disk.put(name, &contents);
        assert_eq!(disk.contents(HASH).as_ref(), Some(hash), "{what}");
        let report = verify(&files(&disk), &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert!(report.ok, "{what}: {report:?}");
        let miner = Miner::start(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(miner.chain.head().length() >= length, "{what}");
        if name == JOURNAL {
            assert_eq!(miner.pool.len() + lost, 7, "{what}");
        }
        drop(miner);
        // It is our own from then on.
        let now = disk.contents(CHAIN).unwrap();
        disk.put(CHAIN, &now[..now.len() - 9]);
        disk.take(HASH);
        assert!(Miner::start(&disk).is_err(), "{what}");
    }
    let damaged = replaced(chain, b"{", b"[");
    let disk = store.with(CHAIN, None);
    disk.put(CHAIN, &damaged);
    assert!(Miner::start(&disk).is_err(), "a copy may be torn, not damaged");
}

#[test]
fn a_backup_is_whole_or_is_done_again() {
    let store = Store::new();
    let from = files(&Arc::new(store.disk.after_kill()));
    let back_up = |to: &Arc<SimDisk>| {
        blockchain::store::back_up(&from, &files(to), &mut |_, _| ControlFlow::Continue(()))
    };
    let check = |to: &Arc<SimDisk>| {
        let report = verify(&files(to), &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert!(report.ok && report.warnings.is_empty(), "{report:?}");
        assert_eq!((report.length, report.unprocessed), (6, 7), "{report:?}");
        assert_eq!(store.lost(to), Vec::<String>::new());
    };
    let to = Arc::new(SimDisk::default());
    back_up(&to).unwrap();
    let operations = to.operations();
    check(&to);
    let error = back_up(&to).unwrap_err().to_string();
    assert!(error.ends_with("is there already; give a folder without files of this name"));
    for at in 0..operations {
        let to = Arc::new(SimDisk::default());
        to.crash_at(at, When::After);
        let done = back_up(&to).is_ok();
        let to = Arc::new(to.after_kill());
        if to.contents(CHAIN).is_none() {
            assert!(!done);
            back_up(&to).unwrap_or_else(|error| panic!("operation {at}: {error}"));
        }
        check(&to);
    }
    let other = Arc::new(SimDisk::default());
    other.put(JOURNAL, b"somebody's");
    assert!(back_up(&other).is_err());
    assert_eq!(other.contents(JOURNAL).unwrap(), b"somebody's");
}
