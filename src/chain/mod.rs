//! FLOOR 0: blocks, the rules they keep, the chain they make, and the data that waits.
//!
//! Pure: no I/O, no clock, no thread, no lock; everything is passed in.

pub mod block;
#[allow(clippy::module_inception)]
pub mod chain;
pub mod data;
pub mod network;
pub mod pool;
pub mod rules;
mod spelling;
#[doc(hidden)]
pub mod testing;

pub use block::{Block, Hash, Proof};
pub use chain::{Adopted, Branch, Chain, ChainView, Refused};
pub use data::{Data, DataError, DataId, Message};
pub use network::{Difficulty, Network, NetworkName};
pub use pool::{Came, Pool, PoolLimits};
pub use rules::{Head, Micros, ValidBlock, check_block};
pub use spelling::{BlockError, Field};
