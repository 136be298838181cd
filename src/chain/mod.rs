//! FLOOR 0: blocks, the rules they keep, the chain they make, and the data that waits.
//!
//! Pure: no I/O, no clock, no thread, no lock; everything is passed in.

pub mod network;
