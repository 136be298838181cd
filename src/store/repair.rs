//! `blockchain repair`: keeps all that is good, moves what is damaged aside, and names what nothing
//! on this host holds any more.

mod found;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;

use serde::Serialize;

use self::found::{FoundBlocks, each_line};
use super::append_file::{put_in_place, write_unfinished};
use super::chain_file::ChainFile;
use super::disk::Disk;
use super::error::{Doing, StoreError};
use super::genesis::find_network;
use super::journal::{self, Journal};
use super::names::Names;
use super::record::{self, Numbers, Tail};
use super::redo;
use super::salvage::{self, Piece};
use super::scan::{Progress, Scan, scan, unheard};
use super::verdict::{HashFile, Verdict, judge};
use crate::chain::{Block, Chain, Data, DataId, Hash, Micros, Network};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Where the damaged chain file is now; `None` if it needed no repair or was missing.
    pub chain_moved_to: Option<String>,
    /// The older versions from which blocks of the chain were taken.
    pub taken_from: Vec<String>,
    pub length: u64,
    /// Messages of blocks that could not be kept, which now wait in the journal again.
    pub returned: u64,
    /// Where the damaged journal is now; `None` if it needed no repair.
    pub journal_moved_to: Option<String>,
    /// Messages in the journal now.
    pub unprocessed: u64,
    /// Messages that nothing on this host holds any more.
    pub lost: Vec<Lost>,
    /// Why more may be missing than can be told: all that is left is sound, but the hash file told
    /// of something else.
    pub doubt: Option<String>,
}

/// A message that could not be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The file in which it was, as a path from where the chain path was given.
    pub file: String,
    /// The line of that file, from 1.
    pub line: u64,
    /// Its id, if that can still be read.
    pub id: Option<DataId>,
    /// The text that stands there, shortened and with control characters escaped.
    pub found: String,
}

/// Makes a miner start again from what is beside a chain path. No miner may be running.
///
/// The chain becomes the best one that can be put together from the chain file and its older
/// versions; messages in intact blocks outside of it go into the journal, to be mined
/// again. The journal keeps every good record. Does nothing where nothing is wrong.
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
    redo::replay(&**disk, names)?;
    let all = disk.list().doing("list the folder of", names, &names.chain)?;
    let versions = names.versions(&all);
    let files: Vec<&String> =
        [&names.chain].into_iter().chain(versions.into_iter().rev()).collect();
    let network = find_network(&**disk, names, files.iter().copied())?;
    let network = network.ok_or_else(|| beyond_repair(names))?;
    let found = scan(&**disk, names, &names.chain, &network, progress)?;
    let waiting = repair_journal(&**disk, names, now, &mut repair)?;
    let verdict = match &found {
        None => None,
        Some(found) => match (judge(&**disk, names, found)?, &found.trouble) {
            // Every block is good, so that either the hash is not, or blocks at the end are gone.
            (Verdict::Damaged(fault), None) => {
                repair.doubt = Some(format!("the hash file told of another chain file: {fault}"));
                Some(Verdict::Sound { hash_file: HashFile::Uncertain })
            }
            (Verdict::Damaged(_), Some(_)) => None,
            (sound_or_torn, _) => Some(sound_or_torn),
        },
    };
    let keep = usize::MAX;
    let (disk, names) = (Arc::clone(disk), names.clone());
    let chain = match (found, verdict) {
        (Some(found), Some(verdict)) => {
            ChainFile::go_on(disk, names, &network, keep, found, verdict)?.chain
        }
        _ => rebuild(&disk, &names, &network, &files, waiting.clone(), now, &mut repair)?,
    };
    repair.length = chain.head().length();
    repair.unprocessed = repair.returned;
    for data in &waiting {
        repair.unprocessed += u64::from(chain.height_of(data)?.is_none());
    }
    let is_mined = |id: DataId| chain.view().find(&chain.may_hold_id(&id), |data| data.id == id);
    let mut lost = Vec::new();
    for it in std::mem::take(&mut repair.lost) {
        if it.id.map(is_mined).transpose()?.flatten().is_none() {
            lost.push(it);
        }
    }
    repair.lost = lost;
    Ok(repair)
}

