//! Answers with blocks: of the chain, of one block, of the kept branches.

use serde_json::value::RawValue;

use super::{PART_BYTES, json};
use crate::api::{
    BlockAnswer, BlockName, Departure, FORK_BLOCKS_MAX, FORKS_MAX, Fork, ForkBlock, ForksAnswer,
    PAGE_BLOCKS_MAX, PAGE_BYTES, Reply, Request,
};
use crate::chain::{ChainView, Hash, ReadError};
use crate::miner::{FoundBlock, Miner};

const BEGIN: &[u8] = b"{\"chain\":[";

/// The answer to [`Request::Chain`]: a page with a limit, or else the whole chain in parts.
pub fn chain(miner: &Miner, from: u64, limit: Option<u64>) -> Result<Reply, ReadError> {
    let view = miner.shared.chain();
    let length = view.length();
    let Some(limit) = limit else {
        return part(BEGIN.to_vec(), &view, from.min(length), length);
    };
    let until = length.min(from.saturating_add(limit.min(PAGE_BLOCKS_MAX)));
    let mut body = BEGIN.to_vec();
    push_lines(&mut body, PAGE_BYTES, &view, from, until)?;
    end_chain(&mut body, length);
    Ok(json(body))
}

/// Writes the lines of the blocks from `from` on, up to `until` or until there are so many
/// `bytes`, and returns the height of the first that is not in it.
fn push_lines(
    body: &mut Vec<u8>,
    bytes: usize,
    view: &ChainView,
    from: u64,
    until: u64,
) -> Result<u64, ReadError> {
    let mut next = from;
    for line in view.lines_from(from) {
        if next >= until || body.len() >= bytes {
            break;
        }
        if next > from {
            body.push(b',');
        }
        body.extend_from_slice(line?.as_bytes());
        next += 1;
    }
    Ok(next)
}

fn end_chain(body: &mut Vec<u8>, length: u64) {
    body.extend_from_slice(format!("],\"length\":{length}}}").as_bytes());
}

/// A part of the answer with a whole chain: what was begun in `body`, and the blocks from
/// `from` on.
fn part(mut body: Vec<u8>, view: &ChainView, from: u64, until: u64) -> Result<Reply, ReadError> {
    let next = push_lines(&mut body, PART_BYTES, view, from, until)?;
    if next >= until {
        end_chain(&mut body, until);
        return Ok(json(body));
    }
    let after = view.hash(next - 1)?.expect("it was sent just now");
    Ok(Reply { rest: Some(Request::ChainRest { from: next, until, after }), ..json(body) })
}

/// Goes on with a chain of which everything below `from` was sent. The head may have moved
/// since, and the end with it; what was sent must still be in the chain.
pub fn rest(miner: &Miner, from: u64, until: u64, after: Hash) -> Result<Reply, ReadError> {
    let view = miner.shared.chain();
    if from == 0 || view.hash(from - 1)? != Some(after) {
        return Ok(Reply::problem(409, "Conflict", "the chain has changed while it was sent"));
    }
    let until = until.min(view.length());
    let start = if from < until { b",".to_vec() } else { Vec::new() };
    part(start, &view, from, until)
}

pub fn block(miner: &Miner, which: BlockName) -> Result<Reply, ReadError> {
    let found = match which {
        BlockName::Height(height) => {
            let view = miner.shared.chain();
            view.line(height)?.map(|line| {
                let (hash, confirmations) = (Hash::of(&*line), view.length() - height);
                FoundBlock { line, hash, confirmations, dropped: None }
            })
        }
        BlockName::Hash(hash) => miner.shared.block_with(&hash)?,
    };
    let Some(FoundBlock { line, hash, confirmations, dropped, .. }) = found else {
        let more = format!("there is no block {which}, neither in the chain nor in a kept branch");
        return Ok(Reply::problem(404, "Not found", more));
    };
    let block = RawValue::from_string(line.to_string()).expect("a line is JSON");
    let dropped = dropped.map(|dropped| Departure::of(&dropped));
    let in_chain = dropped.is_none();
    Ok(Reply::json(200, &BlockAnswer { block, hash, in_chain, confirmations, dropped }))
}

/// The answer to [`Request::Forks`]. A branch whose blocks are in the chain again is left out.
pub fn forks(miner: &Miner) -> Result<Reply, ReadError> {
    let (forks, view) = miner.shared.forks();
    let mut answer = ForksAnswer { forks: Vec::new(), length: 0 };
    for dropped in forks.all() {
        let head = dropped.blocks.head();
        if view.hash(head.index)? == Some(head.hash) {
            continue;
        }
        answer.length += 1;
        if answer.forks.len() == FORKS_MAX {
            continue;
        }
        let mut blocks = Vec::new();
        for (line, height) in dropped.blocks.lines_from(0).zip(dropped.fork + 1..) {
            if blocks.len() == FORK_BLOCKS_MAX {
                break;
            }
            blocks.push(ForkBlock { index: height, hash: Hash::of(&*line?) });
        }
        answer.forks.push(Fork {
            fork: dropped.fork,
            depth: dropped.depth(),
            head: head.hash,
            blocks,
            dropped: Departure::of(dropped),
        });
    }
    Ok(Reply::json(200, &answer))
}
