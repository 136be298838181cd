//! FLOOR 1: what is on disk: the chain file, its hash and older versions, and the journal.
//!
//! What was acknowledged or reported as saved survives a crash at any moment, a full disk
//! and a failing one; what was damaged is noticed, named and never overwritten. All of it
//! stands on the few operations of [`Disk`], so that tests can cut the power between any two.

mod chain_file;
#[cfg(debug_assertions)]
pub mod crash_point;
mod disk;
mod error;
mod folder;
mod genesis;
mod hash_file;
mod install;
mod journal;
mod lines;
mod lock;
mod names;
mod record;
mod repair;
mod running_hash;
mod salvage;
mod scan;
#[doc(hidden)]
pub mod sim_disk;
mod sim_loss;
mod verify;

pub use chain_file::{ChainFile, Saved, Start};
pub use disk::{Disk, Source};
pub use error::{Fault, StoreError};
pub use folder::Folder;
pub use journal::Journal;
pub use lock::Lock;
pub use names::Names;
pub use repair::{Repair, repair};
pub use verify::{Report, verify};
