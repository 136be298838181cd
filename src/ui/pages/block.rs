//! One block: each field with what it is for, and how its hash, seal and work come about.

use maud::{Markup, html};

use super::chance::chance;
use crate::chain::Hash;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::{At, NoPage, Seen, Source};
use crate::ui::words::{Moment, Shown, bytes, count, duration, hue, plural};

/// Characters of the message and of the line that are shown; the whole is a link away.
const MESSAGE_CHARACTERS: usize = 4_000;
const LINE_CHARACTERS: usize = 5_000;

/// Lines of a message that surely need no scrolling.
const LINES_UNSCROLLED: usize = 8;

/// Renders the page of the block at `height`.
pub fn page(source: &Source, at: &At, height: &str) -> Result<Answer, NoPage> {
    let (parent, seen, length) = fetch(source, at, height)?;
    let block = &seen.block;
    let index = block.index;
    let status = source.client.status(&at.address).ok();
    let content = html! {
        div.block-head {
            h1 { span class=(format!("swatch big {}", hue(&seen.hash))) aria-hidden="true" {} "Block " (count(index)) }
            nav.pages aria-label="Blocks beside" {
                @if index > 0 { a rel="prev" href=(at.href(&format!("/block/{}", index - 1))) data-key="ArrowLeft" { "← " (count(index - 1)) } }
                @if index + 1 < length { a rel="next" href=(at.href(&format!("/block/{}", index + 1))) data-key="ArrowRight" { (count(index + 1)) " →" } }
                @else { span.hint { "the head" } }
            }
        }
        p.lead {
            @if index == 0 { "Nobody mined it and nobody can change it: every miner of this network begins with it." }
            @else { (plural(length - index, "confirmation")) ": so many blocks would have to be mined again to change it." }
        }
        (fields(at, &seen, parent.as_ref()))
        @if index > 0 { section.card id="chance" { h2 { "What its confirmations are worth" } (chance(length - index, status.as_ref())) } }
        (line(at, &seen))
        (proof(&seen, parent.as_ref(), at))
    };
    let title = format!("Block {index}");
    Ok(Answer::page(200, frame::page(&title, Tab::Chain, Freshness::Still, at, content)))
}

/// The whole message as plain text.
pub fn message(source: &Source, at: &At, height: &str) -> Result<Answer, NoPage> {
    let (_, seen, _) = fetch(source, at, height)?;
    Ok(Answer::new(200, "text/plain; charset=utf-8", seen.block.data.message.as_str()))
}

/// The block at `height` with the one before it, and the length of the chain.
fn fetch(source: &Source, at: &At, height: &str) -> Result<(Option<Seen>, Seen, u64), NoPage> {
    let missing = || {
        NoPage::Missing(format!(
            "there is no block {height}; the head is block {}",
            at.health.length.saturating_sub(1)
        ))
    };
    let index: u64 = height.parse().map_err(|_| missing())?;
    if index >= at.health.length {
        return Err(missing());
    }
    let from = index.saturating_sub(1);
    let (mut blocks, length) = source.blocks(&at.address, from, index - from + 1)?;
    let seen = blocks.pop().filter(|seen| seen.block.index == index).ok_or_else(missing)?;
    Ok((blocks.pop(), seen, length))
}

fn fields(at: &At, seen: &Seen, parent: Option<&Seen>) -> Markup {
    let block = &seen.block;
    let gap = parent.filter(|parent| parent.block.timestamp > 0).map(|parent| {
        let gap = block.timestamp.saturating_sub(parent.block.timestamp);
        format!(", {} after block {}", duration(gap), parent.block.index)
    });
    let message = Shown(block.data.message.as_str(), MESSAGE_CHARACTERS);
    let may_scroll = message.may_fill(LINES_UNSCROLLED);
    let is_genesis = block.index == 0;
    let row = |name: &str, value: Markup, what: &str, of_genesis: &str| {
        html! {
            div { dt { (name) } dd { (value) p.what { @if is_genesis { (of_genesis) } @else { (what) } } } }
        }
    };
    html! {
        dl.fields {
            (row("index", html! { span { (block.index) } }, "The height: how many blocks stand below this one.", "The height: no block stands below this one."))
            (row("timestamp", html! {
                span { (block.timestamp) } @if block.timestamp > 0 { p.more { (Moment(block.timestamp).show()) (gap.unwrap_or_default()) } }
            }, "When it was made, in microseconds since 1970; always later than the block before, so that order in time is order in the chain.", "The first block has no time, so that it is the same for everybody."))
            (row("data.id", html! { code { (block.data.id) } }, "The message's own number. A chain holds no message, that is, no id with the same text, twice: so none can be counted twice.", "The first block holds nobody's message, so its number is zero."))
            (row("data.message", html! {
                div.message tabindex=[may_scroll.then_some("0")] role="group" aria-label="The message" { (message) }
                p.more { (bytes(block.data.message.as_str().len() as u64)) @if message.is_cut() { " · " a href=(at.href(&format!("/block/{}/message", block.index))) { "the whole message" } } }
            }, "The text that was added.", "The network's name and how hard its proofs are."))
            (row("previous_hash", html! {
                @match block.previous_hash {
                    Some(hash) => a.hash-line href=(at.href(&format!("/block/{}", block.index - 1))) { span class=(format!("swatch {}", hue(&hash))) aria-hidden="true" {} code { (hash) } },
                    None => code { "null" },
                }
            }, "The SHA-256 of the line of the block before. This is the chain: change that block, and this names one that does not exist any more.", "There is no block before. The next one names the hash of this."))
            (row("proof", html! {
                @match &block.proof {
                    Some(proof) => code { span.seal { (proof.seal) } "-" span.nonce { (proof.nonce) } },
                    None => code { "null" },
                }
            }, "The seal, which fixes every byte of this block, and the nonce, the number that was searched for. It is costly to find and cheap to check.", "It needs none: everybody can make this block, and only this one."))
        }
    }
}

