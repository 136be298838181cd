//! The experiments of a class: a table, and one page that its script keeps ticking.

use std::sync::LazyLock;

use maud::{Markup, html};
use serde::Deserialize;

use super::{Lab, commands};
use crate::ui::frame::{self, Tab};
use crate::ui::http::Answer;

/// An experiment: its stage, what ticks it, what it teaches.
#[derive(Deserialize)]
struct Experiment {
    name: String,
    title: String,
    /// One sentence for the list, and for the end of the page.
    teaches: String,
    about: String,
    /// Buttons: words, and the orders they give. `{first}`, `{last}` and `{new}` stand for miners,
    /// `{left}` and `{right}` for the two halves of the class, `{all}` for a line each.
    #[serde(default)]
    acts: Vec<(String, Vec<String>)>,
    /// Tasks in order: words, and the condition in `learn.js` that ticks them.
    steps: Vec<(String, String)>,
    /// For the worksheet.
    question: String,
    #[serde(default)]
    part: Extra,
}

/// Extra of a page beyond buttons and tasks.
#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Extra {
    #[default]
    Nothing,
    Add,
    /// Words, and the path of another page.
    Link(String, String),
    /// The block to change, and the new message.
    Heist,
    /// The chance of an attacker beside fifty races.
    Race,
    /// Keys, and messages that carry a signature.
    Signatures,
}

/// A file of its own: whoever teaches changes it without Rust.
static EXPERIMENTS: LazyLock<Vec<Experiment>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("experiments.json")).expect("a test reads it")
});

pub fn list() -> Answer {
    let content = html! {
        section.intro {
            h1 { "Experiments" }
            p { "Each one sets its stage in the real network of this class, and ticks itself when you \
                have done it. Keep the " a href="/wall" { "wall" } " open beside it." }
        }
        ol.experiments {
            @for it in &*EXPERIMENTS {
                li { a href=(format!("/learn/{}", it.name)) data-experiment=(it.name) {
                    span.title { (it.title) } span.tick aria-hidden="true" {}
                    span.teaches { (it.teaches) }
                } }
            }
        }
    };
    Answer::page(200, frame::of_class("Experiments", Tab::LEARN, "learn.js", content))
}

pub fn page(lab: &Lab, name: &str, is_local: bool) -> Option<Answer> {
    let place = EXPERIMENTS.iter().position(|it| it.name == name)?;
    let it = &EXPERIMENTS[place];
    let network = &lab.class.plan.network.name;
    let content = html! {
        section.intro {
            p { a href="/learn" { "Experiments" } " · " (place + 1) " of " (EXPERIMENTS.len()) }
            h1 { (it.title) }
            p { (it.about) }
        }
        noscript { section.card { p { "An experiment needs scripts: your browser watches the network." } } }
        section.card.stage id="experiment" data-name=(it.name) data-network=(network) {
            (part(&it.part, is_local))
            @if is_local {
                div.buttons {
                    @for (words, orders) in &it.acts {
                        button data-orders=(orders.join("\n")) { (words) }
                    }
                    button data-orders="reset" { "Reset the class" }
                }
            } @else if !it.acts.is_empty() {
                p.hint { "The stage is set on the host of the class; your browser watches." }
            }
            ol.tasks { @for (words, tick) in &it.steps { li data-tick=(tick) { span { (words) } } } }
            p.hint id="seen" role="status" {}
            div.learned id="learned" hidden { p { (it.teaches) } p.question { (it.question) }
                @if let Some(next) = EXPERIMENTS.get(place + 1) { p { a href=(format!("/learn/{}", next.name)) { "Next: " (next.title) } } }
            }
            @if is_local { h2 { "The same by hand" } (commands()) }
        }
    };
    Some(Answer::page(200, frame::of_class(&it.title, Tab::LEARN, "learn.js", content)))
}

fn part(part: &Extra, is_local: bool) -> Markup {
    html! {
        @match part {
            Extra::Nothing => {},
            Extra::Add => form id="add" { div.buttons {
                label.field.short { span { "Message" }
                    input id="text" required maxlength="1000" autocomplete="off"; }
                button.primary { "Add" }
            } },
            // In another tab: what ticks tasks is the page that goes on watching.
            Extra::Link(words, path) => p { a href=(path) target="_blank" { (words) } " (beside this page)" },
            Extra::Heist => @if is_local { form id="heist" { div.buttons {
                label.field.short { span { "Block" } select id="height" required {} }
                label.field.short { span { "its message becomes" }
                    input id="text" required maxlength="200" autocomplete="off"
                        value="Everything belongs to me."; }
                button.primary { "Rob it" }
            } } },
            Extra::Race => form id="race" { div.buttons {
                label.field.short { span { "Share of power, %" }
                    input id="share" type="number" min="1" max="60" value="30"; }
                label.field.short { span { "Confirmations" }
                    input id="confirmations" type="number" min="1" max="30" value="3"; }
                button.primary { "Run fifty races" }
            } p.result id="raced" role="status" { "…" } },
            Extra::Signatures => form id="signatures" data-keep { div.buttons {
                label.field.short { span { "Message" }
                    input id="text" required maxlength="500" autocomplete="off"
                        value="I owe Ada a coffee."; }
                button.primary { "Sign and add" } button type="button" id="wrong" { "Add with a wrong signature" }
            } p.hint id="keys" {} ul.found id="signed" {} },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_ticks_every_task() {
        let script = include_str!("../assets/learn.js");
        for (_, tick) in EXPERIMENTS.iter().flat_map(|it| &it.steps) {
            let name = tick.split(' ').next().unwrap();
            let keys = [format!("\n  {name}: ("), format!("\n  \"{name}\": (")];
            assert!(keys.iter().any(|key| script.contains(key)), "{name}");
        }
    }
}
