//! Reads a chain file and holds every line against the rules, on all cores: one thread reads and
//! hashes, several check pages of lines, and one puts together what they found, in order.
//!
//! A page is checked without the ones before it: all that its first block has to know is in the
//! line before it. What its hash file says about a file is for [`judge`] and its callers.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use memchr::{memchr, memchr_iter, memrchr};

use super::disk::{Disk, Source, read_exact};
use super::error::{Doing, Fault, StoreError};
use super::genesis::{names_as_parent, network_of};
use super::hash_file::{self, Recorded};
use super::lines::{Ending, LINE_BYTES_MAX, Line, Lines};
use super::names::Names;
use super::pages::{self, Growing, PAGE_BYTES, Pages};
use super::record;
use super::redo;
use super::running_hash::{RunningHash, has_border};
use crate::chain::{
    Block, BlockError, BlockIndex, Chain, Field, Hash, Head, Keys, Micros, Network, Rule,
    StoredLines, check_line,
};

/// Pages that were read and not checked yet, for each thread that checks.
const PAGES_AHEAD: usize = 4;

/// Says how many bytes of how many were read; [`ControlFlow::Break`] ends the reading.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Progress that nobody hears of.
pub(super) fn unheard(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The clock that a chain file is read by. What is on this disk was checked against the
/// clock when it came; a host whose clock has jumped back since must still start.
const ANY_TIME: Micros = Micros::MAX;

/// A chain file after it was read.
pub(super) struct Scan {
    /// The blocks up to the first fault; the genesis block also if its line has the fault.
    pub chain: Chain,
    /// Their lines in the file.
    pub growing: Growing,
    /// Bytes of the good lines.
    pub bytes: u64,
    /// Bytes of the file.
    pub total: u64,
    /// Hash of the good lines.
    pub hash: RunningHash,
    /// Why reading ended before the end of the file.
    pub trouble: Option<Trouble>,
}

/// The first line that is not as it should be.
pub(super) struct Trouble {
    pub fault: Fault,
    /// True if a write that was cut off by a crash leaves such a line.
    pub torn: bool,
}

/// Whole lines that follow each other in the file.
struct Piece {
    /// Height of the first.
    first: u64,
    offset: u64,
    text: Vec<u8>,
    /// The line before the first.
    before: Vec<u8>,
    /// How the last line ends.
    ending: Ending,
}

/// Result of checking a piece.
struct Checked {
    piece: Piece,
    /// Check value of its page.
    check: u64,
    /// Of each good block, and where its line ends in the piece.
    blocks: Vec<(Keys, usize)>,
    head: Option<Head>,
    fault: Option<BlockError>,
}

/// Reads the chain file `file` of `network`; `None` if there is none.
///
/// # Errors
/// [`StoreError::OtherNetwork`] if it is the sound file of another network.
/// [`StoreError::Stopped`] if `progress` says so.
pub(super) fn scan(
    disk: &dyn Disk,
    names: &Names,
    file: &str,
    network: &Network,
    progress: Progress<'_>,
) -> Result<Option<Scan>, StoreError> {
    let Some(handle) = disk.open(file).doing("read", names, file)? else { return Ok(None) };
    let Some(source) = Source::open(disk, file).doing("read", names, file)? else {
        return Ok(None);
    };
    let total = source.bytes;
    refuse_other_network(disk, names, file, network)?;
    let mut merge = Merge::new(Pages::new(names.shown(file), handle, 0));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (pieces, to_check) = bounded::<(usize, Piece)>(workers * PAGES_AHEAD);
    let (found, checked) = bounded::<(usize, Checked)>(workers * PAGES_AHEAD);
    let (hash, stopped) = thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut pieces_read = Pieces { source, rest: Vec::new(), before: Vec::new() };
            let (mut offset, mut first, mut hash) = (0, 0, RunningHash::new());
            for number in 0.. {
                let Some(mut piece) = pieces_read.next()? else { break };
                (piece.first, piece.offset) = (first, offset);
                let lines = memchr_iter(b'\n', &piece.text).count() as u64;
                first += lines;
                offset += piece.text.len() as u64;
                hash.push(&piece.text, lines);
                if pieces.send((number, piece)).is_err() {
                    break;
                }
            }
            io::Result::Ok(hash)
        });
        for _ in 0..workers {
            let (to_check, found) = (to_check.clone(), found.clone());
            scope.spawn(move || {
                for (number, piece) in to_check {
                    if found.send((number, check(piece, network))).is_err() {
                        break;
                    }
                }
            });
        }
        drop((to_check, found));
        let stopped = merge.all(checked, total, progress);
        (reader.join().expect("reading does not panic"), stopped)
    });
    if stopped.is_break() {
        return Err(StoreError::Stopped { file: names.shown(file) });
    }
    let hash = hash.doing("read", names, file)?;
    let trouble = merge.trouble(names, file, total)?;
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

