//! One miner: its health, settings, files and jobs.

use maud::{Markup, html};

use crate::api::client::ClientError;
use crate::api::{MiningPace, Request, Status, StatusReport};
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::{Answer, Fields};
use crate::ui::source::{At, NoPage, Source};
use crate::ui::words::{Moment, Shown, bytes, count, duration, seconds, short_count};

pub const TAB: Tab = Tab { name: "Miner", path: "/miner" };

const TEXT_CHARACTERS: usize = 300;

/// Seconds after which the page is asked for though nothing happened: rounds of jobs are no events.
const BEAT: u64 = 5;

/// Most guesses a second that the dial has, before it has no limit.
const PACE_MAX: u64 = 1_000_000_000;

/// Renders the page; the pace can be set by a reader on this host alone.
pub fn page(at: &At, is_local: bool) -> Result<Answer, NoPage> {
    Ok(Answer::page(200, render(at, is_local, None)))
}

pub fn set_pace(source: &Source, form: &Fields) -> Result<Answer, NoPage> {
    let at = source.look(form.text("at"))?;
    let step = form.read::<usize>("step");
    let limit = match step.and_then(|step| paces().get(step).copied()) {
        _ if form.text("pause").is_some() => Some(0),
        Some(limit) => limit,
        None => return Err(NoPage::Bad("the dial has no such step".into())),
    };
    let request = Request::LimitMining(limit);
    match at.source.client.call::<MiningPace>(&at.address, &request, "pace") {
        Ok(_) => Ok(Answer::see_other(at.href("/miner#mining"))),
        Err(error) => Ok(Answer::page(503, render(&at, true, Some(error)))),
    }
}

/// The steps of the dial: paused, then 1, 2, 5, 10, … guesses a second, then no limit.
fn paces() -> Vec<Option<u64>> {
    let decades = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10));
    let steps = decades.flat_map(|ten| [1, 2, 5].map(|times| ten.saturating_mul(times)));
    let limits = steps.take_while(|limit| *limit <= PACE_MAX).map(Some);
    [Some(0)].into_iter().chain(limits).chain([None]).collect()
}

fn render(at: &At, is_local: bool, problem: Option<ClientError>) -> Markup {
    let status = at.status();
    let pace = at.source.client.call(&at.address, &Request::Mining, "pace").ok();
    let is_local = is_local && at.address.is_local();
    let content = html! {
        section.intro { h1 { "Miner " span.range { (at.address) } } }
        div.pair {
            @match &status {
                Some(status) => {
                    div.stack { (health(at)) (files(status)) }
                    div.stack { (mining(at, status, pace.as_ref()))
                        (dial(at, pace.as_ref(), is_local, problem.as_ref())) (jobs(status))
                        (settings(status)) }
                },
                None => {
                    (health(at))
                    section.card { p.lead { "This miner does not show its settings, files and jobs." } }
                },
            }
        }
    };
    let freshness = if problem.is_some() { Freshness::Still } else { Freshness::Live };
    frame::page(TAB.name, TAB, freshness, at, content)
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

/// A pace in words, with the time that a block takes at it.
fn in_words(at: &At, limit: Option<u64>) -> String {
    let guesses = 16_f64.powi(i32::from(at.health.difficulty.zeros()));
    match limit {
        None => "no limit".into(),
        Some(0) => "paused".into(),
        Some(limit) => format!(
            "at most {} a second: a block takes {} on average",
            if limit == 1 { "1 guess".into() } else { format!("{} guesses", count(limit)) },
            seconds(guesses / limit as f64)
        ),
    }
}

fn dial(
    at: &At,
    pace: Option<&MiningPace>,
    is_local: bool,
    problem: Option<&ClientError>,
) -> Markup {
    let Some(MiningPace { hash_rate_limit: limit, .. }) = pace else { return html! {} };
    let (paces, is_paused) = (paces(), *limit == Some(0));
    let at_least = |step: &Option<u64>| step.is_none_or(|step| limit.is_some_and(|l| step >= l));
    let step = paces.iter().position(at_least).filter(|_| !is_paused).unwrap_or(paces.len() - 1);
    html! {
        section.card id="pace" {
            h2 { "Pace" }
            p { "Now: " strong id="pace-now" { (in_words(at, *limit)) } "." }
            @if let Some(problem) = problem { p.problem role="alert" { (Shown(&problem.to_string(), TEXT_CHARACTERS)) } }
            @if is_local {
                form method="post" action="/pace" {
                    @if !at.is_home { input type="hidden" name="at" value=(at.address); }
                    label.field for="dial" { span { "Dial: " output data-steps="steps" { (in_words(at, paces[step])) } }
                        input #dial type="range" name="step" min="1" max=(paces.len() - 1) value=(step.max(1)) list="steps"; }
                    datalist id="steps" { @for (step, limit) in paces.iter().enumerate().skip(1) {
                        option value=(step) label=(in_words(at, *limit)) {}
                    } }
                    div.buttons {
                        button.primary { @if is_paused { "Resume" } @else { "Set" } }
                        @if !is_paused { button name="pause" value="1" { "Pause" } }
                    }
                }
                p.hint { "A miner with a limit waits between its guesses and takes no processor time then. \
                    With the same limit, unequal computers are equal; give one of them more than half of all \
                    guesses, and it can rewrite the chain." }
            } @else {
                p.hint { "The pace is set on the miner's own host: here, or with " code { "blockchain mining" } "." }
            }
        }
    }
}

fn mining(at: &At, status: &StatusReport, pace: Option<&MiningPace>) -> Markup {
    let is_paused = pace.is_some_and(|pace| pace.hash_rate_limit == Some(0));
    html! {
        section.card id="mining" {
            h2 { "Mining" }
            @match &status.mining {
                Some(mining) => p {
                    "Searching a proof for block " strong { (count(mining.index)) } " with message "
                    a href=(at.href(&format!("/data/{}", mining.id))) { code { (mining.id) } }
                        ", difficulty " (mining.difficulty) ", begun "
                        (Moment(mining.since).age(status.now)) "."
                    @if mining.guesses_per_second > 0.0 {
                        " At " (short_count(mining.guesses_per_second)) " guesses a second, such a search takes "
                        (seconds(mining.expected_seconds)) " on average, however long it has been going on."
                    }
                },
                None if is_paused => p.lead { "Paused." },
                None => p.lead { "Idle: no message is unprocessed." },
            }
        }
    }
}

fn jobs(status: &StatusReport) -> Markup {
    html! {
        section.card id="jobs" data-beat=(BEAT) {
            h2 { "Jobs" }
            table {
                thead { tr { th scope="col" { "Job" } th scope="col" { "Last run" } th scope="col" { "Next run" } } }
                tbody { @for job in &status.jobs {
                    tr {
                        th scope="row" { (Shown(&job.job, 40)) @if let Some(error)
                            = &job.error { p.problem { (Shown(error, TEXT_CHARACTERS)) } } }
                        td.nowrap {
                            @match job.last_run { Some(time) => (Moment(time).age(status.now)), None => "not yet" }
                            p.more { @match (job.took, job.last_run) { (Some(took), _) => { "took "
                                (duration(took)) }, (None, Some(_)) => "runs", (None, None) => "" } }
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
        "forks" => "when and why older chains were left",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dial_goes_from_a_pause_over_ones_twos_and_fives_to_no_limit() {
        let paces = paces();
        assert_eq!(paces[..6], [0, 1, 2, 5, 10, 20].map(Some));
        assert_eq!(paces[paces.len() - 2..], [Some(PACE_MAX), None]);
    }
}
