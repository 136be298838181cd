//! `blockchain verify`: looks at everything beside a chain path and changes nothing.

use std::collections::HashSet;

use serde::Serialize;

use super::error::{Fault, StoreError};
use super::files::Files;
use super::genesis::find_network;
use super::record::{self, JournalEnd};
use super::redo;
use super::scan::{ReadProgress, scan};
use super::verdict::{Verdict, judge};
use crate::chain::{Chain, Difficulty, Hash, NetworkName};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True if a miner would start from these files.
    pub ok: bool,
    pub network: Option<NetworkName>,
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
pub fn verify(files: &Files, progress: ReadProgress<'_>) -> Result<Report, StoreError> {
    let report = look(files, progress)?;
    // A running miner may have replaced a file between two looks: look again.
    if report.ok { Ok(report) } else { look(files, progress) }
}

fn look(files: &Files, progress: ReadProgress<'_>) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let chain = look_at_chain(files, progress, &mut report)?;
    look_at_journal(files, chain.as_ref(), &mut report)?;
    report.ok = report.faults.is_empty();
    Ok(report)
}

/// The valid blocks of the chain file; none if it tells of no network.
fn look_at_chain(
    files: &Files,
    progress: ReadProgress<'_>,
    report: &mut Report,
) -> Result<Option<Chain>, StoreError> {
    let (names, name) = (&files.names, &files.names.chain);
    let Some(mut lines) = files.lines(name)? else {
        return Err(StoreError::NoChain { file: names.shown(name) });
    };
    let first = lines.next()?.map_or_else(|| "an empty file".to_owned(), |line| line.shown());
    let network = find_network(files, &[name])?;
    let scanned = match &network {
        Some(network) => scan(files, name, network, progress)?,
        None => None,
    };
    (report.network, report.difficulty) = network.map(|it| (it.name, it.difficulty)).unzip();
    // A reorganisation that a crash cut off goes on at the next start, whatever the file is now.
    let is_redone = redo::pending(files)?.is_some();
    let Some(scanned) = scanned else {
        let fault = Fault::new(names, name, 1, "line");
        report.damaged(fault.found(first, "the genesis block of a network"), is_redone);
        return Ok(None);
    };
    match judge(files, &scanned)? {
        Verdict::Sound(_) => {}
        Verdict::Torn(_) => {
            let remedy = format!("the next start cuts off its {} bytes", scanned.cut());
            let trouble = scanned.trouble.expect("a torn file has a bad line");
            report.warn(trouble.fault, &remedy);
        }
        Verdict::Copied(fault) => {
            report.warn(*fault, "it is a copy, and the next start takes its whole blocks");
        }
        Verdict::Damaged(fault) => report.damaged(*fault, is_redone),
    }
    let head = scanned.chain.head();
    (report.length, report.head) = (head.length(), Some(head.hash));
    Ok(Some(scanned.chain))
}

fn look_at_journal(
    files: &Files,
    chain: Option<&Chain>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let Some(journal) = record::read_journal(files)? else { return Ok(()) };
    report.journal_messages = journal.data.len() as u64;
    report.journal_bytes = journal.bytes;
    let mut known = HashSet::new();
    for data in journal.data {
        let mined = chain.map(|chain| chain.height_of(&data)).transpose()?.flatten();
        report.unprocessed += u64::from(mined.is_none() && known.insert(data));
    }
    match journal.tail {
        JournalEnd::Sound => {}
        JournalEnd::Damaged(fault) => report.faults.push(*fault),
        JournalEnd::Torn(fault) => {
            let bytes = journal.total - journal.bytes;
            if bytes > 0 {
                let remedy = format!("the next start cuts off the last {bytes} bytes");
                report.warn(*fault, &remedy);
            }
        }
        JournalEnd::Copied(fault) => {
            report.warn(*fault, "it is a copy, and the next start takes its good records");
        }
    }
    Ok(())
}

impl Report {
    fn damaged(&mut self, fault: Fault, is_redone: bool) {
        match is_redone {
            true => self.warn(fault, "the next start goes on with a reorganisation"),
            false => self.faults.push(fault),
        }
    }

    fn warn(&mut self, fault: Fault, remedy: &str) {
        self.warnings.push(Fault { remedy: remedy.to_owned(), ..fault });
    }
}
