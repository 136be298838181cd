//! Reads a chain file and holds every line against the rules, on all cores: one thread reads and
//! hashes, several check pages of lines, and one puts together what they found, in order.
//!
//! Pages come from `pieces`; what its hash file says about a file is for `verdict`.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::disk::FileReader;
use super::error::{Fault, StoreError};
use super::files::Files;
use super::genesis::{names_as_parent, network_of};
use super::lines::Ending;
use super::names::Names;
use super::pages::{Growing, Pages};
use super::pieces::{Checked, Piece, Pieces, parent_in};
use super::running_hash::{RunningHash, has_border};
use crate::chain::{Block, BlockError, BlockIndex, Chain, Hash, Head, Keys, Network, StoredLines};

/// Pages that were read and not checked yet, for each thread that checks.
const PAGES_AHEAD: usize = 4;

/// Says how many bytes of how many were read; [`ControlFlow::Break`] ends the reading.
pub type ReadProgress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Progress that nobody hears of.
pub(super) fn unheard(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(super) struct Scan {
    /// The blocks up to the first fault; the genesis block also if its line has the fault.
    pub chain: Chain,
    pub growing: Growing,
    pub bytes: u64,
    pub total: u64,
    pub hash: RunningHash,
    /// Why reading ended before the end of the file.
    pub trouble: Option<Trouble>,
}

pub(super) struct Trouble {
    pub fault: Fault,
    /// True if a write that was cut off by a crash leaves such a line.
    pub torn: bool,
}

impl Scan {
    /// Bytes behind the good lines.
    pub fn cut(&self) -> u64 {
        self.total - self.bytes
    }

    /// True if `hash` is that of all good lines, or of the first so many.
    pub fn begins_with(&self, hash: Option<Hash>) -> Result<bool, StoreError> {
        let Some(hash) = hash.filter(|_| self.bytes > 0) else { return Ok(false) };
        Ok(self.hash.digest() == hash || has_border(&self.chain.view(), &hash)?)
    }
}

/// Reads the chain file `name` of `network`; `None` if there is none.
///
/// # Errors
/// [`StoreError::OtherNetwork`] if it is the sound file of another network.
/// [`StoreError::Stopped`] if `progress` says so.
pub(super) fn scan(
    files: &Files,
    name: &str,
    network: &Network,
    progress: ReadProgress<'_>,
) -> Result<Option<Scan>, StoreError> {
    let names = &files.names;
    let Some(file) = files.open(name)? else { return Ok(None) };
    let source = FileReader::of(Arc::clone(&file)).map_err(names.failed("read", name))?;
    let total = source.bytes;
    refuse_other_network(files, name, network)?;
    let mut merge = Merge {
        growing: Growing::new(Pages::new(names.shown(name), file, 0)),
        index: BlockIndex::default(),
        head: None,
        fault: None,
    };
    let (hash, stopped) = check_all(source, network, &mut merge, progress);
    if stopped.is_break() {
        return Err(StoreError::Stopped { file: names.shown(name) });
    }
    let hash = hash.map_err(names.failed("read", name))?;
    let trouble = merge.trouble(names, name, total);
    let Merge { growing, index, head, .. } = merge;
    let bytes = growing.bytes();
    let chain = match head {
        None => Chain::new(network),
        Some(head) => Chain::of(growing.view(head), index),
    };
    // The hash of all that was read is not that of the good lines where some are not.
    let hash = match hash.bytes() == bytes {
        true => hash,
        false => {
            hash.cut_back(&chain.view(), if bytes == 0 { 0 } else { chain.head().length() })?
        }
    };
    Ok(Some(Scan { chain, growing, bytes, total, hash, trouble }))
}

/// Reads, checks and merges on all cores; the hash of what was read.
fn check_all(
    source: FileReader,
    network: &Network,
    merge: &mut Merge,
    progress: ReadProgress<'_>,
) -> (io::Result<RunningHash>, ControlFlow<()>) {
    let total = source.bytes;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (pieces, to_check) = bounded::<(usize, Piece)>(workers * PAGES_AHEAD);
    let (found, checked) = bounded::<(usize, Checked)>(workers * PAGES_AHEAD);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(source, &pieces));
        for _ in 0..workers {
            let (to_check, found) = (to_check.clone(), found.clone());
            scope.spawn(move || {
                for (number, piece) in to_check {
                    if found.send((number, piece.check(network))).is_err() {
                        break;
                    }
                }
            });
        }
        drop((to_check, found));
        let stopped = merge.all(checked, total, progress);
        (reader.join().expect("reading does not panic"), stopped)
    })
}

