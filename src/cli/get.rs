//! `get`: what a miner has, for people as tables, for programs as the miner's own JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use super::args::{Format, Get, GetChain};
use super::error::CliError;
use super::miner::{Miner, Sent};
use super::output::{Look, Output, Span, count, micros_utc, seconds_utc, short};
use crate::api::{DataPage, Health, NeighbourDetail, NeighbourPage, NeighbourState, Request};
use crate::api::{PAGE_BYTES_MAX, Status};

/// Most bytes of all unprocessed messages: 32 MiB of text, every byte of it escaped, and
/// their ids.
const DATA_BYTES_MAX: u64 = 256 << 20;

/// Runs `get`.
pub fn run(get: &Get, output: &mut Output<'_>) -> Result<(), CliError> {
    match get {
        Get::Chain(get) => chain(&Miner::at(&get.target)?, get, output),
        Get::Block { index, format, target } => block(&Miner::at(target)?, *index, *format, output),
        Get::Neighbours { format, target } => neighbours(&Miner::at(target)?, *format, output),
        Get::Data { format, target } => data(&Miner::at(target)?, *format, output),
        Get::Health { format, target } => health(&Miner::at(target)?, *format, output),
    }
}

/// Prints the blocks that `get` asks for.
pub fn chain(miner: &Miner, get: &GetChain, output: &mut Output<'_>) -> Result<(), CliError> {
    let length = miner.health()?.length;
    let from = get.last.map_or(get.from, |last| length.saturating_sub(last));
    let until = get.limit.map_or(length, |limit| length.min(from.saturating_add(limit)));
    let blocks = miner.blocks(from, until);
    if get.format.json {
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

/// Prints all of one block.
fn block(
    miner: &Miner,
    index: u64,
    format: Format,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let length = miner.health()?.length;
    if index >= length {
        let (last, blocks) = (length.saturating_sub(1), count(length, "block"));
        let why = format!("there is no block {index}: the chain has {blocks}, 0 to {last}");
        return Err(CliError::Other(why));
    }
    for sent in miner.blocks(index, index + 1) {
        let Sent { line, block, hash } = sent?;
        if format.json {
            output.json(line.get())?;
            output.line("")?;
            continue;
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
    }
    Ok(())
}

fn neighbours(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result<(), CliError> {
    let page = miner.client.neighbours(&miner.address, true)?;
    if format.json {
        return Ok(output.json_line(&page)?);
    }
    let NeighbourPage { neighbours, details, .. } = page;
    if neighbours.is_empty() {
        return Ok(output.line("no neighbours; \"blockchain neighbours add\" takes one in")?);
    }
    if details.is_empty() {
        return neighbours.iter().try_for_each(|it| Ok(output.line(it)?));
    }
    let width = |it: &NeighbourDetail| it.neighbour.to_string().len();
    let columns = details.iter().map(width).max().unwrap_or(0).max("neighbour".len());
    let heading =
        format!("{:<columns$}  state    {:<16} {:>8}  note", "neighbour", "last answer", "blocks");
    output.line(output.look(Look::Bold, heading))?;
    details.iter().try_for_each(|it| Ok(output.line(neighbour_row(it, columns, output))?))
}

fn neighbour_row(it: &NeighbourDetail, columns: usize, output: &Output<'_>) -> String {
    let (look, state) = match it.state {
        NeighbourState::New => (Look::Dim, "new"),
        NeighbourState::Ok => (Look::Green, "ok"),
        NeighbourState::Failing => (Look::Yellow, "failing"),
        NeighbourState::Banned => (Look::Red, "banned"),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let since = |at: u64| format!("{} ago", Span(now.saturating_sub(at / 1_000_000)));
    let answer = it.last_answer.map_or_else(|| "never".into(), since);
    let blocks = it.length.map_or_else(|| "-".into(), |length| length.to_string());
    let hand = it.permanent.then(|| "given by hand".to_owned());
    let until = it.until.map(|at| (at / 1_000_000).saturating_sub(now)).filter(|rest| *rest > 0);
    let again = until.map(|rest| format!("asked again in {}", Span(rest)));
    let note: Vec<_> = [hand, it.reason.clone(), again].into_iter().flatten().collect();
    let state = output.look(look, format_args!("{state:<7}"));
    let note = output.cut(&note.join("; "), columns + 2 + 7 + 2 + 16 + 1 + 8 + 2);
    let row = format!("{:<columns$}  {state}  {answer:<16} {blocks:>8}  {note}", it.neighbour);
    row.trim_end().to_owned()
}

fn data(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result<(), CliError> {
    let request = Request::Data { after: None };
    let what = "list of messages";
    let (_, document) = miner.document(&request, what, DATA_BYTES_MAX)?;
    let page: DataPage =
        serde_json::from_str(document.get()).map_err(|error| miner.malformed(what, error))?;
    if format.json {
        output.json(document.get())?;
        return Ok(output.line("")?);
    }
    if page.data.is_empty() {
        return Ok(output.line("no message waits to be mined")?);
    }
    output.line(output.look(Look::Bold, format_args!("{:<32}  message", "id")))?;
    for data in page.data {
        let id = output.look(Look::Dim, data.id);
        output.line(format_args!("{id}  {}", output.cut(data.message.as_str(), 34)))?;
    }
    Ok(())
}

/// Prints how the miner is; an error, too, if it is not well.
fn health(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result<(), CliError> {
    let health = miner.health()?;
    if format.json {
        output.json_line(&health)?;
    } else {
        health_fields(&health, output)?;
    }
    match health.status {
        Status::Ok => Ok(()),
        Status::Failing => {
            let why = health.reasons.join("; ");
            Err(CliError::other(format!("the miner at {} is failing: {why}", miner.address)))
        }
    }
}

fn health_fields(health: &Health, output: &mut Output<'_>) -> Result<(), CliError> {
    let (look, status) = match health.status {
        Status::Ok => (Look::Green, "ok"),
        Status::Failing => (Look::Red, "failing"),
    };
    let label = output.look(Look::Dim, format_args!("{:<16}", "status"));
    output.line(format_args!("{label}{}", output.look(look, status)))?;
    let Health { network, difficulty, length, unprocessed, neighbours, .. } = health;
    output.field("network", &format!("{network}, difficulty {difficulty}"))?;
    output.field("chain", &count(*length, "block"))?;
    output.field("head", &health.head.to_string())?;
    output.field("unprocessed", &count(*unprocessed, "message"))?;
    output.field("neighbours", &neighbours.to_string())?;
    output.field("mines with", &health.kernel)?;
    output.field("running for", &Span(health.uptime_seconds).to_string())?;
    output.field("version", &health.version)?;
    Ok(output.field("id of this run", &health.id.to_string())?)
}

const _: () = assert!(DATA_BYTES_MAX > PAGE_BYTES_MAX);
