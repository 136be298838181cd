//! `blockchain backup`: a consistent copy of the files of a miner, which may be running.
//!
//! The journal is copied before the chain file: a message leaves the journal only once its block is
//! in the file. If blocks left the chain file meanwhile, messages may have gone the other way, and
//! both are copied again.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::append_file::{put_in_place, write_unfinished, write_whole};
use super::disk::{Disk, read_exact};
use super::error::{Doing, StoreError};
use super::genesis::find_network;
use super::hash_file;
use super::journal;
use super::lines::parts;
use super::names::Names;
use super::record::{self, Numbers, Tail};
use super::redo;
use super::scan::{Progress, Trouble, scan};
use crate::chain::{Hash, Network};

/// Attempts to copy the files of a miner whose chain is reorganised all the time.
const ATTEMPTS: usize = 20;

/// Pause between two attempts: longer than most reorganisations of a file take.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    pub length: u64,
    /// Hash of the last of them.
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
pub fn back_up(
    from: &dyn Disk,
    names: &Names,
    to: &Arc<dyn Disk>,
    to_names: &Names,
    progress: Progress<'_>,
) -> Result<Backup, StoreError> {
    refuse_present(&**to, to_names)?;
    let no_chain = || StoreError::NoChain { file: names.shown(&names.chain) };
    let network = find_network(from, names, [&names.chain].into_iter())?.ok_or_else(no_chain)?;
    for attempt in 1.. {
        match copy(from, names, to, to_names, &network, progress) {
            Ok(Attempt::Done(backup)) => return Ok(backup),
            Ok(Attempt::Moved) if attempt < ATTEMPTS => {}
            Ok(Attempt::Moved) => {
                let busy = io::Error::from(io::ErrorKind::ResourceBusy);
                return Err(busy).doing("copy", names, &names.chain);
            }
            // What is half changed now may be whole soon.
            Err(StoreError::Damaged { .. } | StoreError::Read(_)) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
        thread::sleep(PAUSE);
    }
    unreachable!("attempts have an end")
}

enum Attempt {
    Done(Backup),
    /// Blocks may have left the file meanwhile, and their messages with them.
    Moved,
}

fn copy(
    from: &dyn Disk,
    names: &Names,
    to: &Arc<dyn Disk>,
    to_names: &Names,
    network: &Network,
    progress: Progress<'_>,
) -> Result<Attempt, StoreError> {
    let no_chain = || StoreError::NoChain { file: names.shown(&names.chain) };
    let reorganised = |disk: &dyn Disk| disk.stamp(&names.forks).doing("read", names, &names.forks);
    let noted = reorganised(from)?;
    let (at, line) = end_of(from, names)?.ok_or_else(no_chain)?;
    let reading = record::read_journal(from, names)?.unwrap_or_default();
    if let Tail::Damaged(fault) = reading.tail {
        return Err(StoreError::Damaged { kind: "journal", fault });
    }
    let found = scan(from, names, &names.chain, network, progress)?.ok_or_else(no_chain)?;
    if let Some(Trouble { fault, torn: false }) = found.trouble {
        return Err(StoreError::Damaged { kind: "chain file", fault: Box::new(fault) });
    }
    let view = found.chain.view();
    let mut waiting = reading.data;
    let mut known = HashSet::new();
    waiting.retain(|data| known.insert(data.clone()));
    write_unfinished(&**to, to_names, &to_names.chain, &mut parts(&view, 0))?;
    // Every reorganisation notes its branch before it changes the file, and ends with a note.
    let same_end = found.bytes >= at && {
        let file = from.open(&names.chain).doing("read", names, &names.chain)?;
        let bytes = file.map(|file| read_exact(&*file, at - line.len() as u64, at));
        bytes.is_some_and(|bytes| bytes.is_ok_and(|bytes| bytes == line))
    };
    if !same_end || noted != reorganised(from)? || redo::is_there(from, names)? {
        return Ok(Attempt::Moved);
    }
    let mut records = journal::records(&waiting, Numbers::default());
    write_unfinished(&**to, to_names, &to_names.data, &mut records)?;
    put_in_place(&**to, to_names, &to_names.data)?;
    let hash = hash_file::spell(to_names, &found.hash.digest());
    write_whole(&**to, to_names, &to_names.hash, hash.into_bytes())?;
    put_in_place(&**to, to_names, &to_names.chain)?;
    let (length, head) = (view.length(), view.head().hash);
    let mut unprocessed = 0;
    for data in &waiting {
        unprocessed += u64::from(found.chain.height_of(data)?.is_none());
    }
    Ok(Attempt::Done(Backup { length, head, unprocessed }))
}

/// Refuses a folder with files of a chain by these names, but for what a killed backup left there.
fn refuse_present(to: &dyn Disk, names: &Names) -> Result<(), StoreError> {
    let all = to.list().doing("list the folder of", names, &names.chain)?;
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
fn end_of(disk: &dyn Disk, names: &Names) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let Some(file) = disk.open(&names.chain).doing("read", names, &names.chain)? else {
        return Ok(None);
    };
    let read = || {
        let end = file.bytes()?;
        let last = read_exact(&*file, end.saturating_sub(4096), end)?;
        // What an append under way has written of its last line does not count.
        let whole = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = end - (last.len() - whole) as u64;
        Ok((end, last[..whole].to_vec()))
    };
    read().map(Some).doing("read", names, &names.chain)
}
