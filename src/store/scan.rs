//! Reads a chain file and holds every line against the rules.
//!
//! Judges the file alone; what its hash says about it, and what follows, is for
//! [`judge`] and its callers.

use super::disk::Disk;
use super::error::{Doing, Fault, StoreError};
use super::genesis::{names_as_parent, network_of};
use super::hash_file::{self, Recorded};
use super::lines::{Ending, Line, Lines};
use super::names::Names;
use super::running_hash::{RunningHash, border};
use crate::chain::{BlockError, Chain, Field, Micros, Network, Refused, check_block};

/// Bytes between two calls of the progress callback.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Whether the first line is held against the genesis block, or taken to be it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    Checked,
    Assumed,
}

/// Says how many bytes of how many were read.
pub(super) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// A chain file after it was read.
pub(super) struct Scan {
    /// The blocks up to the first fault; the genesis block also if its line has the fault.
    pub chain: Chain,
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
    /// Whether a write that was cut off by a crash leaves such a line.
    pub torn: bool,
}

/// The clock that a chain file is read by. What is on this disk was checked against the
/// clock when it came; a host whose clock has jumped back since must still start.
const ANY_TIME: Micros = Micros::MAX;

/// Reads the chain file `file` of `network`; `None` if there is none.
///
/// # Errors
/// [`StoreError::OtherNetwork`] if it is the sound file of another network.
pub(super) fn scan(
    disk: &dyn Disk,
    names: &Names,
    file: &str,
    network: &Network,
    first: FirstLine,
    progress: Progress<'_>,
) -> Result<Option<Scan>, StoreError> {
    let Some(source) = disk.read(file).doing("read", names, file)? else { return Ok(None) };
    let total = source.bytes;
    let mut lines = Lines::of(source);
    let mut scan = Scan::new(network, total);
    let mut shown = 0;
    while let Some(line) = lines.next().doing("read", names, file)? {
        if let Err(error) = scan.take(&line, network, first) {
            let torn = line.ending == Ending::File || line.bytes.contains(&0);
            let fault = Fault::of_block(names, file, line.number, error);
            let whole = line.number == 1 && line.ending == Ending::Break;
            let other = whole.then(|| network_of(line.bytes)).flatten();
            if let Some(found) = other
                && lines
                    .next()
                    .doing("read", names, file)?
                    .is_none_or(|line| names_as_parent(line.bytes, &found))
            {
                let (file, expected) = (names.shown(file), network.clone());
                return Err(StoreError::OtherNetwork { file, found, expected });
            }
            scan.trouble = Some(Trouble { fault, torn });
            break;
        }
        if scan.bytes - shown >= PROGRESS_BYTES {
            shown = scan.bytes;
            progress(shown, total);
        }
    }
    if scan.bytes == 0 && scan.trouble.is_none() {
        let fault = Fault::new(names, file, 1, "line").found("an empty file", "the genesis block");
        scan.trouble = Some(Trouble { fault, torn: false });
    }
    progress(scan.bytes, total);
    Ok(Some(scan))
}

impl Scan {
    fn new(network: &Network, total: u64) -> Self {
        Self {
            chain: Chain::new(network),
            bytes: 0,
            total,
            hash: RunningHash::new(),
            trouble: None,
        }
    }

    /// Takes the next line in if it keeps every rule.
    fn take(
        &mut self,
        line: &Line<'_>,
        network: &Network,
        first: FirstLine,
    ) -> Result<(), BlockError> {
        let index = line.number - 1;
        let fail = |found: String, expected: &str| {
            let expected = expected.to_owned();
            Err(BlockError { block: index, field: Field::Line, found, expected })
        };
        if index == 0 && first == FirstLine::Assumed && line.ending == Ending::Break {
            self.hash.push(self.chain.view().line(0).expect("every chain has one"));
            self.bytes = line.end();
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(line.bytes) else {
            return fail(line.shown(), "UTF-8");
        };
        match line.ending {
            Ending::Break => {}
            Ending::File => return fail(line.shown(), "a line break at its end"),
            Ending::TooLong => return fail(line.shown(), "a line of a block's length"),
        }
        if index == 0 {
            let genesis = self.chain.view();
            let genesis = genesis.line(0).expect("every chain has one");
            if text != &**genesis {
                return fail(line.shown(), &format!("the genesis block {genesis}"));
            }
        } else {
            let block = check_block(self.chain.head(), text, ANY_TIME, network)?;
            self.chain.extend(&block).map_err(|refused| match refused {
                Refused::Invalid(error) => error,
                other => unreachable!("it was checked against the last block: {other}"),
            })?;
        }
        self.hash.push(text);
        self.bytes = line.end();
        Ok(())
    }
}

/// What a chain file and its hash say together.
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
    /// Something was changed that had been written.
    Damaged(Box<Fault>),
}

/// What the hash file is to the chain file.
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
/// A hash is always that of the whole file, or, after a crash, of the file some lines ago
/// or of the one that is to replace it (which is then the unfinished hash file's). So if
/// none fits any line's end, something was changed; and what lies behind the line that one
/// fits was never reported as saved, so it may be cut off if it looks torn.
pub(super) fn judge(disk: &dyn Disk, names: &Names, scan: &Scan) -> Result<Verdict, StoreError> {
    let recorded = hash_file::read(disk, names, &names.hash)?;
    if scan.trouble.is_none() && recorded == Recorded::Hash(scan.hash.digest()) {
        return Ok(Verdict::Sound { hash_file: HashFile::Current });
    }
    let unfinished = hash_file::read(disk, names, &Names::unfinished(&names.hash))?;
    let view = scan.chain.view();
    let fits = |recorded: &Recorded| {
        let hash = recorded.hash().filter(|_| scan.bytes > 0);
        hash.is_some_and(|hash| border(&view, &hash).is_some())
    };
    let certain = match (fits(&recorded), fits(&unfinished)) {
        (true, _) => Some(HashFile::Stale),
        (false, true) => Some(HashFile::Uncertain),
        (false, false) => None,
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
