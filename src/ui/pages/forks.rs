//! The branches that left the chain: drawn at the heights where they left it, and told in words.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::api::client::ClientError;
use crate::api::{Departure, Fork};
use crate::chain::{DataId, Hash, Micros, Why};
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::{At, NoPage, Seen, Source};
use crate::ui::words::{Moment, Shown, count, hue, plural, short_hash};

/// Its place in the navigation.
pub const TAB: Tab = Tab { name: "Forks", path: "/forks" };

/// For how long a branch is drawn after it left, in microseconds: a day.
const DRAWN_TIME: Micros = 86_400_000_000;

/// Most drawings, of branches whose heights don't meet.
const DRAWINGS_MAX: usize = 8;

/// Blocks at each end of a branch that are drawn; those between are left out.
const END_BLOCKS: u64 = 3;

/// Most blocks of a branch that are linked in the text, and most branches that are listed.
const LINKS_MAX: usize = 6;
const LISTED_MAX: usize = 30;

/// Most dropped blocks that are asked for to find a message in them.
const LOOKED_AT_MAX: usize = 48;

/// Size of a block in the drawing, and of the place that it takes.
const CELL: (u64, u64) = (84, 46);
const PITCH: (u64, u64) = (108, 64);

/// Digits of a hash in a block of the drawing.
const CELL_DIGITS: usize = 6;

