//! Lines of blocks, in memory and outside of it.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Lines in a chunk of a tail: what is copied when a line is added beside a picture.
const CHUNK_LINES: usize = 512;

/// Lines of blocks that cannot be read, or not as they were written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read blocks {} to {} from {file}: {reason}", heights.start, heights.end.saturating_sub(1))]
pub struct ReadError {
    pub file: String,
    pub heights: Range<u64>,
    /// The disk's error, or the fault of the bytes.
    pub reason: String,
}

/// Whole lines of blocks that follow each other.
#[derive(Clone, Debug)]
pub struct Page {
    pub first: u64,
    /// The lines, each with its line break.
    pub text: Arc<str>,
}

/// Lines that are kept outside of memory. They never change; what has changed on the disk
/// is an error.
pub trait StoredLines: Send + Sync + std::fmt::Debug {
    /// The page that holds the block at `height`, which is one of those kept here.
    ///
    /// # Errors
    /// [`ReadError`] if the disk does not give the bytes that were written.
    fn page(&self, height: u64) -> Result<Page, ReadError>;
}

/// The line of a block, without its line break; cheap to clone.
#[derive(Clone, Debug)]
pub struct Line {
    pub(super) text: Arc<str>,
    pub(super) range: Range<usize>,
}

impl Deref for Line {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text[self.range.clone()]
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl From<&Arc<str>> for Line {
    fn from(text: &Arc<str>) -> Self {
        Self { text: Arc::clone(text), range: 0..text.len() }
    }
}

/// Lines in memory, in chunks that pictures share; all but the first and last are full.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    chunks: Vec<Arc<Vec<Arc<str>>>>,
    pub length: usize,
}

impl Tail {
    fn position(&self, at: usize) -> (usize, usize) {
        let first = self.chunks.first().map_or(0, |chunk| chunk.len());
        match at.checked_sub(first) {
            None => (0, at),
            Some(rest) => (1 + rest / CHUNK_LINES, rest % CHUNK_LINES),
        }
    }

    pub fn get(&self, at: usize) -> Option<&Arc<str>> {
        let (chunk, at) = self.position(at);
        self.chunks.get(chunk)?.get(at)
    }

    pub fn push(&mut self, line: Arc<str>) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_LINES => Arc::make_mut(chunk).push(line),
            _ => self.chunks.push(Arc::new(vec![line])),
        }
        self.length += 1;
    }

    pub fn truncate(&mut self, length: usize) {
        let (chunk, at) = self.position(length);
        self.chunks.truncate(chunk + 1);
        if let Some(last) = self.chunks.get_mut(chunk) {
            Arc::make_mut(last).truncate(at);
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.length = length;
    }

    pub fn drop_front(&mut self, count: usize) {
        let (chunk, at) = self.position(count);
        self.chunks.drain(..chunk.min(self.chunks.len()));
        if let Some(first) = self.chunks.first_mut() {
            Arc::make_mut(first).drain(..at);
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.length -= count;
    }
}
