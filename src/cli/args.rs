//! What can be typed: commands, flags, their defaults and their help.
//!
//! Flags can be spelled with underscores. Settings also have an environment variable, which
//! yields to a flag; what a single request is about (`--last`, `--id`) has none, since a
//! forgotten variable would change what every later command means.

use std::ffi::{OsStr, OsString};

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, ValueHint};

use super::manual;
pub use commands::{Command, Get, MinerCommand, Mining, Neighbours, Shell};
pub use flags::{Add, Benchmark, Common, Format, GetChain, Target, Wait, Watch};

mod commands;
mod flags;

const VARIABLE_PREFIX: &str = "BLOCKCHAIN_";

/// Version, commit and target, as bug reports need them.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("BLOCKCHAIN_BUILD_COMMIT"),
    ", ",
    env!("BLOCKCHAIN_BUILD_TARGET"),
    ")"
);

#[derive(Debug, Parser)]
#[command(name = "blockchain", version = VERSION, max_term_width = 100)]
#[command(
    about = "A peer-to-peer network of miners that keeps a shared, append-only list of messages"
)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// Of the command; those without the flag print.
    #[arg(skip)]
    pub is_quiet: bool,
}

impl Arguments {
    /// Reads a command line, program name first, and the variables that it leaves in force.
    ///
    /// # Errors
    /// Also for `--help` and `--version`: what to print and how to exit.
    pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let line: Vec<OsString> = line.into_iter().collect();
        // What was typed comes first, without variables: it must be right by itself, and a
        // variable never conflicts with it.
        let mut plain = with_spellings(Arguments::command());
        let typed = plain.try_get_matches_from_mut(&line).map_err(|error| {
            use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand};
            match error.kind() {
                DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand => {
                    command().try_get_matches_from_mut(&line).err().unwrap_or(error)
                }
                _ => error,
            }
        })?;
        if let Some((name, kind, why)) = wrong_together(&typed) {
            let command = plain.find_subcommand_mut(name).expect("it was typed");
            return Err(command.error(kind, why));
        }
        let mut command =
            with_variables(plain, &|command, variable| is_in_force(command, variable, &typed));
        match command.try_get_matches_from_mut(&line) {
            Ok(matches) => {
                let is_quiet = leaf(&matches).try_get_one("quiet").ok().flatten() == Some(&true);
                Ok(Self { is_quiet, ..Self::from_arg_matches(&matches)? })
            }
            Err(error) => Err(naming_the_variable(error, &command, &typed)),
        }
    }
}

/// The whole command line for clap, with every spelling and variable, as help and manual
/// pages show it.
pub fn command() -> clap::Command {
    with_variables(with_spellings(Arguments::command()), &|_, _| true)
}

/// Gives each flag its spelling with underscores, and each command its notes. Shells complete a
/// value that says nothing of it by nothing.
fn with_spellings(command: clap::Command) -> clap::Command {
    let notes = manual::notes(command.get_name());
    let command = command.mut_args(|arg| {
        let is_plain = arg.get_value_hint() == ValueHint::Unknown
            && arg.get_action().takes_values()
            && arg.get_possible_values().is_empty();
        let arg = if is_plain { arg.value_hint(ValueHint::Other) } else { arg };
        let Some(long) = arg.get_long().map(str::to_owned) else { return arg };
        let arg = match matches!(arg.get_action(), ArgAction::SetTrue) {
            true => arg.value_parser(BoolishValueParser::new()),
            false => arg,
        };
        let underscored = long.replace('-', "_");
        if underscored == long { arg } else { arg.alias(underscored) }
    });
    // Flags have long names and texts: a flag's help stands below it, not in a narrow column.
    let with_flags_alone = !command.has_subcommands();
    let command = match notes.is_empty() {
        true => command,
        false => command.after_help(notes),
    };
    command.next_line_help(with_flags_alone).mut_subcommands(with_spellings)
}

/// Gives the flags of settings their variables, those of them that are `in_force`.
fn with_variables(command: clap::Command, in_force: &dyn Fn(&str, &str) -> bool) -> clap::Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let variable = arg.get_long().and_then(|long| variable(&name, long));
        match variable.filter(|variable| in_force(&name, variable)) {
            Some(variable) => arg.env(clap::builder::OsStr::from(variable)).hide_env_values(true),
            None => arg,
        }
    });
    command.mut_subcommands(|subcommand| with_variables(subcommand, in_force))
}

