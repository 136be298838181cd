//! `blockchain verify`: looks at everything beside a chain path and changes nothing.

use std::collections::HashSet;

use serde::Serialize;

use super::disk::{Disk, Source};
use super::error::{Doing, Fault, StoreError};
use super::genesis::find_network;
use super::lines::Lines;
use super::names::Names;
use super::record::{self, Tail};
use super::redo;
use super::scan::{Progress, scan};
use super::verdict::{Verdict, judge};
use crate::chain::{Difficulty, Hash, NetworkName};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True if a miner would start from these files.
    pub ok: bool,
    /// Name of the network, as the genesis block says.
    pub network: Option<NetworkName>,
    /// Difficulty of the network, as the genesis block says.
    pub difficulty: Option<Difficulty>,
    /// Valid blocks from the start of the chain file.
    pub length: u64,
    pub head: Option<Hash>,
    /// Messages in the journal that are in no block of the chain file.
    pub unprocessed: u64,
    /// Messages in the journal; those of blocks that are saved stay in it until it is compacted.
    pub journal_messages: u64,
    /// Length of the journal in bytes, without the room behind its last record.
    pub journal_bytes: u64,
    /// Faults that keep a miner from starting.
    pub faults: Vec<Fault>,
    /// Faults that the next start of a miner puts right by itself.
    pub warnings: Vec<Fault>,
}

/// Checks the chain file by every rule (but that of the clock), its hash and the journal.
///
/// A miner may be running meanwhile. `progress` is told how many bytes of how many were read.
///
/// # Errors
/// [`StoreError`] only if the files can't be read, or there is no chain file.
pub fn verify(
    disk: &dyn Disk,
    names: &Names,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let report = look(disk, names, progress)?;
    // A running miner may have replaced a file between two looks: look again.
    if report.ok { Ok(report) } else { look(disk, names, progress) }
}

fn look(disk: &dyn Disk, names: &Names, progress: Progress<'_>) -> Result<Report, StoreError> {
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    let Some(first) = first_line(disk, names)? else {
        return Err(StoreError::NoChain { file: names.shown(&names.chain) });
    };
    let network = find_network(disk, names, [&names.chain].into_iter())?;
    let (mut length, mut head) = (0, None);
    let scanned = match &network {
        Some(network) => scan(disk, names, &names.chain, network, progress)?,
        None => None,
    };
    // A reorganisation that a crash cut off goes on at the next start, whatever the file is now.
    let redone = redo::pending(disk, names)?.is_some();
    let (mut on_disk, mut chain_faults) = (None, Vec::new());
    if let Some(scanned) = scanned {
        (length, head) = (scanned.chain.head().length(), Some(scanned.chain.head().hash));
        match judge(disk, names, &scanned)? {
            Verdict::Sound { .. } => {}
            Verdict::Torn { bytes, .. } => {
                let trouble = scanned.trouble.expect("a torn file has a bad line");
                let remedy = format!("the next start cuts off its {bytes} bytes");
                warnings.push(Fault { remedy, ..trouble.fault });
            }
            Verdict::Copied { fault, .. } => {
                let remedy = "it is a copy, and the next start takes its whole blocks".to_owned();
                warnings.push(Fault { remedy, ..*fault });
            }
            Verdict::Damaged(fault) => chain_faults.push(*fault),
        }
        on_disk = Some(scanned.chain);
    } else {
        let fault = Fault::new(names, &names.chain, 1, "line");
        chain_faults.push(fault.found(first, "the genesis block of a network"));
    }
    if redone {
        let remedy = "the next start goes on with a reorganisation".to_owned();
        warnings.extend(
            chain_faults.into_iter().map(|fault| Fault { remedy: remedy.clone(), ..fault }),
        );
    } else {
        faults.extend(chain_faults);
    }
    let (mut unprocessed, mut journal_messages, mut journal_bytes) = (0, 0, 0);
    if let Some(journal) = record::read_journal(disk, names)? {
        (journal_messages, journal_bytes) = (journal.data.len() as u64, journal.bytes);
        let mut known = HashSet::new();
        for data in journal.data {
            let mined = on_disk.as_ref().map(|chain| chain.height_of(&data)).transpose()?;
            let waits = mined.flatten().is_none();
            unprocessed += u64::from(waits && known.insert(data));
        }
        match journal.tail {
            Tail::Damaged(fault) => faults.push(*fault),
            Tail::Torn(fault) => {
                let bytes = journal.total - journal.bytes;
                let remedy = format!("the next start cuts off the last {bytes} bytes");
                warnings.extend((bytes > 0).then_some(Fault { remedy, ..*fault }));
            }
            Tail::Copied(fault) => {
                let remedy = "it is a copy, and the next start takes its good records".to_owned();
                warnings.push(Fault { remedy, ..*fault });
            }
            Tail::Sound => {}
        }
    }
    let (name, difficulty) = network.map(|n| (n.name, n.difficulty)).unzip();
    let ok = faults.is_empty();
    Ok(Report {
        ok,
        network: name,
        difficulty,
        length,
        head,
        unprocessed,
        journal_messages,
        journal_bytes,
        faults,
        warnings,
    })
}

/// The first line of the chain file; `None` if there is no such file.
fn first_line(disk: &dyn Disk, names: &Names) -> Result<Option<String>, StoreError> {
    let name = &names.chain;
    let Some(source) = Source::open(disk, name).doing("read", names, name)? else {
        return Ok(None);
    };
    let mut lines = Lines::of(source);
    let line = lines.next().doing("read", names, name)?;
    Ok(Some(line.map_or_else(|| "an empty file".to_owned(), |line| line.shown())))
}
