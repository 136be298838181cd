//! All tests that look at the program from outside, in one binary: it is linked once, and its
//! tests share two cores to the end. `tests/README.md` says what each module is for.

mod cli;
mod crash;
mod fuzz;
mod house;
mod lab;
mod miner;
mod network;
mod server;
mod simulation;
mod store;
mod support;
mod ui;
