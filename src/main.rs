//! The `blockchain` program: the command line, and the server process of a miner, which is
//! this same program.

use std::ffi::OsString;
use std::process::ExitCode;

use blockchain::api::link::SERVER_ARGUMENT;
use blockchain::{cli, server};

fn main() -> ExitCode {
    // Before clap sees it: completions and help would list it.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == SERVER_ARGUMENT => serve(arguments.next()),
        _ => cli::run(),
    }
}

/// Is the server process that a miner started, with the level of its log as argument.
fn serve(level: Option<OsString>) -> ExitCode {
    let level = level.and_then(|level| level.to_str()?.parse().ok());
    match server::run_on_standard_streams(level.unwrap_or(log::LevelFilter::Info)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blockchain: the server process cannot go on: {error}");
            ExitCode::FAILURE
        }
    }
}
