//! Older versions: files with the blocks that left the chain, from the fork on, or with a whole
//! chain that was set aside; and `test.forks`, which says of which network the chain is, and when
//! and why branches were dropped.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::disk::Operation;
use super::error::StoreError;
use super::files::{Files, push_json};
use super::lines::parts;
use super::pages::{Growing, Pages};
use crate::chain::{Block, ChainView, Dropped, Forks, Hash, Head, Keys, Micros, Network, Why};

/// Bytes that older versions of dropped branches may take in all.
const BYTES_MAX: u64 = 256 << 20;

/// Blocks of a branch that are read when a miner starts.
const BLOCKS_MAX: usize = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    file: String,
    dropped_at: Micros,
    why: Why,
    winner: Hash,
}

/// Writes a dropped branch into an older version; on return it is on disk.
pub(super) fn file(files: &Files, dropped: &Dropped, now: Micros) -> Result<Dropped, StoreError> {
    let name = files.names.version("chain", now, &files.list()?);
    files.write_unfinished(&name, &mut parts(&dropped.blocks, dropped.fork + 1))?;
    files.put_in_place(&name)?;
    let mut growing = open(files, &name, dropped.fork + 1)?;
    for line in dropped.blocks.lines_from(0) {
        growing.push(&line?);
    }
    growing.close();
    let heights = dropped.blocks.first()..dropped.blocks.length();
    let blocks = ChainView::stored(heights, growing.pages, *dropped.blocks.head());
    Ok(Dropped { blocks, file: Some(name), ..dropped.clone() })
}

/// The pages of the file `name`, which are still to be added.
pub(super) fn open(files: &Files, name: &str, first: u64) -> Result<Growing, StoreError> {
    let file = files.reopen(name)?;
    Ok(Growing::new(Pages::new(files.names.shown(name), file, first)))
}

/// Says in `test.forks` of which network the chain is, and when and why each filed branch was
/// dropped.
pub(super) fn note(files: &Files, network: &Network, forks: &Forks) -> Result<(), StoreError> {
    let mut text = Vec::new();
    push_json(&mut text, network);
    for kept in forks.all() {
        let Dropped { file: Some(file), at, why, winner, .. } = kept else { continue };
        let note = Note { file: file.clone(), dropped_at: *at, why: *why, winner: *winner };
        push_json(&mut text, &note);
    }
    files.write_whole(&files.names.forks, text)
}

/// The branches in older versions that are not in `chain`. Files that can't be read as such are
/// passed over: they are their owner's.
pub(super) fn load(files: &Files, chain: &ChainView) -> Result<Forks, StoreError> {
    let all = files.list()?;
    let notes = read_notes(files);
    let mut kept = Vec::new();
    for name in files.names.versions(&all) {
        match read_branch(files, name, notes.get(name), chain) {
            Ok(branch) => kept.extend(branch),
            Err(error) => log::warn!("store: cannot read an older version: {error}"),
        }
    }
    Ok(Forks::of(kept))
}

pub(super) fn network(files: &Files) -> Option<Network> {
    let text = files.beginning(&files.names.forks, BYTES_MAX);
    serde_json::from_slice(text.split(|byte| *byte == b'\n').next()?).ok()
}

fn read_notes(files: &Files) -> HashMap<String, Note> {
    let text = files.beginning(&files.names.forks, BYTES_MAX);
    let notes = text.split(|byte| *byte == b'\n');
    let notes = notes.filter_map(|line| serde_json::from_slice::<Note>(line).ok());
    notes.map(|note| (note.file.clone(), note)).collect()
}

