//! A miner: what it answers, tells and asks, and how it ends.

mod answers;
mod callers;
mod monitoring;
mod stop;
