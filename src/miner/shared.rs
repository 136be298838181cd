//! What the threads of a miner share: chain, data and neighbours, each behind its mutex.
//!
//! Guards never leave this file. Lock order: chain, data, neighbours. Each change is one
//! method that leaves the three consistent. Nothing is hashed, parsed or read from disk under a
//! lock: a method that says "Reads" works out what it has to know from a picture of one moment,
//! and does it again if the chain was changed before it could act.
//!
//! A decision uses one moment: what is put together from two of the three is taken under one
//! hold of their locks, and what was looked up before a lock was let go decides nothing after.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Condvar;

use super::lock::Mutex;
use super::neighbours::Neighbours;
use crate::api::{DataPage, DataState, json_bytes};
use crate::chain::rules::timestamp_max;
use crate::chain::{
    Branch, Came, Chain, ChainView, Change, Data, DataId, Dropped, Forks, Hash, Head, Line,
    MessageKeys, Micros, Pool, ReadError, Refused, Source, ValidBlock, Why,
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
    /// Something happened, or somebody waits for that.
    pub events: Bell,
}

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

/// Changes by a branch that was adopted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages of dropped blocks that are not in the chain now, oldest first.
    pub returned: Vec<Data>,
    /// The number of new blocks.
    pub blocks: u64,
    /// The number of dropped blocks.
    pub depth: u64,
    /// The last dropped block, and why it was dropped.
    pub dropped: Option<(Hash, Why)>,
}

/// A block, in the chain or in a branch that left it.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// Its height.
    pub height: u64,
    /// Its line.
    pub line: Line,
    /// Its hash.
    pub hash: Hash,
    /// The number of blocks from it to the head, itself included; 0 outside of the chain.
    pub confirmations: u64,
    /// The branch in which it left the chain.
    pub dropped: Option<Dropped>,
}

/// Messages whose removal from the pool is part of the adoption itself; those of a longer branch
/// follow after it.
const MINED_AT_ONCE: usize = 4_096;

/// Bytes of blocks that may be in memory because they are not saved yet: mining and fetching
/// wait beyond that.
pub const UNSAVED_BYTES_MAX: u64 = 8 << 20;

/// The chain, and how much of it is on disk.
#[derive(Debug)]
struct Blocks {
    chain: Chain,
    saved: ChainView,
    /// Branches that left the chain.
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
    /// Wakes the jobs.
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
            bells: Bells {
                mine: Bell::new(),
                backup: Bell::new(),
                push: Bell::new(),
                gossip: Bell::new(),
                sync_chain: Bell::new(),
                sync_data: Bell::new(),
                events: Bell::new(),
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

    /// State to be saved, of one moment: the chain, the branches that left it, and a mark for
    /// [`Shared::note_saved`].
    pub fn to_save(&self) -> (ChainView, Forks, u64) {
        let blocks = self.chain.lock();
        (blocks.chain.view(), blocks.forks.clone(), blocks.bytes)
    }

    /// Notes that blocks which `view` does not have are about to leave the file: from now on they count
    /// as unsaved, also if they come back before it is known what the file holds. Reads.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn note_leaving(&self, view: &ChainView) -> Result<(), ReadError> {
        // Only the backup, which calls this, changes what is saved.
        let saved = self.chain.lock().saved.clone();
        let shared = saved.shared_length(view)?;
        if let Some(last) = saved.head_at(shared.saturating_sub(1))? {
            self.chain.lock().saved = saved.until(last);
        }
        Ok(())
    }

    /// Notes that `saved` is on disk, with the branches that `forks` says are; `mark` is that of
    /// the moment at which it was taken. Reads.
    ///
    /// # Errors
    /// [`ReadError`]; nothing is noted then.
    pub fn note_saved(&self, saved: &ChainView, forks: &Forks, mark: u64) -> Result<(), ReadError> {
        loop {
            let view = self.chain();
            let shared = view.shared_length(saved)?;
            let mut blocks = self.chain.lock();
            if *blocks.chain.head() != *view.head() {
                continue;
            }
            blocks.chain.take_stored(saved, shared);
            blocks.saved = saved.clone();
            blocks.forks.note_saved(forks);
            blocks.bytes_saved = mark;
            break;
        }
        *self.saves.lock() += 1;
        self.save_ended.notify_all();
        self.bells.mine.ring();
        Ok(())
    }

    /// Notes the branches that `forks` says are on disk, though the chain itself could not be saved.
    pub fn note_filed(&self, forks: &Forks) {
        self.chain.lock().forks.note_saved(forks);
    }

