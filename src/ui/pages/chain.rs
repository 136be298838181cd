//! The first page: the strip of blocks and unprocessed messages, the state in figures, a box to
//! add a message, and the blocks as a table.

use maud::{Markup, html};

use super::message::{Followed, life};
use super::network::why_it_won;
use crate::api::{Event, Happening, Status, StatusReport};
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::{Answer, Fields};
use crate::ui::source::{At, NoPage, Sent};
use crate::ui::words::{
    ADDRESS_CHARACTERS, Moment, Shown, count, duration, hue, plural, short_address, short_hash,
};
pub use add::add;
use add::{Draft, add_box};
use strip::strip;

mod add;
mod strip;

pub const TAB: Tab = Tab { name: "Chain", path: "/" };

/// For how long a reorganisation is news, in microseconds: a quarter of an hour.
const NEWS_TIME: u64 = 900_000_000;

const ROWS: u64 = 25;

const ROW_CHARACTERS: usize = 160;

/// Renders the page; `from` chooses the rows of the table, `life` the message to follow.
pub fn page(at: &At, query: &Fields) -> Result<Answer, NoPage> {
    let follow = query.read("life").map(|id| Followed { id, sha256: query.read("sha256") });
    Ok(Answer::page(200, render(at, query.read("from"), follow, None)?))
}

fn render(
    at: &At,
    highest: Option<u64>,
    follow: Option<Followed>,
    draft: Option<Draft<'_>>,
) -> Result<Markup, NoPage> {
    let (newest, length) = at.blocks(at.health.length.saturating_sub(ROWS), ROWS)?;
    let length = length.max(1);
    let top = highest.unwrap_or(length - 1).min(length - 1);
    let older = match highest {
        Some(_) => at.blocks((top + 1).saturating_sub(ROWS), ROWS.min(top + 1))?.0,
        None => Vec::new(),
    };
    let rows = if highest.is_some() { &older } else { &newest };
    let waiting = at.waiting()?;
    let status = at.status();
    let events = at.source.client.events(&at.address).map(|page| page.events).unwrap_or_default();
    let forks = at.forks();
    let own = follow.map(|followed| followed.id);
    let freshness = if draft.is_some() { Freshness::Still } else { Freshness::Live };
    let content = html! {
        h1.visually-hidden { "The chain of network " (at.health.network) }
        p.visually-hidden role="status" id="news" { "Block " (count(length - 1)) " is the head; "
            (plural(at.health.unprocessed, "message")) " unprocessed." }
        (banner(at, &events))
        (strip(at, &newest, &waiting, status.as_ref(), own, &forks))
        (facts(at, &newest))
        div.pair { (add_box(at, draft)) (life_box(at, follow, status.as_ref())?) }
        (table(at, rows, top, length, highest.is_some()))
    };
    Ok(frame::page(TAB.name, TAB, freshness, at, content))
}

/// The life of the message that is followed, or else what this is all about.
fn life_box(
    at: &At,
    follow: Option<Followed>,
    status: Option<&StatusReport>,
) -> Result<Markup, NoPage> {
    Ok(html! {
        section.card id="life" aria-live="polite" {
            @match follow {
                Some(followed) => {
                    (life(at, followed, status)?.shown)
                    noscript { p { a href=(at.href(&format!("/data/{}", followed.id))) { "Follow it" }
                        " on a page of its own, which needs no scripts." } }
                },
                None => (explanation(at)),
            }
        }
    })
}

/// The newest reorganisation, for as long as it is news: which branch won, and why.
fn banner(at: &At, events: &[Event]) -> Markup {
    let is_news = |event: &&Event| {
        at.now.saturating_sub(event.at) < NEWS_TIME
            && matches!(event.what, Happening::Reorganisation { .. })
    };
    let event = events.iter().rev().find(is_news).map(|event| (event.at, &event.what));
    html! {
        div id="reorganised" role="status" {
            @if let Some((time, Happening::Reorganisation { fork, dropped, adopted, returned_count, from, .. })) = event {
                p.reorganised {
                    strong { "Reorganisation" } " " (Moment(time).age(at.now)) ": "
                    @if let Some(from) = from { "the branch of " (short_address(from, ADDRESS_CHARACTERS))
                        " won. " } @else { "another branch won. " }
                    (why_it_won(*dropped, *adopted)) " "
                    (plural(*dropped, "block")) " above block " (count(*fork)) " dropped; "
                    @if *returned_count == 0 { "no message went back." } @else {
                        (plural(*returned_count, "message")) " unprocessed again." }
                    " " a href=(at.href("/forks")) { "See what was dropped" }
                }
            }
        }
    }
}

