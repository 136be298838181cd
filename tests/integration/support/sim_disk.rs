//! A disk for tests: it knows what is only written and what is synced, loses the power at
//! a given operation, and fails where it is told to.
//!
//! Operations that change something are counted from 0. After the power is lost every
//! operation fails; [`SimDisk::after_power_cut`] then tells what the disk holds when it
//! comes back. All of it follows from the arguments: nothing is left to chance.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::sync::Arc;

use blockchain::store::{Disk, DiskFile, Operation, Stamp};
use parking_lot::Mutex;

#[path = "sim_loss.rs"]
mod sim_loss;

use sim_loss::{Change, File};
pub use sim_loss::{Loss, Rng};

/// The moment at which the power is lost: before or after an operation does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing of it is done.
    Before,
    /// All of it is done, but nobody is told.
    After,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// ENOSPC; of a write the first half is done.
    Full,
    /// EIO; of a write the first half is done, and a sync loses what it was to sync.
    Io,
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::Full => ErrorKind::StorageFull.into(),
            Self::Io => io::Error::other("input/output error"),
        }
    }
}

/// A simulated folder.
#[derive(Debug, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

/// A file of a simulated folder that is open for reading.
#[derive(Debug)]
struct OpenFile {
    disk: Arc<Mutex<State>>,
    file: usize,
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.disk.lock();
        state.up()?;
        let written = &state.files[self.file].written;
        let rest = written.get(small(at)..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn bytes(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.up()?;
        Ok(state.files[self.file].written.len() as u64)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.up()?;
        state.files[self.file].write(small(at), bytes);
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    /// The files that the running program sees, and those that are on disk.
    names: BTreeMap<String, usize>,
    names_on_disk: BTreeMap<String, usize>,
    unsynced_names: Vec<Change>,
    operations: u64,
    crash: Option<(u64, When)>,
    failures: HashMap<u64, Failure>,
    full: bool,
    struck: u64,
    is_down: bool,
}

impl SimDisk {
    /// Number of operations begun.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Loses the power at the operation with this number.
    pub fn crash_at(&self, operation: u64, when: When) {
        self.0.lock().crash = Some((operation, when));
    }

    /// Loses the power now.
    pub fn crash(&self) {
        self.0.lock().is_down = true;
    }

    /// Lets the operation with this number fail.
    pub fn fail_at(&self, operation: u64, failure: Failure) {
        self.0.lock().failures.insert(operation, failure);
    }

    /// Lets no operation fail that has not failed yet.
    pub fn forget_failures(&self) {
        self.0.lock().failures.clear();
    }

    /// Lets every write fail for want of room, or no longer.
    pub fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// Number of operations that failed because they were told to.
    pub fn failures_struck(&self) -> u64 {
        self.0.lock().struck
    }

    /// True if the power is lost.
    pub fn is_down(&self) -> bool {
        self.0.lock().is_down
    }

    /// The most bytes that are written but not synced in any one file.
    pub fn unsynced_bytes(&self) -> usize {
        self.0.lock().files.iter().map(File::unsynced_bytes).max().unwrap_or(0)
    }

    /// Number of names made, changed or removed since the folder was synced.
    pub fn unsynced_names(&self) -> usize {
        self.0.lock().unsynced_names.len()
    }

    /// The disk as it comes back after the power was lost now. This one stays as it is.
    pub fn after_power_cut(&self, loss: Loss) -> Self {
        let state = self.0.lock();
        let mut rng = Rng(loss.seed());
        let mut names = state.names_on_disk.clone();
        for (at, change) in state.unsynced_names.iter().enumerate() {
            if loss.keeps_name(at, &mut rng) {
                change.apply(&mut names);
            }
        }
        let files = state.files.iter().map(|file| file.after(loss, &mut rng)).collect();
        Self::with(State { files, names_on_disk: names.clone(), names, ..State::default() })
    }

    /// The disk as the next process finds it after this one was killed: the host runs on,
    /// so what was written is still seen, and still not synced.
    pub fn after_kill(&self) -> Self {
        let State { files, names, names_on_disk, unsynced_names, .. } = self.0.lock().clone();
        let kept = State { files, names, names_on_disk, unsynced_names, ..State::default() };
        Self::with(kept)
    }

    /// Content of a file, synced or not.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.names.get(name).map(|&file| state.files[file].written.clone())
    }

    /// Puts a file on the disk, as if it had always been there. Where there is one of this name, its
    /// contents are changed, and it stays the same file.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.0.lock();
        if let Some(number) = state.names.get(name).copied() {
            let mut file = File::synced(bytes.to_vec());
            file.changes = state.files[number].changes + 1;
            state.files[number] = file;
            return;
        }
        let file = state.add(File::synced(bytes.to_vec()));
        state.names.insert(name.to_owned(), file);
        state.names_on_disk.insert(name.to_owned(), file);
    }

