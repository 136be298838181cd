//! What the threads of a miner share: chain, data and neighbours, each behind its mutex.
//!
//! Guards never leave this module. Lock order: chain, data, neighbours. Each change is one
//! method that leaves the three consistent. Nothing is hashed, parsed or read from disk under a
//! lock: a method that says "Reads" works out what it has to know from a picture of one moment,
//! and does it again if the chain was changed before it could act.
//!
//! A decision uses one moment: what is put together from two of the three is taken under one
//! hold of their locks, and what was looked up before a lock was let go decides nothing after.

use parking_lot::Condvar;

use super::lock::Mutex;
use super::neighbours::Neighbours;
use crate::chain::{
    Branch, Chain, ChainView, Change, Data, Dropped, Forks, Hash, Head, MessageKeys, Micros, Pool,
    ReadError, Refused, Source, ValidBlock, Why,
};
use crate::pow::CancelFlag;

mod bells;
mod looking;
mod saving;

pub use bells::Bells;
pub use looking::{FoundBlock, Place};
pub use saving::UNSAVED_BYTES_MAX;

/// Changes by a branch that was adopted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages of dropped blocks that are not in the chain now, oldest first.
    pub returned: Vec<Data>,
    pub blocks: u64,
    pub depth: u64,
    /// The last dropped block, and why it was dropped.
    pub dropped: Option<(Hash, Why)>,
}

/// Messages whose removal from the pool is part of the adoption itself; those of a longer branch
/// follow after it.
const MINED_AT_ONCE: usize = 4_096;

/// The chain, and how much of it is on disk.
#[derive(Debug)]
struct Blocks {
    chain: Chain,
    saved: ChainView,
    forks: Forks,
    /// Bytes of lines that ever came in, and of those when the present save began.
    bytes: u64,
    bytes_saved: u64,
}

/// The search that a change of the chain makes useless.
#[derive(Debug, Default)]
struct SearchUnderWay {
    flag: Option<CancelFlag>,
    /// The miner stops: no search is to begin.
    ended: bool,
}

/// The things that all threads of a miner share.
///
/// A decision uses one moment: whatever rests on two of them (a list from here, a list from
/// there; a check, then a change) is one method, under one hold of the locks.
#[derive(Debug)]
pub struct Shared {
    chain: Mutex<Blocks>,
    data: Mutex<Pool>,
    neighbours: Mutex<Neighbours>,
    search: Mutex<SearchUnderWay>,
    /// The number of saves that have ended, for those who wait for one.
    saves: parking_lot::Mutex<u64>,
    save_ended: Condvar,
    pub bells: Bells,
}

impl Shared {
    /// Shares what was loaded. `chain` is on disk as it is.
    pub fn new(chain: Chain, forks: Forks, pool: Pool, neighbours: Neighbours) -> Self {
        let saved = chain.view();
        Self {
            chain: Mutex::new(Blocks { chain, saved, forks, bytes: 0, bytes_saved: 0 }),
            data: Mutex::new(pool),
            neighbours: Mutex::new(neighbours),
            search: Mutex::default(),
            saves: parking_lot::Mutex::default(),
            save_ended: Condvar::new(),
            bells: Bells::default(),
        }
    }

    pub fn chain(&self) -> ChainView {
        self.chain.lock().chain.view()
    }

    pub fn head(&self) -> Head {
        *self.chain.lock().chain.head()
    }

    /// All that the journal has to hold: the messages in blocks that are not on disk yet, then
    /// those that wait. Of one moment: a message that is mined meanwhile moves from one to the
    /// other, and would be in neither if the two were read one after the other.
    pub fn journal_must_hold(&self) -> Result<Vec<Data>, ReadError> {
        let blocks = self.chain.lock();
        let (view, saved) = (blocks.chain.view(), blocks.saved.clone());
        let waiting: Vec<Data> = self.data.lock().iter().cloned().collect();
        drop(blocks);
        let unsaved = view.messages_from(view.shared_length(&saved)?);
        unsaved.chain(waiting.into_iter().map(Ok)).collect()
    }

