//! Blocks that come in by a push: anybody hands them in.

use std::sync::Arc;

use serde::Deserialize;

use super::answer::unreadable;
use super::sides::SIDES_MAX;
use super::{Fault, Miner, NotAdopted};
use crate::api::{Address, BlocksTaken, Caller, PUSH_BLOCKS, PUSH_BYTES, Reply};
use crate::chain::{Branch, ChainView, Hash, Head, ReadError, Refused};

/// Times that a branch is checked anew because the chain moved meanwhile.
const TRIES: usize = 4;

/// Where a block says to be.
#[derive(Deserialize)]
struct Link {
    index: u64,
    previous_hash: Option<Hash>,
}

impl Link {
    fn of(line: &str) -> Result<Self, String> {
        let link = serde_json::from_str::<Self>(line);
        link.map_err(|error| format!("the first line is no block: {error}"))
    }
}

enum PushOutcome {
    Taken(u64),
    Known,
    /// They keep the rules, but the chain at hand is better.
    NotBetter,
    /// They would drop so many blocks, more than this miner allows.
    TooDeep(u64),
    /// The first follows no block of the chain; the last would have this height.
    DoesNotFit(u64),
    Invalid(String),
}

/// Checks pushed blocks, takes them if they win, and passes them on before it answers.
pub(super) fn blocks(miner: &Miner, lines: &[String], caller: &Caller) -> Reply {
    let neighbour = miner.caller(caller);
    let outcome = match take(miner, lines, neighbour.as_ref()) {
        Ok(outcome) => outcome,
        Err(error) => return unreadable(miner, &error),
    };
    let head = miner.shared.head();
    let reply = |status, message: &str, more: String, taken| {
        let (message, more_information) = (message.to_owned(), more);
        let (length, head) = (head.length(), head.hash);
        Reply::json(status, &BlocksTaken { message, more_information, taken, length, head })
    };
    match outcome {
        PushOutcome::Taken(count) => {
            reply(200, "Blocks taken!", "They are in the chain.".into(), count)
        }
        PushOutcome::Known => reply(200, "No block taken", "All are in the chain.".into(), 0),
        PushOutcome::NotBetter => {
            reply(200, "No block taken", "The chain at hand is as good.".into(), 0)
        }
        PushOutcome::TooDeep(depth) => {
            let more = format!("they would drop {depth} blocks, more than this miner allows");
            reply(200, "No block taken", more, 0)
        }
        PushOutcome::DoesNotFit(last) => {
            if let Some(neighbour) = neighbour.filter(|_| is_asked_for(lines, last, &head)) {
                miner.shared.with_neighbours(|all| all.ask_chain.insert(neighbour));
                miner.shared.bells.sync_chain.ring();
            }
            let more = "the first block follows none of this chain; send those before it, too";
            reply(409, "Conflict", more.into(), 0)
        }
        PushOutcome::Invalid(why) => {
            if let Some(neighbour) = neighbour {
                note_invalid(miner, &neighbour, &why);
            }
            Reply::problem(400, "No block taken", why)
        }
    }
}

/// Shows that a neighbour pushed something wrong. It is not banned: a caller only claims who it is,
/// and /health shows everybody what to claim, so that anybody behind that address could get it
/// banned. A neighbour that lies is found out where it is asked.
fn note_invalid(miner: &Miner, neighbour: &Address, why: &str) {
    log::debug!("push: neighbour={neighbour} {why}");
    let (fault, now) = (Fault::Odd(why.to_owned()), miner.now());
    miner.shared.with_neighbours(|all| all.failed(neighbour, &fault, now));
}

/// True if to ask a neighbour for its chain whose blocks don't fit: it sends no more of them
/// by itself, and they would win.
fn is_asked_for(lines: &[String], last: u64, head: &Head) -> bool {
    let is_all = lines.len() as u64 >= PUSH_BLOCKS
        || lines.iter().map(String::len).sum::<usize>() > PUSH_BYTES / 2;
    last >= head.index && (is_all || last >= head.index + PUSH_BLOCKS)
}

