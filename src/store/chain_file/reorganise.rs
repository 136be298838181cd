//! The end of the chain file gives way to another: the blocks that leave it are kept first, and a redo
//! record makes the new file of the old one, whenever the host stops.

use std::sync::Arc;

use super::ChainFile;
use crate::chain::{Branch, ChainView, Change, Dropped, Forks, Micros, ReadError};
use crate::store::error::StoreError;
use crate::store::files::Files;
use crate::store::lines::parts;
use crate::store::pages::Growing;
use crate::store::running_hash::RunningHash;
use crate::store::verdict::HashFile;
use crate::store::{redo, versions};

/// The redo record on disk, which has to go before anything is appended.
pub(super) enum Redo {
    None,
    /// There may be one that is of no use any more.
    Leftover,
    /// There is one, and the file may be anything between the two chains.
    Begun(Box<Begun>),
}

impl Redo {
    pub fn found(files: &Files) -> Result<Self, StoreError> {
        Ok(if redo::is_there(files)? { Self::Leftover } else { Self::None })
    }
}

pub(super) struct Begun {
    view: ChainView,
    /// The number of lines that stay; these are they.
    shared: u64,
    growing: Growing,
    hash: RunningHash,
}

impl ChainFile {
    /// Sees to it that the blocks which `view` drops from the file are kept: what was dropped from
    /// the chain in memory may have been another branch.
    pub(super) fn keep_dropped(
        &self,
        forks: &mut Forks,
        shared: u64,
        view: &ChainView,
        now: Micros,
    ) {
        if forks.all().iter().any(|kept| self.is_above(shared, kept)) {
            return;
        }
        let keys = || {
            let fork = self.saved.head_at(shared - 1)?.expect("it is shared");
            let none = Branch::new(fork);
            let change = Change::replacing(&self.saved, &none)?;
            Ok::<_, ReadError>(change.dropped_for(&self.saved, now, view.head()))
        };
        match keys() {
            Ok(dropped) => forks.add(dropped),
            Err(error) => log::error!("store: blocks that left the chain can't be kept: {error}"),
        }
    }

    pub(super) fn file_branches(&self, forks: &mut Forks, now: Micros) -> Result<(), StoreError> {
        let unfiled: Vec<Dropped> = forks.unfiled().cloned().collect();
        if unfiled.is_empty() {
            return Ok(());
        }
        for dropped in &unfiled {
            let filed = versions::file(&self.files, dropped, now)?;
            forks.filed(&filed);
        }
        versions::note(&self.files, &self.network, forks)
    }

    /// Replaces everything above the first `shared` lines by those of `view`.
    pub(super) fn reorganise(
        &mut self,
        view: &ChainView,
        shared: u64,
        forks: &mut Forks,
    ) -> Result<(), StoreError> {
        let hash = self.hash.cut_back(&self.saved, shared)?;
        let cut = hash.bytes();
        let growing = self.growing.cut_back(&self.saved, shared, cut)?;
        let mut whole = hash.clone();
        for line in view.lines_from(shared) {
            whole.push_line(&line?);
        }
        self.redo = Redo::Leftover;
        redo::write(&self.files, cut, whole.digest(), view, shared)?;
        self.let_older_views_read(cut, &growing, shared, forks)?;
        self.redo = Redo::Begun(Box::new(Begun { view: view.clone(), shared, growing, hash }));
        self.settle()?;
        versions::prune(&self.files, self.keep_versions, forks);
        versions::note(&self.files, &self.network, forks)
    }

    /// Goes on with a reorganisation whose record is on disk. It can be begun again at any time.
    pub(super) fn go_on_with(&mut self, begun: &Begun) -> Result<(), StoreError> {
        let Begun { view, shared, growing, hash } = begun;
        if self.file.is_lost() {
            return self.write_anew(view);
        }
        // The record vouches for the file until it has the hash of the new one.
        self.hash_file = HashFile::Uncertain;
        self.file.cut(hash.bytes())?;
        self.file.append(&mut parts(view, *shared), 0)?;
        (self.hash, self.growing) = (hash.clone(), growing.clone());
        self.note_written(view, *shared)?;
        self.write_hash()
    }

    /// Older pictures of the chain go on reading what leaves the file where it is kept.
    fn let_older_views_read(
        &self,
        cut: u64,
        growing: &Growing,
        shared: u64,
        forks: &Forks,
    ) -> Result<(), StoreError> {
        if self.growing.pages.end().1 <= cut {
            return Ok(());
        }
        let above = forks.all().iter().find(|kept| self.is_above(shared, kept));
        if let Some(file) = above.and_then(|kept| kept.file.as_ref())
            && let Some(above) = self.files.open(file)?
        {
            self.growing.pages.split(cut, Arc::clone(&growing.pages), above);
        }
        Ok(())
    }

    /// True if a branch is what the file holds above its first `shared` lines.
    fn is_above(&self, shared: u64, kept: &Dropped) -> bool {
        let head = self.saved.head();
        kept.fork + 1 == shared && kept.blocks.hash(head.index) == Ok(Some(head.hash))
    }
}