/// Cuts a file into pieces of whole lines.
struct Pieces {
    source: Source,
    rest: Vec<u8>,
    before: Vec<u8>,
}

impl Pieces {
    fn next(&mut self) -> io::Result<Option<Piece>> {
        let mut text = std::mem::take(&mut self.rest);
        let mut ending = Ending::Break;
        let mut searched = 0;
        let end = loop {
            if let Some(at) = memrchr(b'\n', &text[searched..])
                && text.len() >= PAGE_BYTES
            {
                break searched + at + 1;
            }
            searched = if text.len() >= PAGE_BYTES { text.len() } else { 0 };
            let start = text.len();
            text.resize(start + PAGE_BYTES, 0);
            let read = self.source.read(&mut text[start..])?;
            text.truncate(start + read);
            if read == 0 || text.len() - searched > LINE_BYTES_MAX + PAGE_BYTES {
                let last = memrchr(b'\n', &text).map_or(0, |at| at + 1);
                if last > 0 && last < text.len() {
                    break last;
                }
                let cut = read == 0;
                ending = if last == text.len() { Ending::Break } else { Ending::File };
                ending = if cut || last > 0 { ending } else { Ending::TooLong };
                break text.len();
            }
        };
        if text.is_empty() {
            return Ok(None);
        }
        self.rest = text.split_off(end);
        let lines = text.strip_suffix(b"\n").unwrap_or(&text);
        let last = memrchr(b'\n', lines).map_or(0, |at| at + 1);
        let before = std::mem::replace(&mut self.before, lines[last..].to_vec());
        Ok(Some(Piece { first: 0, offset: 0, text, before, ending }))
    }
}

/// Checks the lines of a piece, each as the child of the one before.
fn check(piece: Piece, network: &Network) -> Checked {
    let check = pages::check(&piece.text);
    let mut checked = Checked { piece, check, blocks: Vec::new(), head: None, fault: None };
    let fault = checked.all(network);
    checked.fault = fault.err();
    checked
}

impl Checked {
    fn all(&mut self, network: &Network) -> Result<(), BlockError> {
        let Piece { first, text, before, ending, .. } = &self.piece;
        let mut height = *first;
        let mut parent = match height {
            0 => None,
            // A wrong line before is found where that is checked.
            _ => parent_in(before, height - 1),
        };
        let mut start = 0;
        while start < text.len() {
            let end = memchr(b'\n', &text[start..]);
            let (end, broken) = end.map_or((text.len(), true), |at| (start + at, false));
            let wrong = |found: String, expected: &str| BlockError {
                block: height,
                rule: Rule::Spelling,
                field: Field::Line,
                found,
                expected: expected.to_owned(),
            };
            let bytes = &text[start..end];
            let shown = || shown(bytes);
            let line = std::str::from_utf8(bytes).map_err(|_| wrong(shown(), "UTF-8"))?;
            match *ending {
                Ending::TooLong => return Err(wrong(shown(), "a line of a block's length")),
                _ if broken => return Err(wrong(shown(), "a line break at its end")),
                _ => {}
            }
            let (keys, head) = match parent {
                None if height == 0 => {
                    let genesis = Block::genesis(network);
                    let expected = genesis.line();
                    if line != expected {
                        return Err(wrong(shown(), &format!("the genesis block {expected}")));
                    }
                    let head = Head::of(&genesis, line);
                    (Keys::of(&genesis.data, &head.hash), head)
                }
                None => return Ok(()),
                Some(parent) => {
                    let (_, head, keys) = check_line(&parent, line, ANY_TIME, network)?;
                    (keys, head)
                }
            };
            self.blocks.push((keys, end + 1));
            (self.head, parent) = (Some(head), Some(head));
            (start, height) = (end + 1, height + 1);
        }
        Ok(())
    }
}

