//! The drawing of the chain and of the branches that left it.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{rows, short_id};
use crate::api::Fork;
use crate::api::client::Result;
use crate::chain::Hash;
use crate::ui::source::At;
use crate::ui::words::{count, hue, short_hash};

/// Blocks at each end of a branch that are drawn; those between are left out.
const END_BLOCKS: u64 = 3;

/// Size of a block in the drawing, and of the place that it takes.
const CELL: (u64, u64) = (84, 46);
const PITCH: (u64, u64) = (108, 64);

pub const CELL_DIGITS: usize = 6;

/// The heights that are drawn of a group, highest first; `None` where some are left out.
pub fn columns(piece: &[&Fork], length: u64) -> Vec<Option<u64>> {
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

/// The chain with the branches of a group below it, each thing in a column and a row.
struct Tree<'a> {
    piece: &'a [&'a Fork],
    /// Height of each column; none where heights are left out.
    columns: Vec<Option<u64>>,
    /// Row of each branch, from 0; the chain has one of its own above them.
    rows: Vec<usize>,
}

/// Where the cell in this column and row begins.
fn place(column: usize, row: usize) -> (u64, u64) {
    (column as u64 * PITCH.0 + 6, row as u64 * PITCH.1 + 6)
}

fn middle(column: usize, row: usize) -> (u64, u64) {
    let (x, y) = place(column, row);
    (x + CELL.0 / 2, y + CELL.1 / 2)
}

impl Tree<'_> {
    fn cells(&self, at: &At) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for (column, height) in self.columns.iter().enumerate() {
            let Some(height) = *height else { continue };
            let chain = at.blocks(height, 1)?.0.pop().map(|seen| (0, seen.hash));
            let branches = self.piece.iter().zip(&self.rows).filter_map(|(fork, row)| {
                let hash = (height > fork.fork).then(|| hash_at(fork, height))??;
                Some((row + 1, hash))
            });
            let here = chain.into_iter().chain(branches);
            cells.extend(here.map(|(row, hash)| Cell { column, row, height, hash }));
        }
        Ok(cells)
    }

    /// Lines from block to block: the path of each, and its class.
    fn edges(&self, at: &At) -> Result<Vec<(String, &'static str)>> {
        let Self { piece, columns, rows } = self;
        let column_of = |height: u64| columns.iter().position(|column| *column == Some(height));
        let mut edges = Vec::new();
        if columns.len() > 1 {
            let ((left, y), (right, _)) = (middle(0, 0), middle(columns.len() - 1, 0));
            edges.push((format!("M{left} {y}H{right}"), "chain-edge"));
        }
        for (fork, row) in piece.iter().zip(rows) {
            let parent = parent_row(at, piece, rows, fork)?;
            let head = column_of(fork.fork + fork.depth);
            if let (Some(foot), Some(head)) = (column_of(fork.fork), head) {
                let ((x, y), (left, down)) = (middle(foot, parent), middle(head, row + 1));
                let (above, beside) = (down - 12, x - 12);
                let path = format!("M{x} {y}V{above}Q{x} {down} {beside} {down}H{left}");
                edges.push((path, "branch-edge"));
            }
        }
        Ok(edges)
    }
}

pub fn draw(at: &At, piece: &[&Fork]) -> Result<Markup> {
    let columns = columns(piece, at.health.length.max(1));
    let tree = Tree { piece, columns, rows: rows(piece) };
    let (cells, edges) = (tree.cells(at)?, tree.edges(at)?);
    let height = (tree.rows.iter().max().map_or(0, |row| *row as u64) + 2) * PITCH.1;
    let width = tree.columns.len() as u64 * PITCH.0;
    let newest = piece.iter().map(|fork| fork.head).next().unwrap_or(at.health.head);
    Ok(html! {
        div.tree id=(format!("t-{}", short_id(&newest))) tabindex="0" role="group" aria-label="The chain, and the branches that left it" {
            svg width=(width) height=(height)
                role="group" aria-label="The chain and its dropped branches" viewBox=(format!("0 0 {width} {height}")) {
                @for (path, class) in &edges { path.(class) d=(path) {} }
                @for (column, _) in tree.columns.iter().enumerate().filter(|(_, height)| height.is_none()) {
                    @let (x, y) = middle(column, 0);
                    text.gap x=(x) y=(y + 5) { "…" }
                }
                @for Cell { column, row, height, hash } in &cells {
                    @let (x, y) = place(*column, *row);
                    a href=(at.block(hash)) {
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
fn parent_row(at: &At, piece: &[&Fork], rows: &[usize], fork: &Fork) -> Result<usize> {
    let holds = |other: &Fork| {
        other.head != fork.head && other.fork < fork.fork && fork.fork <= other.fork + other.depth
    };
    if !piece.iter().any(|other| holds(other)) {
        return Ok(0);
    }
    let first = at.kept(fork.blocks[0].hash)?;
    let parent = first.and_then(|first| first.seen.block.previous_hash);
    let row = piece
        .iter()
        .zip(rows)
        .find(|(other, _)| holds(other) && parent.is_some() && hash_at(other, fork.fork) == parent);
    Ok(row.map_or(0, |(_, row)| row + 1))
}
