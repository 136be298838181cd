//! `blockchain repair`: keeps all that is good, and moves what is damaged aside.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::chain_file::ChainFile;
use super::disk::Disk;
use super::error::{Doing, StoreError};
use super::genesis::find_network;
use super::journal::{self, Journal};
use super::lines::Lines;
use super::names::Names;
use super::record;
use super::salvage;
use super::scan::{FirstLine, HashFile, Progress, Scan, Trouble, Verdict, judge, scan};
use crate::chain::{Chain, Data, DataId, Micros};

/// What `repair` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Where the damaged chain file is now; `None` if it needed no repair or was missing.
    pub chain_moved_to: Option<String>,
    /// The older version that the chain was taken from, if not from the chain file.
    pub taken_from: Option<String>,
    /// Blocks in the chain file now.
    pub length: u64,
    /// Messages of blocks that could not be kept, which now wait in the journal again.
    pub returned: u64,
    /// Where the damaged journal is now; `None` if it needed no repair.
    pub journal_moved_to: Option<String>,
    /// Messages in the journal now.
    pub unprocessed: u64,
}

/// Makes a miner start again from what is beside a chain path. No miner may be running.
///
/// The chain keeps its longest valid part, or that of an older version if it wins over it;
/// messages in intact blocks behind that part go into the journal, to be mined again. The
/// journal keeps every good record. Does nothing where nothing is wrong.
///
/// # Errors
/// [`StoreError::BeyondRepair`] if no file tells of any network; [`StoreError::Disk`].
pub fn repair(
    disk: &Arc<dyn Disk>,
    names: &Names,
    now: Micros,
    progress: Progress<'_>,
) -> Result<Repair, StoreError> {
    let mut repair = Repair::default();
    let waiting = repair_journal(&**disk, names, now, &mut repair)?;
    let Found { scan, version } = find(&**disk, names, progress)?;
    let verdict = match (&version, &scan.trouble) {
        (None, None) => match judge(&**disk, names, &scan)? {
            // Every block is good, so it is the hash that is not.
            Verdict::Damaged(_) => Some(Verdict::Sound { hash_file: HashFile::Uncertain }),
            sound => Some(sound),
        },
        (None, Some(_)) => match judge(&**disk, names, &scan)? {
            torn @ Verdict::Torn { .. } => Some(torn),
            _ => None,
        },
        (Some(_), _) => None,
    };
    let keep = usize::MAX;
    if let Some(verdict) = verdict {
        let (_, chain) = ChainFile::go_on(Arc::clone(disk), names.clone(), keep, scan, verdict)?;
        repair.length = chain.head().length();
    } else {
        let chain = scan.chain;
        let lost = messages_beyond(&**disk, names, &chain, &waiting)?;
        if !lost.is_empty() {
            let (mut journal, _) = Journal::open(Arc::clone(disk), names.clone())?;
            journal.append(&lost)?;
        }
        let mut file = ChainFile::unwritten(Arc::clone(disk), names.clone(), keep, chain.view());
        repair.chain_moved_to = file.install(&chain.view(), 0, now)?;
        repair.taken_from = version;
        repair.returned = lost.len() as u64;
        repair.length = chain.head().length();
    }
    repair.unprocessed = waiting.len() as u64 + repair.returned;
    Ok(repair)
}

