//! The experiments of a class: a table, and one page that its script keeps ticking.

use maud::{Markup, html};

use super::Lab;
use crate::ui::frame::{self, Tab};
use crate::ui::http::Answer;

/// An experiment: its stage, what ticks it, what it teaches.
struct Experiment {
    /// Its place in paths.
    name: &'static str,
    title: &'static str,
    /// One sentence for the list, and for the end of the page.
    teaches: &'static str,
    about: &'static str,
    /// Buttons: words, and the orders they give. `{first}`, `{last}` and `{new}` stand for miners,
    /// `{left}` and `{right}` for the two halves of the class, `{all}` for a line each.
    acts: &'static [(&'static str, &'static str)],
    /// Tasks in order: words, and the condition in `learn.js` that ticks them.
    steps: &'static [(&'static str, &'static str)],
    /// For the worksheet.
    question: &'static str,
    part: Part,
}

/// Part of a page beyond buttons and tasks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Add,
    Link(&'static str, &'static str),
    /// The block to change, and the new message.
    Heist,
    /// The chance of an attacker beside fifty races.
    Race,
    /// Keys, and messages that carry a signature.
    Signatures,
}

const EXPERIMENTS: [Experiment; 13] = [
    Experiment {
        name: "add",
        title: "Add a message and follow it",
        teaches: "A message is copied to all miners at once, and is in the chain once a block holds it.",
        about: "Add a message. Watch it wait, and then appear in the same block at every miner.",
        acts: &[],
        steps: &[
            ("A message waits.", "waiting"),
            ("A block holds it.", "grown 1"),
            ("All miners have this block.", "everywhere"),
        ],
        question: "Which miner found the block with your message? Could it have left your message out?",
        part: Part::Add,
    },
    Experiment {
        name: "find",
        title: "Who finds the next block?",
        teaches: "Every miner searches for itself, and luck decides. The more power, the more blocks.",
        about: "Give the miners work and watch the wall. Then turn one dial up and compare blocks with power.",
        acts: &[
            (
                "Give them work",
                "{all}limit {name} usual\nadd \"Work 1\"\nadd \"Work 2\"\nadd \"Work 3\"\nadd \"Work 4\"\nadd \"Work 5\"\nadd \"Work 6\"",
            ),
            (
                "Turn the first dial up",
                "limit {first} none\nadd \"More 1\"\nadd \"More 2\"\nadd \"More 3\"\nadd \"More 4\"\nadd \"More 5\"",
            ),
            ("Turn it back", "limit {first} usual"),
        ],
        steps: &[
            ("Two different miners found a block.", "finders 2"),
            ("The first miner found three more.", "found-by-first 3"),
        ],
        question: "A miner with half of all power found four blocks in a row. Is that suspicious?",
        part: Part::Nothing,
    },
    Experiment {
        name: "nonce",
        title: "Find a nonce by hand",
        teaches: "Mining is guessing. Everybody can check the guess with one hash.",
        about: "All miners rest. The block that comes next is yours: search for its nonce on the workbench, and hand the block in.",
        acts: &[
            ("Let the miners rest", "reset\n{all}limit {name} 0\nadd \"Mined by hand\""),
            ("Let them mine again", "{all}limit {name} usual"),
        ],
        steps: &[
            ("A message waits, and nobody mines it.", "resting"),
            ("A block was handed in.", "grown 1"),
            ("All miners took it.", "everywhere"),
        ],
        question: "Why can you not simply write down a hash that ends in zeros?",
        part: Part::Link("To the workbench", "/workbench"),
    },
    Experiment {
        name: "luck",
        title: "Difficulty and luck",
        teaches: "Times between blocks differ widely, though their average is steady: a search has no memory.",
        about: "Let eight blocks come, and look at the times between them on the page Network.",
        acts: &[(
            "Add eight messages",
            "add \"Luck 1\"\nadd \"Luck 2\"\nadd \"Luck 3\"\nadd \"Luck 4\"\nadd \"Luck 5\"\nadd \"Luck 6\"\nadd \"Luck 7\"\nadd \"Luck 8\"",
        )],
        steps: &[("Four blocks came.", "grown 4"), ("Four more came.", "grown 4")],
        question: "What were the shortest and the longest time? How many times the average is the longest?",
        part: Part::Link("To the plots", "/network#plots"),
    },
    Experiment {
        name: "tamper",
        title: "Change a block",
        teaches: "A changed block is refused by everybody, by a rule that anybody can check.",
        about: "Hand in the newest block with another message in it. Below stands what the miner says. Then check the chain in your own browser, and try to cheat there.",
        acts: &[("Hand in a forged block", "forge \"All of it belongs to me.\" to {first}")],
        steps: &[
            ("The miner refused it and named the rule.", "forged"),
            ("The chain is as it was.", "everywhere-still"),
        ],
        question: "Which rule was broken? What would the forger have to compute anew?",
        part: Part::Link("Check and cheat in the browser", "/check"),
    },
    Experiment {
        name: "partition",
        title: "Cut and mend",
        teaches: "Two halves that cannot talk both go on. When they meet, the longer chain wins, and messages of the other come back.",
        about: "Cut the network in two. Both halves mine their own messages. Then mend it.",
        acts: &[
            (
                "Cut it in two",
                "reset\nsplit {left} | {right}\nadd \"Left 1\" to {first}\nadd \"Left 2\" to {first}\nadd \"Right 1\" to {last}",
            ),
            ("Mend it", "mend"),
        ],
        steps: &[
            ("The network is cut.", "cut"),
            ("The two halves have different blocks.", "apart"),
            ("It is mended, and all agree.", "agreed"),
            ("Every message of both halves is in the chain.", "idle"),
        ],
        question: "A shop in the smaller half was paid. Is the payment still in the chain, and in which block?",
        part: Part::Nothing,
    },
    Experiment {
        name: "tie",
        title: "A tie, and its rule",
        teaches: "Of two chains of the same length all miners take the one with the lower last hash, without asking anybody.",
        about: "Wait until nothing is pending. Then each half gets one message, so each finds one block. Before you mend: read both hashes on the wall, and say who will win.",
        acts: &[
            (
                "Cut it in two, a message each",
                "reset\nsplit {left} | {right}\nadd \"Heads\" to {first}\nadd \"Tails\" to {last}",
            ),
            ("Mend it", "mend"),
        ],
        steps: &[
            ("Nothing is pending, and all have one chain.", "idle"),
            ("Both chains are as long.", "tied"),
            ("All have the one with the lower hash.", "lower"),
        ],
        question: "Why is it good that the rule needs no vote?",
        part: Part::Nothing,
    },
    Experiment {
        name: "heist",
        title: "The heist",
        teaches: "History is rewritten by more power than all others have, and not by less. The deeper the block, the longer it takes.",
        about: "Choose a block and change its message. The last miner is cut off, forgets that block and all later ones, and mines another history, as fast as it can. Then mend the network.",
        acts: &[("Mend it", "mend"), ("Turn the dial back", "limit {last} usual")],
        steps: &[
            ("The thief has another block there.", "rewritten"),
            ("The thief's chain is the longer one.", "longer"),
            ("Mended: everybody has the thief's block.", "won"),
            ("The honest messages are in the chain again, in later blocks.", "idle"),
        ],
        question: "What did the thief change, and what could he not change? What would it have cost six blocks deep?",
        part: Part::Heist,
    },
    Experiment {
        name: "finality",
        title: "A heist that fails",
        teaches: "A miner may refuse branches that drop too much. It is safe from the thief, and alone if everybody else is not.",
        about: "The first miner starts again: it only watches now, and refuses to drop more than one block. Then the last miner rewrites three blocks, as in the heist.",
        acts: &[
            (
                "Let the first be stubborn",
                "reset\nstop {first}\nstart {first} finality 1\nlimit {first} 0",
            ),
            ("Mend it", "mend"),
            ("Turn the dial back", "limit {last} usual"),
        ],
        steps: &[
            ("The thief has another block there.", "rewritten"),
            ("The thief's chain is the longer one.", "longer"),
            ("Mended: the first miner refuses it.", "refused"),
        ],
        question: "Now two chains live on. Who decides which one is right?",
        part: Part::Heist,
    },
    Experiment {
        name: "race",
        title: "A race, and confirmations",
        teaches: "The chance of a thief who is weaker than all others falls with every block on top, but never to zero.",
        about: "A thief with this share of all power rewrites a block with so many blocks on top. Guess first, then run fifty races. They are drawn by lot here in your browser, in the way in which blocks are found.",
        acts: &[],
        steps: &[("Fifty races are run.", "raced")],
        question: "For how many confirmations would you wait before you hand over a bicycle? A house?",
        part: Part::Race,
    },
    Experiment {
        name: "gossip",
        title: "A newcomer",
        teaches: "One address is enough: a newcomer asks for neighbours and blocks, checks all, and belongs to the network.",
        about: "A new miner starts. It knows the first miner alone.",
        acts: &[("Start it", "reset\nstart {new} knowing {first}")],
        steps: &[
            ("The newcomer runs.", "newcomer"),
            ("It has the whole chain.", "newcomer-same"),
            ("It knows others than the first.", "newcomer-knows 2"),
        ],
        question: "Whom does the newcomer have to trust?",
        part: Part::Nothing,
    },
    Experiment {
        name: "eclipse",
        title: "Eclipse",
        teaches: "A miner that knows liars only believes them. One honest neighbour is enough to see.",
        about: "The right half is cut off and mines a chain of its own. A newcomer knows the last miner alone, and is kept from the left half: a miner there that knew its address would call it. Then it gets to know the first one.",
        acts: &[
            (
                "Cut it in two",
                "reset\nsplit {left} | {right}\nadd \"Honest 1\" to {first}\nadd \"Honest 2\" to {first}\nadd \"Honest 3\" to {first}\nadd \"Shadow 1\" to {last}",
            ),
            (
                "Start the newcomer among the liars",
                "split {new} | {left}\nstart {new} knowing {last}",
            ),
            ("Let it know an honest one", "mend {newest} {first}"),
            ("Mend it", "mend"),
        ],
        steps: &[
            ("The two halves have different blocks.", "apart"),
            ("The newcomer believes the liars.", "eclipsed"),
            ("It has the honest chain.", "freed"),
        ],
        question: "How would you choose your neighbours so that a liar cannot be all of them?",
        part: Part::Nothing,
    },
    Experiment {
        name: "signatures",
        title: "Signatures",
        teaches: "The chain keeps what was written. Only a signature tells who wrote it, and a thief cannot make one.",
        about: "Your browser makes a pair of keys and signs your message. The signature is a convention inside the text: text, key and signature, which every browser here can check.",
        acts: &[],
        steps: &[
            ("A signed message is in the chain, and its signature is right.", "signed"),
            (
                "A message with a wrong signature is in the chain, and is seen to be wrong.",
                "forged-signature",
            ),
        ],
        question: "The heist changes a signed message. What does everybody see?",
        part: Part::Signatures,
    },
];

