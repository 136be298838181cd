//! Blocks that were checked as a continuation of some chain, to be adopted if they win.
//!
//! A short branch is in memory. A long one moves to the disk as it grows ([`Branch::store`]),
//! so that checking it costs little memory, whatever its length.

use std::sync::Arc;

use super::block::Hash;
use super::data::Data;
use super::index::{BlockIndex, Keys, MessageKeys};
use super::lines::{ReadError, StoredLines};
use super::network::Network;
use super::rules::{Head, Micros, ValidBlock, check_block};
use super::spelling::BlockError;
use super::view::ChainView;

#[derive(Debug)]
pub struct Twice {
    pub height: u64,
    /// Heights in the chain at which its message may be.
    pub maybe_at: Vec<u64>,
}

/// Blocks that follow each other from the block `fork` of some chain on.
#[derive(Clone, Debug)]
pub struct Branch {
    fork: Head,
    blocks: ChainView,
    keys: Vec<Keys>,
    index: BlockIndex,
    bytes: u64,
    bytes_in_memory: usize,
}

impl Branch {
    pub fn new(fork: Head) -> Self {
        let blocks = ChainView::empty(fork.length(), fork);
        Self {
            fork,
            blocks,
            keys: Vec::new(),
            index: BlockIndex::default(),
            bytes: 0,
            bytes_in_memory: 0,
        }
    }

    pub fn head(&self) -> &Head {
        self.blocks.head()
    }

    /// True if the block of this hash is in it, as far as it can be read.
    pub fn has(&self, hash: &Hash) -> bool {
        let places = self.index.of_hash(hash);
        places.into_iter().any(|height| self.blocks.hash(height) == Ok(Some(*hash)))
    }

    pub fn fork(&self) -> &Head {
        &self.fork
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn blocks(&self) -> &ChainView {
        &self.blocks
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn bytes_in_memory(&self) -> usize {
        self.bytes_in_memory
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (u64, &Keys)> {
        (self.fork.length()..).zip(&self.keys)
    }

    /// True if one of its blocks holds this message, whose keys are `keys`.
    pub fn holds(&self, data: &Data, keys: &MessageKeys) -> Result<bool, ReadError> {
        Ok(self.blocks.find(&self.index.of_message(keys), |held| held == data)?.is_some())
    }

    /// Checks `line` as the next block and takes it in.
    ///
    /// # Errors
    /// [`BlockError`] for the first rule it breaks; the branch is then as it was.
    pub fn push(
        &mut self,
        line: impl Into<Arc<str>>,
        now: Micros,
        network: &Network,
    ) -> Result<(), BlockError> {
        let block = check_block(self.head(), line, now, network)?;
        // A part of the branch that can't be read any more makes it worthless, as a wrong one does.
        if self.holds(block.data(), &block.keys().message).unwrap_or(true) {
            return Err(BlockError::twice(block.head().index, &block.data().id));
        }
        self.take(&block);
        Ok(())
    }

    fn take(&mut self, block: &ValidBlock) {
        self.index.insert(*block.keys(), block.head().index);
        self.keys.push(*block.keys());
        self.bytes += block.line().len() as u64;
        self.bytes_in_memory += block.line().len();
        self.blocks.push(Arc::clone(block.line()), *block.head());
    }

    /// Moves the lines that are in memory to where `keep` puts them: it gets whole lines and
    /// the height of the first.
    ///
    /// # Errors
    /// The error of `keep`; the branch is then as it was.
    pub fn store(
        &mut self,
        keep: impl FnOnce(&ChainView) -> Result<Arc<dyn StoredLines>, ReadError>,
    ) -> Result<(), ReadError> {
        let from = self.blocks.in_memory_from();
        let lines = keep(&self.blocks.from(from))?;
        let stored = ChainView::stored(from..self.head().length(), lines, *self.head());
        let mut blocks = self.blocks.clone();
        blocks.truncate_memory();
        blocks.join(&stored);
        (self.blocks, self.bytes_in_memory) = (blocks, 0);
        Ok(())
    }
}
