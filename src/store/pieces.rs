//! A chain file in pieces of whole lines, each of which is checked by itself: all that its first
//! block has to know is in the line before it.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr};

use super::disk::FileReader;
use super::lines::{Ending, FileLine, LINE_BYTES_MAX};
use super::pages::{self, PAGE_BYTES};
use crate::chain::{Block, BlockError, Field, Head, Keys, Micros, Network, Rule, check_line};

/// The clock that a chain file is read by. What is on this disk was checked against the
/// clock when it came; a host whose clock has jumped back since must still start.
const ANY_TIME: Micros = Micros::MAX;

/// Whole lines that follow each other in the file.
pub(super) struct Piece {
    pub first: u64,
    pub offset: u64,
    pub lines: u64,
    pub text: Vec<u8>,
    /// The line before the first.
    before: Vec<u8>,
    pub ending: Ending,
}

pub(super) struct Checked {
    pub piece: Piece,
    /// Check value of its page.
    pub check: u64,
    /// Of each good block, and where its line ends in the piece.
    pub blocks: Vec<(Keys, usize)>,
    pub head: Option<Head>,
    pub fault: Option<BlockError>,
}

/// Cuts a file into pieces of whole lines.
pub(super) struct Pieces {
    source: FileReader,
    rest: Vec<u8>,
    before: Vec<u8>,
    /// Where the next piece begins: height, and byte of the file.
    at: (u64, u64),
}

impl Pieces {
    pub fn of(source: FileReader) -> Self {
        Self { source, rest: Vec::new(), before: Vec::new(), at: (0, 0) }
    }

    pub fn next(&mut self) -> io::Result<Option<Piece>> {
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
        let (first, offset) = self.at;
        let count = memchr_iter(b'\n', &text).count() as u64;
        self.at = (first + count, offset + text.len() as u64);
        Ok(Some(Piece { first, offset, lines: count, text, before, ending }))
    }
}

impl Piece {
    /// Checks the lines, each as the child of the one before.
    pub fn check(self, network: &Network) -> Checked {
        let check = pages::check(&self.text);
        let mut checked =
            Checked { piece: self, check, blocks: Vec::new(), head: None, fault: None };
        let fault = checked.all(network);
        checked.fault = fault.err();
        checked
    }
}

impl Checked {
    fn all(&mut self, network: &Network) -> Result<(), BlockError> {
        let Piece { first, text, before, .. } = &self.piece;
        let mut height = *first;
        // A wrong line before is found where that is checked.
        let mut parent = height.checked_sub(1).map(|before_it| parent_in(before, before_it));
        let mut start = 0;
        while start < text.len() {
            let end = memchr(b'\n', &text[start..]).map(|at| start + at);
            let line = self.piece.line(height, start, end)?;
            let (keys, head) = match parent {
                None => check_genesis(line, network)?,
                Some(None) => return Ok(()),
                Some(Some(parent)) => {
                    let (_, head, keys) = check_line(&parent, line, ANY_TIME, network)?;
                    (keys, head)
                }
            };
            start = end.map_or(text.len(), |end| end + 1);
            self.blocks.push((keys, start));
            (self.head, parent) = (Some(head), Some(Some(head)));
            height += 1;
        }
        Ok(())
    }
}

impl Piece {
    /// The line of the block at `height`, which begins at byte `start`; `end` is where its line break
    /// is.
    fn line(&self, height: u64, start: usize, end: Option<usize>) -> Result<&str, BlockError> {
        let bytes = &self.text[start..end.unwrap_or(self.text.len())];
        let wrong = |expected: &str| spelled_otherwise(height, shown(bytes), expected);
        let line = std::str::from_utf8(bytes).map_err(|_| wrong("UTF-8"))?;
        match (self.ending, end) {
            (Ending::TooLong, _) => Err(wrong("a line of a block's length")),
            (_, None) => Err(wrong("a line break at its end")),
            _ => Ok(line),
        }
    }
}

fn check_genesis(line: &str, network: &Network) -> Result<(Keys, Head), BlockError> {
    let genesis = Block::genesis(network);
    let expected = genesis.line();
    if line != expected {
        let found = shown(line.as_bytes());
        return Err(spelled_otherwise(0, found, &format!("the genesis block {expected}")));
    }
    let head = Head::of(&genesis, line);
    Ok((Keys::of(&genesis.data, &head.hash), head))
}

fn spelled_otherwise(block: u64, found: String, expected: &str) -> BlockError {
    let (rule, field, expected) = (Rule::Spelling, Field::Line, expected.to_owned());
    BlockError { block, rule, field, found, expected }
}

pub(super) fn parent_in(line: &[u8], height: u64) -> Option<Head> {
    let line = std::str::from_utf8(line).ok()?;
    let block = Block::read(line, height).ok()?;
    Some(Head::of(&block, line))
}

fn shown(bytes: &[u8]) -> String {
    FileLine { bytes, ending: Ending::File, number: 0, start: 0 }.shown()
}