/// Keeps the good records of the journal; the ids of the messages in it.
fn repair_journal(
    disk: &dyn Disk,
    names: &Names,
    now: Micros,
    repair: &mut Repair,
) -> Result<HashSet<DataId>, StoreError> {
    let name = &names.data;
    let Some(scan) = record::scan(disk, names)? else { return Ok(HashSet::new()) };
    let mut ids = HashSet::new();
    if !matches!(scan.trouble, Some(record::Trouble::Damaged(_))) {
        ids.extend(scan.data.iter().map(|data| data.id));
        return Ok(ids);
    }
    let mut good = good_records(disk, names)?;
    good.retain(|data| ids.insert(data.id));
    let unfinished = Names::unfinished(name);
    journal::write_new(disk, &unfinished, &good).doing("write", names, &unfinished)?;
    let all = disk.list().doing("list the folder of", names, name)?;
    let aside = names.version("data", now, &all);
    disk.link(name, &aside).doing("keep a copy as", names, &aside)?;
    disk.sync_folder().doing("sync the folder of", names, &aside)?;
    disk.rename(&unfinished, name).doing("replace", names, name)?;
    disk.sync_folder().doing("sync the folder of", names, name)?;
    repair.journal_moved_to = Some(aside);
    Ok(ids)
}

fn good_records(disk: &dyn Disk, names: &Names) -> Result<Vec<Data>, StoreError> {
    let mut good = Vec::new();
    each_line(disk, names, &names.data, |line| good.extend(salvage::good_records(line)))?;
    Ok(good)
}

/// The chain to go on with, and the older version that it is from.
struct Found {
    scan: Scan,
    version: Option<String>,
}

/// Finds the best chain among the longest valid parts of the chain file and its versions.
fn find(disk: &dyn Disk, names: &Names, progress: Progress<'_>) -> Result<Found, StoreError> {
    let all = disk.list().doing("list the folder of", names, &names.chain)?;
    let versions = names.versions(&all);
    let files = [&names.chain].into_iter().chain(versions.iter().rev().copied());
    let network = find_network(disk, names, files)?.ok_or_else(|| beyond_repair(names))?;
    let mut best = match scan(disk, names, &names.chain, &network, FirstLine::Checked, progress)? {
        Some(sound @ Scan { trouble: None, .. }) => {
            return Ok(Found { scan: sound, version: None });
        }
        Some(Scan { bytes: 0, trouble: Some(first), .. }) => {
            let rest = scan(disk, names, &names.chain, &network, FirstLine::Assumed, progress)?;
            let trouble = Some(Trouble { torn: false, ..first });
            rest.map(|rest| Found { scan: Scan { trouble, ..rest }, version: None })
        }
        damaged => damaged.map(|scan| Found { scan, version: None }),
    };
    for name in versions.into_iter().rev() {
        let found = scan(disk, names, name, &network, FirstLine::Assumed, &mut |_, _| {});
        let Ok(Some(scan)) = found else { continue };
        let beaten =
            best.as_ref().is_none_or(|best| scan.chain.head().wins_over(best.scan.chain.head()));
        if beaten {
            best = Some(Found { scan, version: Some(name.clone()) });
        }
    }
    best.ok_or_else(|| beyond_repair(names))
}

fn beyond_repair(names: &Names) -> StoreError {
    let reason = "neither it nor any older version begins with a network's genesis block; \
                  start with --force-new-chain";
    StoreError::BeyondRepair { file: names.shown(&names.chain), reason: reason.into() }
}

/// The messages in intact lines of the chain file that are neither in `chain` nor waiting.
fn messages_beyond(
    disk: &dyn Disk,
    names: &Names,
    chain: &Chain,
    waiting: &HashSet<DataId>,
) -> Result<Vec<Data>, StoreError> {
    let mut seen = waiting.clone();
    let mut found = Vec::new();
    each_line(disk, names, &names.chain, |line| {
        let mut messages = salvage::sealed_messages(line);
        messages.retain(|data| chain.height_of(&data.id).is_none() && seen.insert(data.id));
        found.extend(messages);
    })?;
    Ok(found)
}

fn each_line(
    disk: &dyn Disk,
    names: &Names,
    name: &str,
    mut each: impl FnMut(&[u8]),
) -> Result<(), StoreError> {
    let Some(source) = disk.read(name).doing("read", names, name)? else { return Ok(()) };
    let mut lines = Lines::of(source);
    while let Some(line) = lines.next().doing("read", names, name)? {
        each(line.bytes);
    }
    Ok(())
}
