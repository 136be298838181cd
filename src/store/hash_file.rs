//! `test.hash`: the SHA-256 of the chain file, spelled as `sha256sum` prints it.

use std::io::Read;

use super::append_file::write_unfinished;
use super::disk::{Disk, Source};
use super::error::{Doing, Fault, StoreError};
use super::names::Names;
use crate::chain::Hash;

const HASH_DIGITS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    Missing,
    /// A hash, in just the words that we write.
    Hash(Hash),
    /// A hash, but for a file of another name, or with more behind it.
    Otherwise(Hash),
    Damaged(Box<Fault>),
}

impl Recorded {
    pub fn hash(&self) -> Option<Hash> {
        match self {
            Self::Hash(hash) | Self::Otherwise(hash) => Some(*hash),
            Self::Missing | Self::Damaged(_) => None,
        }
    }
}

/// Reads the hash file `name`, which may be the unfinished one.
pub(super) fn read(disk: &dyn Disk, names: &Names, name: &str) -> Result<Recorded, StoreError> {
    let Some(source) = Source::open(disk, name).doing("read", names, name)? else {
        return Ok(Recorded::Missing);
    };
    let mut bytes = Vec::new();
    source.take(4096).read_to_end(&mut bytes).doing("read", names, name)?;
    let digits = bytes.get(..HASH_DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
    let hash: Option<Hash> = digits.and_then(|digits| digits.parse().ok());
    Ok(match hash {
        Some(hash) if bytes == spell(names, &hash).as_bytes() => Recorded::Hash(hash),
        Some(hash) => Recorded::Otherwise(hash),
        None => {
            let shown = &bytes[..bytes.len().min(HASH_DIGITS + 16)];
            let found = format!("{:?}", String::from_utf8_lossy(shown));
            let expected = format!("<64 lower-case hex digits>  {}", names.chain);
            Recorded::Damaged(Box::new(Fault::new(names, name, 1, "hash").found(found, expected)))
        }
    })
}

pub(super) fn spell(names: &Names, hash: &Hash) -> String {
    format!("{hash}  {}\n", names.chain)
}

/// Writes and syncs the unfinished hash file.
pub(super) fn write(disk: &dyn Disk, names: &Names, hash: &Hash) -> Result<(), StoreError> {
    let contents = spell(names, hash).into_bytes();
    write_unfinished(disk, names, &names.hash, &mut std::iter::once(Ok(contents))).map(drop)
}
