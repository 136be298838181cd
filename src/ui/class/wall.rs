//! The wall, for a projector: every miner of the network with its chain, blocks as they travel,
//! the scoreboard, and for the host of the class the scissors. Its script draws.

use maud::{Markup, html};

use super::commands;
use crate::ui::frame::{self, Tab};
use crate::ui::http::Answer;

/// Slow motion that can be chosen: so many times slower.
const SLOWER: [u32; 3] = [10, 100, 1_000];

pub fn page(is_local: bool) -> Answer {
    let content = html! {
        section.intro {
            h1 { "The network" }
            p.lead id="told" role="status" { "Looking at the miners…" }
        }
        noscript { section.card { p { "The wall needs scripts: it is drawn in your browser." } } }
        section.card.wall id="wall" data-local[is_local] {
            svg.links id="links" viewBox="-130 -130 260 260" role="img" aria-label="The miners and the lines between them" {}
            div.lanes {
                canvas id="lanes" role="img" aria-label="The chain of each miner, block by block; the table below says the same" {}
            }
        }
        div.pair {
            section.card {
                h2 { "Travels" }
                p.hint { "How the newest blocks came from miner to miner, by the miners' clocks." }
                label.field.short { span { "Slower" }
                    select id="slower" { @for times in SLOWER {
                        option value=(times) selected[times == 100] { "×" (times) }
                    } } }
                ol.travels id="travels" {}
                p.verdict.idle id="clock" aria-live="off" { "Choose a block to see its travel again." }
                p id="returned" role="status" {}
            }
            section.card {
                h2 { "Who found the last hundred blocks" }
                table.score { thead { tr {
                    th scope="col" { "Miner" } th.number scope="col" { "Length" }
                    th.number scope="col" { "Unprocessed" } th.number scope="col" { "Blocks" }
                    th scope="col" { "Share of blocks and of power" }
                } } tbody id="score" {} }
                form id="add" { div.buttons {
                    label.field.short { span { "Message" } input id="text" required maxlength="1000" autocomplete="off"; }
                    button.primary { "Add" }
                    @if is_local { button type="button" id="many" { "Add 20" } }
                } }
                p.hint id="added" role="status" { "Miners search for a block while a message waits." }
            }
        }
        @if is_local { (scissors()) }
    };
    Answer::page(200, frame::of_class("Wall", Tab::WALL, "wall.js", content))
}

fn scissors() -> Markup {
    html! {
        section.card id="scissors" {
            h2 { "Scissors" }
            p { "Click a line in the drawing to cut or mend it, or:" }
            div.buttons {
                label.field.short { span { "From" } select id="one" {} }
                label.field.short { span { "to" } select id="other" {} }
                button id="cut" { "Cut" } button id="mend" { "Mend" }
            }
            div.buttons {
                span { "In two groups: those ticked, and the others" }
                button id="split" { "Split" } button id="mend-all" { "Mend all" }
            }
            div.scroll { table { thead { tr {
                @for heading in ["Group", "Miner", "State", "Guesses a second", "Its lines", "Do"] {
                    th scope="col" { (heading) }
                }
            } } tbody id="members" {} } }
            div.buttons { button id="newcomer" { "Start a newcomer" } button id="reset" { "Reset the class" } }
            h3 { "The same by hand" } (commands())
        }
    }
}