    /// Bytes of blocks that came in and are not saved yet.
    pub fn unsaved_bytes(&self) -> u64 {
        let blocks = self.chain.lock();
        blocks.bytes - blocks.bytes_saved
    }

    /// True if so much is not saved yet that nothing more should come in; asks for a save then.
    pub fn is_unsaved_full(&self) -> bool {
        let full = self.unsaved_bytes() > UNSAVED_BYTES_MAX;
        if full {
            self.bells.backup.ring();
        }
        full
    }

    /// Waits until what is not saved has room in memory again; `false` after `patience`.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let saves_before = *self.saves.lock();
            if !self.is_unsaved_full() {
                return true;
            }
            let mut saves = self.saves.lock();
            let is_same = *saves == saves_before;
            if is_same && self.save_ended.wait_until(&mut saves, deadline).timed_out() {
                return false;
            }
        }
    }

    /// All that the journal has to hold: the messages in blocks that are not on disk yet, then
    /// those that wait. Of one moment: a message that is mined meanwhile moves from one to the
    /// other, and would be in neither if the two were read one after the other.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn journal_must_hold(&self) -> Result<Vec<Data>, ReadError> {
        let blocks = self.chain.lock();
        let (view, saved) = (blocks.chain.view(), blocks.saved.clone());
        let waiting: Vec<Data> = self.data.lock().iter().cloned().collect();
        drop(blocks);
        let unsaved = view.messages_from(view.shared_length(&saved)?);
        unsaved.chain(waiting.into_iter().map(Ok)).collect()
    }

    /// Where a message is.
    ///
    /// # Errors
    /// [`ReadError`]
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

    /// True if this message is in the chain or waits.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn knows(&self, data: &Data) -> Result<bool, ReadError> {
        let keys = MessageKeys::of(data);
        let blocks = self.chain.lock();
        let waits = self.data.lock().how_came(data).is_some();
        let (maybe_at, view) = (blocks.chain.may_hold(&keys), blocks.chain.view());
        drop(blocks);
        Ok(waits || view.find(&maybe_at, |held| held == data)?.is_some())
    }

    /// Where the message with this id is, for those who ask: of several texts under the id the one
    /// whose SHA-256 is `sha256`, or else the one that was accepted here, or else the first in the
    /// chain, or else the first that waits.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn state_of(
        &self,
        id: &DataId,
        sha256: Option<&Hash>,
    ) -> Result<Option<DataState>, ReadError> {
        let first = self.data.lock().first_text(id).filter(|_| sha256.is_none());
        match self.state_of_text(id, sha256.or(first.as_ref()))? {
            None if first.is_some() => self.state_of_text(id, None),
            state => Ok(state),
        }
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
            return Ok(Some(DataState::Mined { index, confirmations, sha256 }));
        }
        let waits = waiting.into_iter().find(is_it);
        Ok(waits.map(|data| DataState::Unprocessed { sha256: sha256(&data) }))
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

    /// The block with this hash, in the chain or in a branch that left it.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn block_with(&self, hash: &Hash) -> Result<Option<FoundBlock>, ReadError> {
        let blocks = self.chain.lock();
        let (view, maybe_at) = (blocks.chain.view(), blocks.chain.may_have(hash));
        let dropped = blocks.forks.may_have(hash);
        drop(blocks);
        for height in maybe_at {
            if let Some(line) = view.line(height)?
                && Hash::of(&*line) == *hash
            {
                let confirmations = view.length() - height;
                let hash = *hash;
                return Ok(Some(FoundBlock { height, line, hash, confirmations, dropped: None }));
            }
        }
        for (dropped, height) in dropped {
            if let Some(line) = dropped.blocks.line(height)?
                && Hash::of(&*line) == *hash
            {
                let (confirmations, hash, dropped) = (0, *hash, Some(dropped));
                return Ok(Some(FoundBlock { height, line, hash, confirmations, dropped }));
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

    /// The first block that is more than two hours ahead of `now`. Timestamps only rise. Reads.
    ///
    /// # Errors
    /// [`ReadError`]
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

    /// Drops the block `first` and all above it, which are ahead of time, and which half of
    /// the neighbours lack; their messages wait again. Reads.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn drop_ahead(&self, first: &Head, now: Micros) -> Result<Adopted, ReadError> {
        loop {
            let view = self.chain();
            let Some(last) = first.index.checked_sub(1) else { return Ok(Adopted::default()) };
            if view.hash(first.index)? != Some(first.hash) {
                return Ok(Adopted::default());
            }
            let none = Branch::new(view.head_at(last)?.expect("a block follows it"));
            let change = Change::cut(&view, &none)?;
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
            size += json_bytes(data);
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
