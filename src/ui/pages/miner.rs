//! One miner: its health, settings, files and jobs.

use maud::{Markup, html};

use crate::api::{Status, StatusReport};
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::{At, NoPage, Source};
use crate::ui::words::{Moment, Shown, bytes, count, duration, seconds, short_count};

/// Longest text of a miner's own that is shown, in characters.
const TEXT_CHARACTERS: usize = 300;

/// Renders the page.
pub fn page(source: &Source, at: &At) -> Result<Answer, NoPage> {
    let status = source.client.status(&at.address).ok();
    let content = html! {
        section.intro { h1 { "Miner " span.range { (at.address) } } }
        div.pair {
            @match &status {
                Some(status) => {
                    div.stack { (health(at)) (files(status)) }
                    div.stack { (mining(at, status)) (jobs(status)) (settings(status)) }
                },
                None => {
                    (health(at))
                    section.card { p.lead { "This miner does not show its settings, files and jobs." } }
                },
            }
        }
    };
    Ok(Answer::page(200, frame::page("Miner", Tab::Miner, Freshness::Live, at, content)))
}

fn health(at: &At) -> Markup {
    let health = &at.health;
    let is_ok = health.status == Status::Ok;
    let row = |name: &str, value: Markup| html! { div { dt { (name) } dd { (value) } } };
    html! {
        section.card id="health-parts" {
            h2 { "Health" }
            p.verdict.(if is_ok { "good" } else { "bad" }) role="status" {
                @if is_ok { span.tick { "✓" } " All is well." } @else { span.cross { "✗" } " Something has to be done:" }
            }
            @if !is_ok { ul.reasons { @for reason in &health.reasons { li { (Shown(reason, TEXT_CHARACTERS)) } } } }
            dl.parts {
                (row("Network", html! { (health.network) ", difficulty " (health.difficulty) }))
                (row("Genesis", html! { code { (health.genesis) } }))
                (row("Chain", html! { (count(health.length)) " blocks, head " code { (health.head) } }))
                (row("Unprocessed", html! { (count(health.unprocessed)) }))
                (row("Neighbours", html! { (count(health.neighbours)) }))
                (row("Mines with", html! { (Shown(&health.kernel, 40)) }))
                (row("Up", html! { (duration(health.uptime_seconds.saturating_mul(1_000_000))) }))
                (row("Version", html! { (Shown(&health.version, 40)) }))
                (row("This run", html! { code { (health.id) } }))
            }
        }
    }
}

fn mining(at: &At, status: &StatusReport) -> Markup {
    html! {
        section.card id="mining" {
            h2 { "Mining" }
            @match &status.mining {
                Some(mining) => p {
                    "Searching a proof for block " strong { (count(mining.index)) } " with message "
                    a href=(at.href(&format!("/data/{}", mining.id))) { code { (mining.id) } } ", difficulty " (mining.difficulty) ", begun " (Moment(mining.since).age(status.now)) "."
                    @if mining.guesses_per_second > 0.0 {
                        " At " (short_count(mining.guesses_per_second)) " guesses a second, such a search takes "
                        (seconds(mining.expected_seconds)) " on average, however long it has been going on."
                    }
                },
                None => p.lead { "Idle: no message is unprocessed." },
            }
        }
    }
}

fn jobs(status: &StatusReport) -> Markup {
    html! {
        section.card id="jobs" {
            h2 { "Jobs" }
            table {
                thead { tr { th scope="col" { "Job" } th scope="col" { "Last run" } th scope="col" { "Next run" } } }
                tbody { @for job in &status.jobs {
                    tr {
                        th scope="row" { (Shown(&job.job, 40)) @if let Some(error) = &job.error { p.problem { (Shown(error, TEXT_CHARACTERS)) } } }
                        td.nowrap {
                            @match job.last_run { Some(time) => (Moment(time).age(status.now)), None => "not yet" }
                            p.more { @match (job.took, job.last_run) { (Some(took), _) => { "took " (duration(took)) }, (None, Some(_)) => "runs", (None, None) => "" } }
                        }
                        td.nowrap { @match job.next_run { Some(time) => (Moment(time).ahead(status.now)), None => "on demand" } }
                    }
                } }
            }
        }
    }
}

fn files(status: &StatusReport) -> Markup {
    let what = |kind: &str| match kind {
        "chain" => "the chain, one block a line",
        "hash" => "SHA-256 of the chain file",
        "version" => "an older chain",
        "journal" => "unprocessed messages",
        "log" => "log",
        _ => "",
    };
    let all = status.files.iter().fold(0, |all: u64, file| all.saturating_add(file.bytes));
    html! {
        section.card id="files" {
            h2 { "Files " span.range { (bytes(all)) } }
            table {
                thead { tr { th scope="col" { "Name" } th.number scope="col" { "Size" } th scope="col" { "Changed" } } }
                tbody { @for file in &status.files {
                    tr {
                        th scope="row" { (Shown(&file.name, 120)) p.more { (what(&file.kind)) } }
                        td.number { (bytes(file.bytes)) }
                        td.nowrap { @if let Some(time) = file.changed { (Moment(time).age(status.now)) } }
                    }
                } }
            }
        }
    }
}

fn settings(status: &StatusReport) -> Markup {
    html! {
        section.card id="settings" {
            h2 { "Settings" }
            dl.settings { @for setting in &status.settings {
                div { dt { code { "--" (Shown(&setting.name, 60)) } } dd {
                    @if setting.value.is_empty() { span.hint { "not given" } }
                    @else { (Shown(&setting.value, TEXT_CHARACTERS)) @if setting.name.ends_with("-interval") { " s" } }
                } }
            } }
        }
    }
}
