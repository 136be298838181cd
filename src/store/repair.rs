//! `blockchain repair`: keeps all that is good, moves what is damaged aside, and names what nothing
//! on this host holds any more.

mod found;

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use self::found::{FoundBlocks, each_line};
use super::chain_file::ChainFile;
use super::error::StoreError;
use super::files::Files;
use super::genesis::find_network;
use super::hash_file;
use super::journal::{self, Journal};
use super::names::Names;
use super::record::{self, JournalEnd, Numbers};
use super::redo;
use super::salvage::{self, Salvaged};
use super::scan::{ReadProgress, Scan, scan, unheard};
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
    pub unprocessed: u64,
    /// Messages that nothing on this host holds any more.
    pub lost: Vec<Lost>,
    /// Why more may be missing than can be told: by the hash file there was more.
    pub doubt: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    pub file: String,
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
    files: &Files,
    now: Micros,
    progress: ReadProgress<'_>,
) -> Result<Repair, StoreError> {
    let mut repair = Repair::default();
    redo::replay(files)?;
    let (all, name) = (files.list()?, &files.names.chain);
    let mut sources = files.names.versions(&all);
    sources.push(name);
    sources.reverse();
    let network = find_network(files, &sources)?.ok_or_else(|| beyond_repair(files))?;
    let found = scan(files, name, &network, progress)?;
    let waiting = repair_journal(files, now, &mut repair)?;
    let verdict = match &found {
        Some(found) => verdict_on(files, found, &mut repair)?,
        None => None,
    };
    let chain = match found.zip(verdict) {
        Some((found, verdict)) => {
            ChainFile::go_on(files, &network, usize::MAX, found, verdict)?.chain
        }
        None => rebuild(files, &network, &sources, waiting.clone(), now, &mut repair)?,
    };
    repair.length = chain.head().length();
    repair.unprocessed = repair.returned;
    for data in &waiting {
        repair.unprocessed += u64::from(chain.height_of(data)?.is_none());
    }
    for lost in std::mem::take(&mut repair.lost) {
        let is_it = |id: DataId| chain.view().find(&chain.may_hold_id(&id), |data| data.id == id);
        if lost.id.map(is_it).transpose()?.flatten().is_none() {
            repair.lost.push(lost);
        }
    }
    Ok(repair)
}

/// The verdict on a chain file that can stay; `None` on one that has to be rebuilt.
fn verdict_on(
    files: &Files,
    found: &Scan,
    repair: &mut Repair,
) -> Result<Option<Verdict>, StoreError> {
    Ok(match (judge(files, found)?, &found.trouble) {
        // Every block is good, so that either the hash is not, or blocks at the end are gone.
        (Verdict::Damaged(_), None) => {
            let hash = files.names.shown(&files.names.hash);
            let doubt =
                format!("every block is good, but {hash} is of a longer file, or of another");
            repair.doubt = Some(doubt);
            Some(Verdict::Sound(HashFile::Uncertain))
        }
        (Verdict::Damaged(_), Some(_)) => None,
        (sound_or_torn, _) => Some(sound_or_torn),
    })
}

/// Puts the best chain in place that can be made of the blocks in `sources`.
fn rebuild(
    files: &Files,
    network: &Network,
    sources: &[&String],
    known: HashSet<Data>,
    now: Micros,
    repair: &mut Repair,
) -> Result<Chain, StoreError> {
    let name = &files.names.chain;
    let blocks = FoundBlocks::find(files, sources)?;
    let is_there = files.stamp(name)?.is_some();
    if blocks.all.is_empty() && !is_there {
        return Err(beyond_repair(files));
    }
    let made = format!("{name}.repair");
    let genesis = Block::genesis(network).line();
    let way = blocks.best(&Hash::of(&genesis));
    let first = Ok((genesis + "\n").into_bytes());
    let all = &mut std::iter::once(first).chain(blocks.lines(files, sources, &way));
    files.write_unfinished(&made, all)?;
    let made = Names::unfinished(&made);
    let Some(scan) = scan(files, &made, network, &mut unheard)? else {
        return Err(files.names.failed("read", &made)(std::io::ErrorKind::NotFound.into()));
    };
    let is_all = scan.begins_with(hash_file::read(files, &files.names.hash)?.hash())?;
    let chain = scan.chain;
    let used: BTreeSet<usize> = way.iter().map(|at| blocks.all[*at].file).collect();
    let versions = used.into_iter().filter(|file| *file > 0);
    repair.taken_from = versions.map(|file| sources[file].clone()).collect();
    let returned = beyond(files, &chain, known, is_all, repair)?;
    if !returned.is_empty() {
        Journal::open(files.clone())?.0.append(&returned)?;
    }
    if is_there {
        repair.chain_moved_to = Some(files.set_aside(name, "chain", now)?);
    }
    ChainFile::written(files, network, usize::MAX, &chain.view())?;
    files.remove(&made)?;
    repair.returned = returned.len() as u64;
    Ok(chain)
}