/// Puts the best chain in place that can be made of the blocks in `files`.
fn rebuild(
    disk: &Arc<dyn Disk>,
    names: &Names,
    network: &Network,
    files: &[&String],
    mut known: HashSet<Data>,
    now: Micros,
    repair: &mut Repair,
) -> Result<Chain, StoreError> {
    let blocks = FoundBlocks::find(&**disk, names, files)?;
    if blocks.all.is_empty()
        && !disk.list().doing("list the folder of", names, &names.chain)?.contains(&names.chain)
    {
        return Err(beyond_repair(names));
    }
    let made = format!("{}.repair", names.chain);
    let way = blocks.best(&Hash::of(Block::genesis(network).line()));
    let mut lines = blocks.lines(&**disk, names, files, &way);
    let genesis = Ok((Block::genesis(network).line() + "\n").into_bytes());
    let all = &mut std::iter::once(genesis).chain(std::iter::from_fn(|| lines.next()));
    write_unfinished(&**disk, names, &made, all)?;
    let made = Names::unfinished(&made);
    let found = scan(&**disk, names, &made, network, &mut unheard)?;
    let Scan { chain, .. } = found.ok_or(ErrorKind::NotFound.into()).doing("read", names, &made)?;
    let mut used: Vec<usize> = way.iter().map(|at| blocks.all[*at].file).collect();
    used.dedup();
    used.retain(|file| *file > 0);
    used.sort_unstable();
    used.dedup();
    repair.taken_from = used.into_iter().map(|file| files[file].clone()).collect();
    let lost = beyond(&**disk, names, &chain, &mut known, repair)?;
    if !lost.is_empty() {
        let (mut journal, _) = Journal::open(Arc::clone(disk), names.clone())?;
        journal.append(&lost)?;
    }
    let list = disk.list().doing("list the folder of", names, &names.chain)?;
    if list.contains(&names.chain) {
        let aside = names.version("chain", now, &list);
        disk.link(&names.chain, &aside).doing("keep a copy as", names, &aside)?;
        disk.sync_folder().doing("sync the folder of", names, &aside)?;
        repair.chain_moved_to = Some(aside);
    }
    ChainFile::written(Arc::clone(disk), names.clone(), network, usize::MAX, &chain.view())?;
    disk.remove(&made).doing("remove", names, &made)?;
    repair.returned = lost.len() as u64;
    Ok(chain)
}

/// Messages of intact blocks in the chain file that are neither in `chain` nor `known`; those of
/// damaged blocks are noted as lost, if no other file has them.
fn beyond(
    disk: &dyn Disk,
    names: &Names,
    chain: &Chain,
    known: &mut HashSet<Data>,
    repair: &mut Repair,
) -> Result<Vec<Data>, StoreError> {
    let (mut found, mut gaps) = (Vec::new(), vec![Gap::default()]);
    each_line(disk, names, &names.chain, |number, line| {
        for piece in salvage::blocks(line) {
            let gap = gaps.last_mut().expect("there is always one");
            match piece {
                Piece::Block(block, text) => {
                    let next = (block.index, Hash::of(&text));
                    gap.next = Some(next);
                    // Blocks of which nothing is left are known by the heights around them.
                    let missing = block.index.saturating_sub(gap.from + gap.lost.len() as u64);
                    if gap.from > 0 && missing > 0 {
                        let nothing = lost_in(names, &names.chain, number, b"", None);
                        let from = gap.from;
                        let each = (from..from + missing).map(|height| Lost {
                            found: format!("nothing of block {height} or one near it"),
                            ..nothing.clone()
                        });
                        gap.lost.extend(each);
                    }
                    gaps.push(Gap { from: block.index + 1, ..Gap::default() });
                    if block.index > 0 {
                        found.push(block.data);
                    }
                }
                Piece::Damaged(id) if number == 1 && is_genesis(line, id) => gap.from = 1,
                Piece::Damaged(id) => {
                    gap.lost.push(lost_in(names, &names.chain, number, line, id));
                }
            }
        }
    })?;
    let mut beyond = Vec::new();
    for data in found {
        if chain.height_of(&data)?.is_none() && known.insert(data.clone()) {
            beyond.push(data);
        }
    }
    let ids: HashSet<DataId> = known.iter().map(|data| data.id).collect();
    for gap in gaps {
        // Where the block behind is in the chain, those before it were found elsewhere.
        let is_filled = match gap.next {
            Some((height, hash)) => chain.view().hash(height)? == Some(hash),
            None => false,
        };
        let is_held = |lost: &Lost| lost.id.is_some_and(|id| ids.contains(&id));
        if !is_filled {
            repair.lost.extend(gap.lost.into_iter().filter(|lost| !is_held(lost)));
        }
    }
    Ok(beyond)
}

