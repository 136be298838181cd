//! Pictures of a chain: immutable, cheap to take, and readable while the chain goes on.
//!
//! Lines that are on disk are read from there, page by page; only what is not saved yet is in
//! memory. So reading can fail. What was read is what was written: [`StoredLines`] hands out
//! nothing else.

use std::ops::Range;
use std::sync::Arc;

use super::block::{Block, Hash};
use super::data::Data;
use super::lines::{Line, Page, ReadError, StoredLines, Tail};
use super::rules::Head;

/// Blocks from height `first` up to `end` that lie in `lines`.
#[derive(Clone, Debug)]
struct Segment {
    heights: Range<u64>,
    lines: Arc<dyn StoredLines>,
}

/// A picture of a chain, or of a part of one, as it was at one moment.
#[derive(Clone, Debug)]
pub struct ChainView {
    /// On disk: one part behind the other.
    segments: Vec<Segment>,
    /// In memory, from height `tail_first` on.
    tail: Tail,
    tail_first: u64,
    head: Head,
}

impl ChainView {
    /// Blocks from height `first` on that are not there yet; `head` is the one before.
    pub fn empty(first: u64, head: Head) -> Self {
        Self { segments: Vec::new(), tail: Tail::default(), tail_first: first, head }
    }

    /// The blocks at `heights`, which lie in `lines` and end with `head`.
    pub fn stored(heights: Range<u64>, lines: Arc<dyn StoredLines>, head: Head) -> Self {
        let mut view = Self::empty(heights.end, head);
        view.segments = vec![Segment { heights, lines }];
        view
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The number of blocks in a chain that ends here, the genesis block included.
    pub fn length(&self) -> u64 {
        self.head.length()
    }

    /// Height of the first block in this picture: 0, if it is of a whole chain.
    pub fn first(&self) -> u64 {
        self.segments.first().map_or(self.tail_first, |segment| segment.heights.start)
    }

    /// Height of the first block that is in memory.
    pub fn in_memory_from(&self) -> u64 {
        self.tail_first
    }

    /// The canonical line of the block at `height`, `None` outside of this picture.
    pub fn line(&self, height: u64) -> Result<Option<Line>, ReadError> {
        if height < self.first() || height >= self.length() {
            return Ok(None);
        }
        self.lines_from(height).next().transpose()
    }

    /// The lines from `height` on. The iterator ends with its first error.
    pub fn lines_from(&self, height: u64) -> ViewLines<'_> {
        ViewLines { view: self, next: height.max(self.first()), page: None }
    }

    pub fn block(&self, height: u64) -> Result<Option<Block>, ReadError> {
        let line = self.line(height)?;
        Ok(line.map(|line| read(&line, height)))
    }

    /// The hash of the block at `height`: what the next block says it is.
    pub fn hash(&self, height: u64) -> Result<Option<Hash>, ReadError> {
        if height == self.head.index {
            return Ok(Some(self.head.hash));
        }
        Ok(self.block(height.saturating_add(1))?.and_then(|block| block.previous_hash))
    }

    /// The block at `height`, as the head that a child follows.
    pub fn head_at(&self, height: u64) -> Result<Option<Head>, ReadError> {
        if height == self.head.index {
            return Ok(Some(self.head));
        }
        let Some(line) = self.line(height)? else { return Ok(None) };
        Ok(Some(Head::of(&read(&line, height), &line)))
    }