    /// Takes in messages that are in the journal. One that was mined meanwhile is passed over,
    /// or else by [`Shared::candidate`].
    pub fn arrive(&self, arrived: impl IntoIterator<Item = (Source, Data)>) {
        let arrived: Vec<(Source, Data, MessageKeys)> = arrived
            .into_iter()
            .map(|(source, data)| {
                let keys = MessageKeys::of(&data);
                (source, data, keys)
            })
            .collect();
        let mut suspects = Vec::new();
        let blocks = self.chain.lock();
        let view = blocks.chain.view();
        let mut pool = self.data.lock();
        for (source, data, keys) in arrived {
            let maybe_at = blocks.chain.may_hold(&keys);
            if maybe_at.is_empty() {
                pool.add_from(source, data);
            } else {
                suspects.push((source, data, maybe_at));
            }
        }
        drop((pool, blocks));
        for (source, data, maybe_at) in suspects {
            // A chain that cannot be read is no reason to lose a message.
            if !matches!(view.find(&maybe_at, |held| *held == data), Ok(Some(_))) {
                self.data.lock().add_from(source, data);
            }
        }
        self.bells.mine.ring();
        self.bells.push.ring();
    }

    /// The next work: the next message that is not in the chain, on the head of the moment at which
    /// it was not.
    ///
    /// # Errors
    /// [`ReadError`], if it can't be seen whether the next one is in the chain.
    pub fn candidate(&self) -> Result<Option<(Head, Data)>, ReadError> {
        loop {
            let Some(next) = self.data.lock().next().cloned() else { return Ok(None) };
            let keys = MessageKeys::of(&next);
            let blocks = self.chain.lock();
            if self.data.lock().next() != Some(&next) {
                continue;
            }
            let (head, maybe_at) = (*blocks.chain.head(), blocks.chain.may_hold(&keys));
            if maybe_at.is_empty() {
                return Ok(Some((head, next)));
            }
            let view = blocks.chain.view();
            drop(blocks);
            if view.find(&maybe_at, |held| *held == next)?.is_none() {
                return Ok(Some((head, next)));
            }
            // It is in the chain of that moment; if it has left it since, it has come back.
            let blocks = self.chain.lock();
            if *blocks.chain.head() == head {
                self.data.lock().remove(&next);
            }
        }
    }

    /// Lets `flag` be cancelled by whatever makes its search useless. A change that came
    /// between [`Shared::candidate`] and this has cancelled nothing: look at the head again.
    pub fn searching(&self, flag: CancelFlag) {
        let mut search = self.search.lock();
        if search.ended {
            flag.cancel();
        }
        search.flag = Some(flag);
    }

    /// Ends the search under way, and every one that begins later.
    pub fn end_searches(&self) {
        self.search.lock().ended = true;
        self.cancel_search();
    }

    /// Ends the search under way, so that the next one begins under what holds now.
    pub fn restart_search(&self) {
        self.cancel_search();
        self.bells.mine.ring();
    }

    fn cancel_search(&self) {
        if let Some(flag) = self.search.lock().flag.take() {
            flag.cancel();
        }
    }

    /// Takes in a block that was mined here, of a [`Shared::candidate`].
    ///
    /// # Errors
    /// [`Refused`], if the head has moved meanwhile.
    pub fn extend(&self, block: &ValidBlock) -> Result<(), Refused> {
        let mut blocks = self.chain.lock();
        blocks.chain.extend(block)?;
        blocks.bytes += block.line().len() as u64;
        self.mined(&blocks, block.head().index, [block.data()]);
        drop(blocks);
        self.chain_changed();
        Ok(())
    }

