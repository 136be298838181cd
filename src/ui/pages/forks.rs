//! The branches that left the chain: drawn at the heights where they left it, and told in words.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::api::client::Result;
use crate::api::{Departure, Fork};
use crate::chain::{DataId, Hash, Micros, Why};
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::{At, NoPage, Sent};
use crate::ui::words::{Moment, Shown, count, plural};
use tree::{CELL_DIGITS, draw};

mod tree;

pub const TAB: Tab = Tab { name: "Forks", path: "/forks" };

/// For how long a branch is drawn after it left, in microseconds: a day.
const DRAWN_TIME: Micros = 86_400_000_000;

/// Most drawings, of branches whose heights don't meet.
const DRAWINGS_MAX: usize = 8;

/// Most blocks of a branch that are linked in the text, and most branches that are listed.
const LINKS_MAX: usize = 6;
const LISTED_MAX: usize = 30;

/// Most dropped blocks that are asked for to find a message in them.
const LOOKED_AT_MAX: usize = 48;

pub fn page(at: &At) -> Result<Answer, NoPage> {
    let forks = at.forks();
    let is_recent = |fork: &&Fork| at.now.saturating_sub(fork.dropped.at) < DRAWN_TIME;
    let recent: Vec<&Fork> = forks.iter().filter(is_recent).collect();
    let pieces = pieces(&recent);
    let drawings: Vec<_> =
        pieces.iter().take(DRAWINGS_MAX).map(|piece| draw(at, piece)).collect::<Result<_, _>>()?;
    let content = html! {
        section.intro {
            h1 { "Forks" }
            p.lead role="status" id="summary" {
                @match forks.first() {
                    None => "No branch has left the chain of this miner.",
                    Some(newest) => { @if forks.len() == 1 { "1 branch" } @else {
                        (count(forks.len() as u64)) " branches" } " left the chain of this miner, the last "
                        (Moment(newest.dropped.at).age(at.now)) "." }
                }
            }
            p { "Two miners may find a block at the same time: then the chain forks. All miners take the \
                longer branch and, of two that are as long, the one whose head has the lower hash. The other \
                branch is dropped, and its messages are unprocessed again. It is kept here, so that \
                everybody can see what was rewritten." }
        }
        @if !drawings.is_empty() {
            section.card id="tree" {
                h2 { "The last day" span.range { " newest on the left" } }
                @for drawing in &drawings { (drawing) }
            }
        }
        @if !forks.is_empty() { (list(at, &forks)) }
    };
    Ok(Answer::page(200, frame::page(TAB.name, TAB, Freshness::Live, at, content)))
}

/// The part of an id of a page that stands for a hash.
pub fn short_id(hash: &Hash) -> String {
    hash.to_string()[..16].to_owned()
}

pub fn why_dropped(dropped: &Departure) -> &'static str {
    match dropped.why {
        Why::Longer => "The other branch was longer.",
        Why::LowerHash => "Both branches were as long, and the hash of the other head was lower.",
        Why::Clock => "Its blocks were ahead of time, and no neighbour had them.",
        Why::Accepted => "The owner of this miner chose the other branch.",
    }
}

/// A row for each branch, from 0 on, so that none covers another.
pub fn rows(forks: &[&Fork]) -> Vec<usize> {
    let mut rows: Vec<usize> = Vec::new();
    for (number, fork) in forks.iter().enumerate() {
        let meets = |other: &Fork| {
            fork.fork <= other.fork + other.depth && other.fork <= fork.fork + fork.depth
        };
        let taken: BTreeSet<_> =
            (0..number).filter(|other| meets(forks[*other])).map(|other| rows[other]).collect();
        let free = (0..).find(|row| !taken.contains(row));
        rows.push(free.expect("there is a row after all others"));
    }
    rows
}

/// A block that held a message and was dropped.
pub struct Former {
    pub seen: Sent,
    /// Its confirmations when it was dropped.
    pub confirmations: u64,
    pub dropped: Departure,
}

impl Former {
    pub fn text_hash(&self) -> Hash {
        Hash::of(self.seen.block.data.message.as_str())
    }
}

