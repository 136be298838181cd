//! Finds what is intact in damaged lines: whole blocks and records, wherever they stand.
//!
//! A changed line break makes one line of two. Neither mark below can stand within a
//! message, where every quote is escaped.

use serde::Deserialize;

use super::record;
use crate::chain::{Data, Hash};

/// How a block begins.
const BLOCK_MARK: &[u8] = b"{\"index\":";

/// How the JSON of a journal's record begins.
const RECORD_MARK: &[u8] = b"{\"id\":\"";

/// The messages of the blocks in `line` whose seal shows that they are as they were mined.
pub(super) fn sealed_messages(line: &[u8]) -> Vec<Data> {
    let starts = find_all(line, BLOCK_MARK);
    let ends = starts.iter().skip(1).copied().chain([line.len()]);
    starts.iter().zip(ends).filter_map(|(&start, end)| sealed_message(&line[start..end])).collect()
}

fn sealed_message(block: &[u8]) -> Option<Data> {
    #[derive(Deserialize)]
    struct Sealed {
        data: Data,
    }
    let text = String::from_utf8_lossy(block);
    let (body, proof) = text.rsplit_once(",\"proof\":\"")?;
    let unsealed = format!("{body}}}");
    let seal: Hash = proof.get(..64)?.parse().ok()?;
    let sealed: Sealed = serde_json::from_str(&unsealed).ok()?;
    (Hash::of(&unsealed) == seal).then_some(sealed.data)
}

/// The messages of the records in `line` whose check is right.
pub(super) fn good_records(line: &[u8]) -> Vec<Data> {
    find_all(line, RECORD_MARK).into_iter().filter_map(|mark| record_around(line, mark)).collect()
}

/// The record whose JSON begins at `mark`.
fn record_around(line: &[u8], mark: usize) -> Option<Data> {
    let batch = mark.checked_sub(1)?;
    let digits = line[..batch].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = batch.checked_sub(digits + 1 + record::CHECK_DIGITS)?;
    let mut json = serde_json::Deserializer::from_slice(&line[mark..]).into_iter::<Data>();
    json.next()?.ok()?;
    let end = mark + json.byte_offset();
    record::read(&line[start..end]).map(|(_, data)| data)
}

fn find_all(line: &[u8], mark: &[u8]) -> Vec<usize> {
    line.windows(mark.len()).enumerate().filter(|(_, at)| *at == mark).map(|(at, _)| at).collect()
}
