//! Blocks as a miner sends them, each read and held against what was asked for.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Result;
use super::{MinerClient, malformed};
use crate::api::{Address, BlockAnswer, BlockName, ChainPage, Request};
use crate::chain::{Block, Hash};

/// A block as it came.
#[derive(Clone, Debug)]
pub struct Sent {
    pub line: Box<RawValue>,
    pub block: Block,
    pub hash: Hash,
}

impl MinerClient {
    /// Blocks from height `from`, at most `limit` of them; it may send fewer.
    pub fn chain(&self, address: &Address, from: u64, limit: u64) -> Result<ChainPage> {
        let request = Request::Chain { from, limit: Some(limit) };
        let page: ChainPage = self.call(address, &request, "page of blocks")?;
        let (sent, length) = (page.chain.len() as u64, page.length);
        if sent > limit || from.checked_add(sent).is_none_or(|end| sent > 0 && end > length) {
            let why = format!("{sent} blocks from height {from}, of {length} in all");
            return Err(malformed(address, "page of blocks", why));
        }
        Ok(page)
    }

    /// The same, read; and the length of the whole chain.
    pub fn blocks(&self, address: &Address, from: u64, limit: u64) -> Result<(Vec<Sent>, u64)> {
        let ChainPage { chain, length } = self.chain(address, from, limit)?;
        let read = |(index, line): (u64, Box<RawValue>)| {
            let block = Block::read(line.get(), index);
            let block = block.map_err(|error| malformed(address, "block", error.to_string()))?;
            Ok(Sent { hash: Hash::of(line.get()), line, block })
        };
        let blocks: Result<_> = (from..).zip(chain).map(read).collect();
        Ok((blocks?, length))
    }

    /// The block of this name, in the chain or in a kept branch, and what its line says; an error
    /// also where the answer is another block.
    pub fn block(&self, address: &Address, which: BlockName) -> Result<(BlockAnswer, Block)> {
        #[derive(Deserialize)]
        struct Index {
            index: u64,
        }
        let answer: BlockAnswer = self.call(address, &Request::Block(which), "block")?;
        let malformed = |why: String| malformed(address, "block", why);
        let line = answer.block.get();
        let Index { index } =
            serde_json::from_str(line).map_err(|error| malformed(error.to_string()))?;
        let block = Block::read(line, index).map_err(|error| malformed(error.to_string()))?;
        let is_asked_for = match which {
            BlockName::Height(height) => height == index,
            BlockName::Hash(hash) => hash == answer.hash,
        };
        if Hash::of(line) != answer.hash || !is_asked_for {
            return Err(malformed("it is another block".into()));
        }
        Ok((answer, block))
    }
}
