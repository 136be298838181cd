//! `test.hash`: the SHA-256 of the chain file, spelled as `sha256sum` prints it.

use std::io::Read;

use super::error::{Fault, StoreError};
use super::files::Files;
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

pub(super) fn read(files: &Files, name: &str) -> Result<Recorded, StoreError> {
    let Some(source) = files.source(name)? else { return Ok(Recorded::Missing) };
    let (names, mut bytes) = (&files.names, Vec::new());
    source.take(4096).read_to_end(&mut bytes).map_err(names.failed("read", name))?;
    let digits = bytes.get(..HASH_DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
    let hash: Option<Hash> = digits.and_then(|digits| digits.parse().ok());
    Ok(match hash {
        Some(hash) if bytes == spell(names, &hash) => Recorded::Hash(hash),
        Some(hash) => Recorded::Otherwise(hash),
        None => {
            let shown = &bytes[..bytes.len().min(HASH_DIGITS + 16)];
            let found = format!("{:?}", String::from_utf8_lossy(shown));
            let expected = format!("<64 lower-case hex digits>  {}", names.chain);
            Recorded::Damaged(Box::new(Fault::new(names, name, 1, "hash").found(found, expected)))
        }
    })
}

pub(super) fn spell(names: &Names, hash: &Hash) -> Vec<u8> {
    format!("{hash}  {}\n", names.chain).into_bytes()
}

pub(super) fn write_unfinished(files: &Files, hash: &Hash) -> Result<(), StoreError> {
    let text = Ok(spell(&files.names, hash));
    files.write_unfinished(&files.names.hash, &mut std::iter::once(text)).map(drop)
}
