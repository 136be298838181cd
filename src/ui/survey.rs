//! The network as one miner sees it: its neighbours, which are asked, and theirs, which are
//! only heard of.

use std::collections::BTreeSet;
use std::thread;

use super::source::{At, Source};
use crate::api::client::ClientError;
use crate::api::{Address, NeighbourDetail, NeighbourState};
use crate::chain::{Hash, Micros};

/// Most neighbours that are asked for one page.
const ASKED_MAX: usize = 16;

/// Most miners that are drawn as only heard of.
const HEARD_OF_MAX: usize = 24;

/// How a miner's chain relates to that of the miner looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same head.
    Same,
    /// A part of ours.
    Behind,
    /// Ours is a part of it.
    Ahead,
    /// Neither is a part of the other.
    Branch,
    /// It gives no answer.
    Unreachable,
    /// Nobody asked.
    Unknown,
}

impl Standing {
    /// Its name in class names.
    pub fn class(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::Branch => "branch",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "same head",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::Branch => "other branch",
            Self::Unreachable => "unreachable",
            Self::Unknown => "only heard of",
        }
    }
}

/// A miner of the network.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub address: Address,
    /// 0 for the miner looked at, 1 for its neighbours, 2 for theirs.
    pub ring: u8,
    /// How its chain relates to that of the miner looked at.
    pub standing: Standing,
    /// Blocks it says to have.
    pub length: Option<u64>,
    /// Head it says to have.
    pub head: Option<Hash>,
    /// When it last gave a good answer.
    pub last_answer: Option<Micros>,
    /// Why it can't be reached.
    pub reason: Option<String>,
    /// Whom it knows, of the miners here.
    pub knows: Vec<Address>,
}

/// Asks the neighbours of `at` how they are and whom they know. The first is `at` itself.
pub fn survey(source: &Source, at: &At) -> Vec<Node> {
    let mut nodes = vec![Node {
        address: at.address.clone(),
        ring: 0,
        standing: Standing::Same,
        length: Some(at.health.length),
        head: Some(at.health.head),
        last_answer: Some(at.now),
        reason: None,
        knows: at.neighbours.clone(),
    }];
    let neighbours: Vec<_> = at.neighbours.iter().take(ASKED_MAX).collect();
    nodes.extend(thread::scope(|scope| {
        let asked: Vec<_> =
            neighbours.iter().map(|other| scope.spawn(|| ask(source, at, other))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()?).collect::<Vec<_>>()
    }));
    let heard_of = heard_of(&nodes);
    nodes.extend(heard_of);
    nodes
}

/// A neighbour as it is now; `None` if it is the miner looked at under another name.
fn ask(source: &Source, at: &At, other: &Address) -> Option<Node> {
    let detail = at.details.iter().find(|detail| detail.neighbour == *other);
    let mut node = told(other, detail);
    let is_lost = |detail: &NeighbourDetail| {
        matches!(detail.state, NeighbourState::Failing | NeighbourState::Banned)
    };
    if detail.is_some_and(is_lost) {
        node.standing = Standing::Unreachable;
        return Some(node);
    }
    match source.client.health(other) {
        Ok(health) if health.id == at.health.id => return None,
        Ok(health) => {
            (node.length, node.head) = (Some(health.length), Some(health.head));
            node.last_answer = Some(at.now);
            node.standing = standing(source, at, other, health.length, health.head)
                .unwrap_or(Standing::Unknown);
            let page = source.client.neighbours(other, false);
            node.knows = page.map(|page| page.neighbours).unwrap_or_default();
            node.knows.iter_mut().for_each(|known| rename(known, &at.address));
        }
        Err(error) => {
            node.standing = Standing::Unreachable;
            node.reason = Some(error.to_string());
        }
    }
    Some(node)
}

/// What the miner looked at tells of its neighbour.
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
    }
}

/// The miner looked at goes by one name here: `localhost` is 127.0.0.1.
fn rename(known: &mut Address, looked_at: &Address) {
    let is_local = |address: &Address| {
        address.host() == "localhost" || address.ip().is_some_and(|ip| ip.is_loopback())
    };
    if known.port() == looked_at.port() && is_local(known) && is_local(looked_at) {
        *known = looked_at.clone();
    }
}

fn standing(
    source: &Source,
    at: &At,
    other: &Address,
    length: u64,
    head: Hash,
) -> Result<Standing, ClientError> {
    let hash_at = |address: &Address, length: u64| {
        let (blocks, _) = source.blocks(address, length.saturating_sub(1), 1)?;
        Ok::<_, ClientError>(blocks.first().map(|seen| seen.hash))
    };
    let ours = &at.health;
    Ok(match length.cmp(&ours.length) {
        _ if head == ours.head => Standing::Same,
        std::cmp::Ordering::Less if hash_at(&at.address, length)? == Some(head) => Standing::Behind,
        std::cmp::Ordering::Greater if hash_at(other, ours.length)? == Some(ours.head) => {
            Standing::Ahead
        }
        _ => Standing::Branch,
    })
}

/// The miners that neighbours know and the miner looked at does not.
fn heard_of(nodes: &[Node]) -> Vec<Node> {
    let heard: BTreeSet<&Address> = nodes.iter().flat_map(|node| &node.knows).collect();
    let is_new = |address: &&&Address| nodes.iter().all(|node| node.address != ***address);
    let new = heard.iter().filter(is_new).take(HEARD_OF_MAX);
    new.map(|address| Node { ring: 2, ..told(address, None) }).collect()
}