fn take(
    miner: &Miner,
    lines: &[String],
    neighbour: Option<&Address>,
) -> Result<PushOutcome, ReadError> {
    let first = match lines.first().map(|line| Link::of(line)) {
        None => return Ok(PushOutcome::Invalid("there is no block".into())),
        Some(Err(why)) => return Ok(PushOutcome::Invalid(why)),
        Some(Ok(first)) => first,
    };
    let last = first.index.saturating_add(lines.len() as u64 - 1);
    for _ in 0..TRIES {
        let view = miner.shared.chain();
        let Some(below) = known_below(miner, &view, &first)? else { break };
        let from = first.index - below.len() as u64;
        let lines: Vec<&str> = below
            .iter()
            .rev()
            .map(|line| &**line)
            .chain(lines.iter().map(|line| &**line))
            .collect();
        let known = shared_lines(&view, from, &lines)?;
        let Some(fork) = view.head_at(from - 1 + known as u64)? else { break };
        if known == lines.len() {
            note_has(miner, neighbour, &fork);
            return Ok(PushOutcome::Known);
        }
        if let Some(outcome) = take_new(miner, fork, &lines[known..], neighbour)? {
            return Ok(outcome);
        }
    }
    Ok(PushOutcome::DoesNotFit(last))
}

/// Takes blocks behind `fork`; `None` if the chain moved meanwhile.
fn take_new(
    miner: &Miner,
    fork: Head,
    lines: &[&str],
    neighbour: Option<&Address>,
) -> Result<Option<PushOutcome>, ReadError> {
    let mut branch = Branch::new(fork);
    for line in lines {
        if let Err(error) = branch.push(*line, miner.wall(), &miner.network) {
            return Ok(Some(PushOutcome::Invalid(error.to_string())));
        }
    }
    // Before the news of it goes out: the sender has it.
    note_has(miner, neighbour, branch.head());
    Ok(Some(match miner.adopt(&branch, neighbour) {
        Ok(()) => PushOutcome::Taken(branch.len() as u64),
        Err(NotAdopted::TooDeep(depth)) => {
            note_has(miner, neighbour, &fork);
            PushOutcome::TooDeep(depth)
        }
        Err(NotAdopted::Refused(Refused::NotBetter)) => {
            note_has(miner, neighbour, &fork);
            if neighbour.is_some() {
                lines.iter().for_each(|line| miner.sides.note(line));
            }
            PushOutcome::NotBetter
        }
        Err(NotAdopted::Refused(Refused::Moved)) => return Ok(None),
        Err(NotAdopted::Refused(Refused::Invalid(error))) => {
            PushOutcome::Invalid(error.to_string())
        }
        Err(NotAdopted::Refused(Refused::Unreadable(error))) => return Err(error),
    }))
}

/// The blocks between our chain and the block that is linked by `first`, the last one first, as far
/// as they are known though not in the chain; `None` where one is not.
fn known_below(
    miner: &Miner,
    view: &ChainView,
    first: &Link,
) -> Result<Option<Vec<Arc<str>>>, ReadError> {
    let (mut below, mut index, mut previous) = (Vec::new(), first.index, first.previous_hash);
    while let (Some(parent), Some(hash)) = (index.checked_sub(1), previous) {
        if view.hash(parent)? == Some(hash) {
            return Ok(Some(below));
        }
        if below.len() == SIDES_MAX {
            break;
        }
        let line = match miner.sides.line(&hash) {
            Some(line) => Some(line),
            None => miner.shared.block_with(&hash)?.map(|found| Arc::from(&*found.line)),
        };
        let Some(line) = line else { break };
        let link = Link::of(&line).expect("a known block is well spelled");
        if link.index != parent {
            break;
        }
        (index, previous) = (parent, link.previous_hash);
        below.push(line);
    }
    Ok(None)
}

/// Number of lines that are those of our chain from height `from` on.
fn shared_lines(view: &ChainView, from: u64, lines: &[&str]) -> Result<usize, ReadError> {
    for (at, (line, ours)) in lines.iter().zip(view.lines_from(from)).enumerate() {
        if **line != *ours? {
            return Ok(at);
        }
    }
    let ours = view.length().saturating_sub(from);
    Ok(lines.len().min(usize::try_from(ours).unwrap_or(usize::MAX)))
}

/// Notes that a neighbour shares this block with us, or soon will.
fn note_has(miner: &Miner, neighbour: Option<&Address>, block: &Head) {
    if let Some(neighbour) = neighbour {
        let has = Some((block.index, block.hash));
        miner.shared.with_neighbours(|all| all.set_has(neighbour, has));
    }
}
