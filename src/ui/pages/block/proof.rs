//! How the seal of a block and its work come about.

use maud::{Markup, html};

use crate::chain::{Difficulty, Hash, Proof};
use crate::ui::source::{At, Sent};
use crate::ui::words::{count, plural};

fn genesis() -> Markup {
    html! {
        section.card {
            h2 { "The genesis block" }
            p { "It follows from the network's name and difficulty alone, is the same on every miner, \
                and needs no proof. Miners of another network have another one, so two networks never \
                mix." }
        }
    }
}

pub fn proof(seen: &Sent, parent: Option<&Sent>, at: &At) -> Markup {
    let (Some(proof), Some(parent)) = (&seen.block.proof, parent) else { return genesis() };
    let seal = Hash::of(seen.block.unsealed_line());
    let before = parent.block.proof.map(|proof| proof.to_string()).unwrap_or_default();
    html! {
        section.card {
            h2 { "The proof of work" }
            ol.derivation {
                li {
                    p { "The line without its " code { "proof" } " has the SHA-256" }
                    p.result { code.seal { (seal) } }
                    p { (mark(seal == proof.seal))
                        @if seal == proof.seal { " the seal in the proof." }
                        @else { " not the seal in the proof." } }
                }
                li {
                    p { "The proof of block " (count(parent.block.index)) " and this one's, one behind the other:" }
                    p.result { code {
                        @if before.is_empty() { span.hint { "(nothing: the genesis block has no proof) " } }
                        span.before { (before) } span.seal { (proof.seal) } "-" span.nonce { (proof.nonce) }
                    } }
                }
                li { (work(at.health.difficulty, &before, proof)) }
            }
        }
    }
}

/// The hash of both proofs, and how probable its end is.
fn work(difficulty: Difficulty, before: &str, proof: &Proof) -> Markup {
    let work = Hash::of(format!("{before}{proof}"));
    let zeros = usize::from(difficulty.zeros());
    let text = work.to_string();
    let (front, end) = text.split_at(text.len() - zeros);
    let is_met = difficulty.is_met_by(work.as_bytes());
    html! {
        p { "The SHA-256 of that:" }
        p.result { code { (front) span.zeros { (end) } } }
        p {
            (mark(is_met)) @if is_met { " ends with " } @else { " should end with " }
            (plural(zeros as u64, "zero")) ". About one number in "
            (count(16u64.checked_pow(zeros as u32).unwrap_or(u64::MAX)))
            " does that; counted from 0, it is number " (count(proof.nonce.saturating_add(1))) "."
        }
    }
}

fn mark(is_good: bool) -> Markup {
    html! { @if is_good { span.tick { "✓" } } @else { span.cross { "✗" } } }
}
