//! The chain file with its hash and the branches that left it: loading it, and saving what
//! changed.
//!
//! At every moment the disk holds a whole chain file, or a redo record that makes one of it, and a
//! hash that fits it, its beginning, or what is to replace it. A saved block is lost only by
//! leaving the chain, and then it is in an older version.

mod reorganise;

use std::collections::HashSet;
use std::sync::Arc;

use self::reorganise::Redo;
use super::append_file::AppendFile;
use super::error::StoreError;
use super::files::Files;
use super::genesis;
use super::hash_file;
use super::lines::parts;
use super::names::Names;
use super::pages::{Growing, Pages};
use super::redo;
use super::running_hash::RunningHash;
use super::scan::{ReadProgress, Scan, scan};
use super::verdict::{HashFile, Verdict, judge};
use super::versions;
use crate::chain::{Chain, ChainView, Data, Forks, Micros, Network};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Keep,
    /// Set it aside as an older version, and begin with the genesis block.
    ForceNew,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    Same,
    /// Blocks behind those in the file.
    Appended {
        blocks: u64,
    },
    /// Blocks in place of some of those in the file.
    Replaced {
        dropped: u64,
    },
    /// The whole file, because it was not what we had written.
    WrittenAnew,
}

pub struct Loaded {
    pub file: ChainFile,
    pub chain: Chain,
    pub forks: Forks,
}

pub struct ChainFile {
    files: Files,
    network: Network,
    keep_versions: usize,
    file: AppendFile,
    saved: ChainView,
    growing: Growing,
    hash: RunningHash,
    hash_file: HashFile,
    redo: Redo,
}

impl ChainFile {
    /// Reads the chain file, or makes one with the genesis block of `network`.
    ///
    /// Work that a crash left half done is put right: a reorganisation goes on, a torn last line is
    /// cut off, the hash written. `progress` is told how many bytes of how many were read. `now`
    /// names the version that [`Start::ForceNew`] makes.
    ///
    /// # Errors
    /// [`StoreError`] if anything else is wrong with the file, if it is of another network,
    /// or if it is missing beside traces of an earlier one; nothing was changed then.
    pub fn load(
        files: &Files,
        network: &Network,
        start: Start,
        keep_versions: usize,
        now: Micros,
        progress: ReadProgress<'_>,
    ) -> Result<Loaded, StoreError> {
        redo::replay(files)?;
        let names = &files.names;
        if start == Start::ForceNew {
            if !genesis::stands_alone(files)? {
                let version = files.set_aside(&names.chain, "chain", now)?;
                log::info!("store: set the chain file aside as {version}");
            }
        } else if let Some(scanned) = scan(files, &names.chain, network, progress)? {
            let verdict = judge(files, &scanned)?;
            return Self::go_on(files, network, keep_versions, scanned, verdict);
        } else if let Some(trace) = files.trace()? {
            let (file, trace) = (names.shown(&names.chain), names.shown(&trace));
            return Err(StoreError::Missing { file, trace });
        }
        let chain = Chain::new(network);
        let file = Self::written(files, network, keep_versions, &chain.view())?;
        log::info!("store: began a new chain file={}", names.chain);
        file.loaded(chain)
    }

    /// Goes on with a file that was read, putting right what a crash left.
    pub(super) fn go_on(
        files: &Files,
        network: &Network,
        keep_versions: usize,
        scan: Scan,
        verdict: Verdict,
    ) -> Result<Loaded, StoreError> {
        let (name, cut) = (&files.names.chain, scan.cut());
        let hash_file = match verdict {
            Verdict::Sound(hash_file) => hash_file,
            Verdict::Torn(hash_file) => {
                log::warn!("store: cuts off a torn last line file={name} bytes={cut}");
                hash_file
            }
            Verdict::Copied(fault) => {
                log::warn!("store: takes the whole blocks of a copy cut={cut} fault={fault}");
                HashFile::Uncertain
            }
            Verdict::Damaged(fault) => {
                return Err(StoreError::Damaged { kind: "chain file", fault });
            }
        };
        let Scan { chain, bytes, hash, growing, .. } = scan;
        let file = AppendFile::go_on(files, name, bytes, 0)?;
        let new = Self::unwritten(files, network, keep_versions, &chain.view())?;
        let mut file = Self { file, growing, hash, hash_file, ..new };
        if let Err(error) = file.settle().and_then(|()| files.remove_unfinished()) {
            log::warn!("store: the hash file waits for a disk that works error={error}");
        }
        file.loaded(chain)
    }

