//! FLOOR 3: the command line: arguments, commands, and output.
//!
//! Commands ask a running miner over HTTP, as curl would, or look at files; only
//! `miner start`, `ui` and `lab` run anything. Results go to stdout, everything else to stderr; `error`
//! holds the exit codes.

mod add;
mod args;
mod benchmark;
mod control;
mod error;
mod files;
mod get;
mod lab;
mod lines;
mod manual;
mod miner;
mod output;
mod shell;
mod start;
mod table;
#[cfg(test)]
mod testing;
mod ui;
mod wait;
mod watch;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use args::{Arguments, Command, Common, MinerCommand};
use error::{CliError, Result};
use miner::Miner;
use output::Output;

use crate::escape::Escaped;
use crate::logging;
use crate::signals::StopSignals;

pub fn run() -> ExitCode {
    // Before anything else: a signal that comes while flags are read must not be lost.
    let stop = runs_until_stopped(std::env::args_os()).then(StopSignals::listen);
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            let printed = error.print().and_then(|()| io::stdout().flush());
            return match printed {
                // Wrong usage that cannot be told is wrong usage all the same.
                Err(why) if !error.use_stderr() && why.kind() != io::ErrorKind::BrokenPipe => {
                    failed(&why.into())
                }
                _ => ExitCode::from(error.exit_code() as u8),
            };
        }
    };
    // Not locked: a miner says from another thread that it answers.
    let mut stdout = BufWriter::new(io::stdout());
    let mut nothing = io::sink();
    let mut output = match arguments.is_quiet {
        true => Output::plain(&mut nothing),
        false => Output::stdout(&mut stdout),
    };
    let done = command(arguments.command, stop, &mut output);
    // What was printed before a failure belongs to the answer.
    let flushed = output.flush().map_err(CliError::from);
    let code = match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    };
    log::logger().flush();
    code
}

fn failed(error: &CliError) -> ExitCode {
    let words = error.to_string();
    logging::last_line(&format!("blockchain: {}", Escaped(&words)));
    ExitCode::from(error.exit() as u8)
}

/// True if this command line is one of `miner start`, `ui` or `lab`.
fn runs_until_stopped(line: impl IntoIterator<Item = OsString>) -> bool {
    let mut words = line.into_iter().skip(1);
    match words.next().as_deref().and_then(|word| word.to_str()) {
        Some("miner") => words.next().is_some_and(|word| word == "start"),
        Some("ui" | "lab") => true,
        _ => false,
    }
}

fn command(
    command: Command,
    stop: Option<io::Result<StopSignals>>,
    output: &mut Output<'_>,
) -> Result {
    let stop = || {
        stop.unwrap_or_else(StopSignals::listen)
            .map_err(|error| CliError::other(format!("cannot listen for signals: {error}")))
    };
    let change = |common: &Common, change, output: &mut Output<'_>| {
        control::carry_out(&Miner::at(&common.target)?, change, common.format, output)
    };
    match command {
        Command::Miner { command: MinerCommand::Start(start) } => start::run(*start, &stop()?),
        Command::Add(add) => add::run(&add, output),
        Command::Get { what } => get::run(&what, output),
        Command::Neighbours { change } => control::neighbours(&change, output),
        Command::Mining { action, guesses, common } => {
            change(&common, control::mining(action, guesses), output)
        }
        Command::Ban { neighbour, common } => change(&common, control::ban(neighbour), output),
        Command::Unban { neighbour, common } => change(&common, control::unban(neighbour), output),
        Command::Accept { hash, common } => change(&common, control::accept(hash), output),
        Command::Wait(wait) => wait::run(&wait, output),
        Command::Watch(watch) => watch::run(&watch, output),
        Command::Verify { chain_path, format } => files::verify(&chain_path, format, output),
        Command::Backup { chain_path, folder, format } => {
            files::back_up(&chain_path, &folder, format, output)
        }
        Command::Repair { chain_path, format } => files::repair(&chain_path, format, output),
        Command::Ui(flags) => ui::run(&flags, &stop()?),
        Command::Lab(flags) => lab::run(&flags, &stop()?),
        Command::Benchmark(asked) => benchmark::run(&asked, output),
        Command::Completions { shell } => shell::completions(shell, output),
        Command::Man { folder } => shell::man(&folder, output),
    }
}
