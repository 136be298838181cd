//! What each neighbour is known to have of blocks and messages, so that only what it lacks is
//! pushed to it.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use super::Neighbours;
use crate::api::{Address, Cursor, RunId, Span};
use crate::chain::{DataId, Hash};

/// A block that ends a chain: height and hash.
pub type End = (u64, Hash);

/// Ids kept in mind of messages that came from a neighbour: more than come while a push is
/// under way.
const GAVE_MAX: usize = 1_024;

/// Spans kept in mind that don't follow the cursor yet: they overtake each other.
const SPANS_MAX: usize = 16;

/// Blocks and messages that a neighbour has.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// The last block that is in its chain and in ours, as far as is known or was sent.
    has: Option<End>,
    /// Where pushing messages goes on: how many had come to this miner.
    pushed: u64,
    gave: BTreeSet<DataId>,
    /// The same, oldest first.
    gave_order: VecDeque<DataId>,
    /// Told of messages that came to it, behind others that were not told of yet.
    spans: Vec<Span>,
    /// Where its connection ends.
    pub peer: Option<IpAddr>,
}

impl News {
    /// Forgets that it has blocks which a chain of `length` lacks.
    pub(super) fn forget_has_beyond(&mut self, length: u64) {
        self.has = self.has.filter(|(index, _)| *index < length);
    }
}

impl Neighbours {
    /// The neighbour that a caller is: by the address that it gives, or by the run that it
    /// says to be; in both cases only from where that neighbour is.
    pub fn caller(&self, claimed: &Address, run: &RunId, ip: Option<IpAddr>) -> Option<Address> {
        let ip = ip?.to_canonical();
        let is_there = |address: &Address| {
            let peer = self.known.get(address)?.news.peer;
            Some(peer == Some(ip) || address.ip().map(|ip| ip.to_canonical()) == Some(ip))
        };
        let found = [Some(claimed.clone()), self.with_id(run)].into_iter().flatten();
        found.into_iter().find(|address| is_there(address) == Some(true))
    }

    pub fn push_begins(&mut self, address: &Address, peer: Option<IpAddr>) {
        self.note(address, |it| (it.news.has, it.news.peer) = (None, peer));
    }

    /// The last block that a neighbour shares with this miner, as far as is known.
    pub fn has(&self, address: &Address) -> Option<End> {
        let neighbour = self.known.get(address)?;
        let said = || neighbour.head.map(|(length, head)| (length.saturating_sub(1), head));
        neighbour.news.has.or_else(said)
    }

    /// Notes which block a neighbour shares with this miner.
    pub fn set_has(&mut self, address: &Address, has: Option<End>) {
        self.note(address, |it| it.news.has = has);
    }

    pub fn pushed(&self, address: &Address) -> Option<u64> {
        Some(self.known.get(address)?.news.pushed)
    }

    pub fn set_pushed(&mut self, address: &Address, arrivals: u64) {
        self.note(address, |it| it.news.pushed = arrivals);
    }

    /// Notes messages that came from a neighbour.
    pub fn gave(&mut self, address: &Address, ids: impl IntoIterator<Item = DataId>) {
        let Some(neighbour) = self.known.get_mut(address) else { return };
        let news = &mut neighbour.news;
        for id in ids {
            if news.gave.insert(id) {
                news.gave_order.push_back(id);
            }
            if news.gave_order.len() > GAVE_MAX {
                let oldest = news.gave_order.pop_front();
                oldest.map(|id| news.gave.remove(&id));
            }
        }
    }

    /// True if a message came from this neighbour lately.
    pub fn has_given(&self, address: &Address, id: &DataId) -> bool {
        self.known.get(address).is_some_and(|neighbour| neighbour.news.gave.contains(id))
    }

    /// Notes that all is known that came to a neighbour in this span: asking goes on behind it.
    pub fn told(&mut self, address: &Address, span: Span) {
        let Some(neighbour) = self.known.get_mut(address) else { return };
        let spans = &mut neighbour.news.spans;
        spans.retain(|it| it.after.run == span.after.run);
        if spans.len() < SPANS_MAX {
            spans.push(span);
        }
        while let Some(Cursor { run, arrivals }) = neighbour.cursor
            && let Some(next) = spans
                .iter()
                .position(|span| span.after.run == run && span.after.arrivals <= arrivals)
        {
            let behind = spans.swap_remove(next).cursor.arrivals;
            neighbour.cursor = Some(Cursor { run, arrivals: arrivals.max(behind) });
        }
    }
}
