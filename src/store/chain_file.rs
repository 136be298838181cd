//! The chain file with its hash and older versions: loading it, and saving what changed.
//!
//! At every moment the disk holds a whole chain file and a hash that fits it, its beginning,
//! or (in the unfinished hash file) what is to replace it. A saved block is lost only by
//! being replaced.

use std::collections::HashSet;
use std::sync::Arc;

use super::disk::Disk;
use super::error::{Doing, StoreError};
use super::install::{self, Prepared};
use super::names::Names;
use super::running_hash::RunningHash;
use super::scan::{FirstLine, HashFile, Progress, Scan, Verdict, judge, scan};
use crate::chain::{Chain, ChainView, Data, Micros, Network};

/// What to do with a chain file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Go on with it.
    Keep,
    /// Set it aside as an older version, and begin with the genesis block.
    ForceNew,
}

/// What a save had to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Nothing.
    Same,
    /// Blocks behind those in the file.
    Appended {
        /// How many.
        blocks: u64,
    },
    /// The file, because blocks in it were dropped.
    Replaced {
        /// How many were dropped.
        dropped: u64,
        /// The name of the file as it was before.
        version: Option<String>,
    },
}

/// What the disk holds of the chain file, compared with what we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Just that.
    Whole,
    /// That, and perhaps a part of an append that failed.
    Tail,
    /// Perhaps less, or a file that has been replaced: a sync failed, and no later one can
    /// make up for it. The file has to be written anew, from memory.
    Lost,
}

/// The chain file of a running miner.
pub struct ChainFile {
    disk: Arc<dyn Disk>,
    names: Names,
    keep_versions: usize,
    saved: ChainView,
    bytes: u64,
    hash: RunningHash,
    trust: Trust,
    hash_file: HashFile,
}

impl ChainFile {
    /// Reads the chain file, or makes one with the genesis block of `network`.
    ///
    /// What a crash left half done is put right: a torn last line is cut off, the hash
    /// written. `progress` is told how many bytes of how many were read. `now` names the
    /// version that [`Start::ForceNew`] makes.
    ///
    /// # Errors
    /// [`StoreError`] if anything else is wrong with the file, if it is of another network,
    /// or if it is missing beside traces of an earlier one; nothing was changed then.
    pub fn load(
        disk: Arc<dyn Disk>,
        names: Names,
        network: &Network,
        start: Start,
        keep_versions: usize,
        now: Micros,
        progress: Progress<'_>,
    ) -> Result<(Self, Chain), StoreError> {
        let scanned = match start {
            Start::ForceNew => None,
            Start::Keep => {
                scan(&*disk, &names, &names.chain, network, FirstLine::Checked, progress)?
            }
        };
        if let Some(scanned) = scanned {
            let verdict = judge(&*disk, &names, &scanned)?;
            return Self::go_on(disk, names, keep_versions, scanned, verdict);
        }
        if start == Start::Keep
            && let Some(trace) = trace(&*disk, &names)?
        {
            let (file, trace) = (names.shown(&names.chain), names.shown(&trace));
            return Err(StoreError::Missing { file, trace });
        }
        let chain = Chain::new(network);
        let mut file = Self::unwritten(disk, names, keep_versions, chain.view());
        let version = file.install(&chain.view(), 0, now)?;
        log::info!(
            "store: began a new chain file={} older_version={}",
            file.names.chain,
            version.as_deref().unwrap_or("none")
        );
        Ok((file, chain))
    }

    /// What is on disk for certain: the messages in it need no journal.
    pub fn saved(&self) -> &ChainView {
        &self.saved
    }

    /// The messages that are in the saved chain but not in `view`, oldest first: also one whose
    /// id another message has there. They must
    /// be in the journal before `view` is saved, or a crash after that loses them.
    pub fn dropped_by(&self, view: &ChainView) -> Vec<Data> {
        let shared = self.saved.shared_length(view);
        let above = |view: &ChainView| -> Vec<Data> {
            (shared..view.length()).filter_map(|i| Some(view.block(i)?.data)).collect()
        };
        let mut dropped = above(&self.saved);
        if !dropped.is_empty() {
            let kept: HashSet<Data> = above(view).into_iter().collect();
            dropped.retain(|data| !kept.contains(data));
        }
        dropped
    }

