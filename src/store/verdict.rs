//! What the hash file says about a chain file that was read.

use super::disk::read_exact;
use super::error::{Fault, StoreError};
use super::files::Files;
use super::hash_file::{self, Recorded};
use super::lines::LINE_BYTES_MAX;
use super::names::Names;
use super::record;
use super::redo;
use super::scan::{Scan, Trouble};

/// Verdict on a chain file by its hash.
pub(super) enum Verdict {
    /// Every line is good, and the hash knows of nothing else.
    Sound(HashFile),
    /// The last write never ended; what was saved before it is whole.
    Torn(HashFile),
    /// A copy of a chain file that was being written: every whole line is good. Damage, if the file
    /// were our own.
    Copied(Box<Fault>),
    /// Something was changed that had been written.
    Damaged(Box<Fault>),
}

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
pub(super) fn judge(files: &Files, scan: &Scan) -> Result<Verdict, StoreError> {
    let has_whole_lines = scan.bytes > 0 && scan.trouble.as_ref().is_none_or(|it| it.torn);
    match judge_our_own(files, scan)? {
        Verdict::Damaged(fault)
            if has_whole_lines
                && record::is_chain_copied(files)?
                && ends_in_one_line(files, scan)? =>
        {
            Ok(Verdict::Copied(fault))
        }
        verdict => Ok(verdict),
    }
}

/// True if at most a part of one line lies behind the good lines.
fn ends_in_one_line(files: &Files, scan: &Scan) -> Result<bool, StoreError> {
    let name = &files.names.chain;
    let Some(file) = files.open(name)?.filter(|_| scan.cut() <= LINE_BYTES_MAX as u64) else {
        return Ok(false);
    };
    let rest = read_exact(&*file, scan.bytes, scan.total).map_err(files.names.failed("read", name));
    Ok(!rest?.contains(&b'\n'))
}

fn judge_our_own(files: &Files, scan: &Scan) -> Result<Verdict, StoreError> {
    let names = &files.names;
    let recorded = hash_file::read(files, &names.hash)?;
    let digest = scan.hash.digest();
    if scan.trouble.is_none() && recorded == Recorded::Hash(digest) {
        return Ok(Verdict::Sound(HashFile::Current));
    }
    let unfinished = hash_file::read(files, &Names::unfinished(&names.hash))?.hash();
    let redone = redo::pending(files)?;
    let certain = if scan.begins_with(recorded.hash())? {
        Some(HashFile::Stale)
    } else if scan.begins_with(unfinished)? || scan.begins_with(redone)? {
        Some(HashFile::Uncertain)
    } else {
        None
    };
    Ok(match (&scan.trouble, certain) {
        (Some(Trouble { torn: true, .. }), Some(hash_file)) => Verdict::Torn(hash_file),
        (Some(Trouble { fault, .. }), _) => Verdict::Damaged(Box::new(fault.clone())),
        (None, Some(hash_file)) => Verdict::Sound(hash_file),
        (None, None) => match recorded {
            Recorded::Missing => Verdict::Sound(HashFile::Stale),
            Recorded::Damaged(fault) => Verdict::Damaged(fault),
            Recorded::Hash(hash) | Recorded::Otherwise(hash) => {
                let found = format!("a file with the SHA-256 {digest}");
                let expected = format!("{hash}, as {} says", names.shown(&names.hash));
                let fault = Fault::new(names, &names.chain, scan.chain.view().length(), "hash");
                Verdict::Damaged(Box::new(fault.found(found, expected)))
            }
        },
    })
}
