//! The first page: the strip of blocks and unprocessed messages, the state in figures, a box to
//! add a message, and the blocks as a table.

use maud::{Markup, html};

use super::forks::{rows, short_id};
use super::message::{Followed, life};
use super::network::why_it_won;
use crate::api::client::ClientError;
use crate::api::{Added, DataPage, Event, Fork, Happening, Status, StatusReport};
use crate::chain::data::MESSAGE_BYTES_MAX;
use crate::chain::{Data, DataId, Hash, Message};
use crate::random;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::routes::Parameters;
use crate::ui::source::{At, NoPage, Seen, Source};
use crate::ui::words::{
    ADDRESS_CHARACTERS, Moment, Shown, count, duration, hue, plural, seconds, short_address,
    short_count, short_hash,
};

/// Its place in the navigation.
pub const TAB: Tab = Tab { name: "Chain", path: "/" };

/// Blocks in the strip.
const STRIP_BLOCKS: u64 = 12;

/// Unprocessed messages in the strip.
const STRIP_WAITING: usize = 6;

/// Digits of a hash on cards and links: sixteen colours can't be told apart.
const LINK_DIGITS: usize = 2;

/// Rows of kept branches below the strip, blocks of each, and digits of their hashes.
const STRIP_ROWS: usize = 3;
const BRANCH_BLOCKS: usize = 6;
const BRANCH_DIGITS: usize = 4;

/// For how long a reorganisation is news, in microseconds: a quarter of an hour.
const NEWS_TIME: u64 = 900_000_000;

/// Rows of the table.
const ROWS: u64 = 25;

/// Characters of a message in a card and in a row.
const CARD_CHARACTERS: usize = 60;
const ROW_CHARACTERS: usize = 160;

/// Text for the box again, after a message could not be added.
struct Draft<'a> {
    text: &'a str,
    problem: &'a str,
}

/// Renders the page; `from` chooses the rows of the table, `life` the message to follow.
pub fn page(source: &Source, at: &At, parameters: &Parameters) -> Result<Answer, NoPage> {
    let sha256 = parameters.get("sha256").and_then(|hash| hash.parse().ok());
    let life = parameters.get("life").and_then(|id| id.parse().ok());
    let life = life.map(|id| Followed { id, sha256 });
    let highest = parameters.get("from").and_then(|height| height.parse().ok());
    Ok(Answer::page(200, render(source, at, highest, life, None)?))
}

/// Adds the message of a form, and goes where its life can be followed.
pub fn add(source: &Source, form: &Parameters) -> Result<Answer, NoPage> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let at = source.look(form.get("at").map(String::as_str))?;
    // Browsers send a line break in a form as two characters.
    let text = field("message").replace("\r\n", "\n");
    let refuse = |status, problem: &str| {
        let draft = Draft { text: &text, problem };
        Ok(Answer::page(status, render(source, &at, None, None, Some(draft))?))
    };
    let message = match Message::new(&text) {
        Ok(message) => message,
        Err(error) => return refuse(400, &error.to_string()),
    };
    let id = field("id").parse().unwrap_or_else(|_| random_id());
    let sha256 = Hash::of(message.as_str());
    match add_once(source, &at, id, message) {
        Ok(added) => {
            let path = format!("/?life={}&sha256={sha256}", added.data.id);
            Ok(Answer::see_other(at.href(&path)))
        }
        Err(error) => refuse(503, &error.to_string()),
    }
}

/// Adds a message. A form that is sent twice adds once; one that was changed after it was
/// sent is another message.
fn add_once(source: &Source, at: &At, id: DataId, message: Message) -> Result<Added, ClientError> {
    match source.client.add(&at.address, Data { id, message: message.clone() }) {
        Err(ClientError::Refused { status: 409, .. }) => {
            source.client.add(&at.address, Data { id: random_id(), message })
        }
        answer => answer,
    }
}

fn random_id() -> DataId {
    DataId::from_random(random::bytes())
}

