//! What tests share: the program and its miners, scripted ones, a browser.

pub mod apart;
pub mod browser;
pub mod fake_miner;
pub mod free_ports;
pub mod miner;
pub mod program;
pub mod scripted_server;
pub mod seed;
pub mod sim_disk;
pub mod town;
pub mod ui;
