//! The `blockchain` program.

fn main() {}