fn render(
    source: &Source,
    at: &At,
    highest: Option<u64>,
    follow: Option<Followed>,
    draft: Option<Draft<'_>>,
) -> Result<Markup, NoPage> {
    let length = at.health.length;
    let (newest, length) = source
        .blocks(&at.address, length.saturating_sub(ROWS), ROWS)
        .map(|(blocks, l)| (blocks, l.max(1)))?;
    let waiting = source.waiting(at)?;
    let status = source.client.status(&at.address).ok();
    let top = highest.unwrap_or(length - 1).min(length - 1);
    let rows = match highest {
        Some(_) => source.blocks(&at.address, (top + 1).saturating_sub(ROWS), ROWS.min(top + 1))?.0,
        None => Vec::new(),
    };
    let rows = if highest.is_some() { &rows } else { &newest };
    let events = source.client.events(&at.address).map(|page| page.events).unwrap_or_default();
    let forks = source.forks(&at.address);
    let own = follow.map(|followed| followed.id);
    let is_draft = draft.is_some();
    let content = html! {
        h1.visually-hidden { "The chain of network " (at.health.network) }
        p.visually-hidden role="status" id="news" { "Block " (count(length - 1)) " is the head; " (plural(at.health.unprocessed, "message")) " unprocessed." }
        (banner(at, &events))
        (strip(at, &newest, &waiting, status.as_ref(), own, &forks))
        (facts(at, &newest))
        div.pair {
            (add_box(at, draft))
            section.card id="life" aria-live="polite" {
                @match follow {
                    Some(followed) => {
                        (life(source, at, followed, status.as_ref())?.shown)
                        noscript { p { a href=(at.href(&format!("/data/{}", followed.id))) { "Follow it" } " on a page of its own, which needs no scripts." } }
                    },
                    None => (explanation(at)),
                }
            }
        }
        (table(at, rows, top, length, highest.is_some()))
    };
    let freshness = if is_draft { Freshness::Still } else { Freshness::Live };
    Ok(frame::page(TAB.name, TAB, freshness, at, content))
}

/// The newest reorganisation, for as long as it is news: which branch won, and why.
fn banner(at: &At, events: &[Event]) -> Markup {
    let is_news = |event: &&Event| {
        at.now.saturating_sub(event.at) < NEWS_TIME
            && matches!(event.what, Happening::Reorganisation { .. })
    };
    let event = events.iter().rev().find(is_news);
    html! {
        div id="reorganised" role="status" {
            @if let Some(Event { at: time, what: Happening::Reorganisation { fork, dropped, adopted, returned_count, from, .. }, .. }) = event {
                p.reorganised {
                    strong { "Reorganisation" } " " (Moment(*time).age(at.now)) ": "
                    @if let Some(from) = from { "the branch of " (short_address(from, ADDRESS_CHARACTERS)) " won. " } @else { "another branch won. " }
                    (why_it_won(*dropped, *adopted)) " "
                    (plural(*dropped, "block")) " above block " (count(*fork)) " dropped; "
                    @if *returned_count == 0 { "no message went back." } @else { (plural(*returned_count, "message")) " unprocessed again." }
                    " " a href=(at.href("/forks")) { "See what was dropped" }
                }
            }
        }
    }
}

fn strip(
    at: &At,
    newest: &[Seen],
    waiting: &DataPage,
    status: Option<&StatusReport>,
    own: Option<DataId>,
    forks: &[Fork],
) -> Markup {
    let newest: Vec<_> = newest.iter().rev().take(STRIP_BLOCKS as usize).collect();
    let lowest = newest.last().map_or(0, |seen| seen.block.index);
    let hanging: Vec<&Fork> = forks.iter().filter(|fork| fork.fork >= lowest).collect();
    let rows = rows(&hanging);
    let below = |height: u64| {
        let hanging = hanging.iter().zip(&rows).filter(move |(fork, _)| fork.fork == height);
        hanging.filter(|(_, row)| **row < STRIP_ROWS).map(|(fork, row)| (*fork, *row))
    };
    let shown = waiting.data.len().min(STRIP_WAITING);
    let more = waiting.length.saturating_sub(shown as u64);
    html! {
        section.strip id="strip" aria-label="Newest blocks and unprocessed messages" {
            ol.waiting aria-label="Unprocessed, oldest first" {
                @for (place, data) in waiting.data.iter().take(shown).enumerate() {
                    li id=(format!("w-{}", data.id)) .block.searching[place == 0] .wait[place > 0] .own[own == Some(data.id)] {
                        a href=(at.href(&format!("/data/{}", data.id))) {
                            @if place == 0 {
                                span.height { "next: " (count(at.health.length)) (yours(own == Some(data.id))) }
                                span.text { (Shown(data.message.as_str(), CARD_CHARACTERS)) }
                                span.foot { (expectation(at, &newest, status)) }
                            } @else {
                                span.height { "unprocessed" (yours(own == Some(data.id))) }
                                span.text { (Shown(data.message.as_str(), CARD_CHARACTERS)) }
                                span.foot { "number " (place + 1) }
                            }
                        }
                    }
                }
                @if waiting.length == 0 {
                    li.block.idle id="idle" { div {
                        span.height { "next: " (count(at.health.length)) }
                        span.text { "Nothing is unprocessed." }
                        span.foot { "difficulty " (at.health.difficulty) }
                    } }
                } @else if more > 0 {
                    li.block.wait.more id="more" { div { span.text { (count(more)) " more" } } }
                }
            }
            div.now aria-hidden="true" { span { "now" } }
            ol.mined aria-label="Blocks, newest first" {
                @for seen in &newest { (card(at, seen, own, html! {
                    @for (fork, row) in below(seen.block.index) { (branch(at, fork, row)) }
                })) }
            }
        }
    }
}

