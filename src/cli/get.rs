//! `get`: what a miner has; tables for people, the miner's own JSON for programs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::args::{Format, Get, GetChain};
use super::control::explain_old_miner;
use super::error::{CliError, Exit};
use super::miner::{Miner, Sent};
use super::output::{
    Look, Output, Span, count, micros_utc, padded, rate, seconds_utc, short, width,
};
use super::wait::mined;
use crate::api::client::ClientError;
use crate::api::{
    BlockAnswer, BlockName, DataPage, Departure, ForksAnswer, Health, NeighbourDetail,
    NeighbourPage, NeighbourState, PAGE_BYTES_MAX, Request, Status,
};
use crate::chain::{DataId, Why};
use crate::escape::Escaped;

/// Most bytes of all unprocessed messages: 32 MiB of text, every byte of it escaped, and
/// their ids.
const DATA_BYTES_MAX: u64 = 256 << 20;

/// Blocks and messages that a terminal shows of a longer list: a screen.
const SCREEN: u64 = 20;

/// Runs `get`.
pub fn run(get: &Get, output: &mut Output<'_>) -> Result<(), CliError> {
    match get {
        Get::Chain(get) => chain(&Miner::at(&get.common.target)?, get, output),
        Get::Block { which, common } => {
            let miner = Miner::at(&common.target)?;
            block(&miner, *which, common.format, output).map_err(explain_old_miner)
        }
        Get::Message { id, common } => {
            message(&Miner::at(&common.target)?, *id, common.format, output)
        }
        Get::Neighbours { common } => {
            neighbours(&Miner::at(&common.target)?, common.format, output)
        }
        Get::Data { common } => data(&Miner::at(&common.target)?, common.format, output),
        Get::Health { common } => health(&Miner::at(&common.target)?, common.format, output),
        Get::Status { common } => status(&Miner::at(&common.target)?, common.format, output),
        Get::Events { common } => events(&Miner::at(&common.target)?, common.format, output),
        Get::Forks { common } => {
            forks(&Miner::at(&common.target)?, common.format, output).map_err(explain_old_miner)
        }
    }
}

