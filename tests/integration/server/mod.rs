//! The server process, before a scripted miner and before a real one.

mod exhaustion;
mod http;
mod openapi;
mod order;
mod parts;
mod strangers;
