//! The chain: the accepted blocks, where each message is, and which branch wins.
//!
//! Every block in it passed the rules, and no message (id and text) is in it twice. What a
//! reader needs is a [`ChainView`], taken at one moment, so that nobody reads under a lock. What
//! a change has to read is worked out from such a picture, too ([`Change::plan`]), and then
//! made at once, if the chain is still the one that was looked at.

use std::sync::Arc;

use super::block::{Block, Hash};
use super::branch::{Branch, Twice};
use super::data::{Data, DataId};
use super::forks::Dropped;
use super::index::{BlockIndex, Keys, MessageKeys};
use super::lines::ReadError;
use super::network::Network;
use super::rules::{Head, Micros, ValidBlock};
use super::spelling::BlockError;
use super::view::ChainView;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The chain has changed since: what it would follow is not there any more.
    #[error("the chain has moved on")]
    Moved,
    /// The present chain wins over it by the fork choice.
    #[error("the chain at hand is as good")]
    NotBetter,
    /// A message in it is in the chain before the fork already.
    #[error(transparent)]
    Invalid(#[from] BlockError),
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

/// A change of the chain: the branch that replaces what lies above its fork.
#[derive(Debug)]
pub struct Change<'a> {
    branch: &'a Branch,
    /// Head of the chain that it was worked out for.
    base: Head,
    dropped: Vec<Keys>,
    /// Messages of dropped blocks that are not in the branch, oldest first.
    pub returned: Vec<Data>,
}

impl<'a> Change<'a> {
    /// Works out what adopting `branch` would change of the chain of which `view` is a
    /// picture; `suspects` are [`Chain::suspects`] of the same moment. Reads.
    ///
    /// # Errors
    /// [`Refused`], if the branch does not fit, does not win, or repeats a message.
    pub fn plan(view: &ChainView, branch: &'a Branch, suspects: &[Twice]) -> Result<Self, Refused> {
        let fork = branch.fork();
        if view.hash(fork.index)? != Some(fork.hash) {
            return Err(Refused::Moved);
        }
        if branch.is_empty() || branch.head() <= view.head() {
            return Err(Refused::NotBetter);
        }
        for twice in suspects {
            let message = branch.blocks().block(twice.height)?.expect("it is in the branch").data;
            let below: Vec<u64> =
                twice.maybe_at.iter().copied().filter(|height| *height <= fork.index).collect();
            if view.find(&below, |data| *data == message)?.is_some() {
                return Err(Refused::Invalid(BlockError::twice(twice.height, &message.id)));
            }
        }
        Ok(Self::replacing(view, branch)?)
    }

    /// Works out what putting `branch`, which fits, in place of what lies above its fork would
    /// change, whether it wins or is empty. Reads.
    pub fn replacing(view: &ChainView, branch: &'a Branch) -> Result<Self, ReadError> {
        let fork = branch.fork();
        let (mut dropped, mut returned) = (Vec::new(), Vec::new());
        let lines = view.lines_from(fork.length()).zip(fork.length()..);
        for (line, height) in lines {
            let line = line?;
            let data = Block::read(&line, height).expect("it is in a chain").data;
            let keys = Keys::of(&data, &Hash::of(&*line));
            dropped.push(keys);
            if !branch.holds(&data, &keys.message)? {
                returned.push(data);
            }
        }
        Ok(Self { branch, base: *view.head(), dropped, returned })
    }

    /// The branch that it drops, as it is kept.
    pub fn dropped(&self, view: &ChainView, at: Micros) -> Dropped {
        self.dropped_for(view, at, self.branch.head())
    }

    /// The same, where it gave way to another head than that of the branch.
    pub fn dropped_for(&self, view: &ChainView, at: Micros, winner: &Head) -> Dropped {
        Dropped::new(view, self.branch.fork().index, &self.dropped, at, winner)
    }

    pub fn depth(&self) -> u64 {
        self.dropped.len() as u64
    }
}

/// The blocks that this miner takes for true.
#[derive(Debug)]
pub struct Chain {
    view: ChainView,
    index: BlockIndex,
}

