//! The chain: the accepted blocks, where each message is, and which branch wins.
//!
//! Every block in it passed the rules, and no data id is in it twice. What a reader needs
//! is a [`ChainView`]: an immutable picture of the chain that costs next to nothing to take,
//! so that nobody reads under a lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::block::{Block, Hash};
use super::data::{Data, DataId};
use super::network::Network;
use super::rules::{Head, Micros, ValidBlock, check_block, timestamp_max};
use super::spelling::{BlockError, Field};

/// Lines in a chunk of a view: a view of a million blocks is 2,000 pointers.
const CHUNK_LINES: usize = 512;

/// Lines of blocks that stand in one chunk, full but for a chain's last.
type Chunk = Vec<Arc<str>>;

/// A picture of a chain as it was at one moment; cheap to clone, never changing.
#[derive(Clone, Debug)]
pub struct ChainView {
    chunks: Vec<Arc<Chunk>>,
    head: Head,
}

impl ChainView {
    /// The last block.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many blocks, the genesis block included.
    pub fn length(&self) -> u64 {
        self.head.length()
    }

    /// The canonical line of the block at `index`.
    pub fn line(&self, index: u64) -> Option<&Arc<str>> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get(index / CHUNK_LINES)?.get(index % CHUNK_LINES)
    }

    /// The lines from height `from` on.
    pub fn lines_from(&self, from: u64) -> impl Iterator<Item = &Arc<str>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let chunks = self.chunks.iter().skip(from / CHUNK_LINES);
        chunks.flat_map(|chunk| chunk.iter()).skip(from % CHUNK_LINES)
    }

    /// The block at `index`.
    pub fn block(&self, index: u64) -> Option<Block> {
        let line = self.line(index)?;
        Some(Block::read(line, index).expect("only canonical lines are in a chain"))
    }

    /// The hash of the block at `index`: what the next block says it is.
    pub fn hash(&self, index: u64) -> Option<Hash> {
        if index == self.head.index {
            return Some(self.head.hash);
        }
        self.block(index.checked_add(1)?)?.previous_hash
    }

    /// What a child of the block at `index` has to know.
    pub fn head_at(&self, index: u64) -> Option<Head> {
        let block = self.block(index)?;
        let hash = self.hash(index)?;
        Some(Head { index, timestamp: block.timestamp, hash, proof: block.proof })
    }

    /// How many blocks from the start two chains share.
    pub fn shared_length(&self, other: &Self) -> u64 {
        let mut length = self.length().min(other.length());
        while length > 0 && self.line(length - 1) != other.line(length - 1) {
            length -= 1;
        }
        length
    }
}

/// Blocks that were checked as a continuation of block `fork` of some chain.
#[derive(Clone, Debug)]
pub struct Branch {
    fork: Head,
    blocks: Vec<ValidBlock>,
    ids: HashSet<DataId>,
}

impl Branch {
    /// A branch that leaves a chain after the block `fork`.
    pub fn new(fork: Head) -> Self {
        Self { fork, blocks: Vec::new(), ids: HashSet::new() }
    }

    /// Its last block, or the fork while it has none.
    pub fn head(&self) -> &Head {
        self.blocks.last().map_or(&self.fork, ValidBlock::head)
    }

    /// Whether the block of this hash is in it.
    pub fn has(&self, hash: &Hash) -> bool {
        self.blocks.iter().any(|block| block.head().hash == *hash)
    }

    /// The last block it shares with the chain it leaves.
    pub fn fork(&self) -> &Head {
        &self.fork
    }

    /// How many blocks it has.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether it has no block yet.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
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
        if !self.ids.insert(*block.id()) {
            return Err(twice(&block));
        }
        self.blocks.push(block);
        Ok(())
    }
}

fn twice(block: &ValidBlock) -> BlockError {
    let (found, expected) = (block.id().to_string(), "an id that is not in the chain yet".into());
    BlockError { block: block.head().index, field: Field::DataId, found, expected }
}

/// Why a chain did not take a block or branch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The chain has changed since: what it would follow is not there any more.
    #[error("the chain has moved on")]
    Moved,
    /// What there is wins over it by the fork choice.
    #[error("the chain at hand is as good")]
    NotBetter,
    /// A message in it is in the chain before the fork already.
    #[error(transparent)]
    Invalid(#[from] BlockError),
}

/// What changed when a branch was adopted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages of dropped blocks that are not in the chain now, oldest first.
    pub returned: Vec<Data>,
    /// Ids of the messages in the new blocks.
    pub mined: Vec<DataId>,
    /// How many blocks were dropped.
    pub depth: u64,
}

