//! One miner a chain path: the one that runs holds a lock on a file beside the chain, and on the
//! chain file itself, so that another is also refused when somebody has removed the former.
//!
//! The locks are the process's: they end with it, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use parking_lot::Mutex;

use super::error::StoreError;
use super::folder::NO_FOLLOW;
use super::names::Names;

/// Proof that no other process works on this chain path; let go of when dropped.
#[derive(Debug)]
pub struct Lock {
    names: Names,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    beside: Option<File>,
    chain: Option<File>,
}

impl Lock {
    /// Locks the chain path, whose folder is there.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process has it.
    pub fn take(names: &Names) -> Result<Self, StoreError> {
        let lock = Self { names: names.clone(), held: Mutex::default() };
        lock.hold()?;
        Ok(lock)
    }

    /// Sees to it that the files which the names mean now are locked: those that were made or
    /// replaced since, too.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process has one of them.
    pub fn hold(&self) -> Result<(), StoreError> {
        let mut held = self.held.lock();
        let Held { beside, chain } = &mut *held;
        let new_beside = self.lock_anew(&self.names.lock, beside.as_ref(), true)?;
        if let Some(file) = self.lock_anew(&self.names.chain, chain.as_ref(), false)? {
            *chain = Some(file);
        }
        if let Some(file) = new_beside {
            // The owner's id is a help for people; a full disk must not keep a miner from starting.
            if let Err(error) = sign(&file) {
                log::debug!("store: cannot write the process id: {error}");
            }
            *beside = Some(file);
        }
        Ok(())
    }

    /// Locks the file of this name, if it is not the one that is `held`.
    fn lock_anew(
        &self,
        name: &str,
        held: Option<&File>,
        create: bool,
    ) -> Result<Option<File>, StoreError> {
        let path = self.names.folder().join(name);
        let identity = |it: &std::fs::Metadata| (it.dev(), it.ino());
        if let (Some(held), Ok(found)) = (held, std::fs::symlink_metadata(&path))
            && held.metadata().is_ok_and(|held| identity(&held) == identity(&found))
        {
            return Ok(None);
        }
        let mut open = OpenOptions::new();
        open.read(true).write(create).create(create).truncate(false).custom_flags(NO_FOLLOW);
        let file = match open.open(&path) {
            Err(error) if !create && error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(self.names.failed("open", name))?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(self.busy(name)),
            Err(TryLockError::Error(error)) => Err(self.names.failed("lock", name)(error)),
        }
    }

    fn busy(&self, locked: &str) -> StoreError {
        let mut text = String::new();
        if let Ok(file) = File::open(self.names.folder().join(&self.names.lock)) {
            let _ = file.take(32).read_to_string(&mut text);
        }
        let holder = text.trim().parse::<u32>().map_or("unknown".to_owned(), |id| id.to_string());
        let (chain, lock) = (self.names.shown(&self.names.chain), self.names.shown(locked));
        StoreError::Busy { chain, lock, holder }
    }
}

fn sign(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
