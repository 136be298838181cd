//! `blockchain backup`: a consistent copy of the files of a miner, which may be running.
//!
//! The journal is copied before the chain file: a message leaves the journal only once its block is
//! in the file. If blocks left the chain file between the two copies, messages may have gone the
//! other way, and both are copied again.

use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::append_file::{put_in_place, write_unfinished, write_whole};
use super::disk::{Disk, read_exact};
use super::error::{Doing, StoreError};
use super::genesis::find_network;
use super::hash_file;
use super::journal;
use super::lines::parts;
use super::names::Names;
use super::record::{self, Tail};
use super::scan::{Progress, scan};
use crate::chain::Hash;

/// Attempts to copy the files of a miner whose chain is reorganised all the time.
const ATTEMPTS: usize = 20;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Blocks in the copy of the chain file.
    pub length: u64,
    /// Hash of the last of them.
    pub head: Hash,
    /// Messages in the copy of the journal.
    pub unprocessed: u64,
}

/// Copies chain file, hash and journal of `from` to `to`, under the same names.
///
/// # Errors
/// [`StoreError`], if there is no chain, if it is damaged, or if it never held still.
pub fn back_up(
    from: &dyn Disk,
    names: &Names,
    to: &Arc<dyn Disk>,
    to_names: &Names,
    progress: Progress<'_>,
) -> Result<Backup, StoreError> {
    let all = to.list().doing("list the folder of", to_names, &to_names.chain)?;
    if all.contains(&to_names.chain) {
        let error = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(error).doing("write", to_names, &to_names.chain);
    }
    let no_chain = || StoreError::NoChain { file: names.shown(&names.chain) };
    let network = find_network(from, names, [&names.chain].into_iter())?.ok_or_else(no_chain)?;
    for attempt in 1.. {
        let before = end_of(from, names)?.ok_or_else(no_chain)?;
        let reading = record::read_journal(from, names)?.unwrap_or_default();
        let found = scan(from, names, &names.chain, &network, progress)?.ok_or_else(no_chain)?;
        let view = found.chain.view();
        let whole = found.trouble.as_ref().is_none_or(|trouble| trouble.torn)
            && !matches!(reading.tail, Tail::Damaged(_));
        let (at, line) = before;
        let held_still = found.bytes >= at && {
            let bytes = from.open(&names.chain).doing("read", names, &names.chain)?;
            let bytes = bytes.map(|file| read_exact(&*file, at - line.len() as u64, at));
            bytes.is_some_and(|bytes| bytes.is_ok_and(|bytes| bytes == line))
        };
        if !(whole && held_still) {
            match found.trouble {
                Some(trouble) if attempt >= ATTEMPTS => {
                    let fault = Box::new(trouble.fault);
                    return Err(StoreError::Damaged { kind: "chain file", fault });
                }
                None if attempt >= ATTEMPTS => {
                    let busy = io::Error::from(io::ErrorKind::ResourceBusy);
                    return Err(busy).doing("copy", names, &names.chain);
                }
                _ => continue,
            }
        }
        let mut waiting = reading.data;
        let mut known = std::collections::HashSet::new();
        waiting.retain(|data| known.insert(data.clone()));
        write_unfinished(&**to, to_names, &to_names.data, &mut journal::records(&waiting))?;
        put_in_place(&**to, to_names, &to_names.data)?;
        write_unfinished(&**to, to_names, &to_names.chain, &mut parts(&view, 0))?;
        put_in_place(&**to, to_names, &to_names.chain)?;
        let hash = hash_file::spell(to_names, &found.hash.digest());
        write_whole(&**to, to_names, &to_names.hash, hash.into_bytes())?;
        let (length, head) = (view.length(), view.head().hash);
        return Ok(Backup { length, head, unprocessed: waiting.len() as u64 });
    }
    unreachable!("attempts have an end")
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
