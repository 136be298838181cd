//! Lines of blocks in a file, read page by page, each page checked before anybody gets it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::disk::{Disk, DiskFile, read_exact};
use crate::chain::{ChainView, Head, Page, ReadError, StoredLines, keyed_hash};

/// A page is closed by the line that makes it this long: reading a line reads about as much.
pub(super) const PAGE_BYTES: usize = 64 << 10;

/// Pages kept in memory, for those who read one block after the other.
const PAGES_CACHED: usize = 4;

/// Where a page begins, and what its bytes have to be.
#[derive(Clone, Copy, Debug)]
struct Mark {
    height: u64,
    offset: u64,
    check: u64,
}

#[derive(Clone, Debug)]
enum Contents {
    Unwritten,
    File(Arc<dyn DiskFile>),
    /// The part from byte `cut` on was replaced in the file, and is in `above` now; what lay before
    /// is where `below` has it.
    Split {
        cut: u64,
        below: Arc<Pages>,
        above: Arc<dyn DiskFile>,
    },
}

pub(super) fn check(text: &[u8]) -> u64 {
    keyed_hash(text)
}

/// Whole pages of a file of lines. Pages are only ever added; a file that is cut back goes on
/// as other `Pages`.
#[derive(Debug)]
pub(super) struct Pages {
    shown: String,
    body: RwLock<Contents>,
    /// The beginning of each page, and behind them the end of the last.
    marks: RwLock<Vec<Mark>>,
    cache: Mutex<VecDeque<Page>>,
}

impl Pages {
    /// Pages of `file`, of which the first will begin at its start with the block at `first`.
    pub fn new(shown: String, file: Arc<dyn DiskFile>, first: u64) -> Self {
        let marks = vec![Mark { height: first, offset: 0, check: 0 }];
        Self::with(shown, Contents::File(file), marks)
    }

    pub fn unwritten() -> Self {
        Self::with(
            String::new(),
            Contents::Unwritten,
            vec![Mark { height: 0, offset: 0, check: 0 }],
        )
    }

    fn with(shown: String, body: Contents, marks: Vec<Mark>) -> Self {
        Self { shown, body: RwLock::new(body), marks: RwLock::new(marks), cache: Mutex::default() }
    }

    /// Height behind the last page, and where in the file that page ends.
    pub fn end(&self) -> (u64, u64) {
        let marks = self.marks.read();
        let last = marks.last().expect("there is always an end");
        (last.height, last.offset)
    }

    pub fn first(&self) -> u64 {
        self.marks.read()[0].height
    }

    pub fn add(&self, text: &[u8], lines: u64) {
        self.add_checked(text.len() as u64, lines, check(text));
    }

    /// Adds a page of `lines` lines with so many bytes, of which `check` is the [`check`].
    fn add_checked(&self, bytes: u64, lines: u64, check: u64) {
        let mut marks = self.marks.write();
        let last = marks.last_mut().expect("there is always an end");
        last.check = check;
        let (height, offset) = (last.height + lines, last.offset + bytes);
        marks.push(Mark { height, offset, check: 0 });
    }

    /// The pages of the same file before byte `cut`, which goes on otherwise from there.
    pub fn cut_back(&self, cut: u64) -> Self {
        let mut marks = self.marks.read().clone();
        let whole = marks.partition_point(|mark| mark.offset <= cut);
        marks.truncate(whole);
        Self::with(self.shown.clone(), self.body.read().clone(), marks)
    }

    /// Notes that everything from byte `cut` on lies in `above` from now on, and the rest where
    /// `below` has it. To be called before the file is changed.
    pub fn split(&self, cut: u64, below: Arc<Pages>, above: Arc<dyn DiskFile>) {
        *self.body.write() = Contents::Split { cut, below, above };
    }

