//! A small peer-to-peer network of miners that keeps one shared, append-only list of messages.

pub mod chain;