/// The variable of a command's flag, if it has one.
///
/// `ui` serves pages on an address of its own, so `BLOCKCHAIN_PORT` is always a miner's.
fn variable(command: &str, long: &str) -> Option<String> {
    let name = match (command, long) {
        (_, "help" | "version" | "force-new-chain" | "end-with") | ("lab", _) => return None,
        ("ui", "host" | "port") => format!("ui-{long}"),
        ("start" | "ui", _) | (_, "miner" | "host" | "port" | "token-file" | "timeout") => {
            long.to_owned()
        }
        _ => return None,
    };
    Some(format!("{VARIABLE_PREFIX}{}", name.replace('-', "_").to_uppercase()))
}

/// True if a variable has something to say to this command line. `start` asks no miner: its
/// address is its own.
fn is_in_force(command: &str, variable: &str, typed: &ArgMatches) -> bool {
    let Some(value) = std::env::var_os(variable) else { return false };
    let names_part_of_miner = matches!(variable, "BLOCKCHAIN_HOST" | "BLOCKCHAIN_PORT");
    let is_outranked = command != "start" && names_part_of_miner && is_miner_named(typed);
    // An empty variable is none: it is what scripts leave where there is nothing to say.
    !value.is_empty() && !is_of_a_service_link(variable, &value) && !is_outranked
}

/// True if `--miner` or its variable names the whole address of the miner to ask.
fn is_miner_named(typed: &ArgMatches) -> bool {
    let by_variable = || std::env::var_os("BLOCKCHAIN_MINER").is_some_and(|it| !it.is_empty());
    leaf(typed).try_contains_id("miner").unwrap_or(false) || by_variable()
}

/// True if Kubernetes or `docker --link` set this variable for a Service or container that
/// happens to be called `blockchain` or `blockchain-ui`.
fn is_of_a_service_link(variable: &str, value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    let is_port = variable.ends_with("_PORT")
        && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    is_port || (variable == "BLOCKCHAIN_NAME" && value.starts_with('/'))
}

/// Says in an error about a flag's value that the value came from a variable.
fn naming_the_variable(
    mut error: clap::Error,
    command: &clap::Command,
    typed: &ArgMatches,
) -> clap::Error {
    let (mut command, mut matches) = (command, typed);
    while let Some((name, below)) = matches.subcommand() {
        let Some(subcommand) = command.find_subcommand(name) else { break };
        (command, matches) = (subcommand, below);
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = shown.split([' ', '=']).next().unwrap_or_default().trim_start_matches('-');
    if let Some(variable) = variable(command.get_name(), flag) {
        let shown = format!("{variable} (environment variable)");
        error.insert(ContextKind::InvalidArg, ContextValue::String(shown));
    }
    error
}

fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| leaf(below))
}

/// Flags that mean nothing without another: the command, the flag, the other.
const DEPENDENT: [(&str, &str, &str); 2] =
    [("add", "id_prefix", "lines"), ("wait", "confirmations", "message")];

/// In which command flags were typed that make no sense together, and why.
fn wrong_together(typed: &ArgMatches) -> Option<(&str, ErrorKind, String)> {
    let (name, below) = typed.subcommand()?;
    let matches = leaf(below);
    let is_typed = |flag: &str| {
        matches.try_contains_id(flag).unwrap_or(false)
            && matches.value_source(flag) == Some(ValueSource::CommandLine)
    };
    if name != "ui" && is_typed("miner") && (is_typed("host") || is_typed("port")) {
        let why = "--miner names host and port; leave --host and --port away".to_owned();
        return Some((name, ErrorKind::ArgumentConflict, why));
    }
    if name == "mining"
        && is_typed("guesses")
        && matches.get_one::<Mining>("action") != Some(&Mining::Limit)
    {
        let why = "a number goes with \"mining limit\" alone".to_owned();
        return Some((name, ErrorKind::ArgumentConflict, why));
    }
    if name == "add" && is_typed("timeout") && !is_typed("wait") && !is_typed("lines") {
        let why = "--timeout does nothing without --wait or --lines".to_owned();
        return Some((name, ErrorKind::MissingRequiredArgument, why));
    }
    let (_, flag, other) = DEPENDENT
        .into_iter()
        .find(|(command, flag, other)| *command == name && is_typed(flag) && !is_typed(other))?;
    let flag = flag.replace('_', "-");
    let why = format!("--{flag} does nothing without --{other}");
    Some((name, ErrorKind::MissingRequiredArgument, why))
}

#[cfg(test)]
mod tests;