/// A mark for the message that is followed.
fn yours(is_own: bool) -> Markup {
    html! { @if is_own { span.yours { "yours" } } }
}

fn card(at: &At, seen: &Seen, own: Option<DataId>, below: Markup) -> Markup {
    let block = &seen.block;
    let is_own = own == Some(block.data.id);
    html! {
        li.block.mined-block.(hue(&seen.hash)).own[is_own] id=(format!("b-{}", &seen.hash.to_string()[..16])) data-height=(block.index) {
            a href=(at.href(&format!("/block/{}", block.index))) {
                span.height { (count(block.index)) (yours(is_own)) code.digits aria-hidden="true" { (&seen.hash.to_string()[..LINK_DIGITS]) } }
                span.text { (Shown(block.data.message.as_str(), CARD_CHARACTERS)) }
                span.foot { (Moment(block.timestamp).age(at.now)) }
            }
            @if let Some(hash) = &block.previous_hash { span class=(format!("link {}", hue(hash))) aria-hidden="true" { (&hash.to_string()[..LINK_DIGITS]) } }
            (below)
        }
    }
}

/// A kept branch that hangs below the block at which it left the chain.
fn branch(at: &At, fork: &Fork, row: usize) -> Markup {
    let more = fork.depth.saturating_sub(BRANCH_BLOCKS as u64);
    html! {
        details.hanging.(format!("row-{row}")) id=(format!("h-{}", short_id(&fork.head))) open[row == 0] {
            summary { (plural(fork.depth, "block")) " dropped" }
            ol aria-label=(format!("Dropped above block {}", fork.fork)) {
                @for block in fork.blocks.iter().take(BRANCH_BLOCKS) {
                    li { a href=(at.href(&format!("/block/{}", block.hash))) {
                        span.height { (count(block.index)) } code aria-hidden="true" { (&block.hash.to_string()[..BRANCH_DIGITS]) }
                    } }
                }
                @if more > 0 { li { a href=(at.href(&format!("/forks#f-{}", short_id(&fork.head)))) { (count(more)) " more" } } }
            }
        }
    }
}

/// The difficulty, and the time that a search takes: that of the miner alone, as it measures
/// it, or else that of the network, by the blocks at hand.
fn expectation(at: &At, newest: &[&Seen], status: Option<&StatusReport>) -> Markup {
    let mining = status.and_then(|status| status.mining.as_ref());
    let mining = mining.filter(|mining| mining.guesses_per_second > 0.0);
    html! {
        "difficulty " (at.health.difficulty)
        @if let Some(mining) = mining {
            br;
            span title=(format!("{} guesses a second", short_count(mining.guesses_per_second))) {
                "this miner alone: about " (seconds(mining.expected_seconds))
            }
        } @else if let Some(usual) = usual_gap(newest) {
            br;
            "blocks come " (duration(usual)) " apart"
        }
    }
}

/// The median time between the newest blocks.
fn usual_gap(newest: &[&Seen]) -> Option<u64> {
    let times = newest.iter().rev().map(|seen| seen.block.timestamp).filter(|&time| time > 0);
    let times: Vec<_> = times.collect();
    let mut gaps: Vec<_> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    gaps.sort_unstable();
    (gaps.len() >= 3).then(|| gaps[gaps.len() / 2])
}

