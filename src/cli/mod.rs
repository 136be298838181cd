//! FLOOR 3: the command line: what can be typed, what it does, and what is printed.
//!
//! Commands ask a running miner over HTTP, as curl would, or look at files; only
//! `miner start` runs anything. Results go to stdout, everything else to stderr; exit code
//! 0 means done, 1 that it could not be done (one line says why), 2 wrong usage.

mod add;
mod args;
mod benchmark;
mod error;
mod files;
mod get;
mod miner;
mod neighbours;
mod output;
mod shell;
mod start;
#[cfg(test)]
mod testing;
mod ui;
mod values;
mod wait;
mod watch;

use std::ffi::OsString;
use std::io::{self, BufWriter};
use std::process::ExitCode;

use args::{Arguments, Command, MinerCommand};
use error::CliError;
use output::Output;

use crate::escape::Escaped;
use crate::logging;
use crate::signals::StopSignals;

/// Does what the command line says.
pub fn run() -> ExitCode {
    // Before anything else: a signal that comes while flags are read must not be lost.
    let stop = runs_until_stopped(std::env::args_os()).then(StopSignals::listen);
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    // Not locked: a miner says from another thread that it answers.
    let mut stdout = BufWriter::new(io::stdout());
    let mut output = Output::stdout(&mut stdout);
    let done = command(arguments.command, stop, &mut output);
    // What was printed before a failure belongs to the answer.
    let flushed = output.flush().map_err(CliError::from);
    let code = match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let error = error.to_string();
            logging::last_line(&format!("blockchain: {}", Escaped(&error)));
            ExitCode::FAILURE
        }
    };
    log::logger().flush();
    code
}

/// Whether this command line is one of `miner start` or `ui`.
fn runs_until_stopped(line: impl IntoIterator<Item = OsString>) -> bool {
    let mut words = line.into_iter().skip(1);
    match words.next().as_deref().and_then(|word| word.to_str()) {
        Some("miner") => words.next().is_some_and(|word| word == "start"),
        Some("ui") => true,
        _ => false,
    }
}

fn command(
    command: Command,
    stop: Option<io::Result<StopSignals>>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let stop = || {
        stop.unwrap_or_else(StopSignals::listen)
            .map_err(|error| CliError::other(format!("cannot listen for signals: {error}")))
    };
    match command {
        Command::Miner { command: MinerCommand::Start(start) } => start::run(*start, &stop()?),
        Command::Add(add) => add::run(&add, output),
        Command::Get { what } => get::run(&what, output),
        Command::Neighbours { change } => neighbours::run(&change, output),
        Command::Wait(wait) => wait::run(&wait, output),
        Command::Watch(watch) => watch::run(&watch, output),
        Command::Verify { chain_path, format } => files::verify(&chain_path, format, output),
        Command::Repair { chain_path, format } => files::repair(&chain_path, format, output),
        Command::Ui(flags) => ui::run(&flags, &stop()?),
        Command::Benchmark(asked) => benchmark::run(&asked, output),
        Command::Completions { shell } => shell::completions(shell, output),
        Command::Man { folder } => shell::man(&folder, output),
    }
}
