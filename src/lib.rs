//! A small peer-to-peer network of miners that keeps one shared, append-only list of messages.
//!
//! A few named threads share three small locked things (chain, data, neighbours); a child
//! process speaks HTTP for them; whatever was acknowledged is on disk.
//!
//! The rooms, from the ground up; imports go down only:
//!
//! | floor | room | what it does |
//! |---|---|---|
//! | 0 | [`chain`] | blocks, rules, fork choice, waiting data; pure |
//! | 0 | [`escape`] | what a stranger wrote, made harmless |
//! | 0 | [`random`] | random bytes |
//! | 1 | [`api`] | what a miner says and understands, over HTTP and over the link |
//! | 1 | [`http`] | a server that strangers can't bring down |
//! | 1 | [`pow`] | the search for a proof of work |
//! | 1 | [`settings`] | what a miner is started with |
//! | 1 | [`signals`] | the signals that end a process in order |
//! | 1 | [`store`] | the chain file, its hash and older versions, and the journal |
//! | 2 | [`miner`] | the running miner: what its threads share, and their jobs |
//! | 2 | [`server`] | the child process that speaks HTTP for the miner |
//! | 2 | [`ui`] | the web UI: pages about a miner and its network |
//! | 3 | [`cli`] | arguments, commands, and what is printed |
//! | 3 | [`logging`] | the log, on stderr and in the chain's folder |

pub mod api;
pub mod chain;
pub mod cli;
pub mod escape;
pub mod http;
pub mod logging;
pub mod miner;
pub mod pow;
pub mod random;
pub mod server;
pub mod settings;
pub mod signals;
pub mod store;
pub mod ui;
