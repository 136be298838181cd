//! FLOOR 1: what is on disk: the chain file, its hash and older versions, and the journal.
//!
//! What was acknowledged or reported as saved survives a crash at any moment, a full disk
//! and a failing one; what was damaged is noticed, named and never overwritten. All of it
//! stands on the few operations of [`Disk`], so that tests can cut the power between any two.

mod append_file;
mod backup;
mod chain_file;
#[cfg(debug_assertions)]
pub mod crash_point;
mod disk;
mod error;
mod files;
mod folder;
mod genesis;
mod hash_file;
mod journal;
mod lines;
mod lock;
mod names;
mod pages;
mod pieces;
mod record;
mod redo;
mod remembered;
mod repair;
mod running_hash;
mod salvage;
mod scan;
mod verdict;
mod verify;
mod versions;

pub use backup::{Backup, back_up};
pub use chain_file::{ChainFile, Loaded, Saved, Start};
pub use disk::{Around, Disk, DiskFile, Operation, Stamp};
pub use error::{Fault, StoreError};
pub use files::Files;
pub use folder::Folder;
pub use journal::Journal;
pub use lock::Lock;
pub use names::Names;
pub use pages::Spill;
pub use repair::{Lost, Repair, repair};
pub use scan::ReadProgress;
pub use verify::{Report, verify};
