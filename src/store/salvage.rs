//! Finds what is intact in damaged lines: whole blocks and records, wherever they stand.
//!
//! A changed line break makes one line of two. Neither mark below can stand within a
//! message, where every quote is escaped.

use super::lines::CHECK_DIGITS;
use super::record;
use crate::chain::{Block, Data, DataId, Hash};

const BLOCK_MARK: &[u8] = b"{\"index\":";

/// How the JSON of a journal's record begins.
const RECORD_MARK: &[u8] = b"{\"id\":\"";

const BLOCK_END: &str = "\"}";

/// Part of a block that was found.
pub(super) enum Salvaged {
    /// A block as it was mined: its seal says so. Whether its work is right is not looked at.
    Block(Box<Block>, String),
    /// Something else, with the id that stands in it.
    Damaged(Option<DataId>),
}

/// The blocks in `line`, and what is left of those that are damaged.
pub(super) fn blocks(line: &[u8]) -> Vec<Salvaged> {
    let starts = find_all(line, BLOCK_MARK);
    let ends = starts.iter().skip(1).copied().chain([line.len()]);
    let mut pieces: Vec<Salvaged> =
        starts.iter().zip(ends).map(|(&start, end)| block(&line[start..end])).collect();
    let garbage = starts.first().map_or(line.len(), |first| *first);
    if starts.is_empty() && line[..garbage].iter().any(|byte| !byte.is_ascii_whitespace()) {
        pieces.push(Salvaged::Damaged(id_in(line)));
    }
    pieces
}

fn block(bytes: &[u8]) -> Salvaged {
    let text = String::from_utf8_lossy(bytes);
    // What stands behind a block (a carriage return, or less usual things) is not of it.
    let text = text.rfind(BLOCK_END).map_or(&*text, |end| &text[..end + BLOCK_END.len()]);
    let index = text.get(BLOCK_MARK.len()..).and_then(|rest| rest.split(',').next()?.parse().ok());
    let read = index.and_then(|index| Block::read(text, index).ok());
    match read {
        Some(block) if is_sealed(&block) => Salvaged::Block(Box::new(block), text.to_owned()),
        _ => Salvaged::Damaged(id_in(bytes)),
    }
}

fn is_sealed(block: &Block) -> bool {
    let seal = || Hash::of(block.unsealed_line());
    block.index == 0 || block.proof.as_ref().is_some_and(|proof| proof.seal == seal())
}

/// The first id in a damaged line: 32 hex digits in quotes, which no message can hold.
fn id_in(line: &[u8]) -> Option<DataId> {
    let quoted = line.windows(34).filter(|it| it[0] == b'"' && it[33] == b'"');
    let mut ids = quoted.filter_map(|it| std::str::from_utf8(&it[1..33]).ok()?.parse().ok());
    ids.next()
}

pub(super) fn records(line: &[u8]) -> (Vec<Data>, Vec<Option<DataId>>) {
    let (mut good, mut damaged) = (Vec::new(), Vec::new());
    let marks = find_all(line, RECORD_MARK);
    if marks.is_empty() && line.iter().any(|byte| *byte != 0 && !byte.is_ascii_whitespace()) {
        damaged.push(id_in(line));
    }
    for mark in marks {
        match record_around(line, mark) {
            Some(data) => good.push(data),
            None => damaged.push(id_in(&line[mark..])),
        }
    }
    (good, damaged)
}

fn record_around(line: &[u8], mark: usize) -> Option<Data> {
    let batch = mark.checked_sub(1)?;
    let digits = line[..batch].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = batch.checked_sub(digits + 1 + CHECK_DIGITS)?;
    let mut json = serde_json::Deserializer::from_slice(&line[mark..]).into_iter::<Data>();
    json.next()?.ok()?;
    let end = mark + json.byte_offset();
    record::read(&line[start..end]).map(|(_, data)| data)
}

fn find_all(line: &[u8], mark: &[u8]) -> Vec<usize> {
    line.windows(mark.len()).enumerate().filter(|(_, at)| *at == mark).map(|(at, _)| at).collect()
}
