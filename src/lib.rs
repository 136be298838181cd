//! A small peer-to-peer network of miners that keeps one shared, append-only list of messages.
//!
//! A few named threads share chain, pending messages and neighbours, a child process speaks HTTP
//! for them, and every acknowledged message is on disk. `src/README.md` tells how: rooms, walks,
//! state, locks, threads, file formats, and where to add something.
//!
//! Each module below is a room, and its page begins with its floor: imports go down only, which a
//! test holds (`tests/integration/house.rs`).
//!
//! A block is one line, and the first one follows from the network:
//!
//! ```
//! use blockchain::chain::{Block, Hash};
//! use blockchain::settings::Settings;
//!
//! let genesis = Block::genesis(&Settings::default_network()).line();
//! assert!(genesis.ends_with(r#""previous_hash":null,"proof":null}"#));
//! assert!(Hash::of(genesis).to_string().starts_with("9be6afafea4e"));
//! ```

pub mod api;
pub mod chain;
pub mod cli;
pub mod escape;
pub mod http;
pub mod lab;
pub mod logging;
pub mod miner;
pub mod pow;
pub mod random;
pub mod server;
pub mod settings;
pub mod signals;
pub mod store;
pub mod ui;