    /// The messages of the blocks from `height` on.
    pub fn messages_from(&self, height: u64) -> impl Iterator<Item = Result<Data, ReadError>> + '_ {
        let height = height.max(self.first());
        let lines = self.lines_from(height).zip(height..);
        lines.map(|(line, height)| Ok(read(&line?, height).data))
    }

    /// The first of `heights` at which the block holds a message that `wanted` asks for.
    pub fn find(
        &self,
        heights: &[u64],
        wanted: impl Fn(&Data) -> bool,
    ) -> Result<Option<(u64, Data)>, ReadError> {
        for &height in heights {
            if let Some(block) = self.block(height)?
                && wanted(&block.data)
            {
                return Ok(Some((height, block.data)));
            }
        }
        Ok(None)
    }

    /// The number of blocks from the start that two pictures of whole chains share. Reads few
    /// blocks, of which most are near the shorter one's end.
    pub fn shared_length(&self, other: &Self) -> Result<u64, ReadError> {
        let same = |height| -> Result<bool, ReadError> {
            let ours = self.hash(height)?;
            Ok(ours.is_some() && ours == other.hash(height)?)
        };
        let (mut end, mut step) = (self.length().min(other.length()), 1);
        let mut shared = loop {
            let at = end.saturating_sub(step);
            if end == 0 || same(at)? {
                break if end == 0 { 0 } else { at + 1 };
            }
            (end, step) = (at, step * 2);
        };
        while shared < end {
            let middle = shared + (end - shared) / 2;
            if same(middle)? { shared = middle + 1 } else { end = middle }
        }
        Ok(shared)
    }

    /// The part of this picture up to `head`, which is in it.
    pub fn until(&self, head: Head) -> Self {
        let mut part = self.clone();
        part.truncate(head);
        part
    }

    /// The part of this picture from the block at `height` on.
    pub fn from(&self, height: u64) -> Self {
        let mut part = self.clone();
        part.segments.retain_mut(|segment| {
            segment.heights.start = segment.heights.start.max(height);
            !segment.heights.is_empty()
        });
        if height > part.tail_first {
            part.tail.drop_front((height - part.tail_first) as usize);
            part.tail_first = height;
        }
        part
    }

    /// The same blocks, of which `lines` has those below `end`.
    pub fn stored_below(&self, end: u64, lines: Arc<dyn StoredLines>) -> Self {
        let mut view = self.clone();
        view.take_stored(&Self::stored(0..end, lines, self.head), end);
        view
    }

    /// Goes on with a block, which ends in memory.
    pub fn push(&mut self, line: Arc<str>, head: Head) {
        self.tail.push(line);
        self.head = head;
    }

    /// Leaves out every block above `head`, which is in this picture.
    pub(super) fn truncate(&mut self, head: Head) {
        let end = head.length();
        self.head = head;
        if end >= self.tail_first {
            return self.tail.truncate((end - self.tail_first) as usize);
        }
        self.tail.truncate(0);
        self.segments.retain_mut(|segment| {
            segment.heights.end = segment.heights.end.min(end);
            !segment.heights.is_empty()
        });
        self.tail_first = end;
    }

    /// Leaves out the lines that are in memory; their head is not known any more.
    pub(super) fn truncate_memory(&mut self) {
        self.tail = Tail::default();
    }

    /// Goes on with the blocks of `other`, which begins where this one ends.
    pub(super) fn join(&mut self, other: &Self) {
        if !other.segments.is_empty() {
            debug_assert_eq!(self.tail.length, 0, "lines in memory come last");
            self.segments.extend(other.segments.iter().cloned());
            self.tail_first = other.tail_first;
            self.tail = other.tail.clone();
        } else {
            (0..other.tail.length).for_each(|at| {
                self.tail.push(Arc::clone(other.tail.get(at).expect("it is within")));
            });
        }
        self.head = other.head;
    }

    /// Takes the stored lines of `saved` in place of what is here of them: both share the
    /// first `shared` blocks.
    pub(super) fn take_stored(&mut self, saved: &Self, shared: u64) {
        let end = saved.tail_first.min(shared);
        let rest = self.from(end);
        self.segments = saved.segments.clone();
        self.segments.retain_mut(|segment| {
            segment.heights.end = segment.heights.end.min(end);
            !segment.heights.is_empty()
        });
        self.segments.extend(rest.segments);
        (self.tail, self.tail_first) = (rest.tail, rest.tail_first);
    }
}

fn read(line: &str, height: u64) -> Block {
    Block::read(line, height).expect("only canonical lines are in a chain")
}

/// Lines of a picture, one after the other.
#[derive(Debug)]
pub struct ViewLines<'a> {
    view: &'a ChainView,
    next: u64,
    /// A page, and where in it the next line begins.
    page: Option<(Page, usize)>,
}

impl Iterator for ViewLines<'_> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (height, view) = (self.next, self.view);
        if height >= view.length() {
            return None;
        }
        if height >= view.tail_first {
            self.next += 1;
            let line = view.tail.get((height - view.tail_first) as usize);
            return line.map(|line| Ok(Line::from(line)));
        }
        let (page, start) = match self.page.take() {
            Some(page) => page,
            None => match turn_to(view, height) {
                Ok(page) => page,
                Err(error) => {
                    self.next = u64::MAX;
                    return Some(Err(error));
                }
            },
        };
        let end = start + page.text[start..].find('\n').expect("lines of a page are whole");
        let line = Line { text: Arc::clone(&page.text), range: start..end };
        self.next += 1;
        let in_segment = view.segments.iter().any(|it| it.heights.end == self.next);
        self.page = (end + 1 < page.text.len() && !in_segment).then_some((page, end + 1));
        Some(Ok(line))
    }
}

/// The page with the block at `height`, and where in it that block begins.
fn turn_to(view: &ChainView, height: u64) -> Result<(Page, usize), ReadError> {
    let segment = view.segments.iter().find(|segment| segment.heights.contains(&height));
    let segment = segment.expect("segments follow each other up to the tail");
    let page = segment.lines.page(height)?;
    let start = match (height - page.first) as usize {
        0 => 0,
        lines => page.text.match_indices('\n').nth(lines - 1).map_or(0, |(at, _)| at + 1),
    };
    Ok((page, start))
}
