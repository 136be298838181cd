//! Writes new files beside the present ones, whole and synced, before they take their names.

use std::io;

use super::disk::Disk;
use super::error::{Doing, StoreError};
use super::hash_file;
use super::names::Names;
use super::running_hash::RunningHash;
use crate::chain::{ChainView, Hash, Micros};

/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Lines that were written.
pub(super) struct Prepared {
    pub bytes: u64,
    pub hash: RunningHash,
}

/// Writes `view` into the unfinished chain file and its hash into the unfinished hash file;
/// on return both are on disk. The first `kept` lines, which are `from`, are copied from
/// the present file.
///
/// The hash comes first, so that the new file is vouched for from its first moment on.
pub(super) fn prepare(
    disk: &dyn Disk,
    names: &Names,
    from: Prepared,
    view: &ChainView,
    kept: u64,
) -> Result<Prepared, StoreError> {
    let chain = Names::unfinished(&names.chain);
    let Prepared { mut bytes, mut hash } = from;
    disk.remove(&chain).doing("remove", names, &chain)?;
    let write = || {
        if kept > 0 {
            disk.copy(&names.chain, &chain, bytes)?;
        }
        let written = write_lines(disk, &chain, view, kept)?;
        disk.sync(&chain)?;
        Ok(written)
    };
    let written = write().inspect_err(|_| {
        // At once, so that a full disk has its room back.
        let _ = disk.remove(&chain);
    });
    bytes += written.doing("write", names, &chain)?;
    view.lines_from(kept).for_each(|line| hash.push(line));
    write_hash(disk, names, &hash.digest()).inspect_err(|_| {
        let _ = disk.remove(&chain);
    })?;
    disk.sync_folder().doing("sync the folder of", names, &chain)?;
    Ok(Prepared { bytes, hash })
}

/// Appends the lines of `view` from height `from` on; how many bytes that were.
pub(super) fn write_lines(
    disk: &dyn Disk,
    name: &str,
    view: &ChainView,
    from: u64,
) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut written = 0;
    for line in view.lines_from(from) {
        buffer.extend_from_slice(line.as_bytes());
        buffer.push(b'\n');
        if buffer.len() >= WRITE_BYTES {
            disk.append(name, &buffer)?;
            written += buffer.len() as u64;
            buffer.clear();
        }
    }
    if !buffer.is_empty() {
        disk.append(name, &buffer)?;
    }
    Ok(written + buffer.len() as u64)
}

/// Writes and syncs the unfinished hash file.
pub(super) fn write_hash(disk: &dyn Disk, names: &Names, hash: &Hash) -> Result<(), StoreError> {
    let name = Names::unfinished(&names.hash);
    let write = || {
        disk.remove(&name)?;
        disk.append(&name, hash_file::spell(names, hash).as_bytes())?;
        disk.sync(&name)
    };
    write().doing("write", names, &name)
}

/// Renames the unfinished chain file to the chain file, and returns the further name that
/// the present one got before, if there is one and it is to be kept.
pub(super) fn put_in_place(
    disk: &dyn Disk,
    names: &Names,
    keep_old: bool,
    now: Micros,
) -> Result<Option<String>, StoreError> {
    let (chain, unfinished) = (&names.chain, Names::unfinished(&names.chain));
    let rename = || {
        let version = if keep_old { set_aside(disk, names, now)? } else { None };
        disk.rename(&unfinished, chain).doing("replace", names, chain)?;
        Ok(version)
    };
    rename().inspect_err(|_| {
        // At once, so that a full disk has its room back.
        let _ = disk.remove(&unfinished);
    })
}

/// Gives the present chain file, if there is one, the further name of an older version.
fn set_aside(disk: &dyn Disk, names: &Names, now: Micros) -> Result<Option<String>, StoreError> {
    let all = disk.list().doing("list the folder of", names, &names.chain)?;
    if !all.contains(&names.chain) {
        return Ok(None);
    }
    let version = names.version("chain", now, &all);
    disk.link(&names.chain, &version).doing("keep an older version as", names, &version)?;
    Ok(Some(version))
}

/// Removes the oldest versions beyond `keep`, but never `newest`: what was made just now
/// stays, whatever the clock said.
pub(super) fn prune(disk: &dyn Disk, names: &Names, keep: usize, newest: Option<&str>) {
    let all = match disk.list() {
        Ok(all) => all,
        Err(error) => return log::warn!("store: cannot list older versions error={error}"),
    };
    let versions = names.versions(&all);
    let beyond = versions.len().saturating_sub(keep);
    let old = versions.into_iter().filter(|name| Some(name.as_str()) != newest);
    for name in old.take(beyond) {
        match disk.remove(name) {
            Ok(()) => log::info!("store: removed an older version file={name}"),
            Err(error) => log::warn!("store: cannot remove file={name} error={error}"),
        }
    }
}
