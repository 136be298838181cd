//! One block: each field with what it is for, how its hash comes about, and what is around it.

use maud::{Markup, html};

use super::chain;
use super::chance::chance;
use super::forks::{short_id, why_dropped};
use crate::api::{BlockName, Departure, Fork};
use crate::chain::Hash;
use crate::ui::frame::{self, Freshness};
use crate::ui::http::Answer;
use crate::ui::source::{At, Kept, NoPage, Sent};
use crate::ui::words::{Moment, Shown, bytes, count, duration, hue, plural, short_hash};
use proof::proof;

mod proof;

/// Characters of the message and of the line that are shown; the whole is a link away.
const MESSAGE_CHARACTERS: usize = 4_000;
const LINE_CHARACTERS: usize = 5_000;

/// Lines of a message that surely need no scrolling.
const LINES_UNSCROLLED: usize = 8;

const RIVALS_MAX: usize = 5;

/// A block and what is around it.
struct Context {
    seen: Sent,
    parent: Option<Sent>,
    place: Whereabouts,
}

enum Whereabouts {
    /// In the chain, of this length.
    Chain(u64),
    /// In a kept branch, since its chain was left.
    Left(Departure),
}

pub fn page(at: &At, name: &str) -> Result<Answer, NoPage> {
    let found = fetch(at, name)?;
    let Context { seen, parent, place } = &found;
    let index = seen.block.index;
    let status = at.status();
    let forks = at.forks();
    let content = html! {
        div.block-head {
            h1 { span class=(format!("swatch big {}", hue(&seen.hash))) aria-hidden="true" {} "Block " (count(index)) }
            nav.pages aria-label="Blocks beside" { (beside(at, &found, &forks)) }
        }
        @match place {
            Whereabouts::Left(left) => (left_behind(at, seen, left, &forks)),
            Whereabouts::Chain(length) => p.lead {
                @if index == 0 { "Nobody mined it and nobody can change it: every miner of this network begins with it." }
                @else { (plural(length - index, "confirmation")) ": so many blocks would have to be mined again to change it." }
            },
        }
        (rivals(at, seen, place, &forks))
        (fields(at, &found))
        @if let (Whereabouts::Chain(length), 1..) = (place, index) { section.card id="chance" { h2 {
            "What its confirmations are worth" } (chance(length - index, status.as_ref())) } }
        (line(at, &found))
        (proof(seen, parent.as_ref(), at))
    };
    let title = format!("Block {index}");
    Ok(Answer::page(200, frame::page(&title, chain::TAB, Freshness::Still, at, content)))
}

pub fn message(at: &At, name: &str) -> Result<Answer, NoPage> {
    let seen = fetch(at, name)?.seen;
    Ok(Answer::new(200, "text/plain; charset=utf-8", seen.block.data.message.as_str()))
}

/// The block with this height or hash, and the one before it.
fn fetch(at: &At, name: &str) -> Result<Context, NoPage> {
    let missing = || {
        NoPage::Missing(format!(
            "there is no block {name}; the head is block {}",
            at.health.length.saturating_sub(1)
        ))
    };
    match name.parse() {
        Ok(BlockName::Height(height)) if height < at.health.length => {
            let from = height.saturating_sub(1);
            let (mut blocks, length) = at.blocks(from, height - from + 1)?;
            let seen =
                blocks.pop().filter(|seen| seen.block.index == height).ok_or_else(missing)?;
            Ok(Context { seen, parent: blocks.pop(), place: Whereabouts::Chain(length) })
        }
        Ok(BlockName::Hash(hash)) => {
            let Kept { seen, confirmations, dropped } = at.kept(hash)?.ok_or_else(missing)?;
            let parent = match seen.block.previous_hash {
                Some(hash) => at.kept(hash)?.map(|kept| kept.seen),
                None => None,
            };
            let place = match dropped.filter(|_| confirmations == 0) {
                Some(left) => Whereabouts::Left(left),
                None => Whereabouts::Chain(seen.block.index + confirmations),
            };
            Ok(Context { seen, parent, place })
        }
        _ => Err(missing()),
    }
}