/// The dropped blocks with a message of this id, the first to be dropped first.
pub fn former(at: &At, forks: &[Fork], id: DataId) -> Result<Vec<Former>> {
    let mut former = Vec::new();
    let blocks = forks.iter().flat_map(|fork| fork.blocks.iter().map(move |block| (fork, block)));
    for (fork, block) in blocks.take(LOOKED_AT_MAX) {
        let kept = at.kept(block.hash)?;
        if let Some(kept) = kept.filter(|kept| kept.seen.block.data.id == id) {
            let confirmations = (fork.fork + fork.depth + 1).saturating_sub(block.index);
            former.push(Former { seen: kept.seen, confirmations, dropped: fork.dropped.clone() });
        }
    }
    former.reverse();
    Ok(former)
}

/// Branches in groups whose heights meet, newest first.
fn pieces<'a>(forks: &[&'a Fork]) -> Vec<Vec<&'a Fork>> {
    let mut by_height: Vec<&Fork> = forks.to_vec();
    by_height.sort_by_key(|fork| fork.fork);
    let mut pieces: Vec<(u64, Vec<&Fork>)> = Vec::new();
    for fork in by_height {
        let end = fork.fork + fork.depth + 1;
        match pieces.last_mut() {
            Some((last, piece)) if fork.fork <= *last => {
                *last = end.max(*last);
                piece.push(fork);
            }
            _ => pieces.push((end, vec![fork])),
        }
    }
    pieces.reverse();
    pieces.into_iter().map(|(_, piece)| piece).collect()
}

fn list(at: &At, forks: &[Fork]) -> Markup {
    html! {
        section.card id="branches" {
            h2 { "Dropped branches" }
            ol.found { @for fork in forks.iter().take(LISTED_MAX) {
                li id=(format!("f-{}", short_id(&fork.head))) { div.branch-of {
                    p {
                        strong { (plural(fork.depth, "block")) " above block " (count(fork.fork)) }
                            ", dropped " (Moment(fork.dropped.at).show()) ", "
                        (Moment(fork.dropped.at).age(at.now)) ". " (why_dropped(&fork.dropped))
                    }
                    p.originals {
                        "Open the dropped " @if fork.depth == 1 { "original" } @else { "originals" } ":"
                        @for block in fork.blocks.iter().take(LINKS_MAX) {
                            " " a href=(at.block(block.hash)) { (count(block.index))
                                " " code { (&block.hash.to_string()[..CELL_DIGITS]) } }
                        }
                        @if fork.depth > LINKS_MAX as u64 { " … " a href=(at.block(fork.head)) { "its last" } }
                    }
                    p.hint {
                        a href=(at.block(fork.dropped.winner)) { "The block that won" }
                        @if let Some(file) = &fork.dropped.file { " · kept in the file " code { (Shown(file, 120)) } }
                    }
                } }
            } }
            @if forks.len() > LISTED_MAX { p.hint { "Earlier ones are left out." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tree::columns;
    use super::*;
    use crate::api::ForkBlock;

    fn fork(fork: u64, depth: u64) -> Fork {
        let hash = |index: u64| Hash::of(format!("{fork} {depth} {index}"));
        let blocks = (fork + 1..=fork + depth).map(|index| ForkBlock { index, hash: hash(index) });
        let dropped = Departure { at: 1, why: Why::Longer, winner: Hash::of("w"), file: None };
        Fork { fork, depth, head: hash(fork + depth), blocks: blocks.collect(), dropped }
    }

    #[test]
    fn branches_whose_heights_meet_stand_in_different_rows() {
        let (low, middle, high) = (fork(10, 3), fork(12, 1), fork(14, 2));
        assert_eq!(rows(&[&low, &middle, &high]), [0, 1, 0]);
        assert_eq!(rows(&[&low, &low, &low]), [0, 1, 2]);
    }

    #[test]
    fn branches_far_from_each_other_are_drawn_apart_newest_first() {
        let (low, middle, high) = (fork(10, 3), fork(13, 1), fork(40, 2));
        let forks = [&low, &high, &middle];
        let sizes: Vec<_> = pieces(&forks).iter().map(|piece| piece[0].fork).collect();
        assert_eq!(sizes, [40, 10]);
    }

    #[test]
    fn a_long_branch_is_drawn_by_its_ends() {
        let heights = |fork: Fork, length| columns(&[&fork], length);
        assert_eq!(heights(fork(10, 1), 100), [Some(12), Some(11), Some(10)]);
        assert_eq!(heights(fork(10, 1), 12), [Some(11), Some(10)]);
        let long = heights(fork(10, 90), 1_000);
        let expected = [101, 100, 99, 98].map(Some).into_iter().chain([None]);
        let expected: Vec<_> = expected.chain([13, 12, 11, 10].map(Some)).collect();
        assert_eq!(long, expected);
    }
}