/// The branch in a file, if it holds one that left this chain: its first block follows one of
/// it, and each follows the one before.
fn read_branch(
    files: &Files,
    name: &str,
    note: Option<&Note>,
    chain: &ChainView,
) -> Result<Option<Dropped>, StoreError> {
    let Some(mut lines) = files.lines(name)? else { return Ok(None) };
    let mut keys = Vec::new();
    let mut branch: Option<(Head, Growing)> = None;
    while let Some(line) = lines.next()? {
        let Ok(text) = std::str::from_utf8(line.bytes) else { return Ok(None) };
        let parent = branch.as_ref().map(|(head, _)| head);
        let Some((block, head)) = next_block(text, parent, chain)? else { return Ok(None) };
        if keys.len() == BLOCKS_MAX {
            return Ok(None);
        }
        keys.push(Keys::of(&block.data, &head.hash));
        let growing = match branch.take() {
            Some((_, growing)) => growing,
            None => open(files, name, head.index)?,
        };
        let (_, growing) = branch.insert((head, growing));
        growing.push(text);
    }
    let Some((head, mut growing)) = branch else { return Ok(None) };
    growing.close();
    let first = head.length() - keys.len() as u64;
    let blocks = ChainView::stored(first..head.length(), growing.pages, head);
    let at = note.map_or_else(|| files.names.time_of_version(name), |note| note.dropped_at);
    let mut dropped = Dropped::new(&blocks, first - 1, &keys, at, chain.head());
    if let Some(note) = note {
        (dropped.why, dropped.winner) = (note.why, note.winner);
    }
    Ok(Some(Dropped { file: Some(name.to_owned()), ..dropped }))
}

/// The block in this line, if it follows `parent`; or, as a first one, if it follows one of `chain`
/// and is not in that.
fn next_block(
    line: &str,
    parent: Option<&Head>,
    chain: &ChainView,
) -> Result<Option<(Block, Head)>, StoreError> {
    let index = parent.map_or_else(|| index_of(line), |parent| Some(parent.length()));
    let Some(index) = index.filter(|index| *index > 0) else { return Ok(None) };
    let Ok(block) = Block::read(line, index) else { return Ok(None) };
    let head = Head::of(&block, line);
    let follows = match parent {
        Some(parent) => Some(parent.hash),
        None => chain.hash(index - 1)?,
    };
    let fits = follows.is_some()
        && follows == block.previous_hash
        && (parent.is_some() || chain.hash(index)? != Some(head.hash));
    Ok(fits.then_some((block, head)))
}

fn index_of(line: &str) -> Option<u64> {
    let digits = line.strip_prefix("{\"index\":")?.split(',').next()?;
    digits.parse().ok()
}

/// Removes branches beyond `keep` or [`BYTES_MAX`], the shallowest first, but never the newest:
/// what was dropped just now can be looked at, and many shallow ones push no deep one out. Whole
/// chains that were set aside stay.
pub(super) fn prune(files: &Files, keep: usize, forks: &mut Forks) {
    let size = |kept: &Dropped| {
        let file = kept.file.as_deref().unwrap_or_default();
        files.disk.stamp(file).ok().flatten().map_or(0, |stamp| stamp.bytes)
    };
    let filed = forks.all().iter().filter(|kept| kept.file.is_some());
    let mut filed: Vec<(&Dropped, u64)> = filed.map(|kept| (kept, size(kept))).collect();
    if filed.len() > 1 && keep > 0 {
        // The newest stays; of the others the deepest, and of equally deep ones the newest.
        filed[1..].sort_by_key(|(kept, _)| std::cmp::Reverse((kept.depth(), kept.at)));
    }
    let (mut count, mut bytes, mut removed) = (0, 0, Vec::new());
    for (kept, size) in filed {
        (count, bytes) = (count + 1, bytes + size);
        if count > keep || (bytes > BYTES_MAX && count > 1) {
            bytes -= size;
            removed.extend(kept.file.clone());
        }
    }
    removed.retain(|name| match files.disk.operate(Operation::Remove(name)) {
        Ok(()) => {
            log::info!("store: removed an older version file={name}");
            true
        }
        Err(error) => {
            log::warn!("store: cannot remove file={name} error={error}");
            false
        }
    });
    forks.removed(&removed);
}