/// The blocks before and after it: in the chain, or in the branch that it is of.
fn beside(at: &At, found: &Context, forks: &[Fork]) -> Markup {
    let Context { seen, parent, place } = found;
    let index = seen.block.index;
    let next = match place {
        Whereabouts::Chain(length) => {
            (index + 1 < *length).then(|| format!("/block/{}", index + 1))
        }
        Whereabouts::Left(_) => {
            let mut pairs = forks.iter().flat_map(|fork| fork.blocks.windows(2));
            let pair = pairs.find(|pair| pair[0].hash == seen.hash);
            pair.map(|pair| format!("/block/{}", pair[1].hash))
        }
    };
    let before = match (place, parent) {
        (Whereabouts::Left(_), Some(parent)) => Some(format!("/block/{}", parent.hash)),
        _ => index.checked_sub(1).map(|before| format!("/block/{before}")),
    };
    html! {
        @if let Some(path) = before { a rel="prev" href=(at.href(&path)) data-key="ArrowLeft" { "← " (count(index - 1)) } }
        @match next {
            Some(path) => a rel="next" href=(at.href(&path)) data-key="ArrowRight" { (count(index + 1)) " →" },
            None => span.hint { @if matches!(place, Whereabouts::Chain(_)) { "the head" } @else { "the end of its branch" } },
        }
    }
}

fn left_behind(at: &At, seen: &Sent, left: &Departure, forks: &[Fork]) -> Markup {
    let is_of = |fork: &&Fork| fork.blocks.iter().any(|block| block.hash == seen.hash);
    let fork = forks.iter().find(is_of);
    let fork = fork.map_or("/forks".into(), |fork| format!("/forks#f-{}", short_id(&fork.head)));
    let (index, data) = (seen.block.index, &seen.block.data);
    let message = format!("/data/{}?sha256={}", data.id, Hash::of(data.message.as_str()));
    html! {
        div.alarm role="note" {
            p { strong { "Not in the chain since " (Moment(left.at).show()) "." } " " (why_dropped(left)) }
            p {
                a href=(at.block(left.winner)) { "The block that won" } " · "
                @if index < at.health.length {
                    a href=(at.block(index)) { "Block " (count(index)) " of the chain" } " · "
                }
                a href=(at.href(&fork)) { "The fork" } " · "
                a href=(at.href(&message)) { "Where its message is now" }
            }
        }
    }
}

/// The blocks that stood at the height of one of the chain before.
fn rivals(at: &At, seen: &Sent, place: &Whereabouts, forks: &[Fork]) -> Markup {
    let at_height = |fork: &Fork| {
        let block = fork.blocks.iter().find(|block| block.index == seen.block.index)?;
        Some((block.hash, fork.dropped.at))
    };
    let rivals: Vec<_> = forks.iter().filter_map(at_height).take(RIVALS_MAX).collect();
    html! {
        @if let (Whereabouts::Chain(_), false) = (place, rivals.is_empty()) {
            p.reorganised {
                strong { "Another block stood here:" }
                @for (hash, time) in rivals {
                    " " a href=(at.block(hash)) { code { (short_hash(&hash)) } } ", until " (Moment(time).show()) "."
                }
            }
        }
    }
}

/// How links name a block: in the chain by its height, elsewhere by its hash.
fn name(found: &Context) -> String {
    match found.place {
        Whereabouts::Chain(_) => found.seen.block.index.to_string(),
        Whereabouts::Left(_) => found.seen.hash.to_string(),
    }
}

