//! `get status`.

use serde_json::Value;

use crate::api::Request;
use crate::cli::args::Format;
use crate::cli::error::Result;
use crate::cli::miner::Miner;
use crate::cli::output::{Output, Span, rate, seconds_utc};
use crate::cli::table::{shown, table};

/// Prints settings, files, jobs and mining, as far as this program knows them.
pub fn status(miner: &Miner, format: Format, output: &mut Output<'_>) -> Result {
    let request = Request::Status;
    let report: Value = miner.client.call(&miner.address, &request, "status")?;
    if format.json {
        return Ok(output.json_line(&report)?);
    }
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let settings = list("settings");
    let settings = settings.iter().map(|it| vec![shown(&it["name"]), shown(&it["value"])]);
    table(&["setting", "value"], settings.collect(), output)?;
    let files = list("files");
    let files = files.iter().map(|it| {
        let changed = it["changed"].as_u64().map_or_else(|| "-".into(), seconds_utc);
        vec![shown(&it["name"]), shown(&it["bytes"]), changed]
    });
    output.line("")?;
    table(&["file", "bytes", "changed (UTC)"], files.collect(), output)?;
    let now = report["now"].as_u64().unwrap_or(0);
    let jobs = list("jobs");
    let jobs = jobs.iter().map(|it| {
        let since = |at: u64| format!("{} ago", Span(now.saturating_sub(at) / 1_000_000));
        let ran = it["last_run"].as_u64().map_or_else(|| "never".into(), since);
        let error = it["error"].as_str().map_or_else(|| "ok".into(), str::to_owned);
        vec![shown(&it["job"]), ran, error]
    });
    output.line("")?;
    table(&["job", "last run", "result"], jobs.collect(), output)?;
    output.line("")?;
    let mining = &report["mining"];
    if mining.is_null() {
        return Ok(output.field("mining", "idle: no message is pending")?);
    }
    output.field("mining", &format!("block {}", shown(&mining["index"])))?;
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