    /// Brings the file to `view` and returns once it and its hash are on disk.
    ///
    /// Appends if it can; the cost then does not depend on the length of the chain.
    /// Otherwise writes a new file, and keeps the present one as a version named by `now`.
    ///
    /// # Errors
    /// [`StoreError::Disk`]. What was saved stays saved; the next call tries again.
    pub fn save(&mut self, view: &ChainView, now: Micros) -> Result<Saved, StoreError> {
        if self.hash_file == HashFile::Uncertain {
            self.drop_hash()?;
        }
        let shared = self.saved.shared_length(view);
        let dropped = self.saved.length() - shared;
        if self.trust == Trust::Lost || dropped > 0 {
            let kept = if self.trust == Trust::Lost { 0 } else { shared };
            let version = self.install(view, kept, now)?;
            return Ok(Saved::Replaced { dropped, version });
        }
        if self.hash_file == HashFile::Stale {
            self.write_hash()?;
        }
        match view.length() - shared {
            0 => Ok(Saved::Same),
            blocks => self.append(view).map(|()| Saved::Appended { blocks }),
        }
    }

    /// Stands for a file that [`Self::install`] is to write.
    pub(super) fn unwritten(
        disk: Arc<dyn Disk>,
        names: Names,
        keep_versions: usize,
        saved: ChainView,
    ) -> Self {
        let (bytes, hash) = (0, RunningHash::new());
        let (trust, hash_file) = (Trust::Lost, HashFile::Stale);
        Self { disk, names, keep_versions, saved, bytes, hash, trust, hash_file }
    }

    /// Goes on with a file that was read, putting right what a crash left.
    pub(super) fn go_on(
        disk: Arc<dyn Disk>,
        names: Names,
        keep_versions: usize,
        scan: Scan,
        verdict: Verdict,
    ) -> Result<(Self, Chain), StoreError> {
        let Scan { chain, bytes, hash, .. } = scan;
        let mut file = Self::unwritten(disk, names, keep_versions, chain.view());
        (file.bytes, file.hash, file.trust) = (bytes, hash, Trust::Whole);
        file.hash_file = match verdict {
            Verdict::Sound { hash_file } => hash_file,
            Verdict::Torn { hash_file, bytes: cut } => {
                file.cut_tail()?;
                let name = &file.names.chain;
                log::warn!("store: cut off a torn last line file={name} bytes={cut}");
                hash_file
            }
            Verdict::Damaged(fault) => {
                return Err(StoreError::Damaged { kind: "chain file", fault });
            }
        };
        file.sync_what_was_read()?;
        let unfinished = Names::unfinished(&file.names.chain);
        file.disk.remove(&unfinished).doing("remove", &file.names, &unfinished)?;
        if let Err(error) = file.settle_hash() {
            log::warn!("store: the hash file waits for a disk that works error={error}");
        }
        Ok((file, chain))
    }

    /// Brings to disk what was read: a killed process may have written it and not synced it.
    fn sync_what_was_read(&self) -> Result<(), StoreError> {
        let name = &self.names.chain;
        self.disk.sync(name).doing("sync", &self.names, name)?;
        self.disk.sync_folder().doing("sync the folder of", &self.names, name)
    }

    /// Makes the file end where it did before an append that failed.
    fn cut_tail(&mut self) -> Result<(), StoreError> {
        let name = &self.names.chain;
        self.trust = Trust::Tail;
        self.disk.truncate(name, self.bytes).doing("truncate", &self.names, name)?;
        // Without the sync, what is appended next could meet remains of the old tail.
        self.trust = Trust::Lost;
        self.disk.sync(name).doing("sync", &self.names, name)?;
        self.trust = Trust::Whole;
        Ok(())
    }

