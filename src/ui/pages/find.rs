//! One box to find a block by: height, hash, data id, date, words.

use maud::{Markup, html};

use crate::api::DataState;
use crate::api::client::ClientError;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::{Answer, Fields};
use crate::ui::search::{self, Found, Wanted};
use crate::ui::source::{At, NoPage, Sent};
use crate::ui::words::{Moment, Shown, count, hue, plural, short_hash};

pub const TAB: Tab = Tab { name: "Find", path: "/find" };

const MESSAGE_CHARACTERS: usize = 240;

/// Renders the page, or goes straight to the one thing that was asked for.
pub fn page(at: &At, query: &Fields) -> Result<Answer, NoPage> {
    let text = query.text("q").unwrap_or_default();
    let result = match find(at, text, query)? {
        Outcome::Here(result) => result,
        Outcome::At(path) => return Ok(Answer::see_other(at.href(&path))),
    };
    let content = html! {
        section.intro {
            h1 { label for="q" { "Find" } }
            form.find role="search" action="/find" {
                @if !at.is_home { input type="hidden" name="at" value=(at.address); }
                input type="search" id="q" name="q" value=(text)
                    placeholder="height, hash, words…" autocomplete="off" autofocus[text.is_empty()];
                // The script names the reader's zone for a date without one.
                input type="hidden" name="zone" value="UTC" disabled;
                button.primary { "Find" }
            }
        }
        section.card id="result" aria-live="polite" { (result) }
    };
    Ok(Answer::page(200, frame::page(TAB.name, TAB, Freshness::Still, at, content)))
}

enum Outcome {
    Here(Markup),
    /// One thing, which has a page of its own.
    At(String),
}

fn find(at: &At, text: &str, query: &Fields) -> Result<Outcome, NoPage> {
    let zone = query.text("zone").unwrap_or("UTC");
    Ok(Outcome::Here(match search::read(text, zone, at.health.length) {
        None => examples(),
        Some(Wanted::Height(height)) => {
            return Ok(Outcome::At(format!("/block/{height}")));
        }
        Some(Wanted::Id(id)) => match at.source.client.data_state(&at.address, id, None) {
            Ok(DataState::Mined { index, .. }) => {
                return Ok(Outcome::At(format!("/block/{index}")));
            }
            Ok(DataState::Unprocessed { .. }) => {
                return Ok(Outcome::At(format!("/data/{id}")));
            }
            Err(ClientError::Refused { .. }) => {
                nothing("No message with this id is in the chain or unprocessed.")
            }
            Err(error) => return Err(error.into()),
        },
        Some(Wanted::Moment(moment)) => match search::first_at(at.source, at, moment)? {
            Some(seen) => html! {
                p { "The first block at or after " (Moment(moment).show()) ":" }
                (list(at, &[seen]))
            },
            None => nothing("No block is as late as that."),
        },
        Some(Wanted::Hash(hash)) if at.kept(hash)?.is_some() => {
            return Ok(Outcome::At(format!("/block/{hash}")));
        }
        Some(Wanted::Hash(hash)) => look(at, text, &[hash.to_string()], query)?,
        Some(Wanted::Words(words)) => look(at, text, &words, query)?,
    }))
}

/// Looks through the chain and, at its beginning, through the dropped blocks.
fn look(at: &At, text: &str, words: &[String], query: &Fields) -> Result<Markup, NoPage> {
    let length = at.health.length;
    let from = query.read("below").unwrap_or(length).min(length);
    let begun = query.read("begun").unwrap_or(from).clamp(from, length);
    let found = search::scan(at.source, at, words, from)?;
    let dropped = if from == length { search::dropped(at.source, at, words)? } else { Vec::new() };
    Ok(html! {
        (results(at, text, &found, begun))
        @if !dropped.is_empty() {
            h2 { "Not in the chain any more" }
            ol.found { @for seen in &dropped { (found_block(at, seen, &seen.hash.to_string())) } }
        }
    })
}

fn examples() -> Markup {
    html! {
        h2 { "One box for everything" }
        dl.parts {
            div { dt { code { "17" } } dd { "the block of this height" } }
            div { dt { code { "4f0c2e…" } } dd { "a block by its hash or seal, or by the first six digits of \
                one; by its hash also if it was dropped" } }
            div { dt { code { "3b241101e2bb…" } } dd { "a message by its data id" } }
            div { dt { code { "2026-11-22 14:00" } } dd {
                "the first block at or after that moment, " span data-zone { "in UTC" }
                "; a date that a page shows is found as it is shown" } }
            div { dt { code { "good morning" } } dd { "blocks whose message has all these words" } }
        }
    }
}

fn nothing(why: &str) -> Markup {
    html! { p.verdict { (why) } }
}

/// Result of a look; `begun` is the height at which it began, or the first of several without a find.
fn results(at: &At, text: &str, found: &Found, begun: u64) -> Markup {
    let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let on = format!("/find?q={query}&below={}", found.down_to);
    let is_vain = found.blocks.is_empty();
    let on = if is_vain { format!("{on}&begun={begun}") } else { on };
    html! {
        p.verdict {
            @match found.blocks.len() { 0 => "Nothing found", n => { (plural(n as u64, "block")) " found" } }
            " in " (plural(begun - found.down_to, "block")) " looked through."
        }
        (list(at, &found.blocks))
        @if found.down_to > 0 {
            p { a href=(at.href(&on)) data-go-on[is_vain] { "Go on below block " (count(found.down_to)) } }
        }
    }
}

fn list(at: &At, blocks: &[Sent]) -> Markup {
    html! {
        ol.found { @for seen in blocks { (found_block(at, seen, &seen.block.index.to_string())) } }
    }
}

/// A block that was found; `name` is that of its page.
fn found_block(at: &At, seen: &Sent, name: &str) -> Markup {
    html! {
        li { a href=(at.block(name)) {
            span.height { span class=(format!("swatch {}", hue(&seen.hash))) aria-hidden="true" {} "Block " (count(seen.block.index)) }
            span.text { (Shown(seen.block.data.message.as_str(), MESSAGE_CHARACTERS)) }
            span.foot { (Moment(seen.block.timestamp).age(at.now)) " · " (short_hash(&seen.hash)) }
        } }
    }
}