    fn bytes(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        match self.body.read().clone() {
            Contents::Unwritten => Err(io::ErrorKind::NotFound.into()),
            Contents::File(file) => read_exact(&*file, start, end),
            Contents::Split { cut, below, above } => {
                let middle = cut.clamp(start, end);
                let mut bytes = below.bytes(start, middle)?;
                if middle < end {
                    bytes.extend(read_exact(&*above, middle - cut, end - cut)?);
                }
                Ok(bytes)
            }
        }
    }

    fn checked(&self, mark: Mark, end: Mark) -> Result<Arc<str>, String> {
        let bytes = self.bytes(mark.offset, end.offset).map_err(|error| error.to_string())?;
        if check(&bytes) != mark.check {
            return Err("the file was changed behind the miner's back".to_owned());
        }
        String::from_utf8(bytes).map(Arc::from).map_err(|error| error.to_string())
    }

    /// The pages that can't be read as they were written: heights, and where they lie.
    pub fn damaged(&self) -> Vec<ReadError> {
        let marks = self.marks.read().clone();
        let error = |pair: &[Mark]| self.read(pair[0], pair[1]).err();
        marks.windows(2).filter_map(error).collect()
    }

    /// Where in the file the page lies that begins with the block at `height`, if `text` is just what
    /// it held.
    pub fn place_of(&self, height: u64, text: &[u8]) -> Option<u64> {
        let marks = self.marks.read();
        let mark = marks.iter().find(|mark| mark.height == height)?;
        (mark.check == check(text)).then_some(mark.offset)
    }

    fn read(&self, mark: Mark, end: Mark) -> Result<Page, ReadError> {
        // What was moved between the look and the reading is where it was moved to.
        let text = self.checked(mark, end).or_else(|_| self.checked(mark, end));
        let heights = mark.height..end.height;
        let text = text.map_err(|reason| {
            let file = self.shown.clone();
            ReadError { file, heights, reason }
        })?;
        Ok(Page { first: mark.height, text })
    }
}

impl StoredLines for Pages {
    fn page(&self, height: u64) -> Result<Page, ReadError> {
        let (mark, end) = {
            let marks = self.marks.read();
            let at = marks.partition_point(|mark| mark.height <= height) - 1;
            (marks[at], *marks.get(at + 1).expect("the height is below the end"))
        };
        let mut cache = self.cache.lock();
        if let Some(page) = cache.iter().find(|page| page.first == mark.height) {
            return Ok(page.clone());
        }
        drop(cache);
        let page = self.read(mark, end)?;
        cache = self.cache.lock();
        cache.truncate(PAGES_CACHED - 1);
        cache.push_front(page.clone());
        Ok(page)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Growing {
    pub pages: Arc<Pages>,
    rest: Vec<u8>,
    lines: u64,
}

impl Growing {
    /// Goes on behind the last page of `pages`.
    pub fn new(pages: Pages) -> Self {
        Self { pages: Arc::new(pages), rest: Vec::new(), lines: 0 }
    }

    pub fn push(&mut self, line: &str) {
        self.rest.extend_from_slice(line.as_bytes());
        self.rest.push(b'\n');
        self.lines += 1;
        if self.rest.len() >= PAGE_BYTES {
            self.close();
        }
    }

    /// Goes on with whole lines, of which `check` is the [`check`]: a page of their own, if they are
    /// long enough.
    pub fn push_all(&mut self, text: &str, lines: u64, check: u64) {
        if self.lines == 0 && text.len() >= PAGE_BYTES {
            self.pages.add_checked(text.len() as u64, lines, check);
        } else {
            text.split_terminator('\n').for_each(|line| self.push(line));
        }
    }

    /// Makes a page of the lines that are in none yet.
    pub fn close(&mut self) {
        if self.lines > 0 {
            self.pages.add(&std::mem::take(&mut self.rest), std::mem::take(&mut self.lines));
        }
    }

    /// Where the last line ends in the file.
    pub fn bytes(&self) -> u64 {
        self.pages.end().1 + self.rest.len() as u64
    }

    /// The lines that are in no page yet.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(&self.rest).expect("lines are text");
        text.split_terminator('\n')
    }

    /// A picture of all lines, of which the last is that of `head`.
    pub fn view(&self, head: Head) -> ChainView {
        let first = self.pages.first();
        let (end, _) = self.pages.end();
        let mut view = match end > first {
            true => ChainView::stored(first..end, Arc::clone(&self.pages) as _, head),
            false => ChainView::empty(first, head),
        };
        self.rest().for_each(|line| view.push(line.into(), head));
        view
    }

    /// The first `length` lines, which are those of `view` and end in the file at byte `cut`,
    /// where it goes on otherwise.
    pub fn cut_back(&self, view: &ChainView, length: u64, cut: u64) -> Result<Self, ReadError> {
        let mut growing = Self::new(self.pages.cut_back(cut));
        let (from, _) = growing.pages.end();
        for line in view.lines_from(from).take((length - from) as usize) {
            growing.push(&line?);
        }
        Ok(growing)
    }
}

/// Lines that lie in a file without a name, one part behind the other: those of a branch that is
/// too long for memory. It is gone with the last who reads it.
#[derive(Debug)]
pub struct Spill {
    file: Arc<dyn DiskFile>,
    pages: Arc<Pages>,
}

impl Spill {
    /// A place on `disk` for the lines from height `first` on.
    pub fn new(disk: &dyn Disk, first: u64) -> io::Result<Self> {
        let file = disk.scratch()?;
        let shown = "the file of a branch under check".to_owned();
        let pages = Arc::new(Pages::new(shown, Arc::clone(&file), first));
        Ok(Self { file, pages })
    }

