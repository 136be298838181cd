//! One miner a chain path: whoever runs holds the lock on a file beside the chain.
//!
//! The lock is the process's: it ends with it, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};

use super::error::{Doing, StoreError};
use super::names::Names;

/// Proof that no other process works on this chain path; let go of when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the chain path, whose folder is there.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process has it.
    pub fn take(names: &Names) -> Result<Self, StoreError> {
        let path = names.folder().join(&names.lock);
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(false);
        let mut file = open.open(path).doing("open", names, &names.lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(names, &mut file)),
            Err(TryLockError::Error(error)) => return Err(error).doing("lock", names, &names.lock),
        }
        // Who holds it is a help for people; a full disk must not keep a miner from starting.
        if let Err(error) = sign(&mut file) {
            log::debug!("store: cannot write the process id file={} error={error}", names.lock);
        }
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn busy(names: &Names, file: &mut File) -> StoreError {
    let mut text = String::new();
    let _ = file.take(32).read_to_string(&mut text);
    let holder = text.trim().parse::<u32>().map_or("unknown".to_owned(), |id| id.to_string());
    StoreError::Busy { chain: names.shown(&names.chain), lock: names.shown(&names.lock), holder }
}
