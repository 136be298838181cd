//! The network as a drawing, what happened in the last hour, and two plots.

use maud::{Markup, html};

use super::lines;
use crate::api::{Address, EVENTS_MAX, Event, Happening};
use crate::ui::drawing;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::{At, NoPage, Sent};
use crate::ui::survey::{self, Node};
use crate::ui::words::{
    ADDRESS_CHARACTERS, Moment, Shown, count, duration, plural, short_address, short_hash,
};
use plots::plots;

mod plots;

pub const TAB: Tab = Tab { name: "Network", path: "/network" };

const PLOTTED_BLOCKS: u64 = 60;

const EVENT_LINES: usize = 30;

const RETURNED_SHOWN: usize = 5;

/// Characters of a reason that are shown: of a neighbour's silence, in any of its places.
const REASON_CHARACTERS: usize = 80;

/// Newest events of a miner, or of a line between two, that are shown.
pub const SAID_SHOWN: usize = 3;

/// New blocks that have a line each; earlier ones share one wherever they come in a row, so that
/// a quick chain leaves room for what is rarer.
const BLOCK_LINES: usize = 12;

/// One hour, in microseconds.
const HOUR: u64 = 3_600_000_000;

pub fn page(at: &At) -> Result<Answer, NoPage> {
    let nodes = survey::survey(at);
    let from = at.health.length.saturating_sub(PLOTTED_BLOCKS + 1);
    let (blocks, _) = at.blocks(from, PLOTTED_BLOCKS + 1)?;
    let events = at.source.client.events(&at.address).ok().map(|page| page.events);
    let content = html! {
        section.intro {
            h1 { "Network" }
            p.lead role="status" id="summary" { (summary(&nodes)) }
            @if let Some(words) = tie(&nodes) { p.lead id="tie" { (words) } }
        }
        section.card id="network" data-of="network" {
            div.sight.beside[!drawing::is_crowded(&nodes)] {
                div.drawing { (drawing::draw(at, &nodes)) (legend())
                    p.hint { "A line is lit for " (duration(drawing::LIT_TIME)) " after a block came by it. \
                        Choose a miner, or a line by which something came, to see what was said." }
                }
                div.stack { (list(at, &nodes)) (lines::list(at, &nodes)) }
            }
        }
        div.pair {
            (happenings(at, events, &blocks))
            (plots(at, &blocks))
        }
    };
    Ok(Answer::page(200, frame::page(TAB.name, TAB, Freshness::Live, at, content)))
}

fn summary(nodes: &[Node]) -> String {
    use survey::Standing::{Same, Unreachable};
    let neighbours = nodes.iter().filter(|node| node.ring == 1);
    let all = neighbours.clone().count();
    let same = neighbours.clone().filter(|node| node.standing == Same).count();
    let lost: Vec<_> = neighbours.filter(|node| node.standing == Unreachable).collect();
    let lost: Vec<_> = lost.iter().map(|node| brief(&node.address)).collect();
    match (all, lost.is_empty()) {
        (0, _) => "This miner has no neighbours.".into(),
        (_, true) => format!("{same} of {} on the same head.", plural(all as u64, "neighbour")),
        _ => format!(
            "{same} of {} on the same head; unreachable: {}.",
            plural(all as u64, "neighbour"),
            lost.join(", ")
        ),
    }
}

/// The rule that picks one of two branches as long as each other, where there
/// are two.
fn tie(nodes: &[Node]) -> Option<String> {
    let (home, others) = nodes.split_first()?;
    let is_rival =
        |node: &&Node| node.standing == survey::Standing::Branch && node.length == home.length;
    let rival = others.iter().find(is_rival)?;
    let (ours, theirs) = home.head.zip(rival.head)?;
    let winner = if ours < theirs { home } else { rival };
    let (lower, higher) = (ours.min(theirs), ours.max(theirs));
    Some(format!(
        "Two branches are as long as each other. All miners take the one whose head has the \
         lower hash, so they agree without asking: {} is lower than {}, and the branch of {} wins \
         unless the other one grows first.",
        short_hash(&lower),
        short_hash(&higher),
        brief(&winner.address)
    ))
}

