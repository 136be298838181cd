//! A small peer-to-peer network of miners that keeps one shared, append-only list of messages.
//!
//! A few named threads share chain, pending messages and neighbours, a child process speaks HTTP
//! for them, and every acknowledged message is on disk. `src/README.md` tells how: rooms, walks,
//! state, locks, threads, file formats, and where to add something.
//!
//! The rooms, from the ground up. Imports go down only; on one floor, only `settings` imports
//! `api`, `ui` imports `lab`, and `cli` imports `logging`.
//!
//! | floor | room | responsible for |
//! |---|---|---|
//! | 0 | [`chain`] | blocks, rules, fork choice, pending messages; pure |
//! | 0 | [`escape`] | strangers' text, made harmless |
//! | 0 | [`random`] | random bytes |
//! | 1 | [`api`] | requests and replies of a miner, over HTTP and over the link |
//! | 1 | [`http`] | an HTTP server that withstands strangers |
//! | 1 | [`pow`] | the search for a proof of work |
//! | 1 | [`settings`] | settings of a miner |
//! | 1 | [`signals`] | the signals that end a process in order |
//! | 1 | [`store`] | the chain file, its hash, its older versions, and the journal |
//! | 2 | [`lab`] | real miners on this host for a class, and what is done to them |
//! | 2 | [`miner`] | the running miner: state, jobs and threads |
//! | 2 | [`server`] | the child process that speaks HTTP for the miner |
//! | 2 | [`ui`] | the web UI: pages about a miner and its network |
//! | 3 | [`cli`] | arguments, commands, and output |
//! | 3 | [`logging`] | the log, on stderr and in the chain's folder |
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