fn parent_in(line: &[u8], height: u64) -> Option<Head> {
    let line = std::str::from_utf8(line).ok()?;
    let block = Block::read(line, height).ok()?;
    Some(Head::of(&block, line))
}

fn shown(bytes: &[u8]) -> String {
    Line { bytes, ending: Ending::File, number: 0, start: 0 }.shown()
}

/// Puts pieces together in their order.
struct Merge {
    growing: Growing,
    index: BlockIndex,
    head: Option<Head>,
    fault: Option<(BlockError, bool)>,
}

impl Merge {
    fn new(pages: Pages) -> Self {
        let index = BlockIndex::default();
        Self { growing: Growing::new(pages), index, head: None, fault: None }
    }

    fn all(
        &mut self,
        checked: Receiver<(usize, Checked)>,
        total: u64,
        progress: Progress<'_>,
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
        let maybe_at = self.index.of_message(keys.message());
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
    fn trouble(
        &self,
        names: &Names,
        file: &str,
        total: u64,
    ) -> Result<Option<Trouble>, StoreError> {
        if total == 0 {
            let fault = Fault::new(names, file, 1, "line");
            let fault = fault.found("an empty file", "the genesis block");
            return Ok(Some(Trouble { fault, torn: false }));
        }
        let trouble = self.fault.as_ref().map(|(error, torn)| {
            let fault = Fault::of_block(names, file, error.block + 1, error.clone());
            Trouble { fault, torn: *torn }
        });
        Ok(trouble)
    }
}

fn line_in(text: &str, at: u64) -> Option<String> {
    text.split_terminator('\n').nth(usize::try_from(at).ok()?).map(str::to_owned)
}

/// Refuses a file that begins with the genesis block of another network, and goes on with it.
fn refuse_other_network(
    disk: &dyn Disk,
    names: &Names,
    file: &str,
    network: &Network,
) -> Result<(), StoreError> {
    let Some(source) = Source::open(disk, file).doing("read", names, file)? else { return Ok(()) };
    let mut lines = Lines::of(source);
    let first = lines.next().doing("read", names, file)?;
    let first = first.filter(|line| line.ending == Ending::Break);
    let Some(found) = first.and_then(|line| network_of(line.bytes)) else { return Ok(()) };
    if found == *network {
        return Ok(());
    }
    let second = lines.next().doing("read", names, file)?;
    if second.is_none_or(|line| names_as_parent(line.bytes, &found)) {
        let (file, expected) = (names.shown(file), network.clone());
        return Err(StoreError::OtherNetwork { file, found, expected });
    }
    Ok(())
}

/// Verdict on a chain file by its hash.
pub(super) enum Verdict {
    /// Every line is good, and the hash knows of nothing else.
    Sound {
        /// State of the hash file.
        hash_file: HashFile,
    },
    /// The last write never ended; what was saved before it is whole.
    Torn {
        /// State of the hash file.
        hash_file: HashFile,
        /// Length of what is to be cut off.
        bytes: u64,
    },
    /// A copy of a chain file that was being written: every whole line is good.
    Copied {
        /// Damage, if the file were our own.
        fault: Box<Fault>,
        /// Length of a torn last line, which is to be cut off.
        bytes: u64,
    },
    /// Something was changed that had been written.
    Damaged(Box<Fault>),
}

/// State of the hash file beside the chain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HashFile {
    /// Just its hash.
    Current,
    /// Missing, or the hash of its beginning.
    Stale,
    /// Perhaps the hash of a file that was replaced.
    Uncertain,
}

