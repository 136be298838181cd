//! The pages, one file each.

pub mod block;
pub mod chain;
pub mod chance;
pub mod check;
pub mod failure;
pub mod find;
pub mod forks;
pub mod lines;
pub mod message;
pub mod miner;
pub mod network;
pub mod workbench;
