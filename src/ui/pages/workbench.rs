//! The workbench: a text and its hash, a block whose nonce is searched by hand, and what
//! another difficulty would cost. Its script does the work.

use maud::{Markup, html};

use crate::lab::NAME_CHARACTERS;
use crate::ui::assets;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::At;
use crate::ui::words::{count, plural};

pub const TAB: Tab = Tab { name: "Workbench", path: "/workbench" };

/// Guesses a second where the miner tells none.
const GUESSES_PER_SECOND: f64 = 1e6;

const ZEROS_MAX: u8 = 12;

pub fn page(at: &At) -> Answer {
    let status = at.status();
    let rate = status.and_then(|status| status.mining).map(|mining| mining.guesses_per_second);
    let rate = rate.filter(|rate| *rate > 0.0);
    let content = html! {
        section.intro {
            h1 { "Workbench" }
            p { "Mining by hand: what a hash does, what a nonce is for, and what a zero costs." }
        }
        noscript { section.card { p { "This page needs scripts: your browser computes every hash here." } } }
        div.stack data-worker=(assets::path("worker.js")) data-at=[(!at.is_home).then_some(&at.address)]
            data-network=(at.health.network) data-difficulty=(at.health.difficulty) {
            (text_and_hash())
            (bench(at))
            (what_if(at, rate))
        }
        script type="module" src=(assets::path("workbench.js")) {}
    };
    Answer::page(200, frame::page(TAB.name, TAB, Freshness::Still, at, content))
}

fn text_and_hash() -> Markup {
    html! {
        section.card {
            h2 { label for="text" { "A text and its SHA-256" } }
            textarea id="text" rows="2" spellcheck="false" autocomplete="off" { "Ada lent Grace 20 euros." }
            p.result { code id="text-hash" {} }
            div.bits id="bits" aria-hidden="true" {}
            p.hint id="bits-told" role="status" {}
            p { "One letter changes about half of all 256 bits. Nobody can tell beforehand which, so nobody \
                can aim at a hash: one can only guess." }
        }
    }
}

fn bench(at: &At) -> Markup {
    let zeros = plural(u64::from(at.health.difficulty.zeros()), "zero");
    html! {
        section.card id="bench" {
            h2 { "Block " span id="bench-height" { (count(at.health.length)) } ", by hand" }
            p { "The hash of the previous block's proof and this one's together has to end with " (zeros) ". Only the nonce is free." }
            label.field { span { "data.message" } input id="bench-message" autocomplete="off" spellcheck="false"; }
            p.hint id="bench-source" {}
            dl.parts {
                div { dt { "previous_hash" } dd { code id="bench-previous" {} } }
                div { dt { "seal" } dd { code.seal id="bench-seal" {} } }
            }
            div.buttons {
                button id="less" aria-label="Nonce minus one" disabled { "−" }
                label.field.short { span { "nonce" } input id="nonce" inputmode="numeric" autocomplete="off" value="0" disabled; }
                button id="more" aria-label="Nonce plus one" disabled { "+" }
                button id="spin" aria-pressed="false" disabled { "Spin" }
            }
            p.result { code id="bench-work" {} }
            dl.parts {
                div { dt { "Zeros at its end" } dd id="bench-zeros" {} }
                div { dt { "Guesses" } dd id="bench-guesses" {} }
            }
            p.verdict.idle id="bench-verdict" role="status" { "Guess a nonce." }
            @if at.is_lab {
                label.field.short { span { "Your name, for the scoreboard" }
                    input id="by" maxlength=(NAME_CHARACTERS) autocomplete="off" spellcheck="false"; }
            }
            div.buttons {
                button.primary id="give" disabled { "Hand in the block" }
                button id="anew" { "Another block" }
            }
            h3 { "Your luck" }
            table.luck {
                thead { tr { th scope="col" { "Zeros" } th scope="col" { "Guesses, logarithmic" }
                    th.number scope="col" { "Found" } th.number scope="col" { "Expected" } } }
                tbody id="luck" {}
            }
            p.hint { "The mark is what chance expects. A search has no memory: after a thousand guesses in \
                vain, the next is as likely as the first." }
        }
    }
}

fn what_if(at: &At, rate: Option<f64>) -> Markup {
    let zeros = at.health.difficulty.zeros();
    let whose = if rate.is_some() { "as this miner makes now" } else { "of one browser" };
    html! {
        section.card id="what-if" data-blocks=(at.health.length.saturating_sub(1))
            data-rate=(rate.unwrap_or(GUESSES_PER_SECOND)) data-whose=(whose) {
            h2 { "Another difficulty" }
            label.field { span { "Difficulty: " span id="zeros-told" { (plural(u64::from(zeros), "zero")) } }
                input type="range" id="zeros" min="1" max=(ZEROS_MAX.max(zeros)) value=(zeros) disabled; }
            p id="what-if-told" role="status" {}
            p.hint { "A zero more is sixteen times the work. The difficulty of this network is fixed by its \
                first block, so this is a calculation and changes nothing." }
        }
    }
}