fn said(at: &At, node: &Node) -> Markup {
    html! {
        @if !node.said.is_empty() {
            details { summary { "events" } ul.said {
                @for event in node.said.iter().take(SAID_SHOWN) { li { (Moment(event.at).age(at.now)) ": "
                    (happening(at, &event.what, true)) } }
            } }
        }
    }
}

fn brief(address: &Address) -> String {
    short_address(address, ADDRESS_CHARACTERS)
}

fn legend() -> Markup {
    use survey::Standing::{Ahead, Behind, Branch, Same, Unknown, Unreachable};
    html! {
        ul.legend {
            @for standing in [Same, Behind, Ahead, Branch, Unreachable, Unknown] {
                li {
                    svg viewBox="-14 -14 28 28" width="20" height="20" aria-hidden="true" { (drawing::shape(standing, 10.0)) }
                    (standing.words())
                }
            }
        }
    }
}

fn list(at: &At, nodes: &[Node]) -> Markup {
    html! {
        table.nodes {
            thead { tr { th scope="col" { "Miner" } th scope="col" { "State" } th.number scope="col" {
                "Length" } th scope="col" { "Head" } } }
            tbody { @for node in nodes {
                tr id=(format!("n-{}", node.address)) {
                    th scope="row" { @if node.ring < 2 { a href=(format!("/network?at={}", node.address)) {
                        (brief(&node.address)) } } @else { (brief(&node.address)) } (said(at, node)) }
                    td {
                        @if node.ring == 0 { "this page's miner" } @else { (node.standing.words()) }
                        @if let Some(by) = &node.told_by { span.more { ", says " (brief(by)) } }
                        @if node.standing == survey::Standing::Unreachable {
                            @if let Some(time) = node.last_answer { ", last answer " (Moment(time).age(at.now)) }
                            @if let Some(reason) = &node.reason { p.problem { (Shown(reason, REASON_CHARACTERS)) } }
                        }
                    }
                    td.number { @if let Some(length) = node.length { (count(length)) } }
                    td.nowrap { @if let Some(head) = node.head { code { (short_hash(&head)) } } }
                }
            } }
        }
    }
}

/// The last hour, newest first; by the blocks alone where a miner does not tell more.
fn happenings(at: &At, events: Option<Vec<Event>>, blocks: &[Sent]) -> Markup {
    let is_told = events.is_some();
    let by_blocks = || {
        let recent = blocks.iter().filter(|seen| seen.block.timestamp + HOUR > at.now);
        let event = |seen: &Sent| Event {
            id: seen.block.timestamp,
            at: seen.block.timestamp,
            what: Happening::Block {
                index: seen.block.index,
                hash: seen.hash,
                id: seen.block.data.id,
                from: None,
            },
        };
        recent.map(event).collect()
    };
    let mut events: Vec<Event> = events.unwrap_or_else(by_blocks);
    events.reverse();
    let oldest = events.last().map(|event| event.at);
    let lines = in_lines(&events);
    html! {
        section.card id="events" {
            h2 { @match oldest.filter(|_| events.len() >= EVENTS_MAX) {
                Some(oldest) => { "The last " (plural(events.len() as u64, "event")) span.range {
                    " the first " (Moment(oldest).age(at.now)) } }
                None => "The last hour",
            } }
            @if !is_told { p.hint { "This miner keeps no events; these are the blocks of the last hour." } }
            @if events.is_empty() { p.lead { "Nothing happened." } }
            ol.events tabindex="0" aria-label="Newest first" {
                @for (last, before) in lines.iter().take(EVENT_LINES) {
                    li { span.when { (Moment(last.at).age(at.now)) } (mark(&last.what)) span {
                        @if let [.., first] = before { (blocks_in_a_row(at, first, last)) }
                        @else { (happening(at, &last.what, is_told)) }
                    } }
                }
            }
            @if lines.len() > EVENT_LINES { p.hint { "Earlier events are left out." } }
        }
    }
}