pub fn list() -> Answer {
    let content = html! {
        section.intro {
            h1 { "Experiments" }
            p { "Each one sets its stage in the real network of this class, and ticks itself when you have done it. Keep the " a href="/wall" { "wall" } " open beside it." }
        }
        ol.experiments {
            @for it in &EXPERIMENTS {
                li { a href=(format!("/learn/{}", it.name)) data-experiment=(it.name) { span.title { (it.title) } span.tick aria-hidden="true" {} span.teaches { (it.teaches) } } }
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
            (part(it.part, is_local))
            @if is_local {
                div.buttons { @for (words, orders) in it.acts { button data-orders=(orders) { (words) } } button data-orders="reset" { "Reset the class" } }
            } @else if !it.acts.is_empty() {
                p.hint { "The stage is set on the host of the class; your browser watches." }
            }
            ol.tasks { @for (words, tick) in it.steps { li data-tick=(tick) { span { (words) } } } }
            p.hint id="seen" role="status" {}
            div.learned id="learned" hidden { p { (it.teaches) } p.question { (it.question) }
                @if let Some(next) = EXPERIMENTS.get(place + 1) { p { a href=(format!("/learn/{}", next.name)) { "Next: " (next.title) } } }
            }
            @if is_local {
                h2 { "The same by hand" }
                pre.commands id="commands" role="log" tabindex="0" aria-label="Commands that do the same" { "Each button shows here the commands that do the same." }
            }
        }
    };
    Some(Answer::page(200, frame::of_class(it.title, Tab::LEARN, "learn.js", content)))
}

fn part(part: Part, is_local: bool) -> Markup {
    html! {
        @match part {
            Part::Nothing => {},
            Part::Add => form id="add" { div.buttons {
                label.field.short { span { "Message" } input id="text" required maxlength="1000" autocomplete="off"; }
                button.primary { "Add" }
            } },
            Part::Link(words, path) => p { a href=(path) { (words) } },
            Part::Heist => @if is_local { form id="heist" { div.buttons {
                label.field.short { span { "Block" } select id="height" required {} }
                label.field.short { span { "its message becomes" } input id="text" required maxlength="200" autocomplete="off" value="Everything belongs to me."; }
                button.primary { "Rob it" }
            } } },
            Part::Race => form id="race" { div.buttons {
                label.field.short { span { "Share of power, %" } input id="share" type="number" min="1" max="60" value="30"; }
                label.field.short { span { "Confirmations" } input id="confirmations" type="number" min="1" max="30" value="3"; }
                button.primary { "Run fifty races" }
            } p.result id="raced" role="status" { "…" } },
            Part::Signatures => form id="signatures" data-keep { div.buttons {
                label.field.short { span { "Message" } input id="text" required maxlength="500" autocomplete="off" value="I owe Ada a coffee."; }
                button.primary { "Sign and add" } button type="button" id="wrong" { "Add with a wrong signature" }
            } p.hint id="keys" {} ul.found id="signed" {} },
        }
    }
}
