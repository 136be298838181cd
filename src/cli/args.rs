//! What can be typed: commands, flags, their defaults and their help.
//!
//! Flags can be spelled with underscores. Settings also have an environment variable, which
//! yields to a flag; what a single request is about (`--last`, `--id`) has none, since a
//! forgotten variable would change what every later command means.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint,
};

use super::manual;
use super::start::Start;
use crate::api::{Address, BlockName};
use crate::chain::{DataId, Hash};
use crate::settings::THREADS_MAX;
use crate::settings::values::{host, path, seconds, whole};

/// Begins the name of every environment variable.
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

/// The command line, read.
#[derive(Debug, Parser)]
#[command(name = "blockchain", version = VERSION, max_term_width = 100)]
#[command(
    about = "A peer-to-peer network of miners that keeps a shared, append-only list of messages"
)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
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
            Ok(matches) => Self::from_arg_matches(&matches),
            Err(error) => Err(naming_the_variable(error, &command, &typed)),
        }
    }
}

/// The whole command line for clap, with every spelling and variable, as help and manual
/// pages show it.
pub fn command() -> clap::Command {
    with_variables(with_spellings(Arguments::command()), &|_, _| true)
}

/// Gives each flag its spelling with underscores, and each command its notes.
fn with_spellings(command: clap::Command) -> clap::Command {
    let notes = manual::notes(command.get_name());
    let command = command.mut_args(|arg| {
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

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a miner
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Miner {
        #[command(subcommand)]
        command: MinerCommand,
    },
    /// Add a message, or many
    Add(Add),
    /// Show what a miner has: blocks, messages, neighbours, state
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Get {
        #[command(subcommand)]
        what: Get,
    },
    /// Add or delete a neighbour of a miner on this host
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Neighbours {
        #[command(subcommand)]
        change: Neighbours,
    },
    /// Show, pause, resume or limit the mining of a miner on this host
    Mining {
        /// Action: stop mining, mine at full speed, or limit the hash rate to N [default: show
        /// the limit]
        #[arg(value_name = "pause|resume|limit", hide_possible_values = true)]
        action: Option<Mining>,
        /// With limit: maximum guesses a second, over all threads
        #[arg(value_name = "N", required_if_eq("action", "limit"), value_hint = ValueHint::Other)]
        #[arg(value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
        guesses: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
    /// Ban a neighbour until it is unbanned, or list the bans
    Ban {
        /// Address of the neighbour [default: list all bans]
        #[arg(value_name = "HOST:PORT", value_hint = ValueHint::Other)]
        neighbour: Option<Address>,
        #[command(flatten)]
        common: Common,
    },
    /// Lift the ban on a neighbour
    Unban {
        /// Address of the neighbour
        #[arg(value_name = "HOST:PORT", value_hint = ValueHint::Other)]
        neighbour: Address,
        #[command(flatten)]
        common: Common,
    },
    /// Accept a branch that --finality-depth refused
    Accept {
        /// Hash of the branch's last block, 64 hex digits
        #[arg(value_name = "HASH", value_hint = ValueHint::Other)]
        hash: Hash,
        #[command(flatten)]
        common: Common,
    },
    /// Wait for a miner to reach a state; for scripts
    Wait(Wait),
    /// Print new messages and blocks as they arrive
    Watch(Watch),
    /// Check the files of a chain by every rule
    Verify {
        /// Chain file; its hash file and its journal are checked, too
        #[arg(value_name = "CHAIN_PATH", value_parser = path(), value_hint = ValueHint::FilePath)]
        chain_path: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Copy the files of a chain, whose miner may be running, to another folder
    Backup {
        /// Chain file; its hash file and its journal are copied along with it
        #[arg(value_name = "CHAIN_PATH", value_parser = path(), value_hint = ValueHint::FilePath)]
        chain_path: PathBuf,
        /// Folder for the copy, created if missing; it must hold no files of such a chain
        #[arg(value_name = "FOLDER", value_parser = path(), value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Restore the longest valid chain from damaged files; exits 6 if messages were lost
    Repair {
        /// Chain file; its miner must not be running
        #[arg(value_name = "CHAIN_PATH", value_parser = path(), value_hint = ValueHint::FilePath)]
        chain_path: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Serve the web UI of a miner and its network
    Ui(super::ui::Flags),
    /// Run a classroom: miners on this host, pages to experiment with them, a wall to watch
    Lab(super::lab::Flags),
    /// Measure the hash rate of this host
    Benchmark(Benchmark),
    /// Print a completion script for a shell
    Completions {
        /// Shell to print the script for
        #[arg(value_name = "bash|zsh|fish", hide_possible_values = true)]
        shell: Shell,
    },
    /// Write the manual pages to a folder
    Man {
        /// Folder for the pages; created if missing
        #[arg(value_name = "DIR", value_parser = path(), value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

impl Command {
    /// How the command prints.
    pub fn format(&self) -> Format {
        match self {
            Self::Add(Add { common, .. })
            | Self::Mining { common, .. }
            | Self::Ban { common, .. }
            | Self::Unban { common, .. }
            | Self::Accept { common, .. }
            | Self::Wait(Wait { common, .. }) => common.format,
            Self::Get { what } => what.common().format,
            Self::Neighbours {
                change: Neighbours::Add { common, .. } | Neighbours::Delete { common, .. },
            } => common.format,
            Self::Verify { format, .. }
            | Self::Repair { format, .. }
            | Self::Backup { format, .. }
            | Self::Benchmark(Benchmark { format, .. }) => *format,
            Self::Miner { .. }
            | Self::Watch(_)
            | Self::Ui(_)
            | Self::Lab(_)
            | Self::Completions { .. }
            | Self::Man { .. } => Format { json: false, quiet: false },
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum MinerCommand {
    /// Start a miner; SIGINT (Ctrl-C) and SIGTERM stop it in order
    Start(Box<Start>),
}

/// The miner that is asked.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// Miner to ask [default: 127.0.0.1:12345]
    #[arg(short, long, value_name = "HOST:PORT", help_heading = "Miner")]
    #[arg(value_hint = ValueHint::Other)]
    pub miner: Option<Address>,
    /// Host of the miner, if --miner is not given
    #[arg(long, value_parser = host, help_heading = "Miner", value_hint = ValueHint::Hostname)]
    pub host: Option<String>,
    /// Port of the miner, if --miner is not given
    #[arg(short, long, help_heading = "Miner", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<u16>(1, 65535))]
    pub port: Option<u16>,
    /// File with the token that a miner on another host asks for (--write-token-file)
    #[arg(long, value_name = "PATH", value_parser = path(), help_heading = "Miner")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
}

/// How answers are printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct Format {
    /// Print one JSON document
    #[arg(short, long)]
    pub json: bool,
    /// Print nothing on success; the exit code tells
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
}

/// Flags of every command that asks a miner.
#[derive(Args, Clone, Debug)]
pub struct Common {
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Args, Debug)]
pub struct Add {
    /// Message, 1 to 65536 bytes; "-" reads it from stdin
    #[arg(value_name = "MESSAGE", required_unless_present = "lines", value_hint = ValueHint::Other)]
    pub message: Option<String>,
    /// Add each line of a file as a message; "-" reads stdin. Empty lines are skipped. A
    /// repeat adds no line twice
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["message", "id", "wait"])]
    #[arg(value_hint = ValueHint::FilePath)]
    pub lines: Option<PathBuf>,
    /// With --lines: text that tells apart two files whose lines are not the same messages
    /// [default: the absolute path of FILE]
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    pub id_prefix: Option<String>,
    /// Wait until the message is in the chain
    #[arg(short, long)]
    pub wait: bool,
    /// With --wait: give up after this many seconds; with --lines: after this many without
    /// progress [default: never; with --lines: 60]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    #[arg(value_hint = ValueHint::Other)]
    pub timeout: Option<Duration>,
    /// Id of the message, 32 lower-case hex digits; makes a repeat safe [default: random]
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub id: Option<DataId>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Subcommand)]
pub enum Get {
    /// Show the blocks of the chain, oldest first
    Chain(GetChain),
    /// Show one block, also a kept one that left the chain
    Block {
        /// Height of a block of the chain (the genesis block has height 0), or hash of any
        #[arg(value_name = "HEIGHT|HASH", value_parser = block_name, value_hint = ValueHint::Other)]
        which: BlockName,
        #[command(flatten)]
        common: Common,
    },
    /// Show where a message is: pending, or in which block
    Message {
        /// Id of the message, 32 lower-case hex digits
        #[arg(value_name = "ID", value_hint = ValueHint::Other)]
        id: DataId,
        #[command(flatten)]
        common: Common,
    },
    /// Show the neighbours and their state
    Neighbours {
        #[command(flatten)]
        common: Common,
    },
    /// Show the pending messages, oldest first
    Data {
        #[command(flatten)]
        common: Common,
    },
    /// Show health; exits 6 if unhealthy
    Health {
        #[command(flatten)]
        common: Common,
    },
    /// Show settings, files, jobs and mining
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// Show the events of the last hour, oldest first
    Events {
        #[command(flatten)]
        common: Common,
    },
    /// Show the kept branches that left the chain, newest first
    Forks {
        #[command(flatten)]
        common: Common,
    },
}

impl Get {
    fn common(&self) -> &Common {
        match self {
            Self::Chain(GetChain { common, .. })
            | Self::Block { common, .. }
            | Self::Message { common, .. }
            | Self::Neighbours { common }
            | Self::Data { common }
            | Self::Health { common }
            | Self::Status { common }
            | Self::Events { common }
            | Self::Forks { common } => common,
        }
    }
}

#[derive(Args, Debug)]
pub struct GetChain {
    /// Start at this height [default: 0; on a terminal: the last 20 blocks]
    #[arg(long, value_name = "HEIGHT", conflicts_with = "last", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    pub from: Option<u64>,
    /// Show at most N blocks
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    pub limit: Option<u64>,
    /// Show the last N blocks
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "limit")]
    #[arg(value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
    #[arg(value_hint = ValueHint::Other)]
    pub last: Option<u64>,
    /// Print one block a line, exactly as it is hashed (NDJSON)
    #[arg(short, long, conflicts_with_all = ["json", "quiet"])]
    pub lines: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Subcommand)]
pub enum Neighbours {
    /// Add a neighbour until the miner stops
    Add {
        /// Address of the neighbour; the port defaults to 12345
        #[arg(value_name = "HOST:PORT", value_hint = ValueHint::Other)]
        neighbour: Address,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a neighbour; it may come back by itself, unless it is banned
    Delete {
        /// Address of the neighbour; the port defaults to 12345
        #[arg(value_name = "HOST:PORT", value_hint = ValueHint::Other)]
        neighbour: Address,
        #[command(flatten)]
        common: Common,
    },
}

/// Changes of a miner's mining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mining {
    /// Pause mining
    Pause,
    /// Resume mining at full speed
    Resume,
    /// Limit the hash rate to N
    Limit,
}

#[derive(Args, Debug)]
pub struct Wait {
    /// Wait for N blocks, the genesis block included
    #[arg(short, long, value_name = "N", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    pub length: Option<u64>,
    /// Wait for the message with this id to be in the chain
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub message: Option<DataId>,
    /// With --message: wait for K blocks from the message's own to the head
    #[arg(short, long, value_name = "K", default_value_t = 1)]
    #[arg(value_parser = whole::<u64>(1, u64::MAX), value_hint = ValueHint::Other)]
    pub confirmations: u64,
    /// Wait until no message is pending
    #[arg(short, long)]
    pub idle: bool,
    /// Wait until these miners meet the conditions, too, and all have the same head
    #[arg(short, long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    #[arg(value_hint = ValueHint::Other)]
    pub agree_with: Vec<Address>,
    /// Give up after this many seconds, with exit code 4
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    #[arg(value_hint = ValueHint::Other)]
    pub timeout: Duration,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub struct Watch {
    /// Seconds until a miner that does not answer is asked again
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    #[arg(value_hint = ValueHint::Other)]
    pub interval: Duration,
    /// Print one JSON object a line
    #[arg(short, long)]
    pub json: bool,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Args, Debug)]
pub struct Benchmark {
    /// Threads to measure with, at most 1024 [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = whole::<usize>(1, THREADS_MAX))]
    #[arg(value_hint = ValueHint::Other)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub format: Format,
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// Reads the height or the hash of a block.
fn block_name(text: &str) -> Result<BlockName, String> {
    text.parse().map_err(|()| "a block has a height, like 7, or a hash of 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::read(["blockchain"].into_iter().chain(line.split(' ')).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_is_explained_and_the_variables_of_settings_are_named() {
        fn check(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            let words: Vec<_> = help.split([' ', '\n', '[', ']', '=']).collect();
            let name = command.get_name().to_owned();
            for arg in command.get_arguments() {
                let id = arg.get_id();
                assert!(arg.get_help().is_some(), "{name} {id}");
                let variable = arg.get_long().and_then(|long| variable(&name, long));
                if let Some(variable) = variable.filter(|_| !arg.is_hide_set()) {
                    assert!(words.contains(&variable.as_str()), "{name} {id}:\n{help}");
                }
            }
            command.get_subcommands_mut().for_each(check);
        }
        check(&mut command());
    }

    /// `add --wiat` and `add --version` became permanent messages.
    #[test]
    fn a_message_that_begins_with_a_dash_comes_behind_two() {
        for (line, expected) in [("add -", "-"), ("add -- --wait", "--wait"), ("add -- -x", "-x")] {
            let Command::Add(add) = read(line).unwrap().command else { panic!("{line}") };
            assert_eq!(add.message.as_deref(), Some(expected));
        }
        for line in ["add --wiat", "add --version", "add -v", "add --jsn", "add -5", "add x --wiat"]
        {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn last_excludes_from_and_limit() {
        assert!(read("get chain --from 3 --limit 4").is_ok());
        assert!(read("get chain --last 3 --limit 4").is_err());
        assert!(read("get chain --last 3 --from 4").is_err());
    }

    #[test]
    fn flags_that_make_no_sense_together_are_not_typed_together() {
        for (line, wrong) in [
            ("wait --length 3 --confirmations 3", true),
            ("wait --confirmations 3 --message 0123456789abcdef0123456789abcdef", false),
            ("add x --timeout 3", true),
            ("add x --timeout 3 --wait", false),
            ("add --lines x --timeout 3", false),
            ("add x --id-prefix y", true),
            ("add x --lines y", true),
            ("wait --timeout 3", false),
            ("get health --miner a:1 --port 3", true),
            ("get health --host a --port 3", false),
            ("add x -m a", false),
            ("mining", false),
            ("mining pause -p 1", false),
            ("mining limit 5", false),
            ("mining limit", true),
            ("mining pause 5", true),
        ] {
            assert_eq!(read(line).is_err(), wrong, "{line}");
        }
    }

    #[test]
    fn numbers_have_limits_that_an_error_names() {
        for line in [
            "benchmark --threads 0",
            "benchmark --threads 1025",
            "miner start x --max-neighbours 0",
            "miner start x --threads 5000",
            "miner start x --finality-depth 0",
            "wait --message 0123456789abcdef0123456789abcdef --confirmations 0",
            "get chain --last 18446744073709551616",
            "get chain --last -5",
            "get health --port 65536",
            "mining limit -5",
            "miner start x --port 65536",
            "miner start x --keep-versions y",
            "ui --port -1",
        ] {
            let error = read(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(": a whole number from "), "{error}");
        }
    }

    #[test]
    fn variables_of_service_links_are_told_apart() {
        for (variable, value, is_link) in [
            ("BLOCKCHAIN_PORT", "tcp://10.0.0.1:80", true),
            ("BLOCKCHAIN_UI_PORT", "udp://10.0.0.1:80", true),
            ("BLOCKCHAIN_NAME", "/web/blockchain", true),
            ("BLOCKCHAIN_PORT", "80", false),
            ("BLOCKCHAIN_NAME", "web", false),
            ("BLOCKCHAIN_MINER", "tcp://10.0.0.1:80", false),
        ] {
            assert_eq!(is_of_a_service_link(variable, OsStr::new(value)), is_link, "{variable}");
        }
    }
}