    /// Adds all lines of `view`, which begins where the last one ended.
    ///
    /// # Errors
    /// [`ReadError`]; the spill is of no use any more.
    pub fn append(&self, view: &ChainView) -> Result<Arc<dyn StoredLines>, ReadError> {
        let (mut text, mut lines) = (Vec::new(), 0);
        for line in view.lines_from(view.first()) {
            text.extend_from_slice(line?.as_bytes());
            text.push(b'\n');
            lines += 1;
            if text.len() >= PAGE_BYTES {
                self.write(&std::mem::take(&mut text), std::mem::take(&mut lines))?;
            }
        }
        if lines > 0 {
            self.write(&text, lines)?;
        }
        Ok(Arc::clone(&self.pages) as _)
    }

    fn write(&self, text: &[u8], lines: u64) -> Result<(), ReadError> {
        let (height, at) = self.pages.end();
        self.file.write_at(text, at).map_err(|error| ReadError {
            file: self.pages.shown.clone(),
            heights: height..height + lines,
            reason: error.to_string(),
        })?;
        self.pages.add(text, lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Branch;
    use crate::chain::testing::{Maker, NOW, network};
    use crate::store::Folder;

    #[test]
    fn a_branch_goes_on_behind_lines_that_were_moved_to_the_disk() {
        // A branch of a million blocks was checked in memory.
        let network = network(1);
        let mut maker = Maker::new(network.clone());
        let mut branch = Branch::new(*maker.head());
        let folder = tempfile::tempdir().unwrap();
        let disk = Folder::open(folder.path()).unwrap();
        let spill = Spill::new(&disk, branch.fork().length()).unwrap();
        let mut lines = Vec::new();
        for part in 0..3 {
            for number in 0..3 {
                let text = format!("{part} {number} {}", "x".repeat(30_000));
                lines.push(maker.add(&text));
                branch.push(lines.last().unwrap().as_str(), NOW, &network).unwrap();
            }
            branch.store(|view| spill.append(view)).unwrap();
            assert_eq!(branch.bytes_in_memory(), 0);
        }
        lines.push(maker.add("in memory"));
        branch.push(lines.last().unwrap().as_str(), NOW, &network).unwrap();
        let read: Vec<String> =
            branch.blocks().lines_from(0).map(|line| line.unwrap().to_string()).collect();
        assert_eq!(read, lines);
    }
}