impl Chain {
    pub fn new(network: &Network) -> Self {
        let genesis = Block::genesis(network);
        let line: Arc<str> = genesis.line().into();
        let head = Head::of(&genesis, &line);
        let mut index = BlockIndex::default();
        index.insert(Keys::of(&genesis.data, &head.hash), 0);
        let mut view = ChainView::empty(0, head);
        view.push(line, head);
        Self { view, index }
    }

    /// A chain whose blocks were checked one by one as they were read.
    pub fn of(view: ChainView, index: BlockIndex) -> Self {
        Self { view, index }
    }

    pub fn view(&self) -> ChainView {
        self.view.clone()
    }

    pub fn head(&self) -> &Head {
        self.view.head()
    }

    /// Heights at which a block may hold the message with these keys.
    pub fn may_hold(&self, keys: &MessageKeys) -> Vec<u64> {
        self.index.of_message(keys)
    }

    /// Heights at which a block may hold the first messages with this id.
    pub fn may_hold_id(&self, id: &DataId) -> Vec<u64> {
        self.index.of_id(id)
    }

    /// Heights at which a block may have this hash.
    pub fn may_have(&self, hash: &Hash) -> Vec<u64> {
        self.index.of_hash(hash)
    }

    /// The blocks of `branch` whose message may be in the chain already, up to the fork.
    pub fn suspects(&self, branch: &Branch) -> Vec<Twice> {
        let fork = branch.fork().index;
        let twice = |(height, keys): (u64, &Keys)| {
            let maybe_at = self.index.of_message(&keys.message);
            let known = maybe_at.iter().any(|at| *at <= fork);
            known.then_some(Twice { height, maybe_at })
        };
        branch.keys().filter_map(twice).collect()
    }

    /// Adds a block behind the last one. Its message is not in the chain: the caller has
    /// looked, and the head is still the one it looked at.
    ///
    /// # Errors
    /// [`Refused::Moved`] if it follows another block.
    pub fn extend(&mut self, block: &ValidBlock) -> Result<(), Refused> {
        if *block.parent() != self.head().hash {
            return Err(Refused::Moved);
        }
        self.index.insert(*block.keys(), block.head().index);
        self.view.push(Arc::clone(block.line()), *block.head());
        Ok(())
    }

    /// Makes a change, if the chain is still the one that it was worked out for.
    ///
    /// # Errors
    /// [`Refused::Moved`]
    pub fn make(&mut self, change: &Change<'_>) -> Result<(), Refused> {
        if change.base != *self.head() {
            return Err(Refused::Moved);
        }
        let branch = change.branch;
        let heights = (branch.fork().length()..self.head().length()).rev();
        for (height, keys) in heights.zip(change.dropped.iter().rev()) {
            self.index.remove(*keys, height);
        }
        self.view.truncate(*branch.fork());
        self.view.join(branch.blocks());
        branch.keys().for_each(|(height, keys)| self.index.insert(*keys, height));
        Ok(())
    }

    /// Reads the first `shared` blocks, which `saved` has, too, from where that has them.
    pub fn take_stored(&mut self, saved: &ChainView, shared: u64) {
        self.view.take_stored(saved, shared);
    }

    /// Takes `branch` in place of everything above its fork, if it wins: [`Change::plan`] and
    /// [`Chain::make`] at once, for who has the chain alone. What was returned, and how many
    /// blocks were dropped.
    ///
    /// # Errors
    /// [`Refused`]; the chain is then as it was.
    pub fn adopt(&mut self, branch: &Branch) -> Result<(Vec<Data>, u64), Refused> {
        let change = Change::plan(&self.view, branch, &self.suspects(branch))?;
        self.make(&change)?;
        let depth = change.depth();
        Ok((change.returned, depth))
    }

    pub fn height_of(&self, data: &Data) -> Result<Option<u64>, ReadError> {
        let found = self.view.find(&self.may_hold(&MessageKeys::of(data)), |held| held == data)?;
        Ok(found.map(|(height, _)| height))
    }
}

#[cfg(test)]
mod tests;