/// Renders the page.
pub fn page(source: &Source, at: &At) -> Result<Answer, NoPage> {
    let forks = source.forks(&at.address);
    let is_recent = |fork: &&Fork| at.now.saturating_sub(fork.dropped.at) < DRAWN_TIME;
    let recent: Vec<&Fork> = forks.iter().filter(is_recent).collect();
    let pieces = pieces(&recent);
    let drawings: Vec<_> = pieces
        .iter()
        .take(DRAWINGS_MAX)
        .map(|piece| draw(source, at, piece))
        .collect::<Result<_, _>>()?;
    let content = html! {
        section.intro {
            h1 { "Forks" }
            p.lead role="status" id="summary" {
                @match forks.first() {
                    None => "No branch has left the chain of this miner.",
                    Some(newest) => { @if forks.len() == 1 { "1 branch" } @else { (count(forks.len() as u64)) " branches" } " left the chain of this miner, the last " (Moment(newest.dropped.at).age(at.now)) "." }
                }
            }
            p { "Two miners may find a block at the same time: then the chain forks. All miners take the longer branch and, of two that are as long, the one whose head has the lower hash. The other branch is dropped, and its messages are unprocessed again. It is kept here, so that everybody can see what was rewritten." }
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

/// The rule by which a branch lost.
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
    /// The block.
    pub seen: Seen,
    /// Its confirmations when it was dropped.
    pub confirmations: u64,
    /// When and why it was.
    pub dropped: Departure,
}

impl Former {
    /// SHA-256 of the message's text.
    pub fn text(&self) -> Hash {
        Hash::of(self.seen.block.data.message.as_str())
    }
}

/// The dropped blocks with a message of this id, the first to be dropped first.
pub fn former(
    source: &Source,
    at: &At,
    forks: &[Fork],
    id: DataId,
) -> Result<Vec<Former>, ClientError> {
    let mut former = Vec::new();
    let blocks = forks.iter().flat_map(|fork| fork.blocks.iter().map(move |block| (fork, block)));
    for (fork, block) in blocks.take(LOOKED_AT_MAX) {
        let kept = source.block(&at.address, block.hash)?;
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

/// The heights that are drawn of a group, highest first; `None` where some are left out.
fn columns(piece: &[&Fork], length: u64) -> Vec<Option<u64>> {
    let ends = |fork: &&Fork| {
        let last = fork.fork + fork.depth;
        let low = fork.fork..(fork.fork + 1 + END_BLOCKS).min(last + 2);
        low.chain((last + 1).saturating_sub(END_BLOCKS).max(fork.fork)..last + 2)
    };
    let heights: BTreeSet<u64> =
        piece.iter().flat_map(ends).filter(|height| *height < length).collect();
    let mut columns: Vec<Option<u64>> = Vec::new();
    for height in heights.into_iter().rev() {
        match columns.last() {
            Some(Some(above)) if above - height == 2 => columns.push(Some(above - 1)),
            Some(Some(above)) if above - height > 2 => columns.push(None),
            _ => {}
        }
        columns.push(Some(height));
    }
    columns
}

/// A block of the drawing.
struct Cell {
    column: usize,
    row: usize,
    height: u64,
    hash: Hash,
}

/// The hash of a branch's block at this height, if it is known.
fn hash_at(fork: &Fork, height: u64) -> Option<Hash> {
    if height == fork.fork + fork.depth {
        return Some(fork.head);
    }
    fork.blocks.iter().find(|block| block.index == height).map(|block| block.hash)
}

/// Draws the chain with the branches of a group below it.
fn draw(source: &Source, at: &At, piece: &[&Fork]) -> Result<Markup, ClientError> {
    let columns = columns(piece, at.health.length.max(1));
    let rows = rows(piece);
    let mut cells = Vec::new();
    for (column, height) in columns.iter().enumerate() {
        let Some(height) = *height else { continue };
        let chain = source.blocks(&at.address, height, 1)?.0.pop().map(|seen| (0, seen.hash));
        let branches = piece.iter().zip(&rows).filter_map(|(fork, row)| {
            let hash = (height > fork.fork).then(|| hash_at(fork, height))??;
            Some((row + 1, hash))
        });
        let here = chain.into_iter().chain(branches);
        cells.extend(here.map(|(row, hash)| Cell { column, row, height, hash }));
    }
    let height = (rows.iter().max().map_or(0, |row| *row as u64) + 2) * PITCH.1;
    let width = columns.len() as u64 * PITCH.0;
    let newest = piece.iter().map(|fork| fork.head).next().unwrap_or(at.health.head);
    let place = |column: usize, row: usize| (column as u64 * PITCH.0 + 6, row as u64 * PITCH.1 + 6);
    let middle = |column: usize, row: usize| {
        let (x, y) = place(column, row);
        (x + CELL.0 / 2, y + CELL.1 / 2)
    };
    let column_of = |height: u64| columns.iter().position(|column| *column == Some(height));
    let mut lines = Vec::new();
    if columns.len() > 1 {
        let ((left, y), (right, _)) = (middle(0, 0), middle(columns.len() - 1, 0));
        lines.push((format!("M{left} {y}H{right}"), "chain-edge"));
    }
    for (fork, row) in piece.iter().zip(&rows) {
        let parent = parent_row(source, at, piece, &rows, fork)?;
        let head = column_of(fork.fork + fork.depth);
        if let (Some(foot), Some(head)) = (column_of(fork.fork), head) {
            let ((x, y), (left, down)) = (middle(foot, parent), middle(head, row + 1));
            lines.push((
                format!("M{x} {y}V{}Q{x} {down} {} {down}H{left}", down - 12, x - 12),
                "branch-edge",
            ));
        }
    }
    Ok(html! {
        div.tree id=(format!("t-{}", short_id(&newest))) tabindex="0" role="group" aria-label="The chain, and the branches that left it" {
            svg width=(width) height=(height) role="group" aria-label="The chain and its dropped branches" viewBox=(format!("0 0 {width} {height}")) {
                @for (path, class) in &lines { path.(class) d=(path) {} }
                @for (column, _) in columns.iter().enumerate().filter(|(_, height)| height.is_none()) {
                    @let (x, y) = middle(column, 0);
                    text.gap x=(x) y=(y + 5) { "…" }
                }
                @for Cell { column, row, height, hash } in &cells {
                    @let (x, y) = place(*column, *row);
                    a href=(at.href(&format!("/block/{hash}"))) {
                        title { "block " (count(*height)) @if *row > 0 { ", dropped" } ", hash " (short_hash(hash)) }
                        rect.cell.(hue(hash)).kept[*row > 0] x=(x) y=(y) width=(CELL.0) height=(CELL.1) rx="8" {}
                        text x=(x + CELL.0 / 2) y=(y + 19) { (count(*height)) }
                        text.digits-of x=(x + CELL.0 / 2) y=(y + 36) { (&hash.to_string()[..CELL_DIGITS]) }
                    }
                }
            }
        }
    })
}

/// The row in which the block stands that a branch begins at: that of the chain, or of a branch
/// that was dropped later.
fn parent_row(
    source: &Source,
    at: &At,
    piece: &[&Fork],
    rows: &[usize],
    fork: &Fork,
) -> Result<usize, ClientError> {
    let holds = |other: &Fork| {
        other.head != fork.head && other.fork < fork.fork && fork.fork <= other.fork + other.depth
    };
    if !piece.iter().any(|other| holds(other)) {
        return Ok(0);
    }
    let first = source.block(&at.address, fork.blocks[0].hash)?;
    let parent = first.and_then(|first| first.seen.block.previous_hash);
    let row = piece
        .iter()
        .zip(rows)
        .find(|(other, _)| holds(other) && parent.is_some() && hash_at(other, fork.fork) == parent);
    Ok(row.map_or(0, |(_, row)| row + 1))
}

/// The branches in words, newest first.
fn list(at: &At, forks: &[Fork]) -> Markup {
    html! {
        section.card id="branches" {
            h2 { "Dropped branches" }
            ol.found { @for fork in forks.iter().take(LISTED_MAX) {
                li id=(format!("f-{}", short_id(&fork.head))) { div.branch-of {
                    p {
                        strong { (plural(fork.depth, "block")) " above block " (count(fork.fork)) } ", dropped " (Moment(fork.dropped.at).show()) ", "
                        (Moment(fork.dropped.at).age(at.now)) ". " (why_dropped(&fork.dropped))
                    }
                    p.originals {
                        "Open the dropped " @if fork.depth == 1 { "original" } @else { "originals" } ":"
                        @for block in fork.blocks.iter().take(LINKS_MAX) {
                            " " a href=(at.href(&format!("/block/{}", block.hash))) { (count(block.index)) " " code { (&block.hash.to_string()[..CELL_DIGITS]) } }
                        }
                        @if fork.depth > LINKS_MAX as u64 { " … " a href=(at.href(&format!("/block/{}", fork.head))) { "its last" } }
                    }
                    p.hint {
                        a href=(at.href(&format!("/block/{}", fork.dropped.winner))) { "The block that won" }
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