/// Messages of intact blocks in the chain file that are neither in `chain` nor `known`; those of
/// damaged blocks are noted as lost, if no other file has them. Unless `chain` is all that was saved,
/// nobody knows how much stood where the file is damaged up to its end.
fn beyond(
    files: &Files,
    chain: &Chain,
    mut known: HashSet<Data>,
    is_all: bool,
    repair: &mut Repair,
) -> Result<Vec<Data>, StoreError> {
    let (found, gaps) = read_damaged(files)?;
    let mut beyond = Vec::new();
    for data in found {
        if chain.height_of(&data)?.is_none() && known.insert(data.clone()) {
            beyond.push(data);
        }
    }
    let ids: HashSet<DataId> = known.iter().map(|data| data.id).collect();
    if !is_all && gaps.last().is_some_and(|end| end.from == 0 || !end.lost.is_empty()) {
        repair.doubt =
            Some("the chain file is damaged up to its end: more may have stood there".into());
    }
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

/// The messages of intact blocks in the chain file, and the damage between these.
fn read_damaged(files: &Files) -> Result<(Vec<Data>, Vec<Gap>), StoreError> {
    let (names, name) = (&files.names, &files.names.chain);
    let (mut found, mut gaps) = (Vec::new(), vec![Gap::default()]);
    each_line(files, name, |number, line| {
        for piece in salvage::blocks(line) {
            let gap = gaps.last_mut().expect("there is always one");
            match piece {
                Salvaged::Block(block, text) => {
                    gap.end(names, number, block.index, Hash::of(&text));
                    gaps.push(Gap { from: block.index + 1, ..Gap::default() });
                    if block.index > 0 {
                        found.push(block.data);
                    }
                }
                Salvaged::Damaged(id) if number == 1 && is_genesis(line, id) => gap.from = 1,
                Salvaged::Damaged(id) => gap.lost.push(lost_in(names, name, number, line, id)),
            }
        }
    })?;
    Ok((found, gaps))
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

impl Gap {
    /// Ends it before a block on line `line`. Blocks of which nothing is left are known by the
    /// heights around them.
    fn end(&mut self, names: &Names, line: u64, height: u64, hash: Hash) {
        self.next = Some((height, hash));
        let missing = height.saturating_sub(self.from + self.lost.len() as u64);
        if self.from > 0 {
            for at in self.from..self.from + missing {
                let found = format!("nothing of block {at} or one near it");
                let nothing = lost_in(names, &names.chain, line, b"", None);
                self.lost.push(Lost { found, ..nothing });
            }
        }
    }
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
    files: &Files,
    now: Micros,
    repair: &mut Repair,
) -> Result<HashSet<Data>, StoreError> {
    let (names, name) = (&files.names, &files.names.data);
    let Some(reading) = record::read_journal(files)? else { return Ok(HashSet::new()) };
    if !matches!(reading.tail, JournalEnd::Damaged(_)) {
        return Ok(reading.data.into_iter().collect());
    }
    let (mut good, mut known, mut lost) = (Vec::new(), HashSet::new(), Vec::new());
    each_line(files, name, |number, line| {
        let (records, damaged) = salvage::records(line);
        good.extend(records.into_iter().filter(|data| known.insert(data.clone())));
        // The first line holds no message.
        let damaged = damaged.into_iter().filter(|id| number > 1 || id.is_some());
        lost.extend(damaged.map(|id| lost_in(names, name, number, line, id)));
    })?;
    let ids: HashSet<DataId> = known.iter().map(|data| data.id).collect();
    lost.retain(|lost| lost.id.is_none_or(|id| !ids.contains(&id)));
    repair.lost.extend(lost);
    files.write_unfinished(name, &mut journal::records(&good, || Ok(Numbers::default())))?;
    repair.journal_moved_to = Some(files.set_aside(name, "data", now)?);
    files.put_in_place(name)?;
    Ok(known)
}

fn beyond_repair(files: &Files) -> StoreError {
    let reason = "neither it nor any older version begins with a network's genesis block; \
                  start with --force-new-chain";
    let file = files.names.shown(&files.names.chain);
    StoreError::BeyondRepair { file, reason: reason.into() }
}
