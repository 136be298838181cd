//! Push: what is new here goes to every neighbour that may lack it, at once.
//!
//! For each neighbour a connection stands, over which pushes follow each other without waiting
//! for answers. A push carries what that neighbour lacks and no more; what comes while as many
//! are under way as may be goes together with the next. What a push does not reach is repaired
//! by the rounds of `sync_chain` and `sync_data`.

mod lines;

use std::collections::VecDeque;

pub use lines::run;

use super::note_fault;
use crate::api::{Address, BlocksTaken, Cursor, DataTaken, PUSH_BLOCKS, PUSH_BYTES, Request, Span};
use crate::chain::{ChainView, Data};
use crate::miner::{End, Fault, Miner};

/// Pushes of blocks to one neighbour under way at once: at 100 ms there and back, blocks every
/// 13 ms still go out alone.
const BLOCKS_UNDER_WAY: usize = 8;

const DATA_UNDER_WAY: usize = 2;

/// Bytes of messages in a push, but for a single one: a block behind it waits no longer.
const DATA_BYTES: usize = 16 << 10;

const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Exchanges of one round without a connection.
const ROUND_PUSHES_MAX: usize = 8;

/// A push under way, kept for its answer.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    Blocks {
        head: End,
        /// As many as are ever pushed at once.
        is_all: bool,
    },
    Data,
}

pub fn whom(miner: &Miner) -> Vec<Address> {
    miner.shared.with_neighbours(|all| all.answering())
}

/// The next push to a neighbour, when so many are under way; none if it lacks nothing or has
/// to answer first. Blocks go before messages.
pub fn next(miner: &Miner, address: &Address, under_way: &[Sent]) -> Option<(Request, Sent)> {
    let is_blocks = |sent: &&Sent| matches!(sent, Sent::Blocks { .. });
    let blocks = under_way.iter().filter(is_blocks).count();
    if blocks < BLOCKS_UNDER_WAY
        && let Some(push) = next_blocks(miner, address)
    {
        return Some(push);
    }
    if under_way.len() - blocks < DATA_UNDER_WAY { next_data(miner, address) } else { None }
}

fn next_blocks(miner: &Miner, address: &Address) -> Option<(Request, Sent)> {
    let view = miner.shared.chain();
    let (index, hash) = (view.head().index, view.head().hash);
    let has = miner.shared.with_neighbours(|all| all.has(address));
    let base = has.filter(|has| is_in(&view, *has));
    let from = base.map_or(0, |(base, _)| base + 1);
    let from = from.max((index + 1).saturating_sub(PUSH_BLOCKS)).max(1);
    if from > index {
        return None;
    }
    let (mut lines, mut bytes) = (VecDeque::new(), 0);
    for height in (from..=index).rev() {
        // What can't be read can't be pushed; those who read it next say so.
        let line = view.line(height).ok()??;
        bytes += line.len();
        if bytes > PUSH_BYTES && !lines.is_empty() {
            break;
        }
        lines.push_front(line.to_string());
    }
    let count = lines.len() as u64;
    let sent = Sent::Blocks {
        head: (index, hash),
        is_all: count >= PUSH_BLOCKS || bytes > PUSH_BYTES || count == index,
    };
    miner.shared.with_neighbours(|all| all.set_has(address, Some((index, hash))));
    Some((Request::PushBlocks { lines: lines.into() }, sent))
}

fn next_data(miner: &Miner, address: &Address) -> Option<(Request, Sent)> {
    loop {
        let after = miner.shared.with_neighbours(|all| all.pushed(address))?;
        let (page, next) = miner.shared.data_since(after, DATA_BYTES);
        if next == after {
            return None;
        }
        let data: Vec<Data> = miner.shared.with_neighbours(|all| {
            all.set_pushed(address, next);
            page.data.into_iter().filter(|data| !all.has_given(address, &data.id)).collect()
        });
        if !data.is_empty() {
            let cursor = |arrivals| Cursor { run: miner.id, arrivals };
            let span = Span { after: cursor(after), cursor: cursor(next) };
            let span = Some(Box::new(span));
            return Some((Request::PushData { data, span }, Sent::Data));
        }
    }
}

fn is_in(view: &ChainView, (index, hash): End) -> bool {
    view.hash(index) == Ok(Some(hash))
}

/// Takes a neighbour's answer to a push: what it lacks now is seen by the next.
pub fn answered(miner: &Miner, address: &Address, sent: Sent, status: u16, body: &[u8]) {
    match (sent, status) {
        (Sent::Blocks { head, is_all }, 200 | 409) => {
            let Ok(answer) = serde_json::from_slice::<BlocksTaken>(body) else { return };
            let its = (answer.length.saturating_sub(1), answer.head);
            let view = miner.shared.chain();
            let ours = view.length();
            let is_ours = is_in(&view, its);
            let is_near = answer.length + PUSH_BLOCKS > ours;
            miner.shared.with_neighbours(|all| {
                all.note(address, |it| it.head = Some((answer.length, answer.head)));
                // A later push may have gone out meanwhile.
                let later = all.has(address).filter(|has| has.0 > head.0 && is_in(&view, *has));
                let has = match (status, is_ours) {
                    (200, true) => Some(later.filter(|it| it.0 > its.0).unwrap_or(its)),
                    // It remembers them, though they don't win yet.
                    (200, false) => return,
                    (_, true) if is_near => Some(its),
                    (_, false) if is_near && !is_all => None,
                    // It asks for what is missing.
                    _ => return,
                };
                all.set_has(address, has);
            });
        }
        (Sent::Blocks { .. }, 400) => {
            let body: String = String::from_utf8_lossy(body).chars().take(300).collect();
            let why = format!("it refuses blocks that keep every rule here: {body}");
            note_fault(miner, "push", address, &Fault::Odd(why));
        }
        (Sent::Data, 200) => {
            let Ok(answer) = serde_json::from_slice::<DataTaken>(body) else { return };
            if let Some(span) = answer.span {
                miner.shared.with_neighbours(|all| all.told(address, span));
            }
        }
        _ => log::debug!("push: neighbour={address} does not take it status={status}"),
    }
}

/// Pushes to a neighbour until it lacks nothing, each push after the answer to the one before:
/// for where no connections stand.
pub fn round(miner: &Miner, address: &Address) {
    for _ in 0..ROUND_PUSHES_MAX {
        let Some((request, sent)) = next(miner, address, &[]) else { return };
        match miner.client().send(address, &request, ANSWER_BYTES_MAX) {
            Ok((status, body)) => answered(miner, address, sent, status, &body),
            Err(error) => {
                miner.shared.with_neighbours(|all| all.set_has(address, None));
                return note_fault(miner, "push", address, &error.into());
            }
        }
    }
}
