//! The strip of blocks and unprocessed messages.

use maud::{Markup, html};

use crate::api::{DataPage, Fork, StatusReport};
use crate::chain::DataId;
use crate::ui::pages::forks::{rows, short_id};
use crate::ui::source::{At, Sent};
use crate::ui::words::{Moment, Shown, count, duration, hue, plural, seconds, short_count};

const STRIP_BLOCKS: u64 = 12;

const STRIP_WAITING: usize = 6;

/// Digits of a hash on cards and links: sixteen colours can't be told apart.
const LINK_DIGITS: usize = 2;

/// Rows of kept branches below the strip, blocks of each, and digits of their hashes.
const STRIP_ROWS: usize = 3;
const BRANCH_BLOCKS: usize = 6;
const BRANCH_DIGITS: usize = 4;

const CARD_CHARACTERS: usize = 60;

/// Draws the strip: unprocessed messages, then the newest blocks with what hangs below them.
pub fn strip(
    at: &At,
    newest: &[Sent],
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
    html! {
        section.strip id="strip" aria-label="Newest blocks and unprocessed messages" {
            (unprocessed(at, &newest, waiting, status, own))
            div.now aria-hidden="true" { span { "now" } }
            ol.mined aria-label="Blocks, newest first" {
                @for seen in &newest { (card(at, seen, own, html! {
                    @for (fork, row) in below(seen.block.index) { (branch(at, fork, row)) }
                })) }
            }
        }
    }
}

/// The unprocessed messages; the oldest is the next block's.
fn unprocessed(
    at: &At,
    newest: &[&Sent],
    waiting: &DataPage,
    status: Option<&StatusReport>,
    own: Option<DataId>,
) -> Markup {
    let shown = waiting.data.len().min(STRIP_WAITING);
    let more = waiting.length.saturating_sub(shown as u64);
    html! {
        ol.waiting aria-label="Unprocessed, oldest first" {
            @for (place, data) in waiting.data.iter().take(shown).enumerate() {
                li id=(format!("w-{}", data.id)) .block.searching[place == 0] .wait[place > 0] .own[own == Some(data.id)] {
                    a href=(at.href(&format!("/data/{}", data.id))) {
                        @if place == 0 {
                            span.height { "next: " (count(at.health.length)) (yours(own == Some(data.id))) }
                            span.text { (Shown(data.message.as_str(), CARD_CHARACTERS)) }
                            span.foot { (expectation(at, newest, status)) }
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
    }
}

fn yours(is_own: bool) -> Markup {
    html! { @if is_own { span.yours { "yours" } } }
}

fn card(at: &At, seen: &Sent, own: Option<DataId>, below: Markup) -> Markup {
    let block = &seen.block;
    let is_own = own == Some(block.data.id);
    html! {
        li.block.mined-block.(hue(&seen.hash)).own[is_own] id=(format!("b-{}", &seen.hash.to_string()[..16])) data-height=(block.index) {
            a href=(at.block(block.index)) {
                span.height { (count(block.index)) (yours(is_own)) code.digits aria-hidden="true" {
                    (&seen.hash.to_string()[..LINK_DIGITS]) } }
                span.text { (Shown(block.data.message.as_str(), CARD_CHARACTERS)) }
                span.foot { (Moment(block.timestamp).age(at.now)) }
            }
            @if let Some(hash) = &block.previous_hash { span class=(format!("link {}", hue(hash)))
                aria-hidden="true" { (&hash.to_string()[..LINK_DIGITS]) } }
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
                    li { a href=(at.block(block.hash)) {
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
fn expectation(at: &At, newest: &[&Sent], status: Option<&StatusReport>) -> Markup {
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

fn usual_gap(newest: &[&Sent]) -> Option<u64> {
    let times = newest.iter().rev().map(|seen| seen.block.timestamp).filter(|&time| time > 0);
    let times: Vec<_> = times.collect();
    let mut gaps: Vec<_> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    gaps.sort_unstable();
    (gaps.len() >= 3).then(|| gaps[gaps.len() / 2])
}