fn facts(at: &At, newest: &[Seen]) -> Markup {
    let health = &at.health;
    let agreement = at.agreeing();
    let good = health.status == Status::Ok;
    html! {
        dl.facts id="facts" {
            div { dt { "Length" } dd { (plural(health.length, "block")) }
                dd.more { @match newest.last().map(|last| last.block.timestamp) { None | Some(0) => "the genesis block alone", Some(time) => { "head " (Moment(time).age(at.now)) } } } }
            div { dt { "Unprocessed" } dd { (plural(health.unprocessed, "message")) }
                dd.more { @if health.unprocessed == 0 { "all is in the chain" } @else { "on disk, not yet in a block" } } }
            div { dt { "Neighbours" }
                @match agreement {
                    Some((same, all)) => { dd { (same) " of " (all) " agree" } dd.more { "on the head " (short_hash(&health.head)) } }
                    None => { dd { (plural(health.neighbours, "neighbour")) } dd.more { a href=(at.href("/network")) { "see the network" } } }
                }
            }
            div.(if good { "good" } else { "bad" }) { dt { "Health" } dd { @if good { "All is well" } @else { "Failing" } }
                dd.more { @if good { "up for " (duration(health.uptime_seconds.saturating_mul(1_000_000))) } @else { (Shown(&health.reasons.join("; "), 120)) } } }
        }
    }
}

fn add_box(at: &At, draft: Option<Draft<'_>>) -> Markup {
    let (text, problem) = draft.map_or(("", None), |draft| (draft.text, Some(draft.problem)));
    html! {
        section.card.add {
            h2 { label for="message" { "Add a message" } }
            form method="post" action="/add" {
                @if !at.is_home { input type="hidden" name="at" value=(at.address); }
                input type="hidden" name="id" value=(random_id());
                textarea id="message" name="message" rows="3" required spellcheck="true" placeholder="It stays in the chain for good."
                    aria-describedby="message-hint" aria-invalid=[problem.map(|_| "true")] data-bytes-max=(MESSAGE_BYTES_MAX) {
                    // A browser drops the first line break in a text area.
                    "\n" (text)
                }
                @if let Some(problem) = problem { p.problem role="alert" { (Shown(problem, 300)) } }
                div.buttons {
                    button.primary { "Add" }
                    span.hint id="message-hint" { "Everybody can read it, and nobody can take it back." }
                }
            }
        }
    }
}

fn explanation(at: &At) -> Markup {
    html! {
        h2 { "What is this?" }
        p { "A list of messages that nobody can change unseen. A block holds one message and the hash of the block before it. The colour of a block stands for the first digit of its own hash, which begins with the digits at its top right. The link to the block before it has the colour and the first digits of the hash that the block names: both must be alike." }
        p { "To make a block, a miner must find a nonce for which a hash ends with " (plural(u64::from(at.health.difficulty.zeros()), "zero")) ". To change an old block, this has to be done again for it and for every block since. " a href=(at.href("/check#tamper")) { "Try to cheat" } " or " a href=(at.href("/workbench")) { "mine by hand" } "." }
    }
}

fn table(at: &At, rows: &[Seen], top: u64, length: u64, is_fixed: bool) -> Markup {
    let bottom = (top + 1).saturating_sub(ROWS);
    html! {
        section.blocks id="blocks" {
            h2 { "Blocks " span.range { (count(top)) @if bottom < top { " to " (count(bottom)) } } }
            table {
                thead { tr { th scope="col" { "Height" } th scope="col" { "Message" } th scope="col" { "Hash" } th.number scope="col" { @if is_fixed { "Time" } @else { "Age" } } } }
                tbody {
                    @for seen in rows.iter().rev() {
                        tr id=(format!("r-{}", &seen.hash.to_string()[..16])) {
                            th scope="row" { a href=(at.href(&format!("/block/{}", seen.block.index))) { (count(seen.block.index)) } }
                            td { div.clamp { (Shown(seen.block.data.message.as_str(), ROW_CHARACTERS)) } }
                            td.hash { span class=(format!("swatch {}", hue(&seen.hash))) aria-hidden="true" {} code { (short_hash(&seen.hash)) } }
                            td.number { @if is_fixed && seen.block.timestamp > 0 { (Moment(seen.block.timestamp).show()) } @else { (Moment(seen.block.timestamp).age(at.now)) } }
                        }
                    }
                }
            }
            p.hint { "The hash of a block has no zeros: those that a miner searches for are at the end of the hash of two proofs, which the page of a block shows." }
            nav.pages aria-label="Pages of blocks" {
                @if top + 1 < length { a href=(at.href("/#blocks")) { "Newest" } a rel="prev" href=(at.href(&format!("/?from={}#blocks", (top + ROWS).min(length - 1)))) { "Newer" } }
                @if bottom > 0 { a rel="next" href=(at.href(&format!("/?from={}#blocks", bottom - 1))) { "Older" } a href=(at.href(&format!("/?from={}#blocks", ROWS.min(length) - 1))) { "Oldest" } }
            }
        }
    }
}