/// Holds a chain file against its hash.
///
/// A hash is always that of the whole file, or, after a crash, of the file some lines ago, or of
/// the one that is to replace it (which is then in the unfinished hash file or in the redo
/// record). So if none fits any line's end, something was changed; and what lies behind the
/// line that one fits was never reported as saved, so it may be cut off if it looks torn.
///
/// In a copy that was made while the file was written, hash and chain may be of different moments.
pub(super) fn judge(disk: &dyn Disk, names: &Names, scan: &Scan) -> Result<Verdict, StoreError> {
    let verdict = judge_our_own(disk, names, scan)?;
    let bytes = scan.total - scan.bytes;
    let has_whole_lines = scan.bytes > 0 && scan.trouble.as_ref().is_none_or(|it| it.torn);
    if let Verdict::Damaged(fault) = verdict {
        let is_copy = has_whole_lines && record::is_chain_copied(disk, names)?;
        return Ok(match is_copy && ends_in_one_line(disk, names, scan)? {
            true => Verdict::Copied { fault, bytes },
            false => Verdict::Damaged(fault),
        });
    }
    Ok(verdict)
}

/// True if at most a part of one line lies behind the good lines.
fn ends_in_one_line(disk: &dyn Disk, names: &Names, scan: &Scan) -> Result<bool, StoreError> {
    if scan.total - scan.bytes > LINE_BYTES_MAX as u64 {
        return Ok(false);
    }
    let Some(file) = disk.open(&names.chain).doing("read", names, &names.chain)? else {
        return Ok(false);
    };
    let rest = read_exact(&*file, scan.bytes, scan.total).doing("read", names, &names.chain)?;
    Ok(!rest.contains(&b'\n'))
}

fn judge_our_own(disk: &dyn Disk, names: &Names, scan: &Scan) -> Result<Verdict, StoreError> {
    let recorded = hash_file::read(disk, names, &names.hash)?;
    if scan.trouble.is_none() && recorded == Recorded::Hash(scan.hash.digest()) {
        return Ok(Verdict::Sound { hash_file: HashFile::Current });
    }
    let unfinished = hash_file::read(disk, names, &Names::unfinished(&names.hash))?.hash();
    let redone = redo::pending(disk, names)?.map(|redo| redo.hash);
    let view = scan.chain.view();
    let fits = |recorded: &Option<Hash>| -> Result<bool, StoreError> {
        match recorded {
            Some(hash) if scan.bytes > 0 => {
                Ok(scan.hash.digest() == *hash || has_border(&view, hash)?)
            }
            _ => Ok(false),
        }
    };
    let certain = if fits(&recorded.hash())? {
        Some(HashFile::Stale)
    } else if fits(&unfinished)? || fits(&redone)? {
        Some(HashFile::Uncertain)
    } else {
        None
    };
    Ok(match (&scan.trouble, certain) {
        (Some(Trouble { torn: true, .. }), Some(hash_file)) => {
            Verdict::Torn { hash_file, bytes: scan.total - scan.bytes }
        }
        (Some(Trouble { fault, .. }), _) => Verdict::Damaged(Box::new(fault.clone())),
        (None, Some(hash_file)) => Verdict::Sound { hash_file },
        (None, None) => match recorded {
            Recorded::Missing => Verdict::Sound { hash_file: HashFile::Stale },
            Recorded::Damaged(fault) => Verdict::Damaged(fault),
            Recorded::Hash(hash) | Recorded::Otherwise(hash) => {
                let found = format!("a file with the SHA-256 {}", scan.hash.digest());
                let expected = format!("{hash}, as {} says", names.shown(&names.hash));
                let fault = Fault::new(names, &names.chain, view.length(), "hash");
                Verdict::Damaged(Box::new(fault.found(found, expected)))
            }
        },
    })
}
