//! A miner: what it answers, tells and asks, and how it ends.

mod answers;
mod callers;
mod keeper;
mod monitoring;
mod stop;