/// Damage between two sound blocks.
#[derive(Default)]
struct Gap {
    /// The height behind that of the block before.
    from: u64,
    lost: Vec<Lost>,
    /// Height and hash of the block behind.
    next: Option<(u64, Hash)>,
}

/// True if a damaged first line is one of a genesis block, which holds no message.
fn is_genesis(line: &[u8], id: Option<DataId>) -> bool {
    let text = String::from_utf8_lossy(line);
    id == Some(DataId::from_bytes([0; 16]))
        || text.contains("\"previous_hash\":null")
        || text.contains("\"network=")
}

fn lost_in(names: &Names, file: &str, line: u64, bytes: &[u8], id: Option<DataId>) -> Lost {
    let clip = &bytes[..bytes.len().min(400)];
    let dots = if clip.len() < bytes.len() { "…" } else { "" };
    let found = format!("{:?}{dots}", String::from_utf8_lossy(clip));
    Lost { file: names.shown(file), line, id, found }
}

/// Keeps the good records of the journal; the messages in it.
fn repair_journal(
    disk: &dyn Disk,
    names: &Names,
    now: Micros,
    repair: &mut Repair,
) -> Result<HashSet<Data>, StoreError> {
    let name = &names.data;
    let Some(reading) = record::read_journal(disk, names)? else { return Ok(HashSet::new()) };
    if !matches!(reading.tail, Tail::Damaged(_)) {
        return Ok(reading.data.into_iter().collect());
    }
    let (mut good, mut known, mut lost) = (Vec::new(), HashSet::new(), Vec::new());
    each_line(disk, names, name, |number, line| {
        let (records, damaged) = salvage::records(line);
        good.extend(records.into_iter().filter(|data| known.insert(data.clone())));
        // The first line holds no message.
        let damaged = damaged.into_iter().filter(|id| number > 1 || id.is_some());
        lost.extend(damaged.map(|id| lost_in(names, name, number, line, id)));
    })?;
    let ids: HashSet<DataId> = known.iter().map(|data| data.id).collect();
    lost.retain(|lost| lost.id.is_none_or(|id| !ids.contains(&id)));
    repair.lost.extend(lost);
    write_unfinished(disk, names, name, &mut journal::records(&good, Numbers::default()))?;
    let all = disk.list().doing("list the folder of", names, name)?;
    let aside = names.version("data", now, &all);
    disk.link(name, &aside).doing("keep a copy as", names, &aside)?;
    disk.sync_folder().doing("sync the folder of", names, &aside)?;
    put_in_place(disk, names, name)?;
    repair.journal_moved_to = Some(aside);
    Ok(known)
}

fn beyond_repair(names: &Names) -> StoreError {
    let reason = "neither it nor any older version begins with a network's genesis block; \
                  start with --force-new-chain";
    StoreError::BeyondRepair { file: names.shown(&names.chain), reason: reason.into() }
}