/// Events for a line each, newest first: the last of the line, and the blocks before it that
/// share the line, newest first, too.
fn in_lines(newest_first: &[Event]) -> Vec<(&Event, &[Event])> {
    let is_block = |event: &Event| matches!(event.what, Happening::Block { .. });
    let (mut lines, mut blocks, mut rest) = (Vec::new(), 0, newest_first);
    while let [last, others @ ..] = rest {
        let mut shared = 0;
        if is_block(last) {
            blocks += 1;
            if blocks > BLOCK_LINES {
                shared = others.iter().take_while(|event| is_block(event)).count();
            }
        }
        lines.push((last, &others[..shared]));
        rest = &others[shared..];
    }
    lines
}

fn blocks_in_a_row(at: &At, first: &Event, last: &Event) -> Markup {
    let link = |event: &Event| match &event.what {
        Happening::Block { index, .. } => {
            html! { a href=(at.block(index)) { (count(*index)) } }
        }
        _ => html! {},
    };
    html! { "new blocks " (link(first)) " to " (link(last)) ", the first " (Moment(first.at).age(at.now)) }
}

fn mark(what: &Happening) -> Markup {
    let (class, sign) = match what {
        Happening::Block { .. } => ("block-mark", "■"),
        Happening::Reorganisation { .. } => ("branch", "◆"),
        Happening::BranchRefused { .. } => ("branch", "◇"),
        Happening::Messages { .. } => ("came", "·"),
        Happening::NeighbourCame { .. } => ("came", "+"),
        Happening::NeighbourGone { .. } => ("gone", "−"),
    };
    html! { span.mark.(class) aria-hidden="true" { (sign) } }
}

/// An event in words; with whose branch or block it was, if the miner tells that.
pub fn happening(at: &At, what: &Happening, is_told: bool) -> Markup {
    let from = |address: &Option<Address>| match address {
        Some(address) => format!(" from {}", brief(address)),
        None if is_told => ", mined or handed in here".into(),
        None => String::new(),
    };
    html! {
        @match what {
            Happening::Block { index, from: whom, .. } => {
                "new block " a href=(at.block(index)) { (count(*index)) } (from(whom))
            },
            Happening::Reorganisation { fork, dropped, adopted, returned, returned_count, from: whom, .. } => {
                @let shown = &returned[..returned.len().min(RETURNED_SHOWN)];
                strong { "reorganisation" } (whom.as_ref().map(|whom| format!(" to the branch of {}", brief(whom))).unwrap_or_default())
                ": " (plural(*dropped, "block")) " above block " (count(*fork)) " dropped for "
                    (count(*adopted)) ". " (why_it_won(*dropped, *adopted)) " "
                @if *returned_count == 0 { "No message went back" }
                @else {
                    (plural(*returned_count, "message")) " went back:"
                    @for id in shown { " " a href=(at.href(&format!("/data/{id}"))) { code { (&id.to_string()[..8]) "…" } } }
                    @if *returned_count > shown.len() as u64 { " and " (count(returned_count - shown.len() as u64)) " more" }
                }
            },
            Happening::BranchRefused { fork, dropped, .. } => {
                "refused a branch from block " (fork) " that would drop " (dropped) " blocks"
            }
            Happening::Messages { unprocessed } => { (plural(*unprocessed, "message")) " unprocessed" },
            Happening::NeighbourCame { neighbour } => { "neighbour " (brief(neighbour)) " came" },
            Happening::NeighbourGone { neighbour, reason } => { "neighbour " (brief(neighbour)) " gone: "
                (Shown(reason, REASON_CHARACTERS)) },
        }
    }
}

pub fn why_it_won(dropped: u64, adopted: u64) -> String {
    match adopted.checked_sub(dropped) {
        Some(0) => "Both were as long, and the hash of its head is lower.".into(),
        Some(more) => format!("It is longer by {}.", plural(more, "block")),
        None => "It was longer, and is fetched in parts.".into(),
    }
}
