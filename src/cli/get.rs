//! `get`: what a miner has; tables for people, the miner's own JSON for programs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::args::{Format, Get};
use super::control::explain_old_miner;
use super::error::{CliError, Exit, Result};
use super::miner::Miner;
use super::output::{Look, Output, Span, count, micros_utc, seconds_utc};
use super::table::{shown, table};
use super::wait::mined;
use crate::api::client::ClientError;
use crate::api::{
    DataPage, Health, NeighbourDetail, NeighbourPage, NeighbourState, PAGE_BYTES_MAX, Request,
    Status,
};
use crate::chain::DataId;

mod blocks;
mod status;

pub use blocks::chain;
use blocks::{block, forks};
use status::status;

/// Most bytes of all unprocessed messages: 32 MiB of text, every byte of it escaped, and
/// their ids.
const DATA_BYTES_MAX: u64 = 256 << 20;

/// Blocks and messages that a terminal shows of a longer list: a screen.
const SCREEN: u64 = 20;

pub fn run(get: &Get, output: &mut Output<'_>) -> Result {
    let common = get.common();
    let (miner, format) = (&Miner::at(&common.target)?, common.format);
    match get {
        Get::Chain(get) => chain(miner, get, output),
        Get::Block { which, .. } => block(miner, *which, format, output).map_err(explain_old_miner),
        Get::Message { id, .. } => message(miner, *id, format, output),
        Get::Neighbours(_) => neighbours(miner, format, output),
        Get::Data(_) => data(miner, format, output),
        Get::Health(_) => health(miner, format, output),
        Get::Status(_) => status(miner, format, output),
        Get::Events(_) => events(miner, format, output),
        Get::Forks(_) => forks(miner, format, output).map_err(explain_old_miner),
    }
}

fn message(miner: &Miner, id: DataId, format: Format, output: &mut Output<'_>) -> Result {
    let request = Request::DataState { id, sha256: None };
    let answer: Value = match miner.client.call(&miner.address, &request, "state of a message") {
        Ok(answer) => answer,
        Err(ClientError::Refused { status: 404, address, .. }) => {
            return Err(CliError::other(format!("{address} has no message with the id {id}")));
        }
        Err(error) => return Err(error.into()),
    };
    if format.json {
        return Ok(output.json_line(&answer)?);
    }
    output.field("message id", &id.to_string())?;
    if let Some(sha256) = answer["sha256"].as_str() {
        output.field("sha256", sha256)?;
    }
    match answer["index"].as_u64() {
        None => output.field("state", "pending")?,
        Some(index) => {
            let confirmations = answer["confirmations"].as_u64().unwrap_or(0);
            output.field("state", &mined(index, confirmations))?;
            for sent in miner.blocks(index, index + 1) {
                let block = sent?.block;
                output.field("time", &micros_utc(block.timestamp))?;
                output.field("message", block.data.message.as_str())?;
            }
        }
    }
    Ok(())
}

fn events(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result {
    let request = Request::EVENTS;
    let page: Value = miner.client.call(&miner.address, &request, "list of events")?;
    if format.json {
        return Ok(output.json_line(&page)?);
    }
    let events = page["events"].as_array().map_or(&[][..], Vec::as_slice);
    if events.is_empty() {
        return Ok(output.line("no events in the last hour")?);
    }
    let rows = events.iter().filter_map(Value::as_object).map(|event| {
        let at = event.get("at").and_then(Value::as_u64).map_or_else(|| "-".into(), seconds_utc);
        let what = event.get("event").map_or_else(|| "-".into(), shown).replace('_', " ");
        let is_detail = |name: &&String| !matches!(name.as_str(), "id" | "at" | "event");
        let details = event.keys().filter(is_detail).filter(|name| !event[*name].is_null());
        let details: Vec<_> =
            details.map(|name| format!("{name}={}", shown(&event[name]))).collect();
        vec![at, what, details.join(" ")]
    });
    table(&["time (UTC)", "event", "details"], rows.collect(), output)
}

fn neighbours(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result {
    let page = miner.client.neighbours(&miner.address, true)?;
    if format.json {
        return Ok(output.json_line(&page)?);
    }
    let NeighbourPage { neighbours, details, .. } = page;
    if neighbours.is_empty() {
        return Ok(output.line("no neighbours; \"blockchain neighbours add HOST:PORT\" adds one")?);
    }
    if details.is_empty() {
        return neighbours.iter().try_for_each(|it| Ok(output.line(it)?));
    }
    let rows = details.iter().map(neighbour_row).collect();
    table(&["neighbour", "state", "last answer", "blocks", "note"], rows, output)
}

fn neighbour_row(it: &NeighbourDetail) -> Vec<String> {
    let state = match it.state {
        NeighbourState::New => "new",
        NeighbourState::Ok => "ok",
        NeighbourState::Failing => "failing",
        NeighbourState::Banned => "banned",
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let since = |at: u64| format!("{} ago", Span(now.saturating_sub(at / 1_000_000)));
    let answer = it.last_answer.map_or_else(|| "never".into(), since);
    let blocks = it.length.map_or_else(|| "-".into(), |length| length.to_string());
    let given = it.permanent.then(|| "given".to_owned());
    let until = it.until.map(|at| (at / 1_000_000).saturating_sub(now)).filter(|rest| *rest > 0);
    let again = until.map(|rest| format!("next try in {}", Span(rest)));
    let note: Vec<_> = [given, again, it.reason.clone()].into_iter().flatten().collect();
    vec![it.neighbour.to_string(), state.into(), answer, blocks, note.join("; ")]
}

fn data(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result {
    let request = Request::Data { after: None };
    let what = "list of messages";
    let (_, body) = miner.client.send(&miner.address, &request, DATA_BYTES_MAX)?;
    let page: DataPage =
        serde_json::from_slice(&body).map_err(|error| miner.malformed(what, error))?;
    if format.json {
        output.json(&String::from_utf8_lossy(&body))?;
        return Ok(output.line("")?);
    }
    if page.data.is_empty() {
        return Ok(output.line("no message is pending")?);
    }
    output.line(output.look(Look::Bold, format_args!("{:<32}  message", "id")))?;
    let (shown, hidden) = match page.data.len() as u64 {
        all if output.is_terminal() && all > SCREEN => (SCREEN, all - SCREEN),
        all => (all, 0),
    };
    for data in page.data.into_iter().take(shown as usize) {
        let id = output.look(Look::Dim, data.id);
        output.line(format_args!("{id}  {}", output.cut(data.message.as_str(), 34)))?;
    }
    if hidden > 0 {
        let more = format!(
            "{}; a pipe shows all: blockchain get data | less",
            count(hidden, "more message")
        );
        output.line(output.look(Look::Dim, more))?;
    }
    Ok(())
}

/// Prints health; an error, too, if the miner is unhealthy.
fn health(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result {
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
            let why = format!("the miner at {} is unhealthy: {why}", miner.address);
            Err(CliError::Other(Exit::Unhealthy, why))
        }
    }
}

fn health_fields(health: &Health, output: &mut Output<'_>) -> Result {
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
    output.field("pending", &count(*unprocessed, "message"))?;
    output.field("neighbours", &neighbours.to_string())?;
    output.field("kernel", &health.kernel)?;
    output.field("uptime", &Span(health.uptime_seconds).to_string())?;
    output.field("version", &health.version)?;
    Ok(output.field("run id", &health.id.to_string())?)
}

const _: () = assert!(DATA_BYTES_MAX > PAGE_BYTES_MAX);

#[cfg(test)]
mod tests;
