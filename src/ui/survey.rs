//! The network as one miner sees it: its neighbours, which are asked, and theirs, of which
//! only these tell.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::thread;

use super::source::At;
use crate::api::client::ClientError;
use crate::api::client::Result;
use crate::api::{Address, Event, Happening, NeighbourDetail, NeighbourState};
use crate::chain::{Hash, Micros};

/// Most neighbours that are asked for one page.
pub const ASKED_MAX: usize = 16;

/// Newest events of a miner that are kept, of those about its chain.
const SAID_MAX: usize = 24;

/// Most miners beyond the neighbours that are drawn.
const HEARD_OF_MAX: usize = 16;

/// How a miner's chain relates to that of the miner looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Same,
    /// A part of ours.
    Behind,
    /// Ours is a part of it.
    Ahead,
    /// Neither is a part of the other.
    Branch,
    Unreachable,
    /// Nobody can tell.
    Unknown,
}

impl Standing {
    pub fn class(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "same head",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::Branch => "other branch",
            Self::Unreachable => "unreachable",
            Self::Unknown => "not asked",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub address: Address,
    /// 0 for the miner looked at, 1 for its neighbours, 2 for theirs.
    pub ring: u8,
    pub standing: Standing,
    /// Blocks it says to have.
    pub length: Option<u64>,
    /// Head it says to have.
    pub head: Option<Hash>,
    /// When it last gave a good answer.
    pub last_answer: Option<Micros>,
    pub reason: Option<String>,
    /// Whom it knows, of the miners here.
    pub knows: Vec<Address>,
    /// Its newest events about its chain, newest first.
    pub said: Vec<Event>,
    /// Its own details of these.
    tells: Vec<NeighbourDetail>,
    /// Who tells all this, of a miner that was not asked itself.
    pub told_by: Option<Address>,
}

/// Asks the neighbours of `at` how they are and whom they know. The first is `at` itself.
pub fn survey(at: &At) -> Vec<Node> {
    let mut nodes = vec![Node {
        ring: 0,
        standing: Standing::Same,
        length: Some(at.health.length),
        head: Some(at.health.head),
        last_answer: Some(at.now),
        knows: at.neighbours.clone(),
        said: said(at, &at.address),
        ..told(&at.address, None)
    }];
    let neighbours: Vec<_> = at.neighbours.iter().take(ASKED_MAX).collect();
    nodes.extend(thread::scope(|scope| {
        let asked: Vec<_> = neighbours.iter().map(|other| scope.spawn(|| ask(at, other))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()?).collect::<Vec<_>>()
    }));
    let heard_of = heard_of(at, &nodes);
    nodes.extend(heard_of);
    nodes
}

/// The lines between those of `nodes` of which one knows the other, by their places there.
pub fn lines(nodes: &[Node]) -> Vec<(usize, usize)> {
    let place_of = |address: &Address| nodes.iter().position(|node| node.address == *address);
    let mut lines = Vec::new();
    for (from, node) in nodes.iter().enumerate() {
        for to in node.knows.iter().filter_map(place_of).filter(|to| *to != from) {
            if !lines.contains(&(to, from)) {
                lines.push((from, to));
            }
        }
    }
    lines
}

/// News that came by the line between two of `nodes`, newest first, and who says so.
pub fn came_by(nodes: &[Node], (one, other): (usize, usize)) -> Vec<(&Node, &Event)> {
    let is_from = |event: &Event, end: usize| {
        matches!(&event.what, Happening::Block { from: Some(from), .. }
            | Happening::Reorganisation { from: Some(from), .. } if *from == nodes[end].address)
    };
    let said = [(one, other), (other, one)].into_iter().flat_map(|(from, to)| {
        let came = nodes[to].said.iter().filter(move |event| is_from(event, from));
        came.map(move |event| (&nodes[to], event))
    });
    let mut said: Vec<_> = said.collect();
    said.sort_by_key(|(_, event)| std::cmp::Reverse(event.at));
    said
}

/// A neighbour as it is now; `None` if it is the miner looked at under another name.
fn ask(at: &At, other: &Address) -> Option<Node> {
    let detail = at.details.iter().find(|detail| detail.neighbour == *other);
    let mut node = told(other, detail);
    if detail.is_some_and(is_lost) {
        node.standing = Standing::Unreachable;
        return Some(node);
    }
    match at.source.client.health(other) {
        Ok(health) if health.id == at.health.id => return None,
        Ok(health) => {
            (node.length, node.head) = (Some(health.length), Some(health.head));
            node.last_answer = Some(at.now);
            node.standing =
                standing(at, other, health.length, health.head).unwrap_or(Standing::Unknown);
            if let Ok(page) = at.source.client.neighbours(other, true) {
                (node.knows, node.tells) = (page.neighbours, page.details);
            }
            node.knows.iter_mut().for_each(|known| rename(known, &at.address));
            node.said = said(at, other);
        }
        Err(error) => {
            node.standing = Standing::Unreachable;
            node.reason = Some(error.to_string());
        }
    }
    Some(node)
}

fn is_lost(detail: &NeighbourDetail) -> bool {
    matches!(detail.state, NeighbourState::Failing | NeighbourState::Banned)
}

fn told(other: &Address, detail: Option<&NeighbourDetail>) -> Node {
    Node {
        address: other.clone(),
        ring: 1,
        standing: Standing::Unknown,
        length: detail.and_then(|detail| detail.length),
        head: detail.and_then(|detail| detail.head),
        last_answer: detail.and_then(|detail| detail.last_answer),
        reason: detail.and_then(|detail| detail.reason.clone()),
        knows: Vec::new(),
        said: Vec::new(),
        tells: Vec::new(),
        told_by: None,
    }
}

/// The newest events of a miner that are about its chain, newest first; none if it tells none.
fn said(at: &At, address: &Address) -> Vec<Event> {
    let events = at.source.client.events(address).map(|page| page.events).unwrap_or_default();
    let is_of_chain = |event: &Event| {
        matches!(event.what, Happening::Block { .. } | Happening::Reorganisation { .. })
    };
    let mut said: Vec<_> = events.into_iter().rev().filter(is_of_chain).take(SAID_MAX).collect();
    for event in &mut said {
        if let Happening::Block { from, .. } | Happening::Reorganisation { from, .. } =
            &mut event.what
        {
            from.iter_mut().for_each(|from| rename(from, &at.address));
        }
    }
    said
}

/// The miner looked at goes by one name here: `localhost` is 127.0.0.1.
fn rename(known: &mut Address, looked_at: &Address) {
    if known.port() == looked_at.port() && known.is_local() && looked_at.is_local() {
        *known = looked_at.clone();
    }
}

/// How a chain of this length and head relates to that of the miner looked at. `owner` has
/// that chain, or knows who does: what it can't show is unknown.
fn standing(at: &At, owner: &Address, length: u64, head: Hash) -> Result<Standing> {
    let hash_at = |address: &Address, length: u64| {
        let (blocks, _) = at.source.blocks(address, length.saturating_sub(1), 1)?;
        Ok::<_, ClientError>(blocks.first().map(|seen| seen.hash))
    };
    let ours = &at.health;
    Ok(match length.cmp(&ours.length) {
        _ if head == ours.head => Standing::Same,
        Ordering::Less if hash_at(&at.address, length)? == Some(head) => Standing::Behind,
        Ordering::Greater if hash_at(owner, length)? != Some(head) => Standing::Unknown,
        Ordering::Greater if hash_at(owner, ours.length)? == Some(ours.head) => Standing::Ahead,
        _ => Standing::Branch,
    })
}

fn heard_of(at: &At, nodes: &[Node]) -> Vec<Node> {
    let heard: BTreeSet<&Address> = nodes.iter().flat_map(|node| &node.knows).collect();
    let is_new = |address: &&&Address| nodes.iter().all(|node| node.address != ***address);
    let new = heard.into_iter().filter(|address| is_new(&address)).take(HEARD_OF_MAX);
    new.map(|address| hearsay(at, nodes, address)).collect()
}

/// The miner at `address` by the details of the first neighbour that has some. It is
/// not asked itself, since it is none of our miner's neighbours.
fn hearsay(at: &At, nodes: &[Node], address: &Address) -> Node {
    let tells = |node: &Node| {
        let detail = node.tells.iter().find(|detail| detail.neighbour == *address)?;
        let has_news = is_lost(detail) || detail.head.is_some();
        has_news.then(|| (node.address.clone(), detail.clone()))
    };
    let Some((by, detail)) = nodes.iter().find_map(tells) else {
        return Node { ring: 2, ..told(address, None) };
    };
    let standing = match (detail.length, detail.head) {
        _ if is_lost(&detail) => Standing::Unreachable,
        (Some(length), Some(head)) => standing(at, &by, length, head).unwrap_or(Standing::Unknown),
        _ => Standing::Unknown,
    };
    Node { ring: 2, standing, told_by: Some(by), ..told(address, Some(&detail)) }
}
