//! The command line, and the scripts that people run first.

mod commands;
mod scripts;
