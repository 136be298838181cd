//! Keeps messages on disk until their block is: the only writer of the journal.
//!
//! Nothing is answered 200 that is in neither journal nor chain file. Its owner holds it
//! behind a lock of its own, which only those take that write: no reader ever waits for the
//! disk.

use std::collections::{HashMap, HashSet};

use super::shared::{Place, Shared};
use crate::chain::{Data, DataId, ReadError, Source, Usage};
use crate::store::{Journal, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is on disk now, and waits to be mined.
    Added,
    /// It was here already, and on disk.
    Again,
    /// Its id belongs to another message.
    Conflict,
    Full,
    /// The disk does not take it.
    Failing(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A client: an id that it chose must not be another message's here.
    Client(Source),
    /// A neighbour: two texts under one id are two messages.
    Neighbour(Source),
}

impl Sender {
    fn is_client(self) -> bool {
        matches!(self, Self::Client(_))
    }

    fn source(self) -> Source {
        let (Self::Client(source) | Self::Neighbour(source)) = self;
        source
    }
}

/// The journal, and what has to be in it.
pub struct Keeper {
    journal: Journal,
    failing: Option<String>,
    /// Messages that are in the journal though they did not come by it: repeats of those in blocks
    /// that are not saved yet.
    repeated: HashSet<Data>,
}

/// Messages of [`Keeper::repeated`] that are remembered; more are written once more.
const REPEATED_MAX: usize = 10_000;

impl Keeper {
    pub fn new(journal: Journal) -> Self {
        Self { journal, failing: None, repeated: HashSet::new() }
    }

    pub fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    /// Writes all of `batch` that is new, with one sync for all, and lets it wait to be mined.
    /// Outcomes, in the same order.
    pub fn keep(&mut self, shared: &Shared, batch: &[(Data, Sender)]) -> Vec<Kept> {
        let mut in_batch: HashMap<DataId, Vec<&Data>> = HashMap::new();
        let (mut waiting, mut written) = (Vec::new(), Vec::new());
        let mut usage = Usage::default();
        let mut outcomes: Vec<Kept> = Vec::with_capacity(batch.len());
        for (data, sender) in batch {
            let same_id = in_batch.entry(data.id).or_default();
            outcomes.push(match place_of(shared, same_id, data, *sender) {
                Err(error) => Kept::Failing(error.to_string()),
                Ok(Place::Kept) => Kept::Again,
                Ok(Place::Unsaved) => {
                    if self.repeated.insert(data.clone()) {
                        written.push(data.clone());
                    }
                    Kept::Again
                }
                Ok(Place::Taken) if sender.is_client() => Kept::Conflict,
                Ok(Place::Taken | Place::Unknown) => {
                    let (source, bytes) = (sender.source(), data.message.as_str().len());
                    if shared.with_pool(|pool| pool.has_room(&usage, source, bytes)) {
                        usage.add(source, bytes);
                        same_id.push(data);
                        written.push(data.clone());
                        waiting.push((source, data.clone()));
                        Kept::Added
                    } else {
                        Kept::Full
                    }
                }
            });
        }
        match self.write(shared, &written) {
            Ok(()) if waiting.is_empty() => {}
            Ok(()) => shared.arrive(waiting),
            Err(why) => {
                written.iter().for_each(|data| _ = self.repeated.remove(data));
                let is_promised = |it: &&mut Kept| matches!(it, Kept::Added | Kept::Again);
                let promised = outcomes.iter_mut().filter(is_promised);
                promised.for_each(|outcome| *outcome = Kept::Failing(why.clone()));
            }
        }
        outcomes
    }

    /// Writes messages whose blocks are about to leave the chain file.
    ///
    /// # Errors
    /// In words; the blocks have to stay then.
    pub fn keep_dropped(&mut self, shared: &Shared, dropped: &[Data]) -> Result<(), String> {
        self.write(shared, dropped)
    }

    /// Frees the journal of what is in the chain file, when that is worth its while; and
    /// tries a disk again that failed.
    pub fn tidy(&mut self, shared: &Shared) {
        if self.repeated.len() > REPEATED_MAX {
            self.repeated.clear();
        }
        let (count, bytes) = shared.with_pool(|pool| (pool.len(), pool.bytes()));
        if self.journal.look().is_ok_and(|sound| !sound)
            || self.failing.is_some()
            || self.journal.wants_compaction(count, bytes)
        {
            self.finish(shared);
        }
    }

    /// Writes the journal anew at a stop in order: all in it is then known to have been on
    /// disk, so that whatever is missing from it later was damaged and not torn.
    pub fn finish(&mut self, shared: &Shared) {
        let result = self.rewrite(shared);
        // What is wrong is told in `failing`; the next round tries again.
        let _ = self.note("rewrite", result);
    }

    fn write(&mut self, shared: &Shared, data: &[Data]) -> Result<(), String> {
        if data.is_empty() {
            return Ok(());
        }
        let mut result = self.journal.append(data);
        if result.is_err() && self.rewrite(shared).is_ok() {
            result = self.journal.append(data);
        }
        self.note("write to", result)
    }

    fn rewrite(&mut self, shared: &Shared) -> Result<(), StoreError> {
        self.repeated.clear();
        self.journal.rewrite(&shared.journal_must_hold()?)
    }

    fn note(&mut self, what: &str, result: Result<(), StoreError>) -> Result<(), String> {
        let result = result.map_err(|error| format!("cannot {what} the journal: {error}"));
        self.failing = result.clone().err();
        result
    }
}

/// Where a message is, beside those of this batch with the same id.
fn place_of(
    shared: &Shared,
    same_id: &[&Data],
    data: &Data,
    sender: Sender,
) -> Result<Place, ReadError> {
    match same_id.contains(&data) {
        true => Ok(Place::Kept),
        false if !same_id.is_empty() && sender.is_client() => Ok(Place::Taken),
        false => shared.place_of(data),
    }
}