/// Reads `source` piece by piece, for those who check; the hash of what was read.
fn read(source: FileReader, pieces: &Sender<(usize, Piece)>) -> io::Result<RunningHash> {
    let mut source = Pieces::of(source);
    let mut hash = RunningHash::new();
    for number in 0.. {
        let Some(piece) = source.next()? else { break };
        hash.push(&piece.text, piece.lines);
        if pieces.send((number, piece)).is_err() {
            break;
        }
    }
    Ok(hash)
}

/// Puts pieces together in their order.
struct Merge {
    growing: Growing,
    index: BlockIndex,
    head: Option<Head>,
    fault: Option<(BlockError, bool)>,
}

impl Merge {
    fn all(
        &mut self,
        checked: Receiver<(usize, Checked)>,
        total: u64,
        progress: ReadProgress<'_>,
    ) -> ControlFlow<()> {
        let (mut early, mut next) = (BTreeMap::new(), 0);
        for (number, piece) in checked {
            early.insert(number, piece);
            while let Some(piece) = early.remove(&next) {
                next += 1;
                let end = piece.piece.offset + piece.piece.text.len() as u64;
                self.take(piece);
                progress(end, total)?;
                if self.fault.is_some() {
                    return ControlFlow::Continue(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes the good blocks of a piece in.
    fn take(&mut self, checked: Checked) {
        let Checked { piece, check, blocks, head, fault } = checked;
        let good = blocks.last().map_or(0, |(_, end)| *end);
        let text = std::str::from_utf8(&piece.text[..good]).expect("it was checked");
        self.index.touch(blocks.iter().map(|(keys, _)| keys));
        let (mut height, mut start) = (piece.first, 0);
        for (keys, end) in &blocks {
            let line =
                |at: u64| self.line(at).or_else(|| line_in(text, at.checked_sub(piece.first)?));
            if let Some(twice) = self.twice(keys, line, height) {
                self.head = line(height - 1).and_then(|l| parent_in(l.as_bytes(), height - 1));
                text[..start].split_terminator('\n').for_each(|line| self.growing.push(line));
                self.fault = Some((twice, false));
                return;
            }
            self.index.insert(*keys, height);
            (height, start) = (height + 1, *end);
        }
        if good == piece.text.len() {
            self.growing.push_all(text, blocks.len() as u64, check);
        } else {
            text.split_terminator('\n').for_each(|line| self.growing.push(line));
        }
        self.head = head.or(self.head);
        let rest = &piece.text[start..];
        let torn = piece.ending == Ending::File && !rest.contains(&b'\n');
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        self.fault = fault.map(|fault| (fault, torn || line.contains(&0)));
    }

    /// The fault of a block whose message is in the chain already.
    fn twice(
        &self,
        keys: &Keys,
        line: impl Fn(u64) -> Option<String>,
        height: u64,
    ) -> Option<BlockError> {
        let maybe_at = self.index.of_message(&keys.message);
        if maybe_at.is_empty() {
            return None;
        }
        let message = |at: u64| Some(Block::read(&line(at)?, at).ok()?.data);
        let data = message(height)?;
        let same = maybe_at.iter().any(|at| message(*at).as_ref() == Some(&data));
        same.then(|| BlockError::twice(height, &data.id))
    }

    fn line(&self, height: u64) -> Option<String> {
        let (end, _) = self.growing.pages.end();
        if let Some(at) = height.checked_sub(end) {
            return self.growing.rest().nth(at as usize).map(str::to_owned);
        }
        let page = self.growing.pages.page(height).ok()?;
        line_in(&page.text, height - page.first)
    }

    /// The first line that is wrong, as a fault of the file.
    fn trouble(&self, names: &Names, file: &str, total: u64) -> Option<Trouble> {
        if total == 0 {
            let fault = Fault::new(names, file, 1, "line");
            let fault = fault.found("an empty file", "the genesis block");
            return Some(Trouble { fault, torn: false });
        }
        let (error, torn) = self.fault.as_ref()?;
        let fault = Fault::of_block(names, file, error.block + 1, error.clone());
        Some(Trouble { fault, torn: *torn })
    }
}

fn line_in(text: &str, at: u64) -> Option<String> {
    text.split_terminator('\n').nth(usize::try_from(at).ok()?).map(str::to_owned)
}

/// Refuses a file that begins with the genesis block of another network, and goes on with it.
fn refuse_other_network(files: &Files, name: &str, network: &Network) -> Result<(), StoreError> {
    let Some(mut lines) = files.lines(name)? else { return Ok(()) };
    let first = lines.next()?.filter(|line| line.ending == Ending::Break);
    let Some(found) = first.and_then(|line| network_of(line.bytes)) else { return Ok(()) };
    if found == *network {
        return Ok(());
    }
    if lines.next()?.is_none_or(|line| names_as_parent(line.bytes, &found)) {
        let (file, expected) = (files.names.shown(name), network.clone());
        return Err(StoreError::OtherNetwork { file, found, expected });
    }
    Ok(())
}
