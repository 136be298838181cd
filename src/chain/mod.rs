//! FLOOR 0: blocks, the rules they keep, the chain they make, and the data that waits.
//!
//! Pure: no I/O, no clock, no thread, no lock; everything is passed in.

pub mod block;
mod branch;
#[allow(clippy::module_inception)]
pub mod chain;
pub mod data;
mod forks;
mod index;
pub(crate) mod json_text;
mod lines;
pub mod network;
pub mod pool;
pub mod rules;
mod spelling;
#[doc(hidden)]
pub mod testing;
mod view;

pub use block::{Block, Hash, Proof};
pub use branch::{Branch, Twice};
pub use chain::{Chain, Change, Refused};
pub use data::{Data, DataError, DataId, Message};
pub use forks::{Dropped, Forks, Why};
pub use index::{BlockIndex, Keys, MessageKeys, keyed_hash};
pub use lines::{Line, Page, ReadError, StoredLines};
pub use network::{Difficulty, Network, NetworkName};
pub use pool::{Came, Pool, PoolLimits, Source, Usage};
pub use rules::{Head, Micros, Rank, ValidBlock, check_block, check_line};
pub use spelling::{BlockError, Field, Rule};
pub use view::ChainView;
