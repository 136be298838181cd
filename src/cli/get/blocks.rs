//! `get chain`, `get block` and `get forks`.

use super::SCREEN;
use crate::api::client::{ClientError, Sent};
use crate::api::{BlockAnswer, BlockName, Departure, ForksAnswer, Request};
use crate::chain::Why;
use crate::cli::args::{Format, GetChain};
use crate::cli::error::{CliError, Result};
use crate::cli::miner::Miner;
use crate::cli::output::{Look, Output, count, micros_utc, seconds_utc, short};
use crate::cli::table::table;
use crate::cli::wait::mined;

pub fn chain(miner: &Miner, get: &GetChain, output: &mut Output<'_>) -> Result {
    let length = miner.health()?.length;
    let (json, lines) = (get.common.format.json, get.lines);
    let is_everything = get.from.is_none() && get.limit.is_none() && get.last.is_none();
    // A table on a terminal is read by people, and is a screen of what is new unless they ask
    // for more.
    let is_screen = is_everything && output.is_terminal() && !json && !lines && length > SCREEN;
    let last = if is_screen { Some(SCREEN) } else { get.last };
    let from = last.map_or(get.from.unwrap_or(0), |last| length.saturating_sub(last));
    let until = get.limit.map_or(length, |limit| length.min(from.saturating_add(limit)));
    let blocks = miner.blocks(from, until);
    if lines {
        for sent in blocks {
            output.json(sent?.line.get())?;
            output.line("")?;
        }
        return Ok(());
    }
    if json {
        output.json("{\"chain\":[")?;
        for (number, sent) in blocks.enumerate() {
            output.json(if number == 0 { "" } else { "," })?;
            output.json(sent?.line.get())?;
        }
        output.json(&format!("],\"length\":{length}}}"))?;
        return Ok(output.line("")?);
    }
    let columns = length.to_string().len().max("block".len());
    let heading = format!("{:>columns$}  {:<19}  {:<12}  message", "block", "time (UTC)", "hash");
    output.line(output.look(Look::Bold, heading))?;
    for sent in blocks {
        output.line(chain_row(&sent?, columns, output))?;
    }
    if is_screen {
        let earlier = count(from, "earlier block");
        let hint = format!("{earlier}; --last N or --from 0 shows more");
        output.line(output.look(Look::Dim, hint))?;
    }
    Ok(())
}

fn chain_row(Sent { block, hash, .. }: &Sent, columns: usize, output: &Output<'_>) -> String {
    let time = match block.index {
        0 => "genesis".into(),
        _ => seconds_utc(block.timestamp),
    };
    let hash = output.look(Look::Dim, short(hash));
    let message = output.cut(block.data.message.as_str(), columns + 2 + 19 + 2 + 12 + 2);
    format!("{:>columns$}  {time:<19}  {hash}  {message}", block.index)
}

pub fn block(miner: &Miner, which: BlockName, format: Format, output: &mut Output<'_>) -> Result {
    let (answer, block) = match miner.client.block(&miner.address, which) {
        Err(ClientError::Refused { status: 404, address, problem: Some(problem) })
            if !problem.more_information.starts_with("there is no /") =>
        {
            return Err(CliError::other(match which {
                BlockName::Hash(hash) => format!("{address} has no block with the hash {hash}"),
                BlockName::Height(height) => {
                    let last = miner.health()?.length.saturating_sub(1);
                    format!("there is no block {height}: the last block is block {last}")
                }
            }));
        }
        answer => answer?,
    };
    let BlockAnswer { hash, in_chain, confirmations, dropped, .. } = &answer;
    if format.json {
        return Ok(output.json_line(&answer)?);
    }
    output.field("block", &block.index.to_string())?;
    output.field("time", &micros_utc(block.timestamp))?;
    output.field("message", block.data.message.as_str())?;
    output.field("message id", &block.data.id.to_string())?;
    output.field("hash", &hash.to_string())?;
    let nothing = || "none: this is the genesis block".to_owned();
    let previous = block.previous_hash.map_or_else(nothing, |hash| hash.to_string());
    output.field("previous hash", &previous)?;
    output.field("proof", &block.proof.map_or_else(nothing, |proof| proof.to_string()))?;
    match dropped {
        _ if *in_chain => output.field("state", &mined(block.index, *confirmations))?,
        None => output.field("state", "not in the chain")?,
        Some(dropped) => {
            let at = micros_utc(dropped.at);
            output.field("state", &format!("left the chain at {at}: {}", reason(dropped.why)))?;
            output.field("winner", &dropped.winner.to_string())?;
            output.field("kept in", dropped.file.as_deref().unwrap_or("memory"))?;
        }
    }
    Ok(())
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::Longer => "another branch was longer",
        Why::LowerHash => "another branch of the same length had a lower hash",
        Why::Clock => "its timestamps were ahead of the clock",
        Why::Accepted => "the other branch was accepted by hand",
    }
}

pub fn forks(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result {
    let request = Request::Forks;
    let answer: ForksAnswer = miner.client.call(&miner.address, &request, "list of branches")?;
    if format.json {
        return Ok(output.json_line(&answer)?);
    }
    if answer.forks.is_empty() {
        return Ok(output.line("no kept branches: no block has left the chain")?);
    }
    let rows = answer.forks.iter().map(|it| {
        let heights = (it.fork + 1, it.fork + it.depth);
        let heights = match it.depth {
            1 => heights.0.to_string(),
            _ => format!("{}-{}", heights.0, heights.1),
        };
        let Departure { at, why, .. } = &it.dropped;
        vec![heights, it.head.to_string(), seconds_utc(*at), reason(*why).to_owned()]
    });
    table(&["blocks", "last hash", "left (UTC)", "reason"], rows.collect(), output)?;
    let hidden = answer.length.saturating_sub(answer.forks.len() as u64);
    if hidden > 0 {
        output.line(output.look(Look::Dim, count(hidden, "older branch")))?;
    }
    Ok(())
}
