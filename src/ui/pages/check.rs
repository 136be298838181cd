//! The page on which the browser checks the chain by itself, and tampers with a copy of it.

use maud::{Markup, html};

use crate::ui::assets;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::At;
use crate::ui::words::{count, plural};

/// Its place in the navigation.
pub const TAB: Tab = Tab { name: "Check", path: "/check" };

/// Cells of the strip along which the ticks run.
const CELLS: u64 = 120;

/// Renders the page; all else happens in its script.
pub fn page(at: &At) -> Answer {
    let length = at.health.length;
    let content = html! {
        section.intro {
            h1 { "Check" }
            p { "Don't trust the miner: your browser fetches all " (plural(length, "block"))
                " and checks every rule itself, with its own SHA-256." }
        }
        noscript { section.card { p { "This page needs scripts, since your browser checks. Without them, use \
            " code { "blockchain verify" } " on the chain file, or the commands below." } } }
        div.stack data-worker=(assets::path("worker.js")) data-at=[(!at.is_home).then_some(&at.address)]
            data-network=(at.health.network) data-difficulty=(at.health.difficulty) {
            (whole(at))
            (tamper())
        }
        (by_hand(at))
        script type="module" src=(assets::path("check.js")) {}
        script type="module" src=(assets::path("cheat.js")) {}
    };
    Answer::page(200, frame::page(TAB.name, TAB, Freshness::Still, at, content))
}

/// The check of the whole chain, and what it goes by.
fn whole(at: &At) -> Markup {
    let length = at.health.length;
    html! {
        section.card id="check" {
            h2 { "The whole chain" }
            div.cells id="cells" aria-hidden="true" { @for _ in 0..length.min(CELLS) { i {} } }
            p.verdict.idle id="verdict" role="status" aria-live="polite" { "Not checked yet: " (plural(length, "block")) "." }
            p.figures id="figures" {}
            div.buttons {
                button.primary id="start" disabled { "Check the chain" }
                button id="stop" hidden { "Stop" }
            }
            details {
                summary { "What is checked" }
                ol.rules {
                    li { "The first block is the one that the network's name and difficulty fix." }
                    li { "Each line is spelled in the one canonical way, so that its hash is beyond dispute." }
                    li { "Heights rise by one; times rise; none is more than two hours ahead of your clock." }
                    li { code { "previous_hash" } " is the SHA-256 of the line before." }
                    li { "The seal is the SHA-256 of the line without its proof." }
                    li { "The SHA-256 of both proofs ends with " (plural(u64::from(at.health.difficulty.zeros()), "zero")) "." }
                    li { "No message, that is, no id with the same text, comes twice." }
                }
            }
        }
    }
}

/// A copy of the newest blocks to change, and the race that follows.
fn tamper() -> Markup {
    html! {
        section.card id="tamper" {
            h2 { "Try to cheat" }
            p { "Take a copy of the newest blocks and change a field. The seal breaks, and every link after \
                it. Then mine the blocks again, one by one, and race the network." }
            div.buttons { button id="copy-blocks" disabled { "Take a copy" } }
            div.race id="race" hidden {
                (lane("network", "The network's height"))
                (lane("mine", "Yours"))
            }
            p.verdict.idle id="tamper-verdict" role="status" aria-live="polite" { "The copy is in your \
                browser alone, until you hand it in." }
            ol.copies id="copies" tabindex="0" aria-label="Copied blocks, oldest first" {}
            div.buttons {
                button id="mine-on-top" disabled { "Mine one on top" }
                button id="hand-in" disabled { "Hand in your branch" }
                span.hint id="handed-in" role="status" {}
            }
        }
    }
}

/// The same by curl, jq and sha256sum.
fn by_hand(at: &At) -> Markup {
    let length = at.health.length;
    html! {
        section.card {
            h2 { "By hand" }
            p { "The same line is stored, sent and hashed, so curl, jq and sha256sum are enough:" }
            pre tabindex="0" role="group" aria-label="Commands" { code {
                "curl -s 'http://" (at.address) "/chain' | jq -c '.chain[]' > blocks\n"
                @if length > 1 {
                    "# the hash of block " (count(length - 2)) "\n"
                    "sed -n " (length - 1) "p blocks | tr -d '\\n' | sha256sum\n"
                    "# is what block " (count(length - 1)) " says it is\n"
                    "sed -n " (length) "p blocks | jq -r .previous_hash"
                }
            } }
        }
    }
}

/// A lane of the race: a height and a cell for each block.
fn lane(name: &str, words: &str) -> Markup {
    html! {
        div.lane id=(format!("lane-{name}")) {
            span { (words) " " output.strong {} }
            div.cells aria-hidden="true" {}
        }
    }
}
