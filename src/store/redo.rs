//! The redo record: how a reorganisation of the chain file goes on after a crash.
//!
//! `<check> <header>`, a line break, and the new lines. The check is the first 16 hex digits of the
//! SHA-256 of all that follows it; the header says at which byte of the chain file the new lines
//! begin, and the hash of the file with them. The record is on disk, whole and under its name,
//! before the first byte of the chain file is changed, and is removed before anything is
//! appended behind the new lines. So a crash leaves the old chain, or the record, which
//! makes the new one as often as it is read.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::disk::{DiskFile, Operation, read_exact};
use super::error::StoreError;
use super::files::Files;
use super::lines::{CHECK_DIGITS, PART_BYTES, parts};
use crate::chain::{ChainView, Hash};

/// More than any first line has.
const HEADER_BYTES_MAX: u64 = 512;

/// The first line, behind its check.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedoHeader {
    redo: u32,
    /// Where in the chain file the new lines begin.
    cut: u64,
    /// SHA-256 of the chain file with them.
    hash: Hash,
}

/// Writes the record that replaces everything from byte `cut` on by the lines of `view` from
/// height `from` on; on return it is on disk.
pub(super) fn write(
    files: &Files,
    cut: u64,
    hash: Hash,
    view: &ChainView,
    from: u64,
) -> Result<(), StoreError> {
    let header =
        serde_json::to_string(&RedoHeader { redo: 1, cut, hash }).expect("numbers are JSON");
    let header = format!(" {header}\n");
    let mut check = Sha256::new_with_prefix(&header);
    for part in parts(view, from) {
        check.update(part?);
    }
    let digits = Hash::from(check).to_string();
    let first = [&digits.as_bytes()[..CHECK_DIGITS], header.as_bytes()].concat();
    let all = &mut std::iter::once(Ok(first)).chain(parts(view, from));
    files.write_unfinished(&files.names.redo, all)?;
    files.put_in_place(&files.names.redo)
}

/// Does again what a record asks for, if there is a whole one.
///
/// # Errors
/// [`StoreError::Disk`]; the record is still there then.
pub(super) fn replay(files: &Files) -> Result<(), StoreError> {
    let (disk, names) = (&*files.disk, &files.names);
    let Some(Record { header, file, start }) = read(files)? else { return Ok(()) };
    if files.stamp(&names.chain)?.is_none_or(|chain| chain.bytes < header.cut) {
        return Ok(());
    }
    // A record of another file, left by a crash while that was replaced, asks for nothing.
    let fits = || {
        let mut sha = Sha256::new();
        if let Some(chain) = disk.open(&names.chain)? {
            update(&mut sha, &*chain, 0, header.cut)?;
        }
        update(&mut sha, &*file, start, file.bytes()?)?;
        Ok(Hash::from(sha) == header.hash)
    };
    if !fits().map_err(names.failed("read", &names.redo))? {
        return Ok(());
    }
    let again = || {
        disk.operate(Operation::Truncate(&names.chain, header.cut))?;
        let mut to = header.cut;
        each_part(&*file, start, file.bytes()?, |part| {
            to += part.len() as u64;
            disk.operate(Operation::Write(&names.chain, to - part.len() as u64, part))
        })?;
        disk.operate(Operation::Sync(&names.chain))
    };
    again().map_err(names.failed("redo a change of", &names.chain))?;
    log::info!("store: redid a reorganisation that a crash had cut off file={}", names.chain);
    Ok(())
}

/// Removes the record that is or was there; on return it is gone on disk, too.
pub(super) fn remove(files: &Files) -> Result<(), StoreError> {
    let name = &files.names.redo;
    if !is_there(files)? {
        // It was removed before, and the folder could not be synced. No later sync makes up for
        // that, so that there has to be something to remove.
        files.write(name, 0, b"")?;
    }
    files.remove(name)?;
    files.sync_folder(name)
}

/// True if there is a record, whole or not.
pub(super) fn is_there(files: &Files) -> Result<bool, StoreError> {
    Ok(files.stamp(&files.names.redo)?.is_some())
}

/// SHA-256 of the chain file that the record in the folder makes, if that is whole; for those who
/// only look.
pub(super) fn pending(files: &Files) -> Result<Option<Hash>, StoreError> {
    Ok(read(files)?.map(|record| record.header.hash))
}

struct Record {
    header: RedoHeader,
    file: Arc<dyn DiskFile>,
    /// Where in the file its lines begin.
    start: u64,
}

fn read(files: &Files) -> Result<Option<Record>, StoreError> {
    let name = &files.names.redo;
    let Some(file) = files.open(name)? else { return Ok(None) };
    let whole = || {
        let end = file.bytes()?;
        let first = read_exact(&*file, 0, end.min(HEADER_BYTES_MAX))?;
        let Some(line) = first.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let Some((check, header)) = first[..line].split_at_checked(CHECK_DIGITS) else {
            return Ok(None);
        };
        let mut sha = Sha256::new();
        update(&mut sha, &*file, CHECK_DIGITS as u64, end)?;
        if Hash::from(sha).to_string().as_bytes()[..CHECK_DIGITS] != *check {
            return Ok(None);
        }
        Ok(serde_json::from_slice(header).ok().map(|header| (header, line as u64 + 1)))
    };
    let whole = whole().map_err(files.names.failed("read", name))?;
    Ok(whole.map(|(header, start)| Record { header, file, start }))
}

fn update(sha: &mut Sha256, file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    each_part(file, start, end, |part| {
        sha.update(part);
        Ok(())
    })
}

fn each_part(
    file: &dyn DiskFile,
    start: u64,
    end: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let part = read_exact(file, at, end.min(at + PART_BYTES as u64))?;
        each(&part)?;
        at += part.len() as u64;
    }
    Ok(())
}