/// Each field, with what it is for or what it is in the genesis block.
fn fields(at: &At, found: &Context) -> Markup {
    let block = &found.seen.block;
    let row = |name: &str, value: Markup, what: &str, of_genesis: &str| {
        let what = if block.index == 0 { of_genesis } else { what };
        html! { div { dt { (name) } dd { (value) p.what { (what) } } } }
    };
    html! {
        dl.fields {
            (row("index", html! { span { (block.index) } },
                "The height: how many blocks stand below this one.",
                "The height: no block stands below this one."))
            (row("timestamp", time(found),
                "When it was made, in microseconds since 1970; always later than the block before, so that \
                order in time is order in the chain.",
                "The first block has no time, so that it is the same for everybody."))
            (row("data.id", html! { code { (block.data.id) } },
                "The message's own number. A chain holds no message, that is, no id with the same text, \
                twice: so none can be counted twice.",
                "The first block holds nobody's message, so its number is zero."))
            (row("data.message", text(at, found), "The text that was added.",
                "The network's name and how hard its proofs are."))
            (row("previous_hash", html! { @match block.previous_hash {
                    Some(hash) => a.hash-line href=(at.block(hash)) { (swatched(&hash)) },
                    None => code { "null" },
                } },
                "The SHA-256 of the line of the block before. This is the chain: change that block, and \
                this names one that does not exist any more.",
                "There is no block before. The next one names the hash of this."))
            (row("proof", html! { code { @match &block.proof {
                    Some(proof) => { span.seal { (proof.seal) } "-" span.nonce { (proof.nonce) } },
                    None => "null",
                } } },
                "The seal, which fixes every byte of this block, and the nonce, the number that was \
                searched for. It is costly to find and cheap to check.",
                "It needs none: everybody can make this block, and only this one."))
        }
    }
}

/// When the block was made, and how long after its parent.
fn time(found: &Context) -> Markup {
    let time = found.seen.block.timestamp;
    let parent = found.parent.as_ref().filter(|parent| parent.block.timestamp > 0);
    let gap = parent.map(|parent| {
        let gap = duration(time.saturating_sub(parent.block.timestamp));
        format!(", {gap} after block {}", parent.block.index)
    });
    html! {
        span { (time) }
        @if time > 0 { p.more { (Moment(time).show()) (gap.unwrap_or_default()) } }
    }
}

fn text(at: &At, found: &Context) -> Markup {
    let message = found.seen.block.data.message.as_str();
    let shown = Shown(message, MESSAGE_CHARACTERS);
    let may_scroll = shown.may_fill(LINES_UNSCROLLED);
    html! {
        div.message tabindex=[may_scroll.then_some("0")] role="group" aria-label="The message" {
            (shown)
        }
        p.more { (bytes(message.len() as u64)) @if shown.is_cut() {
            " · " a href=(at.href(&format!("/block/{}/message", name(found)))) { "the whole message" }
        } }
    }
}

/// A whole hash with the colour that stands for it.
fn swatched(hash: &Hash) -> Markup {
    html! { span class=(format!("swatch {}", hue(hash))) aria-hidden="true" {} code { (hash) } }
}

fn line(at: &At, found: &Context) -> Markup {
    let seen = &found.seen;
    let shown = Shown(seen.line.get(), LINE_CHARACTERS);
    let name = name(found);
    let curl = format!("curl -s http://{}/blocks/{name} | jq -c .block", at.address);
    html! {
        section.card {
            h2 { "The line that is hashed" }
            p { "The same line is in the chain file, is sent to neighbours, and is hashed:" }
            pre.line tabindex="0" role="group" aria-label="The block's line" { code { (shown) } }
            p { "Its SHA-256, which the next block names as its " code { "previous_hash" } ":" }
            p.result.hash-line { (swatched(&seen.hash)) }
            @if seen.block.index > 0 {
                p.hint { "No zeros are at the end of this hash. They are at the end of the hash of the two \
                    proofs, below: the nonce is searched for that one, so that the work can be checked with \
                    the two proofs alone." }
            }
            div.buttons {
                button data-copy=(curl) hidden { "Copy as curl" }
                a href=(at.href(&format!("/api/blocks/{name}"))) { "As JSON" }
            }
            pre.curl tabindex="0" role="group" aria-label="Command" { code { (curl) } }
        }
    }
}