/// Prints the blocks that `get` asks for.
pub fn chain(miner: &Miner, get: &GetChain, output: &mut Output<'_>) -> Result<(), CliError> {
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

/// Prints all of one block.
fn block(
    miner: &Miner,
    which: BlockName,
    format: Format,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
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

/// Why a branch left the chain, in words.
fn reason(why: Why) -> &'static str {
    match why {
        Why::Longer => "another branch was longer",
        Why::LowerHash => "another branch of the same length had a lower hash",
        Why::Clock => "its timestamps were ahead of the clock",
        Why::Accepted => "the other branch was accepted by hand",
    }
}

/// Prints the kept branches, each with where it left the chain, when and why.
fn forks(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result<(), CliError> {
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

/// Prints where a message is, and its text.
fn message(
    miner: &Miner,
    id: DataId,
    format: Format,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
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

/// Prints settings, files, jobs and mining, as far as this program knows them.
fn status(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result<(), CliError> {
    let request = Request::Status;
    let report: Value = miner.client.call(&miner.address, &request, "status")?;
    if format.json {
        return Ok(output.json_line(&report)?);
    }
    let text = |value: &Value| shown(value);
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let settings = list("settings");
    let settings = settings.iter().map(|it| vec![text(&it["name"]), text(&it["value"])]);
    table(&["setting", "value"], settings.collect(), output)?;
    let files = list("files");
    let files = files.iter().map(|it| {
        let changed = it["changed"].as_u64().map_or_else(|| "-".into(), seconds_utc);
        vec![text(&it["name"]), text(&it["bytes"]), changed]
    });
    output.line("")?;
    table(&["file", "bytes", "changed (UTC)"], files.collect(), output)?;
    let now = report["now"].as_u64().unwrap_or(0);
    let jobs = list("jobs");
    let jobs = jobs.iter().map(|it| {
        let since = |at: u64| format!("{} ago", Span(now.saturating_sub(at) / 1_000_000));
        let ran = it["last_run"].as_u64().map_or_else(|| "never".into(), since);
        let error = it["error"].as_str().map_or_else(|| "ok".into(), str::to_owned);
        vec![text(&it["job"]), ran, error]
    });
    output.line("")?;
    table(&["job", "last run", "result"], jobs.collect(), output)?;
    output.line("")?;
    let mining = &report["mining"];
    if mining.is_null() {
        return Ok(output.field("mining", "idle: no message is pending")?);
    }
    output.field("mining", &format!("block {}", text(&mining["index"])))?;
    let guesses = mining["guesses_per_second"].as_f64().unwrap_or(0.0);
    if guesses > 0.0 {
        output.field("hash rate", &format!("{} guesses a second", rate(guesses)))?;
    }
    let expected = mining["expected_seconds"].as_f64().unwrap_or(0.0);
    if expected > 0.0 {
        output.field("average time", &format!("{} a block", precise(expected)))?;
    }
    let since = mining["since"].as_u64().unwrap_or(now);
    Ok(output.field("searching for", &precise(now.saturating_sub(since) as f64 / 1e6))?)
}

/// Seconds as `0.3 s`, `42 s` or a [`Span`].
fn precise(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { Span(seconds as u64).to_string() }
}

/// Prints the events of the last hour: what each is, and what it holds.
fn events(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result<(), CliError> {
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

/// A value of JSON as text, without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "none".into(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Prints the fields of an object, each by its name in words.
pub fn fields(answer: &Value, output: &mut Output<'_>) -> Result<(), CliError> {
    for (name, value) in answer.as_object().into_iter().flatten() {
        let value = match value.as_f64().filter(|_| value.is_f64()) {
            Some(number) => rate(number),
            None => shown(value),
        };
        output.field(&format!("{} ", name.replace('_', " ")), &value)?;
    }
    Ok(())
}

/// Prints rows below a heading, each column as wide as its widest value; the last is cut
/// where the terminal ends.
fn table(
    heading: &[&str],
    rows: Vec<Vec<String>>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| Escaped(cell).to_string()).collect())
        .collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.max().unwrap_or(0).max(heading[column].len())
    };
    let last = heading.len() - 1;
    let widths: Vec<usize> = (0..last).map(widest).collect();
    let used = widths.iter().sum::<usize>() + 2 * last;
    let begin = |row: &[String]| -> String {
        row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width) + "  ").collect()
    };
    let names: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    output.line(output.look(Look::Bold, begin(&names) + heading[last]))?;
    for row in &rows {
        let line = begin(row) + &output.cut_escaped(&row[last], used);
        output.line(line.trim_end())?;
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
            let why = format!("the miner at {} is unhealthy: {why}", miner.address);
            Err(CliError::Other(Exit::Unhealthy, why))
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
    output.field("pending", &count(*unprocessed, "message"))?;
    output.field("neighbours", &neighbours.to_string())?;
    output.field("kernel", &health.kernel)?;
    output.field("uptime", &Span(health.uptime_seconds).to_string())?;
    output.field("version", &health.version)?;
    Ok(output.field("run id", &health.id.to_string())?)
}

const _: () = assert!(DATA_BYTES_MAX > PAGE_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::super::testing::Fake;
    use super::*;
    use crate::api::Address;

    fn format() -> Format {
        Format { json: false, quiet: false }
    }

    /// Columns shifted, since an address ignored the width it was given.
    #[test]
    fn neighbours_of_any_length_stand_in_columns_and_reasons_are_whole() {
        let detail = |neighbour: &str, reason: &str| NeighbourDetail {
            neighbour: neighbour.parse::<Address>().unwrap(),
            state: NeighbourState::Failing,
            permanent: true,
            last_answer: None,
            failures: 1,
            reason: Some(reason.into()),
            until: None,
            length: Some(5),
            head: None,
        };
        let reason = "x".repeat(150);
        let details =
            vec![detail("a:1", &reason), detail("a-much-longer-name.example:12345", "short")];
        let neighbours = details.iter().map(|it| it.neighbour.clone()).collect();
        let page = NeighbourPage { neighbours, length: 2, details };
        let fake = Fake::new([Ok((200, serde_json::to_vec(&page).unwrap()))]);
        let mut bytes = Vec::new();
        neighbours_of(&fake, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let column = |line: &str, word: &str| line.find(word).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(column(lines[1], "failing"), column(lines[2], "failing"), "{text}");
        assert_eq!(column(lines[0], "note"), column(lines[1], "given"), "{text}");
        assert!(lines[1].ends_with(&reason), "{text}");
    }

    fn neighbours_of(fake: &Fake, bytes: &mut Vec<u8>) {
        neighbours(&fake.miner(), format(), &mut Output::plain(bytes)).unwrap();
    }

    #[test]
    fn events_of_any_kind_are_shown() {
        let body = br#"{"events":[{"at":1790000000000000,"event":"new_kind","who":"a:1","x":null,
            "ids":["a","b"]}],"length":1}"#;
        let fake = Fake::new([Ok((200, body.to_vec()))]);
        let mut bytes = Vec::new();
        events(&fake.miner(), format(), &mut Output::plain(&mut bytes)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line, "2026-09-21 14:13:20  new kind  ids=a, b who=a:1");
    }
}
