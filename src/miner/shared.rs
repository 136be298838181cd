//! What the threads of a miner share: chain, data and neighbours, each behind its mutex.
//!
//! Guards never leave this file. Lock order: chain, data, neighbours. Each change is one
//! method that leaves the three consistent; none hashes, and none touches disk or network.
//!
//! A decision uses one moment: what is put together from two of the three is taken under one
//! hold of their locks, and what was looked up before a lock was let go decides nothing after.

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::neighbours::Neighbours;
use crate::api::{DataPage, DataState};
use crate::chain::{
    Adopted, Block, Branch, Came, Chain, ChainView, Data, DataId, Head, Micros, Pool, Refused,
    ValidBlock,
};
use crate::pow::CancelFlag;

/// A wake-up call that is heard once, however often it was rung.
#[derive(Debug)]
pub struct Bell {
    rings: Sender<()>,
    heard: Receiver<()>,
}

impl Bell {
    fn new() -> Self {
        let (rings, heard) = bounded(1);
        Self { rings, heard }
    }

    /// Wakes whoever waits, or will wait. A full queue means that it rings already.
    pub fn ring(&self) {
        let _ = self.rings.try_send(());
    }

    /// Hears the rings.
    pub fn heard(&self) -> &Receiver<()> {
        &self.heard
    }
}

/// The wake-up calls of a miner's jobs.
#[derive(Debug)]
pub struct Bells {
    /// Something may be mined.
    pub mine: Bell,
    /// The chain is not what is on disk.
    pub backup: Bell,
    /// There is a block or message that neighbours may not have, or a neighbour to push to.
    pub push: Bell,
    /// A newcomer was heard of.
    pub gossip: Bell,
    /// A neighbour is to be asked for its chain now.
    pub sync_chain: Bell,
    /// A neighbour is to be asked for its messages now.
    pub sync_data: Bell,
}

/// Where a message with some id is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere here.
    Unknown,
    /// It waits and is in the journal, or it is in a block that is on disk.
    Kept,
    /// It is here, but perhaps not on disk: in a block that is not yet there, or come back
    /// from one that never was.
    Unsaved,
    /// Another message has this id.
    Taken,
}

/// The chain, and how much of it is on disk.
#[derive(Debug)]
struct Blocks {
    chain: Chain,
    saved: ChainView,
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
    /// Wakes the jobs.
    pub bells: Bells,
}

impl Shared {
    /// Shares what was loaded. `chain` is on disk as it is.
    pub fn new(chain: Chain, pool: Pool, neighbours: Neighbours) -> Self {
        let saved = chain.view();
        Self {
            chain: Mutex::new(Blocks { chain, saved }),
            data: Mutex::new(pool),
            neighbours: Mutex::new(neighbours),
            search: Mutex::default(),
            bells: Bells {
                mine: Bell::new(),
                backup: Bell::new(),
                push: Bell::new(),
                gossip: Bell::new(),
                sync_chain: Bell::new(),
                sync_data: Bell::new(),
            },
        }
    }

    /// A picture of the chain.
    pub fn chain(&self) -> ChainView {
        self.chain.lock().chain.view()
    }

    /// The last block.
    pub fn head(&self) -> Head {
        *self.chain.lock().chain.head()
    }

    /// The part of the chain that is on disk (it may have been left since).
    pub fn saved(&self) -> ChainView {
        self.chain.lock().saved.clone()
    }

    /// Notes that `view` is on disk.
    pub fn note_saved(&self, view: ChainView) {
        self.chain.lock().saved = view;
    }

    /// All that the journal has to hold: the messages in blocks that are not on disk yet, then
    /// those that wait. Of one moment: a message that is mined meanwhile moves from one to the
    /// other, and would be in neither if the two were read one after the other.
    pub fn journal_must_hold(&self) -> Vec<Data> {
        let blocks = self.chain.lock();
        let (view, saved) = (blocks.chain.view(), blocks.saved.clone());
        let waiting: Vec<Data> = self.data.lock().iter().cloned().collect();
        drop(blocks);
        let from = view.shared_length(&saved);
        let lines = view.lines_from(from).zip(from..);
        let mined = lines.filter_map(|(line, index)| Some(Block::read(line, index).ok()?.data));
        mined.chain(waiting).collect()
    }

    /// Where the message of `data` is, which has an id that may be known: also under an id
    /// that it got because its own was taken.
    pub fn place_of(&self, data: &Data) -> Place {
        let step = data.rename_step();
        let blocks = self.chain.lock();
        if let Some(height) = blocks.chain.height_of_message(data, step) {
            let (view, saved) = (blocks.chain.view(), blocks.saved.clone());
            drop(blocks);
            // Equal lines at one height stand on equal chains.
            let on_disk = saved.line(height) == view.line(height);
            return if on_disk { Place::Kept } else { Place::Unsaved };
        }
        let pool = self.data.lock();
        let mut ids = std::iter::once(data.id).chain(data.sibling_ids(step));
        let waits = |id: &DataId| pool.get(id).is_some_and(|d| d.message == data.message);
        if let Some(id) = ids.find(waits) {
            let is_new = pool.how_came(&id) == Some(Came::New);
            return if is_new { Place::Kept } else { Place::Unsaved };
        }
        let is_taken = blocks.chain.height_of(&data.id).is_some() || pool.get(&data.id).is_some();
        if is_taken { Place::Taken } else { Place::Unknown }
    }

