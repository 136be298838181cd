//! Where messages and blocks are, for those who ask. Nothing here changes anything.

use super::Shared;
use crate::api::{DataPage, DataState, json_bytes};
use crate::chain::rules::timestamp_max;
use crate::chain::{
    Came, ChainView, Data, DataId, Dropped, Forks, Hash, Head, Line, MessageKeys, Micros, ReadError,
};

/// Where a message is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere here.
    Unknown,
    /// It waits and is in the journal, or it is in a block that is on disk.
    Kept,
    /// It is here, but perhaps not on disk: in a block that is not yet there, or come back
    /// from one that never was.
    Unsaved,
    /// Nowhere here, but another text is here under its id.
    Taken,
}

/// A block, in the chain or in a branch that left it.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    pub line: Line,
    pub hash: Hash,
    /// The number of blocks from it to the head, itself included; 0 outside of the chain.
    pub confirmations: u64,
    /// The branch in which it left the chain.
    pub dropped: Option<Dropped>,
}

impl Shared {
    pub fn place_of(&self, data: &Data) -> Result<Place, ReadError> {
        let keys = MessageKeys::of(data);
        let blocks = self.chain.lock();
        let (maybe_at, with_id) =
            (blocks.chain.may_hold(&keys), blocks.chain.may_hold_id(&data.id));
        let (view, saved) = (blocks.chain.view(), blocks.saved.clone());
        let pool = self.data.lock();
        let (waits, other_waits) = (pool.how_came(data), pool.with_id(&data.id).next().is_some());
        drop((pool, blocks));
        if let Some((height, _)) = view.find(&maybe_at, |held| held == data)? {
            let on_disk = saved.hash(height)? == view.hash(height)?;
            return Ok(if on_disk { Place::Kept } else { Place::Unsaved });
        }
        match waits {
            Some(Came::New) => Ok(Place::Kept),
            Some(Came::Back) => Ok(Place::Unsaved),
            None if other_waits => Ok(Place::Taken),
            None => {
                let other = view.find(&with_id, |held| held.id == data.id)?;
                Ok(if other.is_some() { Place::Taken } else { Place::Unknown })
            }
        }
    }

    /// Where the message with this id is, for those who ask: of several texts under the id the one
    /// whose SHA-256 is `sha256`, or else the one that was accepted here, or else the first in the
    /// chain, or else the first that waits.
    pub fn state_of(
        &self,
        id: &DataId,
        sha256: Option<&Hash>,
    ) -> Result<Option<DataState>, ReadError> {
        let first = self.data.lock().first_text(id).filter(|_| sha256.is_none());
        let Some(first) = first else { return self.state_of_text(id, sha256) };
        let in_chain = self.state_of_text(id, None)?;
        let Some(mut state) = self.state_of_text(id, Some(&first))? else { return Ok(in_chain) };
        if let Some(DataState::Mined { index, sha256, .. }) = in_chain
            && sha256 != first
        {
            let (DataState::Unprocessed { other_index, .. } | DataState::Mined { other_index, .. }) =
                &mut state;
            *other_index = Some(index);
        }
        Ok(Some(state))
    }

    fn state_of_text(
        &self,
        id: &DataId,
        sha256: Option<&Hash>,
    ) -> Result<Option<DataState>, ReadError> {
        let is_it = |data: &Data| {
            data.id == *id && sha256.is_none_or(|sha256| Hash::of(data.message.as_str()) == *sha256)
        };
        let keys = sha256.map(|sha256| MessageKeys::of_text(id, sha256));
        let blocks = self.chain.lock();
        let maybe_at = match &keys {
            Some(keys) => blocks.chain.may_hold(keys),
            None => blocks.chain.may_hold_id(id),
        };
        let view = blocks.chain.view();
        let waiting: Vec<Data> = self.data.lock().with_id(id).cloned().collect();
        drop(blocks);
        let sha256 = |data: &Data| Hash::of(data.message.as_str());
        if let Some((index, data)) = view.find(&maybe_at, is_it)? {
            let (confirmations, sha256) = (view.length() - index, sha256(&data));
            let other_index = None;
            return Ok(Some(DataState::Mined { index, confirmations, sha256, other_index }));
        }
        let waits = waiting.into_iter().find(is_it);
        Ok(waits.map(|data| DataState::Unprocessed { sha256: sha256(&data), other_index: None }))
    }

    /// The block with this hash, in the chain or in a branch that left it.
    pub fn block_with(&self, hash: &Hash) -> Result<Option<FoundBlock>, ReadError> {
        let blocks = self.chain.lock();
        let (view, maybe_at) = (blocks.chain.view(), blocks.chain.may_have(hash));
        let dropped = blocks.forks.may_have(hash);
        drop(blocks);
        let in_chain = maybe_at.into_iter().map(|height| (None, height));
        let left = dropped.into_iter().map(|(dropped, height)| (Some(dropped), height));
        for (dropped, height) in in_chain.chain(left) {
            let (blocks, confirmations) = match &dropped {
                None => (&view, view.length() - height),
                Some(dropped) => (&dropped.blocks, 0),
            };
            if let Some(line) = blocks.line(height)?
                && Hash::of(&*line) == *hash
            {
                return Ok(Some(FoundBlock { line, hash: *hash, confirmations, dropped }));
            }
        }
        Ok(None)
    }

    /// The kept branches, newest first, but for those whose blocks are in the chain again; and the
    /// chain of the same moment.
    pub fn forks(&self) -> (Forks, ChainView) {
        let blocks = self.chain.lock();
        (blocks.forks.clone(), blocks.chain.view())
    }

    /// The first block that is more than two hours ahead of `now`. Timestamps only rise. Reads.
    pub fn first_ahead(&self, now: Micros) -> Result<Option<Head>, ReadError> {
        let (view, limit) = (self.chain(), timestamp_max(now));
        if view.head().timestamp <= limit {
            return Ok(None);
        }
        let (mut good, mut ahead) = (0, view.head().index);
        while ahead - good > 1 {
            let middle = good + (ahead - good) / 2;
            let block = view.block(middle)?.expect("it is below the head");
            *if block.timestamp <= limit { &mut good } else { &mut ahead } = middle;
        }
        view.head_at(ahead)
    }

    /// Unprocessed data that came at or after `arrivals`, up to about `bytes`; how many wait
    /// in all; and where to go on.
    pub fn data_since(&self, arrivals: u64, bytes: usize) -> (DataPage, u64) {
        let pool = self.data.lock();
        let (mut page, mut size, mut next) = (Vec::new(), 0, pool.cursor());
        for (after, data) in pool.since(arrivals) {
            size += json_bytes(data);
            page.push(data.clone());
            if size >= bytes {
                next = after;
                break;
            }
        }
        (DataPage { data: page, length: pool.len() as u64, cursor: None }, next)
    }
}