    /// Takes in a branch: messages of the dropped blocks wait again, those of the new ones
    /// no longer. Reads what it has to know before it takes the locks, and again if the chain has
    /// changed meanwhile.
    ///
    /// # Errors
    /// [`Refused`], with nothing changed.
    pub fn adopt(&self, branch: &Branch, now: Micros) -> Result<Adopted, Refused> {
        let mined: Result<Vec<Data>, _> =
            branch.blocks().messages_from(0).take(MINED_AT_ONCE).collect();
        let mined = mined?;
        loop {
            let (view, suspects) = {
                let blocks = self.chain.lock();
                (blocks.chain.view(), blocks.chain.suspects(branch))
            };
            let change = Change::plan(&view, branch, &suspects)?;
            let mut blocks = self.chain.lock();
            if blocks.chain.make(&change).is_err() {
                continue;
            }
            blocks.bytes += branch.bytes();
            let depth = change.depth();
            let dropped = (depth > 0).then(|| change.dropped(&view, now));
            let lost = dropped.as_ref().map(|it| (it.blocks.head().hash, it.why));
            dropped.into_iter().for_each(|dropped| blocks.forks.add(dropped));
            // First what comes back: another text under its id may be among those mined.
            self.data.lock().give_back(change.returned.iter().cloned());
            self.mined(&blocks, branch.fork().length(), &mined);
            drop(blocks);
            self.chain_changed();
            self.leave_out_mined(branch)?;
            let blocks = branch.len() as u64;
            return Ok(Adopted { returned: change.returned, blocks, depth, dropped: lost });
        }
    }

    /// Takes the messages of a long branch out of the pool. Whatever waits a little longer is
    /// passed over by [`Shared::candidate`].
    fn leave_out_mined(&self, branch: &Branch) -> Result<(), ReadError> {
        let mut rest = branch.blocks().messages_from(0).skip(MINED_AT_ONCE).peekable();
        while rest.peek().is_some() {
            let some: Result<Vec<Data>, _> = rest.by_ref().take(MINED_AT_ONCE).collect();
            self.mined(&self.chain.lock(), branch.fork().length(), &some?);
        }
        Ok(())
    }

    /// Takes messages out of the pool that are in the chain now, from height `first` on.
    fn mined<'a>(&self, blocks: &Blocks, first: u64, mined: impl IntoIterator<Item = &'a Data>) {
        let mut pool = self.data.lock();
        for data in mined {
            if blocks.chain.may_hold_id(&data.id).first().is_none_or(|height| *height >= first) {
                pool.note_stolen(data);
            }
            pool.remove(data);
        }
    }

    /// Drops the block `first` and all above it, which are ahead of time, and which half of
    /// the neighbours lack; their messages wait again. Reads.
    pub fn drop_ahead(&self, first: &Head, now: Micros) -> Result<Adopted, ReadError> {
        loop {
            let view = self.chain();
            let Some(last) = first.index.checked_sub(1) else { return Ok(Adopted::default()) };
            if view.hash(first.index)? != Some(first.hash) {
                return Ok(Adopted::default());
            }
            let none = Branch::new(view.head_at(last)?.expect("a block follows it"));
            let change = Change::replacing(&view, &none)?;
            let mut blocks = self.chain.lock();
            if blocks.chain.make(&change).is_err() {
                continue;
            }
            let dropped = Dropped { why: Why::Clock, ..change.dropped(&view, now) };
            let lost = Some((dropped.blocks.head().hash, dropped.why));
            blocks.forks.add(dropped);
            self.data.lock().give_back(change.returned.iter().cloned());
            drop(blocks);
            self.chain_changed();
            let depth = change.depth();
            return Ok(Adopted { returned: change.returned, blocks: 0, depth, dropped: lost });
        }
    }

    pub fn with_pool<T>(&self, read: impl FnOnce(&Pool) -> T) -> T {
        read(&self.data.lock())
    }

    pub fn with_neighbours<T>(&self, work: impl FnOnce(&mut Neighbours) -> T) -> T {
        work(&mut self.neighbours.lock())
    }

    fn chain_changed(&self) {
        // News first: nothing else is as urgent.
        self.bells.push.ring();
        self.cancel_search();
        self.bells.mine.ring();
        self.bells.backup.ring();
    }
}