fn facts(at: &At, newest: &[Sent]) -> Markup {
    let health = &at.health;
    let agreement = at.agreeing();
    let good = health.status == Status::Ok;
    html! {
        dl.facts id="facts" {
            div { dt { "Length" } dd { (plural(health.length, "block")) }
                dd.more { @match newest.last().map(|last| last.block.timestamp) { None | Some(0) =>
                    "the genesis block alone", Some(time) => { "head " (Moment(time).age(at.now)) } } } }
            div { dt { "Unprocessed" } dd { (plural(health.unprocessed, "message")) }
                dd.more { @if health.unprocessed == 0 { "all is in the chain" } @else { "on disk, not yet in a block" } } }
            div { dt { "Neighbours" }
                @match agreement {
                    Some((same, all)) => { dd { (same) " of " (all) " agree" } dd.more { "on the head " (short_hash(&health.head)) } }
                    None => { dd { (plural(health.neighbours, "neighbour")) }
                        dd.more { a href=(at.href("/network")) { "see the network" } } }
                }
            }
            div.(if good { "good" } else { "bad" }) { dt { "Health" } dd { @if good { "All is well" } @else { "Failing" } }
                dd.more { @if good { "up for "
                    (duration(health.uptime_seconds.saturating_mul(1_000_000))) } @else {
                    (Shown(&health.reasons.join("; "), 120)) } } }
        }
    }
}

fn explanation(at: &At) -> Markup {
    html! {
        h2 { "What is this?" }
        p { "A list of messages that nobody can change unseen. A block holds one message and the hash of the \
            block before it. The colour of a block stands for the first digit of its own hash, which begins \
            with the digits at its top right. The link to the block before it has the colour and the first \
            digits of the hash that the block names: both must be alike." }
        p { "To make a block, a miner must find a nonce for which a hash ends with "
            (plural(u64::from(at.health.difficulty.zeros()), "zero")) ". To change an old block, this has to \
            be done again for it and for every block since. " a href=(at.href("/check#tamper")) {
            "Try to cheat" } " or " a href=(at.href("/workbench")) { "mine by hand" } "." }
    }
}

fn table(at: &At, rows: &[Sent], top: u64, length: u64, is_fixed: bool) -> Markup {
    let bottom = (top + 1).saturating_sub(ROWS);
    html! {
        section.blocks id="blocks" {
            h2 { "Blocks " span.range { (count(top)) @if bottom < top { " to " (count(bottom)) } } }
            table {
                thead { tr { th scope="col" { "Height" } th scope="col" { "Message" } th scope="col" {
                    "Hash" } th.number scope="col" { @if is_fixed { "Time" } @else { "Age" } } } }
                tbody {
                    @for seen in rows.iter().rev() {
                        tr id=(format!("r-{}", &seen.hash.to_string()[..16])) {
                            th scope="row" { a href=(at.block(seen.block.index)) { (count(seen.block.index)) } }
                            td { div.clamp { (Shown(seen.block.data.message.as_str(), ROW_CHARACTERS)) } }
                            td.hash { span class=(format!("swatch {}", hue(&seen.hash)))
                                aria-hidden="true" {} code { (short_hash(&seen.hash)) } }
                            td.number { @if is_fixed && seen.block.timestamp > 0 {
                                (Moment(seen.block.timestamp).show()) } @else {
                                (Moment(seen.block.timestamp).age(at.now)) } }
                        }
                    }
                }
            }
            p.hint { "The hash of a block has no zeros: those that a miner searches for are at the end of \
                the hash of two proofs, which the page of a block shows." }
            nav.pages aria-label="Pages of blocks" {
                @if top + 1 < length { a href=(at.href("/#blocks")) { "Newest" }
                    a rel="prev" href=(at.href(&format!("/?from={}#blocks", (top + ROWS).min(length - 1)))) { "Newer" } }
                @if bottom > 0 { a rel="next" href=(at.href(&format!("/?from={}#blocks", bottom - 1))) {
                    "Older" } a href=(at.href(&format!("/?from={}#blocks", ROWS.min(length) - 1))) {
                    "Oldest" } }
            }
        }
    }
}
