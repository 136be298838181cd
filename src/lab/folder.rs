//! The folder of a class: a given one, or a temporary one that goes with the lab.
//!
//! While its lab lives, a lock in it is held. The kernel takes the lock back from a lab that was
//! killed: so the next one knows which temporary folders are leftovers.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::process::getuid;

use super::LabError;
use super::class::within;
use crate::random;

/// The file that is locked. It takes this name once it is: whoever finds it unlocked knows that
/// its lab is gone.
const LOCK: &str = "lab.lock";

/// Beginning of the names of temporary folders; 16 hex digits follow.
const TEMPORARY: &str = "blockchain-lab-";

pub struct Folder {
    /// Its whole path, in UTF-8.
    pub path: PathBuf,
    is_temporary: bool,
    _lock: File,
}

impl Folder {
    /// Uses `path`, and makes it if it is missing.
    pub fn given(path: &Path) -> Result<Self, LabError> {
        let failed = |error: io::Error| LabError(within(path, &error).to_string());
        if path.metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(failed(io::Error::other("it is no folder")));
        }
        fs::create_dir_all(path).map_err(failed)?;
        Self::lock(path, false).map_err(failed)
    }

    /// Makes a temporary folder, and removes those that killed labs left.
    pub fn temporary() -> Result<Self, LabError> {
        let place = std::env::temp_dir();
        remove_leftovers(&place);
        let number = u64::from_ne_bytes(random::bytes());
        let path = place.join(format!("{TEMPORARY}{number:016x}"));
        // In a place where anybody may write, ours is one that nobody has made before.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.and_then(|()| Self::lock(&path, true)).map_err(|error| {
            _ = fs::remove_dir_all(&path);
            LabError(within(&path, &error).to_string())
        })
    }

    fn lock(path: &Path, is_temporary: bool) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        if path.to_str().is_none() {
            // It stands in the miners' command lines.
            return Err(io::Error::other("its name is not UTF-8"));
        }
        let unnamed = path.join(format!("{LOCK}.new-{}", std::process::id()));
        let named = path.join(LOCK);
        let lock = File::options().create(true).append(true).open(match named.exists() {
            true => &named,
            false => &unnamed,
        })?;
        // A file system without locks keeps no two classes apart.
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(io::Error::other("another class uses it now"));
        }
        if !named.exists() {
            fs::rename(&unnamed, &named)?;
        }
        Ok(Self { path, is_temporary, _lock: lock })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes temporary folders whose labs are gone for sure: ours alone, with a lock that nobody
/// holds.
fn remove_leftovers(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY));
        let is_named =
            number.is_some_and(|it| it.len() == 16 && u64::from_str_radix(it, 16).is_ok());
        // Not through a link: this is what the entry itself is.
        let is_ours = entry.metadata().is_ok_and(|found| {
            found.is_dir() && found.uid() == getuid().as_raw() && found.mode() & 0o077 == 0
        });
        if is_named && is_ours {
            let lock = File::open(entry.path().join(LOCK));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}