    fn loaded(self, chain: Chain) -> Result<Loaded, StoreError> {
        let forks = versions::load(&self.files, &self.saved)?;
        let noted = self.files.stamp(&self.files.names.forks);
        if !noted.is_ok_and(|noted| noted.is_some())
            && let Err(error) = versions::note(&self.files, &self.network, &forks)
        {
            log::warn!("store: {error}");
        }
        Ok(Loaded { file: self, chain, forks })
    }

    /// Stands for a file with the lines of `view` that is still to be written.
    fn unwritten(
        files: &Files,
        network: &Network,
        keep_versions: usize,
        view: &ChainView,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            files: files.clone(),
            network: network.clone(),
            keep_versions,
            file: AppendFile::unwritten(files, &files.names.chain),
            saved: view.clone(),
            growing: Growing::new(Pages::unwritten()),
            hash: RunningHash::new(),
            hash_file: HashFile::Stale,
            redo: Redo::found(files)?,
        })
    }

    /// Writes a new chain file with the lines of `view`; the present one must not be missed.
    pub(super) fn written(
        files: &Files,
        network: &Network,
        keep_versions: usize,
        view: &ChainView,
    ) -> Result<Self, StoreError> {
        let mut file = Self::unwritten(files, network, keep_versions, view)?;
        file.write_anew(view)?;
        file.settle()?;
        Ok(file)
    }

    /// The part that is on disk for certain: the messages in it need no journal.
    pub fn saved(&self) -> &ChainView {
        &self.saved
    }

    /// The messages that are in the saved chain but not in `view`, oldest first. They must
    /// be in the journal before `view` is saved, or a crash after that loses them.
    pub fn dropped_by(&self, view: &ChainView) -> Result<Vec<Data>, StoreError> {
        let shared = self.saved.shared_length(view)?;
        let mut dropped: Vec<Data> = self.saved.messages_from(shared).collect::<Result<_, _>>()?;
        if !dropped.is_empty() {
            let mut gone: HashSet<Data> = dropped.iter().cloned().collect();
            for data in view.messages_from(shared) {
                gone.remove(&data?);
            }
            dropped.retain(|data| gone.contains(data));
        }
        Ok(dropped)
    }

    /// Brings the file to `view` and the branches in `forks` into older versions, and returns
    /// once they and the hash are on disk.
    ///
    /// The cost depends on what is new or was dropped, never on the length of the chain; but a file
    /// that somebody changed is written anew as a whole.
    ///
    /// # Errors
    /// [`StoreError`]. What was saved stays saved; the next call tries again.
    pub fn save(
        &mut self,
        view: &ChainView,
        forks: &mut Forks,
        now: Micros,
    ) -> Result<Saved, StoreError> {
        self.settle()?;
        self.file.look()?;
        let shared = self.saved.shared_length(view)?;
        let dropped = self.saved.length() - shared;
        if dropped > 0 {
            self.keep_dropped(forks, shared, view, now);
        }
        self.file_branches(forks, now)?;
        if self.file.is_lost() {
            self.write_anew(view)?;
            self.settle()?;
            return Ok(Saved::WrittenAnew);
        }
        if dropped > 0 {
            self.reorganise(view, shared, forks)?;
            return Ok(Saved::Replaced { dropped });
        }
        match view.length() - shared {
            0 => Ok(Saved::Same),
            blocks => self.append(view).map(|()| Saved::Appended { blocks }),
        }
    }

    /// Looks whether the chain file holds what we wrote, where somebody wrote to it since.
    ///
    /// # Errors
    /// [`StoreError::Read`] for the first page that is damaged and that nothing in memory can make
    /// whole again.
    pub fn check(&mut self) -> Result<(), StoreError> {
        match self.growing.pages.damaged().into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Puts `text`, the lines from height `from` on, in place of a damaged page, if it is just what
    /// that page held; whether it is.
    pub fn mend(&mut self, from: u64, text: &str) -> Result<bool, StoreError> {
        let Some(at) = self.growing.pages.place_of(from, text.as_bytes()) else {
            return Ok(false);
        };
        self.file.mend(at, text.as_bytes())?;
        Ok(true)
    }

    fn append(&mut self, view: &ChainView) -> Result<(), StoreError> {
        let from = self.saved.length();
        self.file.append(&mut parts(view, from), 0)?;
        self.note_written(view, from)?;
        self.hash_file = HashFile::Stale;
        self.write_hash()
    }

    /// Takes in that the lines of `view` from height `from` on are behind the others now.
    fn note_written(&mut self, view: &ChainView, from: u64) -> Result<(), StoreError> {
        for line in view.lines_from(from) {
            let line = line?;
            self.hash.push_line(&line);
            self.growing.push(&line);
        }
        let (end, _) = self.growing.pages.end();
        self.saved = view.stored_below(end, Arc::clone(&self.growing.pages) as _);
        Ok(())
    }

    fn write_anew(&mut self, view: &ChainView) -> Result<(), StoreError> {
        let mut hash = RunningHash::new();
        for line in view.lines_from(0) {
            hash.push_line(&line?);
        }
        let (files, name) = (&self.files, &self.files.names.chain);
        let bytes = files.write_unfinished(name, &mut parts(view, 0))?;
        // The hash comes first, so that the new file is vouched for from its first moment on.
        hash_file::write_unfinished(files, &hash.digest()).inspect_err(|_| {
            let _ = files.remove(&Names::unfinished(name));
        })?;
        files.sync_folder(name)?;
        self.hash_file = HashFile::Uncertain;
        self.file.put_in_place(bytes)?;
        (self.growing, self.hash) = (versions::open(files, name, 0)?, RunningHash::new());
        self.note_written(view, 0)?;
        self.rename_hash()
    }

    /// Brings to an end what an earlier save or a crash left half done.
    fn settle(&mut self) -> Result<(), StoreError> {
        if let Redo::Begun(begun) = std::mem::replace(&mut self.redo, Redo::Leftover)
            && let Err(error) = self.go_on_with(&begun)
        {
            self.redo = Redo::Begun(begun);
            return Err(error);
        }
        if self.hash_file == HashFile::Uncertain {
            self.drop_hash()?;
        }
        if self.hash_file == HashFile::Stale && !self.file.is_lost() {
            self.write_hash()?;
        }
        if matches!(self.redo, Redo::Leftover) {
            redo::remove(&self.files)?;
            self.redo = Redo::None;
        }
        Ok(())
    }

    /// Removes a hash that may be of a file that was replaced: no hash is better than one
    /// that fits nothing. The unfinished one may be what vouches for the file meanwhile.
    fn drop_hash(&mut self) -> Result<(), StoreError> {
        let name = &self.files.names.hash;
        self.files.remove(name)?;
        self.files.sync_folder(name)?;
        self.hash_file = HashFile::Stale;
        Ok(())
    }

    /// Writes the hash, where the present one fits the beginning of the file, or is missing.
    fn write_hash(&mut self) -> Result<(), StoreError> {
        hash_file::write_unfinished(&self.files, &self.hash.digest())?;
        self.rename_hash()
    }

    fn rename_hash(&mut self) -> Result<(), StoreError> {
        self.files.put_in_place(&self.files.names.hash)?;
        self.hash_file = HashFile::Current;
        Ok(())
    }
}