/// The blocks that this miner takes for true.
#[derive(Debug)]
pub struct Chain {
    view: ChainView,
    /// Height of each message's block; 32 bits carry four thousand million blocks.
    heights: HashMap<DataId, u32>,
}

impl Chain {
    /// A chain of the genesis block alone.
    pub fn new(network: &Network) -> Self {
        let genesis = Block::genesis(network);
        let line = genesis.line();
        let head = Head::of(&genesis, &line);
        let view = ChainView { chunks: vec![Arc::new(vec![line.into()])], head };
        Self { view, heights: HashMap::from([(genesis.data.id, 0)]) }
    }

    /// A picture of it as it is now.
    pub fn view(&self) -> ChainView {
        self.view.clone()
    }

    /// The last block.
    pub fn head(&self) -> &Head {
        self.view.head()
    }

    /// The height of the block that holds this message.
    pub fn height_of(&self, id: &DataId) -> Option<u64> {
        self.heights.get(id).copied().map(u64::from)
    }

    /// The message with this id.
    pub fn message(&self, id: &DataId) -> Option<Data> {
        Some(self.view.block(self.height_of(id)?)?.data)
    }

    /// What of `data` has still to be mined: nothing, if it is in the chain, also under another
    /// of its ids; all of it, if its id is not; and if the id belongs to another message there,
    /// the same message under the id that it then gets. So nobody can make a message vanish
    /// by mining another one under its id. Hashes the message.
    pub fn unless_mined(&self, data: Data) -> Option<Data> {
        let is_mined = self.height_of_message(&data, data.rename_step()).is_some();
        if is_mined { None } else { self.unless_id_mined(data) }
    }

    /// The same, without looking for other ids as long as its own is not taken: then it
    /// hashes nothing.
    pub fn unless_id_mined(&self, data: Data) -> Option<Data> {
        let mut data = data;
        while let Some(mined) = self.message(&data.id) {
            if mined == data {
                return None;
            }
            data = data.renamed();
        }
        Some(data)
    }

    /// The height of the block that holds this message, under its id or under one that it
    /// got because its own was taken. `step` is its [`Data::rename_step`].
    pub fn height_of_message(&self, data: &Data, step: u128) -> Option<u64> {
        let mut ids = std::iter::once(data.id).chain(data.sibling_ids(step));
        ids.find_map(|id| {
            let height = self.height_of(&id)?;
            let block = self.view.block(height)?;
            (block.data.message == data.message).then_some(height)
        })
    }

    /// Adds a block behind the last one.
    ///
    /// # Errors
    /// [`Refused::Moved`] if it follows another block; [`Refused::Invalid`] if its message is
    /// in the chain.
    pub fn extend(&mut self, block: &ValidBlock) -> Result<(), Refused> {
        if *block.parent() != self.head().hash {
            return Err(Refused::Moved);
        }
        if self.heights.contains_key(block.id()) {
            return Err(Refused::Invalid(twice(block)));
        }
        self.push(block);
        Ok(())
    }

    /// Takes `branch` in place of everything above its fork, if it wins by the fork choice.
    /// Of the blocks at hand only those compete that are no more than two hours ahead of
    /// `now`: one that got in when the clock was wrong must not hold off a valid branch.
    ///
    /// # Errors
    /// [`Refused`]; the chain is then as it was.
    pub fn adopt(&mut self, branch: &Branch, now: Micros) -> Result<Adopted, Refused> {
        let fork = branch.fork.index;
        if self.view.hash(fork) != Some(branch.fork.hash) {
            return Err(Refused::Moved);
        }
        let rival = self.last_not_ahead(now);
        if branch.is_empty() || !branch.head().wins_over(&rival) {
            return Err(Refused::NotBetter);
        }
        let known = |id: &DataId| self.height_of(id).is_some_and(|height| height <= fork);
        if let Some(block) = branch.blocks.iter().find(|block| known(block.id())) {
            return Err(Refused::Invalid(twice(block)));
        }
        let dropped = self.truncate(&branch.fork);
        for block in &branch.blocks {
            self.push(block);
        }
        let depth = dropped.len() as u64;
        let returned = dropped.into_iter().filter_map(|data| self.unless_id_mined(data)).collect();
        let mined = branch.blocks.iter().map(|block| *block.id()).collect();
        Ok(Adopted { returned, mined, depth })
    }