    /// Takes a file from the disk, as if it had never been there.
    pub fn take(&self, name: &str) {
        let mut state = self.0.lock();
        state.names.remove(name);
        state.names_on_disk.remove(name);
    }

    fn with(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }
}

impl State {
    fn up(&self) -> io::Result<()> {
        if self.is_down { Err(io::Error::other("the power is lost")) } else { Ok(()) }
    }

    fn add(&mut self, file: File) -> usize {
        self.files.push(file);
        self.files.len() - 1
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let file = *self.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(&mut self.files[file])
    }

    fn made(&mut self, name: &str) -> &mut File {
        if !self.names.contains_key(name) {
            let file = self.add(File::default());
            self.change(Change { gone: None, made: Some((name.to_owned(), file)) });
        }
        let file = self.names[name];
        &mut self.files[file]
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn number_of(&self, name: &str) -> io::Result<usize> {
        Ok(*self.names.get(name).ok_or(ErrorKind::NotFound)?)
    }

    fn apply(&mut self, operation: Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Write(name, at, bytes) => self.made(name).write(small(at), bytes),
            Operation::Sync(name) => self.file(name)?.sync(),
            Operation::Truncate(name, bytes) => self.file(name)?.truncate(small(bytes)),
            Operation::Rename(from, to) => {
                let made = Some((to.to_owned(), self.number_of(from)?));
                self.change(Change { gone: Some(from.to_owned()), made });
            }
            Operation::Link(from, to) => {
                let made = Some((to.to_owned(), self.number_of(from)?));
                if self.names.contains_key(to) {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                self.change(Change { gone: None, made });
            }
            Operation::Remove(name) => {
                self.change(Change { gone: Some(name.to_owned()), made: None });
            }
            Operation::SyncFolder => {
                for change in std::mem::take(&mut self.unsynced_names) {
                    change.apply(&mut self.names_on_disk);
                }
            }
        }
        Ok(())
    }

    /// Does what is left of an operation that fails.
    fn fail(&mut self, operation: Operation<'_>) {
        match operation {
            Operation::Write(name, at, bytes) => {
                self.made(name).write(small(at), &bytes[..bytes.len() / 2]);
            }
            Operation::Sync(name) => {
                if let Ok(file) = self.file(name) {
                    file.lose_unsynced();
                }
            }
            Operation::SyncFolder => self.unsynced_names.clear(),
            _ => {}
        }
    }
}

fn small(bytes: u64) -> usize {
    usize::try_from(bytes).expect("tests are small")
}

impl Disk for SimDisk {
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let state = self.0.lock();
        state.up()?;
        let open = |file: &usize| Arc::new(OpenFile { disk: Arc::clone(&self.0), file: *file });
        Ok(state.names.get(name).map(open).map(|file| file as _))
    }

    fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        let state = self.0.lock();
        state.up()?;
        Ok(state.names.get(name).map(|&number| {
            let file = &state.files[number];
            let (bytes, modified) = (file.written.len() as u64, i128::from(file.changes));
            Stamp { identity: (0, number as u64), bytes, modified }
        }))
    }

    fn scratch(&self) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.up()?;
        let file = state.add(File::default());
        Ok(Arc::new(OpenFile { disk: Arc::clone(&self.0), file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.up()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn operate(&self, operation: Operation<'_>) -> io::Result<()> {
        let mut state = self.0.lock();
        state.up()?;
        if matches!(operation, Operation::Remove(name) if !state.names.contains_key(name)) {
            return Ok(());
        }
        let number = state.operations;
        state.operations += 1;
        let crash = state.crash.filter(|(at, _)| *at == number).map(|(_, when)| when);
        if crash == Some(When::Before) {
            state.is_down = true;
            return state.up();
        }
        let is_full = state.full && matches!(operation, Operation::Write(..));
        let failure = state.failures.get(&number).copied();
        if let Some(failure) = failure.or(is_full.then_some(Failure::Full)) {
            state.struck += 1;
            state.fail(operation);
            return Err(failure.error());
        }
        let done = state.apply(operation);
        state.is_down = crash.is_some();
        state.up().and(done)
    }
}