fn line(at: &At, seen: &Seen) -> Markup {
    let shown = Shown(&seen.line, LINE_CHARACTERS);
    let curl = format!(
        "curl -s 'http://{}/chain?from={}&limit=1' | jq -c '.chain[]'",
        at.address, seen.block.index
    );
    html! {
        section.card {
            h2 { "The line that is hashed" }
            p { "The same line is in the chain file, is sent to neighbours, and is hashed:" }
            pre.line tabindex="0" role="group" aria-label="The block's line" { code { (shown) } }
            p { "Its SHA-256, which the next block names as its " code { "previous_hash" } ":" }
            p.result.hash-line { span class=(format!("swatch {}", hue(&seen.hash))) aria-hidden="true" {} code { (seen.hash) } }
            @if seen.block.index > 0 {
                p.hint { "No zeros are at the end of this hash. They are at the end of the hash of the two proofs, below: the nonce is searched for that one, so that the work can be checked with the two proofs alone." }
            }
            div.buttons {
                button data-copy=(curl) hidden { "Copy as curl" }
                a href=(at.href(&format!("/api/chain?from={}&limit=1", seen.block.index))) { "As JSON" }
            }
            pre.curl tabindex="0" role="group" aria-label="Command" { code { (curl) } }
        }
    }
}

fn proof(seen: &Seen, parent: Option<&Seen>, at: &At) -> Markup {
    let (Some(proof), Some(parent)) = (&seen.block.proof, parent) else {
        return html! {
            section.card {
                h2 { "The genesis block" }
                p { "It follows from the network's name and difficulty alone, is the same on every miner, and needs no proof. Miners of another network have another one, so two networks never mix." }
            }
        };
    };
    let seal = Hash::of(seen.block.unsealed_line());
    let before = parent.block.proof.map(|proof| proof.to_string()).unwrap_or_default();
    let work = Hash::of(format!("{before}{proof}"));
    let zeros = usize::from(at.health.difficulty.zeros()).min(64);
    let work_text = work.to_string();
    let (front, end) = work_text.split_at(64 - zeros);
    let is_good = at.health.difficulty.is_met_by(work.as_bytes());
    html! {
        section.card {
            h2 { "The proof of work" }
            ol.derivation {
                li {
                    p { "The line without its " code { "proof" } " has the SHA-256" }
                    p.result { code.seal { (seal) } }
                    p { @if seal == proof.seal { span.tick { "✓" } " the seal in the proof." } @else { span.cross { "✗" } " not the seal in the proof." } }
                }
                li {
                    p { "The proof of block " (count(parent.block.index)) " and this one's, one behind the other:" }
                    p.result { code {
                        @if before.is_empty() { span.hint { "(nothing: the genesis block has no proof) " } }
                        span.before { (before) } span.seal { (proof.seal) } "-" span.nonce { (proof.nonce) }
                    } }
                }
                li {
                    p { "The SHA-256 of that:" }
                    p.result { code { (front) span.zeros { (end) } } }
                    p {
                        @if is_good { span.tick { "✓" } " ends with " } @else { span.cross { "✗" } " should end with " }
                        (plural(zeros as u64, "zero")) ". About one number in " (count(16u64.checked_pow(zeros as u32).unwrap_or(u64::MAX))) " does that; counted from 0, it is number "
                        (count(proof.nonce.saturating_add(1))) "."
                    }
                }
            }
        }
    }
}