    fn append(&mut self, view: &ChainView) -> Result<(), StoreError> {
        if self.trust == Trust::Tail {
            self.cut_tail()?;
        }
        let name = self.names.chain.clone();
        let from = self.saved.length();
        self.trust = Trust::Tail;
        let written = install::write_lines(&*self.disk, &name, view, from);
        if written.is_err() {
            // At once, so that a full disk has its room back; the next save makes sure.
            let _ = self.disk.truncate(&name, self.bytes);
        }
        let written = written.doing("write", &self.names, &name)?;
        self.trust = Trust::Lost;
        self.disk.sync(&name).doing("sync", &self.names, &name)?;
        self.trust = Trust::Whole;
        view.lines_from(from).for_each(|line| self.hash.push(line));
        self.bytes += written;
        self.saved = view.clone();
        self.hash_file = HashFile::Stale;
        self.write_hash()
    }

    /// Puts a file with the lines of `view` in place of the present one, of which it copies
    /// the first `kept` lines. Returns the name that a present file with other blocks got.
    pub(super) fn install(
        &mut self,
        view: &ChainView,
        kept: u64,
        now: Micros,
    ) -> Result<Option<String>, StoreError> {
        let dropped = self.saved.lines_from(kept).map(|line| line.len() as u64 + 1).sum::<u64>();
        let from = match kept {
            0 => Prepared { bytes: 0, hash: RunningHash::new() },
            _ => Prepared {
                bytes: self.bytes - dropped,
                hash: self.hash.cut_back(&self.saved, kept),
            },
        };
        let replaces = self.bytes == 0 || self.saved.shared_length(view) < self.saved.length();
        let new = install::prepare(&*self.disk, &self.names, from, view, kept)?;
        let keep_old = replaces && self.keep_versions > 0;
        let version = install::put_in_place(&*self.disk, &self.names, keep_old, now)?;
        let chain = &self.names.chain;
        (self.trust, self.hash_file) = (Trust::Lost, HashFile::Uncertain);
        self.disk.sync_folder().doing("sync the folder of", &self.names, chain)?;
        self.trust = Trust::Whole;
        self.saved = view.clone();
        (self.bytes, self.hash) = (new.bytes, new.hash);
        self.rename_hash()?;
        install::prune(&*self.disk, &self.names, self.keep_versions, version.as_deref());
        Ok(version)
    }

    /// Brings the hash file up to the chain file as it was loaded.
    fn settle_hash(&mut self) -> Result<(), StoreError> {
        if self.hash_file == HashFile::Uncertain {
            self.drop_hash()?;
        }
        if self.hash_file == HashFile::Stale {
            self.write_hash()?;
        }
        let unfinished = Names::unfinished(&self.names.hash);
        self.disk.remove(&unfinished).doing("remove", &self.names, &unfinished)
    }

    /// Removes a hash that may be of a file that was replaced: no hash is better than one
    /// that fits nothing. The unfinished one may be what vouches for the file meanwhile.
    fn drop_hash(&mut self) -> Result<(), StoreError> {
        let name = &self.names.hash;
        self.disk.remove(name).doing("remove", &self.names, name)?;
        self.disk.sync_folder().doing("sync the folder of", &self.names, name)?;
        self.hash_file = HashFile::Stale;
        Ok(())
    }

    /// Writes the hash, where the present one fits the beginning of the file, or is missing.
    fn write_hash(&mut self) -> Result<(), StoreError> {
        install::write_hash(&*self.disk, &self.names, &self.hash.digest())?;
        self.rename_hash()
    }

    fn rename_hash(&mut self) -> Result<(), StoreError> {
        let name = &self.names.hash;
        let unfinished = Names::unfinished(name);
        self.disk.rename(&unfinished, name).doing("replace", &self.names, name)?;
        self.disk.sync_folder().doing("sync the folder of", &self.names, name)?;
        self.hash_file = HashFile::Current;
        Ok(())
    }
}

/// A file that says that there has been a chain file.
fn trace(disk: &dyn Disk, names: &Names) -> Result<Option<String>, StoreError> {
    let all = disk.list().doing("list the folder of", names, &names.chain)?;
    let version = names.versions(&all).pop().cloned();
    Ok(version.or_else(|| all.contains(&names.hash).then(|| names.hash.clone())))
}
