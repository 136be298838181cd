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

use super::append_file::{put_in_place, write_unfinished};
use super::disk::{Disk, DiskFile, read_exact};
use super::error::{Doing, StoreError};
use super::lines::{CHECK_DIGITS, PART_BYTES, parts};
use super::names::Names;
use crate::chain::{ChainView, Hash};

/// More than any first line has.
const HEADER_BYTES_MAX: u64 = 512;

/// The first line, behind its check.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redo {
    /// Version of this spelling.
    redo: u32,
    /// Where in the chain file the new lines begin.
    pub cut: u64,
    /// SHA-256 of the chain file with them.
    pub hash: Hash,
}

/// Writes the record that replaces everything from byte `cut` on by the lines of `view` from
/// height `from` on; on return it is on disk.
pub(super) fn write(
    disk: &dyn Disk,
    names: &Names,
    cut: u64,
    hash: Hash,
    view: &ChainView,
    from: u64,
) -> Result<(), StoreError> {
    let header = serde_json::to_string(&Redo { redo: 1, cut, hash }).expect("numbers are JSON");
    let header = format!(" {header}\n");
    let mut check = Sha256::new_with_prefix(&header);
    for part in parts(view, from) {
        check.update(part?);
    }
    let digits = Hash::from(check).to_string();
    let first = [&digits.as_bytes()[..CHECK_DIGITS], header.as_bytes()].concat();
    write_unfinished(
        disk,
        names,
        &names.redo,
        &mut std::iter::once(Ok(first)).chain(parts(view, from)),
    )?;
    put_in_place(disk, names, &names.redo)
}

/// Does again what a record asks for, if there is a whole one: what it was.
///
/// # Errors
/// [`StoreError::Disk`]; the record is still there then.
pub(super) fn replay(disk: &dyn Disk, names: &Names) -> Result<Option<Redo>, StoreError> {
    let Some(Record { redo, file, start }) = read(disk, names)? else { return Ok(None) };
    let chain = disk.stamp(&names.chain).doing("read", names, &names.chain)?;
    if chain.is_none_or(|chain| chain.bytes < redo.cut) {
        return Ok(None);
    }
    // A record of another file, left by a crash while that was replaced, asks for nothing.
    let fits = || {
        let mut sha = Sha256::new();
        if let Some(chain) = disk.open(&names.chain)? {
            each_part(&*chain, 0, redo.cut, |part| {
                sha.update(part);
                Ok(())
            })?;
        }
        each_part(&*file, start, file.bytes()?, |part| {
            sha.update(part);
            Ok(())
        })?;
        Ok(Hash::from(sha) == redo.hash)
    };
    if !fits().doing("read", names, &names.redo)? {
        return Ok(None);
    }
    let again = || {
        disk.truncate(&names.chain, redo.cut)?;
        let mut to = redo.cut;
        each_part(&*file, start, file.bytes()?, |part| {
            to += part.len() as u64;
            disk.write(&names.chain, to - part.len() as u64, part)
        })?;
        disk.sync(&names.chain)
    };
    again().doing("redo a change of", names, &names.chain)?;
    log::info!("store: redid a reorganisation that a crash had cut off file={}", names.chain);
    Ok(Some(redo))
}

/// Removes the record that is or was there; on return it is gone on disk, too.
pub(super) fn remove(disk: &dyn Disk, names: &Names) -> Result<(), StoreError> {
    if !is_there(disk, names)? {
        // It was removed before, and the folder could not be synced. No later sync makes up for
        // that, so that there has to be something to remove.
        disk.write(&names.redo, 0, b"").doing("write", names, &names.redo)?;
    }
    disk.remove(&names.redo).doing("remove", names, &names.redo)?;
    disk.sync_folder().doing("sync the folder of", names, &names.redo)
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

/// True if there is a record, whole or not.
pub(super) fn is_there(disk: &dyn Disk, names: &Names) -> Result<bool, StoreError> {
    Ok(disk.stamp(&names.redo).doing("look at", names, &names.redo)?.is_some())
}

/// The change that the record in the folder asks for; for those who only look.
pub(super) fn pending(disk: &dyn Disk, names: &Names) -> Result<Option<Redo>, StoreError> {
    Ok(read(disk, names)?.map(|record| record.redo))
}

struct Record {
    redo: Redo,
    file: Arc<dyn DiskFile>,
    /// Where in the file its lines begin.
    start: u64,
}

/// The record in the folder, if it is whole.
fn read(disk: &dyn Disk, names: &Names) -> Result<Option<Record>, StoreError> {
    let name = &names.redo;
    let Some(file) = disk.open(name).doing("read", names, name)? else { return Ok(None) };
    let whole = || {
        let end = file.bytes()?;
        let first = read_exact(&*file, 0, end.min(HEADER_BYTES_MAX))?;
        let Some(line) = first.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let Some((check, header)) = first[..line].split_at_checked(CHECK_DIGITS) else {
            return Ok(None);
        };
        let mut sha = Sha256::new();
        each_part(&*file, CHECK_DIGITS as u64, end, |part| {
            sha.update(part);
            Ok(())
        })?;
        if Hash::from(sha).to_string().as_bytes()[..CHECK_DIGITS] != *check {
            return Ok(None);
        }
        Ok(serde_json::from_slice(header).ok().map(|redo| (redo, line as u64 + 1)))
    };
    let whole = whole().doing("read", names, name)?;
    Ok(whole.map(|(redo, start)| Record { redo, file, start }))
}