    /// Whether this id is in the chain or waits.
    pub fn knows(&self, id: &DataId) -> bool {
        self.chain.lock().chain.height_of(id).is_some() || self.data.lock().get(id).is_some()
    }

    /// Where the message with this id is, for those who ask.
    pub fn state_of(&self, id: &DataId) -> Option<DataState> {
        let blocks = self.chain.lock();
        if let Some(index) = blocks.chain.height_of(id) {
            let confirmations = blocks.chain.head().length() - index;
            return Some(DataState::Mined { index, confirmations });
        }
        self.data.lock().get(id).map(|_| DataState::Unprocessed)
    }

    /// Takes in messages that are in the journal. One that was mined meanwhile is passed over.
    pub fn arrive(&self, arrived: impl IntoIterator<Item = Data>) {
        let blocks = self.chain.lock();
        let mut pool = self.data.lock();
        for data in arrived.into_iter().filter_map(|data| blocks.chain.unless_id_mined(data)) {
            pool.add(data);
        }
        drop((pool, blocks));
        self.bells.mine.ring();
        self.bells.push.ring();
    }

    /// What to mine next: the oldest message, on the head. One that is in the chain under
    /// another of its ids waits no longer.
    pub fn candidate(&self) -> Option<(Head, Data)> {
        loop {
            let oldest = self.data.lock().oldest().cloned()?;
            let step = oldest.rename_step();
            let blocks = self.chain.lock();
            let mut pool = self.data.lock();
            if pool.oldest() != Some(&oldest) {
                continue;
            }
            let is_mined = blocks.chain.height_of_message(&oldest, step).is_some();
            if !is_mined && blocks.chain.height_of(&oldest.id).is_none() {
                return Some((*blocks.chain.head(), oldest));
            }
            pool.remove(&oldest.id);
            if !is_mined {
                pool.give_back(blocks.chain.unless_id_mined(oldest).into_iter());
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

    /// Takes in a block that was mined here.
    ///
    /// # Errors
    /// [`Refused`], if the head has moved meanwhile.
    pub fn extend(&self, block: &ValidBlock) -> Result<(), Refused> {
        let mut blocks = self.chain.lock();
        blocks.chain.extend(block)?;
        self.data.lock().remove(block.id());
        drop(blocks);
        self.chain_changed();
        Ok(())
    }

    /// Takes in a branch: messages of the dropped blocks wait again, those of the new ones
    /// no longer.
    ///
    /// # Errors
    /// [`Refused`], with nothing changed.
    pub fn adopt(&self, branch: &Branch, now: Micros) -> Result<Adopted, Refused> {
        let mut blocks = self.chain.lock();
        let adopted = blocks.chain.adopt(branch, now)?;
        let mut pool = self.data.lock();
        let waited: Vec<Data> = adopted.mined.iter().filter_map(|id| pool.remove(id)).collect();
        let renamed = waited.into_iter().filter_map(|data| blocks.chain.unless_id_mined(data));
        let renamed: Vec<Data> = renamed.collect();
        pool.give_back(renamed.into_iter());
        pool.give_back(adopted.returned.iter().cloned());
        drop((pool, blocks));
        self.chain_changed();
        Ok(adopted)
    }

    /// Drops the blocks that are too far ahead of the clock; their messages wait again. How
    /// many were dropped.
    pub fn drop_ahead(&self, now: Micros) -> usize {
        let mut blocks = self.chain.lock();
        let returned = blocks.chain.drop_ahead(now);
        let count = returned.len();
        self.data.lock().give_back(returned.into_iter());
        drop(blocks);
        if count > 0 {
            self.chain_changed();
        }
        count
    }

    /// Reads the pool.
    pub fn with_pool<T>(&self, read: impl FnOnce(&Pool) -> T) -> T {
        read(&self.data.lock())
    }

    /// Unprocessed data that came at or after `arrivals`, up to about `bytes`; how many wait
    /// in all; and where to go on.
    pub fn data_since(&self, arrivals: u64, bytes: usize) -> (DataPage, u64) {
        let pool = self.data.lock();
        let (mut page, mut size, mut next) = (Vec::new(), 0, pool.cursor());
        for (after, data) in pool.since(arrivals) {
            size += data.message.as_str().len() + 80;
            page.push(data.clone());
            if size >= bytes {
                next = after;
                break;
            }
        }
        (DataPage { data: page, length: pool.len() as u64, cursor: None }, next)
    }

    /// Reads or changes the neighbours.
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
