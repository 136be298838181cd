//! FLOOR 1: proof of work: the smallest number that, appended to a prefix, gives a hash with
//! enough zeros.
//!
//! [`Search`] is one job: immutable, run over any number of threads, cancelled from anywhere.
//! [`Kernel`] is a way of computing guesses on this CPU. What a prefix is made of, and when a
//! search is worth starting or cancelling, is the miner's business; whether work is enough is
//! [`Difficulty`](crate::chain::network::Difficulty)'s.
//!
//! Every kernel finds the same nonce: the smallest that works.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use blockchain::chain::Difficulty;
//! use blockchain::pow::{Outcome, Search};
//!
//! let three_zeros = Difficulty::new(3).expect("it is from 1 to 64");
//! let outcome = Search::new(b"None", three_zeros).run(NonZeroUsize::MIN);
//! assert!(matches!(outcome, Outcome::Found { nonce: 3969, .. }));
//! ```

mod guess;
mod kernel;
mod pace;
pub mod rate;
mod search;

pub use kernel::{Kernel, KernelError};
pub use pace::Pace;
pub use search::{CancelFlag, Outcome, Progress, Search};

use sha2::{Digest, Sha256};

/// Returns the SHA-256 of `prefix` followed by `nonce` in decimal: what has to end with zeros.
///
/// This is the check, not the search: it shares no code with the kernels.
pub fn proof_hash(prefix: &[u8], nonce: u64) -> [u8; 32] {
    Sha256::new().chain_update(prefix).chain_update(nonce.to_string()).finalize().into()
}