    /// Drops the blocks that are more than two hours ahead of `now`; their messages.
    pub fn drop_ahead(&mut self, now: Micros) -> Vec<Data> {
        let last = self.last_not_ahead(now);
        if last.index == self.head().index { Vec::new() } else { self.truncate(&last) }
    }

    /// The last block that is not too far ahead of `now`. Timestamps only rise.
    fn last_not_ahead(&self, now: Micros) -> Head {
        let limit = timestamp_max(now);
        if self.head().timestamp <= limit {
            return *self.head();
        }
        let (mut good, mut ahead) = (0, self.head().index);
        while ahead - good > 1 {
            let middle = good + (ahead - good) / 2;
            let block = self.view.block(middle).expect("it is below the head");
            *if block.timestamp <= limit { &mut good } else { &mut ahead } = middle;
        }
        self.view.head_at(good).expect("it is below the head")
    }

    fn push(&mut self, block: &ValidBlock) {
        let head = *block.head();
        let height = u32::try_from(head.index).expect("a chain of 2^32 blocks fits no memory");
        self.heights.insert(*block.id(), height);
        let line = Arc::clone(block.line());
        match self.view.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_LINES => Arc::make_mut(chunk).push(line),
            _ => self.view.chunks.push(Arc::new(vec![line])),
        }
        self.view.head = head;
    }

    /// Drops every block above `last`, which is in the chain; their messages, oldest first.
    fn truncate(&mut self, last: &Head) -> Vec<Data> {
        let read = |(line, index): (&Arc<str>, u64)| {
            Block::read(line, index).expect("only canonical lines are in a chain").data
        };
        let above = self.view.lines_from(last.length()).zip(last.length()..);
        let dropped: Vec<Data> = above.map(read).collect();
        for data in &dropped {
            self.heights.remove(&data.id);
        }
        let length = usize::try_from(last.length()).expect("it is in memory");
        self.view.chunks.truncate(length.div_ceil(CHUNK_LINES));
        let chunk = self.view.chunks.last_mut().expect("the genesis block stays");
        Arc::make_mut(chunk).truncate((length - 1) % CHUNK_LINES + 1);
        self.view.head = *last;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::{Maker, NOW, data, network};

    fn branch(fork: Head, texts: &[&str]) -> Branch {
        let mut maker = Maker::at(network(1), fork);
        let mut branch = Branch::new(fork);
        for text in texts {
            branch.push(maker.add(text), NOW, &network(1)).unwrap();
        }
        branch
    }

    fn chain(texts: &[&str]) -> Chain {
        let mut chain = Chain::new(&network(1));
        let branch = branch(*chain.head(), texts);
        if !branch.is_empty() {
            chain.adopt(&branch, NOW).unwrap();
        }
        chain
    }

    fn texts(chain: &Chain) -> Vec<String> {
        let view = chain.view();
        (1..view.length()).map(|i| view.block(i).unwrap().data.message.as_str().into()).collect()
    }

    #[test]
    fn a_longer_branch_is_adopted_and_says_what_changed() {
        let mut chain = chain(&["a", "b", "c"]);
        let fork = chain.view().head_at(1).unwrap();
        let adopted = chain.adopt(&branch(fork, &["c", "d", "e"]), NOW).unwrap();
        assert_eq!(adopted.returned, [data("b")]);
        assert_eq!(adopted.mined, ["c", "d", "e"].map(|text| data(text).id));
        assert_eq!(adopted.depth, 2);
        assert_eq!(texts(&chain), ["a", "c", "d", "e"]);
        assert_eq!(chain.height_of(&data("b").id), None);
        assert_eq!(chain.height_of(&data("c").id), Some(2));
        assert_eq!(chain.view().hash(4), Some(chain.head().hash));
        assert_eq!(chain.view().line(5), None);
    }

    #[test]
    fn of_two_equal_branches_both_sides_keep_the_same() {
        let (mut one, mut two) = (chain(&["a"]), chain(&["b"]));
        let genesis = one.view().head_at(0).unwrap();
        let to_two = two.adopt(&branch(genesis, &["a"]), NOW).is_ok();
        let to_one = one.adopt(&branch(genesis, &["b"]), NOW).is_ok();
        assert!(to_one != to_two);
        assert_eq!(one.head(), two.head());
    }

    #[test]
    fn a_shorter_branch_or_one_on_a_moved_chain_is_refused() {
        let mut chain = chain(&["a", "b"]);
        let before = *chain.head();
        let genesis = chain.view().head_at(0).unwrap();
        assert_eq!(chain.adopt(&branch(genesis, &["c"]), NOW), Err(Refused::NotBetter));
        assert_eq!(chain.adopt(&Branch::new(before), NOW), Err(Refused::NotBetter));
        let foreign = branch(*branch(genesis, &["x"]).head(), &["y", "z"]);
        assert_eq!(chain.adopt(&foreign, NOW), Err(Refused::Moved));
        assert_eq!(*chain.head(), before);
    }

    #[test]
    fn a_message_is_in_a_chain_once() {
        let mut chain = chain(&["a", "b"]);
        let head = *chain.head();
        let fork = chain.view().head_at(1).unwrap();
        let error = chain.adopt(&branch(fork, &["c", "a"]), NOW).unwrap_err();
        let Refused::Invalid(error) = error else { panic!("{error}") };
        assert_eq!((error.block, error.field), (3, Field::DataId));
        assert_eq!(texts(&chain), ["a", "b"]);
        let line = Maker::at(network(1), head).add("b");
        let block = check_block(&head, line, NOW, &network(1)).unwrap();
        assert!(matches!(chain.extend(&block), Err(Refused::Invalid(_))));
        let mut twice = branch(head, &["c"]);
        let line = Maker::at(network(1), *twice.head()).add("c");
        assert_eq!(twice.push(line, NOW, &network(1)).unwrap_err().field, Field::DataId);
    }

    #[test]
    fn a_message_whose_id_was_given_to_another_waits_under_a_new_one() {
        let mut chain = chain(&["a"]);
        let genesis = chain.view().head_at(0).unwrap();
        let mut branch = branch(genesis, &["x"]);
        let maker = Maker::at(network(1), *branch.head());
        let mut thief = maker.candidate("stolen");
        thief.data.id = data("a").id;
        branch.push(maker.mine(thief), NOW, &network(1)).unwrap();
        let adopted = chain.adopt(&branch, NOW).unwrap();
        assert_eq!(adopted.returned, [data("a").renamed()]);
        assert_ne!(data("a").renamed().id, data("a").id);
        assert_eq!(data("a").renamed().message, data("a").message);
    }

    #[test]
    fn a_view_does_not_change_and_knows_every_chunk() {
        let texts: Vec<String> = (0..3 * CHUNK_LINES).map(|i| i.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut chain = chain(&texts);
        let view = chain.view();
        for fork in [3 * CHUNK_LINES - 1, 2 * CHUNK_LINES, 2 * CHUNK_LINES - 1, 1] {
            let fork = view.head_at(fork as u64).unwrap();
            let mut other = chain_until(&view, fork.length());
            other.truncate(&fork);
            assert_eq!(other.view().shared_length(&view), fork.length());
            assert_eq!(other.view().lines_from(0).count() as u64, fork.length());
            assert_eq!(view.lines_from(fork.length()).next(), view.line(fork.length()));
        }
        chain.truncate(&view.head_at(0).unwrap());
        assert_eq!(view.lines_from(0).count(), 3 * CHUNK_LINES + 1);
    }

    fn chain_until(view: &ChainView, length: u64) -> Chain {
        let mut chain = Chain::new(&network(1));
        let mut branch = Branch::new(*chain.head());
        for index in 1..length {
            branch.push(Arc::clone(view.line(index).unwrap()), NOW, &network(1)).unwrap();
        }
        chain.adopt(&branch, NOW).unwrap();
        chain
    }

    #[test]
    fn blocks_from_the_future_neither_compete_nor_stay_once_the_clock_is_right() {
        let day = 24 * 60 * 60 * 1_000_000;
        let mut chain = chain(&["a"]);
        let head = *chain.head();
        let maker = Maker::at(network(1), head);
        let mut block = maker.candidate("ahead");
        block.timestamp = NOW + day;
        let block = check_block(&head, maker.mine(block), NOW + day, &network(1)).unwrap();
        chain.extend(&block).unwrap();
        let genesis = chain.view().head_at(0).unwrap();
        let (mut tie, mut n) = (branch(genesis, &["tie"]), 0);
        while !tie.head().wins_over(&head) {
            n += 1;
            tie = branch(genesis, &[&format!("tie {n}")]);
        }
        assert_eq!(chain.adopt(&tie, NOW + day), Err(Refused::NotBetter));
        assert_eq!(chain.drop_ahead(NOW + day), []);
        assert_eq!(chain.drop_ahead(NOW), [data("ahead")]);
        assert_eq!(*chain.head(), head);
        chain.extend(&block).unwrap();
        assert_eq!(chain.adopt(&tie, NOW).unwrap().returned, [data("a"), data("ahead")]);
    }
}
