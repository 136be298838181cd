//! `blockchain backup`: a consistent copy of the files of a miner, which may be running.
//!
//! The journal is copied before the chain file: a message leaves the journal only once its block is
//! in the file. If blocks left the chain file meanwhile, messages may have gone the other way, and
//! both are copied again.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::disk::read_exact;
use super::error::StoreError;
use super::files::Files;
use super::genesis::find_network;
use super::hash_file;
use super::journal;
use super::lines::parts;
use super::names::Names;
use super::record::{self, JournalEnd, Numbers, Reading};
use super::redo;
use super::scan::{ReadProgress, Scan, Trouble, scan};
use crate::chain::{Hash, Network};

/// Attempts to copy the files of a miner whose chain is reorganised all the time.
const ATTEMPTS: usize = 20;

/// Pause between two attempts: longer than most reorganisations of a file take.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    pub length: u64,
    pub head: Hash,
    /// Messages in the copy that are in no block of it.
    pub unprocessed: u64,
}

/// Copies chain file, hash and journal of `from` to `to`, under the same names.
///
/// The copy of the chain file is written first and takes its name last. So a folder with a chain
/// file in it holds a whole copy, and what a killed backup left is known by the unfinished one.
///
/// # Errors
/// [`StoreError`], if there is no chain, if it is damaged, or if it never held still; if `to` holds
/// files of a chain by these names.
pub fn back_up(from: &Files, to: &Files, progress: ReadProgress<'_>) -> Result<Backup, StoreError> {
    refuse_present(to)?;
    let name = &from.names.chain;
    let network = find_network(from, &[name])?.ok_or_else(|| no_chain(from))?;
    for attempt in 1.. {
        match copy(from, to, &network, progress) {
            Ok(Some(backup)) => return Ok(backup),
            Ok(None) if attempt < ATTEMPTS => {}
            Ok(None) => {
                let busy = io::Error::from(io::ErrorKind::ResourceBusy);
                return Err(from.names.failed("copy", name)(busy));
            }
            // What is half changed now may be whole soon.
            Err(StoreError::Damaged { .. } | StoreError::Read(_)) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
        thread::sleep(PAUSE);
    }
    unreachable!("attempts have an end")
}

fn no_chain(files: &Files) -> StoreError {
    StoreError::NoChain { file: files.names.shown(&files.names.chain) }
}

/// Copies once; `None` if blocks may have left the file meanwhile, and their messages with them.
fn copy(
    from: &Files,
    to: &Files,
    network: &Network,
    progress: ReadProgress<'_>,
) -> Result<Option<Backup>, StoreError> {
    let name = &from.names.chain;
    let noted = from.stamp(&from.names.forks)?;
    let (at, line) = end_of(from)?.ok_or_else(|| no_chain(from))?;
    let Reading { data: mut waiting, tail, .. } = record::read_journal(from)?.unwrap_or_default();
    if let JournalEnd::Damaged(fault) = tail {
        return Err(StoreError::Damaged { kind: "journal", fault });
    }
    let found = scan(from, name, network, progress)?.ok_or_else(|| no_chain(from))?;
    if let Some(Trouble { fault, torn: false }) = found.trouble {
        return Err(StoreError::Damaged { kind: "chain file", fault: Box::new(fault) });
    }
    let mut known = HashSet::new();
    waiting.retain(|data| known.insert(data.clone()));
    to.write_unfinished(&to.names.chain, &mut parts(&found.chain.view(), 0))?;
    // Every reorganisation notes its branch before it changes the file, and ends with a note.
    let has_moved = !has_still(from, &found, at, &line)?
        || noted != from.stamp(&from.names.forks)?
        || redo::is_there(from)?;
    if has_moved {
        return Ok(None);
    }
    let mut records = journal::records(&waiting, || Ok(Numbers::default()));
    to.write_unfinished(&to.names.data, &mut records)?;
    to.put_in_place(&to.names.data)?;
    to.write_whole(&to.names.hash, hash_file::spell(&to.names, &found.hash.digest()))?;
    to.put_in_place(&to.names.chain)?;
    let head = found.chain.head();
    let mut backup = Backup { length: head.length(), head: head.hash, unprocessed: 0 };
    for data in &waiting {
        backup.unprocessed += u64::from(found.chain.height_of(data)?.is_none());
    }
    Ok(Some(backup))
}

/// True if the chain file has these bytes up to byte `at`, also now that it was read.
fn has_still(from: &Files, found: &Scan, at: u64, line: &[u8]) -> Result<bool, StoreError> {
    let file = from.open(&from.names.chain)?.filter(|_| found.bytes >= at);
    let bytes = file.map(|file| read_exact(&*file, at - line.len() as u64, at));
    Ok(bytes.is_some_and(|bytes| bytes.is_ok_and(|bytes| bytes == line)))
}

/// Refuses a folder with files of a chain by these names, but for what a killed backup left there.
fn refuse_present(to: &Files) -> Result<(), StoreError> {
    let (all, names) = (to.list()?, &to.names);
    let is_ours = |name: &&String| {
        **name == names.lock || names.kind_of(name).is_some_and(|kind| kind != "log")
    };
    let present: Vec<&String> = all.iter().filter(is_ours).collect();
    let is_of_backup = |name: &&String| [&names.data, &names.hash].contains(name);
    let was_killed = all.contains(&Names::unfinished(&names.chain));
    match present.first() {
        Some(first) if !(was_killed && present.iter().all(is_of_backup)) => {
            Err(StoreError::Present { file: names.shown(first) })
        }
        _ => Ok(()),
    }
}

/// Where the chain file ends now, and its last bytes.
fn end_of(files: &Files) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let name = &files.names.chain;
    let Some(file) = files.open(name)? else { return Ok(None) };
    let read = || {
        let end = file.bytes()?;
        let last = read_exact(&*file, end.saturating_sub(4096), end)?;
        // What an append under way has written of its last line does not count.
        let whole = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = end - (last.len() - whole) as u64;
        Ok((end, last[..whole].to_vec()))
    };
    read().map(Some).map_err(files.names.failed("read", name))
}
