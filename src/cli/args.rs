//! What can be typed: commands, flags, their defaults and their help.
//!
//! Every flag also has an environment variable (`BLOCKCHAIN_` and its name) and a spelling
//! with underscores; both are added here in one place.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, PossibleValuesParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::start::Start;
use super::values::{chain_path, host, seconds};
use crate::api::{Address, DEFAULT_PORT};
use crate::chain::DataId;

/// Begins the name of every environment variable.
const VARIABLE_PREFIX: &str = "BLOCKCHAIN_";

/// Shown below the help.
const EXAMPLES: &str = "\
Examples:
  blockchain miner start ~/miner1/test.chain
  blockchain miner start ~/miner2/test.chain --port 12346 --neighbours 127.0.0.1:12345
  blockchain add 'hello, world' --wait
  blockchain get chain --last 10
  blockchain verify ~/miner1/test.chain

Every flag can be given as an environment variable, too: BLOCKCHAIN_PORT=12346.
Exit code 0: done; 1: it could not be done, stderr says why; 2: wrong usage.";

/// The command line, read.
#[derive(Debug, Parser)]
#[command(name = "blockchain", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(about = "A network of miners that keeps one shared, append-only list of messages")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Reads a command line, program name first.
    ///
    /// # Errors
    /// Also for `--help` and `--version`: what to print and how to exit.
    pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(line)?;
        match typed_in_vain(&matches) {
            None => Self::from_arg_matches(&matches),
            Some((name, why)) => {
                let command = command.find_subcommand_mut(name).expect("it was typed");
                Err(command.error(ErrorKind::MissingRequiredArgument, why))
            }
        }
    }
}

/// The whole command line for clap, with what every flag has in common.
pub fn command() -> clap::Command {
    with_spellings(Arguments::command())
}

/// Flags that mean nothing without another: the command, the flag, the other.
const DEPENDENT: [(&str, &str, &str); 2] =
    [("add", "timeout", "wait"), ("wait", "confirmations", "message")];

/// In which command a flag was typed in vain, and why, if one was. Variables may be there for
/// other commands, so they say nothing in vain.
fn typed_in_vain(matches: &ArgMatches) -> Option<(&'static str, String)> {
    let (typed, matches) = matches.subcommand()?;
    let (command, flag, other) = DEPENDENT.into_iter().find(|(command, ..)| *command == typed)?;
    let is_typed = matches.value_source(flag) == Some(ValueSource::CommandLine);
    let is_alone = matches.value_source(other).is_none_or(|it| it == ValueSource::DefaultValue);
    let why = || format!("--{flag} does nothing without --{other}; give both or neither");
    (is_typed && is_alone).then(|| (command, why()))
}

/// Gives each flag its environment variable and its spelling with underscores.
fn with_spellings(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let Some(long) = arg.get_long().map(str::to_owned) else { return arg };
        let arg = match matches!(arg.get_action(), ArgAction::SetTrue) {
            true => arg.value_parser(FalseyValueParser::new()),
            false => arg,
        };
        let underscored = long.replace('-', "_");
        let variable = format!("{VARIABLE_PREFIX}{}", underscored.to_uppercase());
        // An empty variable is none: it is what scripts leave where there is nothing to say.
        let arg = match std::env::var_os(&variable).is_some_and(|value| value.is_empty()) {
            true => arg,
            false => arg.env(clap::builder::OsStr::from(variable)).hide_env_values(true),
        };
        if underscored == long { arg } else { arg.alias(underscored) }
    });
    // Names of variables are long: a flag's help stands below it, not in a narrow column.
    let with_flags_alone = !command.has_subcommands();
    command.next_line_help(with_flags_alone).mut_subcommands(with_spellings)
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a miner
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Miner {
        #[command(subcommand)]
        command: MinerCommand,
    },
    /// Add a message to the chain
    Add(Add),
    /// Show what a miner has
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Get {
        #[command(subcommand)]
        what: Get,
    },
    /// Change whom a miner on this host knows
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Neighbours {
        #[command(subcommand)]
        change: Neighbours,
    },
    /// Wait until a miner has got somewhere; for shell scripts
    Wait(Wait),
    /// Follow new blocks and messages, one line each
    Watch(Watch),
    /// Check the files of a chain by every rule, without a miner
    Verify {
        /// The chain file; its hash and its unprocessed messages are checked, too
        #[arg(value_name = "CHAIN_PATH", value_parser = path())]
        chain_path: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Keep the longest valid part of a damaged chain, and move the damaged file aside
    Repair {
        /// The chain file; no miner may be running on it
        #[arg(value_name = "CHAIN_PATH", value_parser = path())]
        chain_path: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Serve pages about a miner and its network for a browser on this host
    Ui(super::ui::Flags),
    /// Measure how fast this host mines
    Benchmark(Benchmark),
    /// Print completions for a shell
    Completions {
        /// Shell to complete commands in
        shell: Shell,
    },
    /// Write manual pages into a folder
    Man {
        /// Folder; it is made if it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum MinerCommand {
    /// Start a miner; SIGINT (Ctrl-C) and SIGTERM stop it
    Start(Box<Start>),
}

/// Which miner is asked.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Host name or IP address of the miner
    #[arg(long, value_parser = host, default_value = "127.0.0.1", help_heading = "Miner")]
    pub host: String,
    /// Port of the miner
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), default_value_t = DEFAULT_PORT)]
    #[arg(help_heading = "Miner")]
    pub port: u16,
}

/// How answers are printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct Format {
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Add {
    /// The message, 1 to 65536 bytes; "-" reads it from stdin
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub message: String,
    /// Wait until the message is in the chain
    #[arg(long)]
    pub wait: bool,
    /// With --wait: give up after so many seconds (fractions allowed) [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Id of the message, 32 lower-case hex digits; repeat it to be sure that the message
    /// is added, and added once [default: a random one]
    #[arg(long, value_name = "ID")]
    pub id: Option<DataId>,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Subcommand)]
pub enum Get {
    /// The blocks, newest last
    Chain(GetChain),
    /// One block, all of it
    Block {
        /// Height of the block; the genesis block is 0
        index: u64,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        target: Target,
    },
    /// The neighbours, and how each behaves
    Neighbours {
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        target: Target,
    },
    /// The messages that wait to be mined, oldest first
    Data {
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        target: Target,
    },
    /// How the miner is; exit code 1 unless all is well
    Health {
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args, Debug)]
pub struct GetChain {
    /// Begin with the block at this height
    #[arg(long, value_name = "INDEX", default_value_t = 0, conflicts_with = "last")]
    pub from: u64,
    /// Show at most N blocks [default: all]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Show only the newest N blocks
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    pub last: Option<u64>,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Subcommand)]
pub enum Neighbours {
    /// Take a neighbour in, for as long as the miner runs
    Add {
        /// Host and port of the neighbour; without a port, 12345
        #[arg(value_name = "HOST:PORT")]
        neighbour: Address,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        target: Target,
    },
    /// Forget a neighbour
    Delete {
        /// Host and port of the neighbour; without a port, 12345
        #[arg(value_name = "HOST:PORT")]
        neighbour: Address,
        #[command(flatten)]
        format: Format,
        #[command(flatten)]
        target: Target,
    },
}

/// With several conditions, all have to hold; with none, the miner only has to answer.
#[derive(Args, Debug)]
#[command(after_help = "\
With several conditions all have to hold; with none, the miner only has to answer.
While it does not answer (yet), waiting goes on.")]
pub struct Wait {
    /// Until the chain has N blocks, the genesis block included
    #[arg(long, value_name = "N")]
    pub length: Option<u64>,
    /// Until the message with this id is in the chain
    #[arg(long, value_name = "ID")]
    pub message: Option<DataId>,
    /// With --message: until so many blocks confirm it, its own included
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub confirmations: u64,
    /// Until no message waits to be mined
    #[arg(long)]
    pub idle: bool,
    /// Until these miners have the same head
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub agree_with: Vec<Address>,
    /// Give up after so many seconds (fractions allowed), with exit code 1
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub timeout: Duration,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Args, Debug)]
pub struct Watch {
    /// Seconds between two looks (fractions allowed)
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub interval: Duration,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Args, Debug)]
pub struct Benchmark {
    /// Threads that search at the same time [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub format: Format,
}

/// Shells that completions are written for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Shell {
    /// The usual one on Linux.
    Bash,
    /// The usual one on macOS.
    Zsh,
    /// The friendly one.
    Fish,
}

/// Reads a level of the log.
pub fn log_level() -> impl clap::builder::TypedValueParser<Value = log::LevelFilter> {
    PossibleValuesParser::new(["off", "error", "warn", "info", "debug", "trace"])
        .map(|level| level.parse().expect("each of them is a level"))
}

/// Reads a path whose leading `~/` is the home folder.
pub fn path() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    clap::builder::OsStringValueParser::new().map(|text| chain_path(text.into()))
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
    fn every_flag_is_explained_and_its_variable_named_in_the_help() {
        fn check(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            let words: Vec<_> = help.split([' ', '\n', '[', ']']).collect();
            for arg in command.get_arguments() {
                let (name, id) = (command.get_name(), arg.get_id());
                assert!(arg.get_help().is_some(), "{name} {id}");
                let is_of_clap = matches!(id.as_str(), "help" | "version");
                if let Some(long) = arg.get_long().filter(|_| !is_of_clap && !arg.is_hide_set()) {
                    let variable = format!("BLOCKCHAIN_{}", long.replace('-', "_").to_uppercase());
                    assert!(words.contains(&variable.as_str()), "{name} {id}:\n{help}");
                }
            }
            command.get_subcommands_mut().for_each(check);
        }
        check(&mut command());
    }

    #[test]
    fn a_message_may_begin_with_a_dash() {
        for (line, expected) in [("add -x", "-x"), ("add -", "-"), ("add -- --wait", "--wait")] {
            let Command::Add(add) = read(line).unwrap().command else { panic!("{line}") };
            assert_eq!(add.message, expected);
        }
    }

    #[test]
    fn last_excludes_from_and_limit() {
        assert!(read("get chain --from 3 --limit 4").is_ok());
        assert!(read("get chain --last 3 --limit 4").is_err());
        assert!(read("get chain --last 3 --from 4").is_err());
    }

    #[test]
    fn a_flag_that_means_nothing_without_another_is_not_typed_alone() {
        for (line, alone) in [
            ("wait --length 3 --confirmations 3", true),
            ("wait --confirmations 3 --message 0123456789abcdef0123456789abcdef", false),
            ("add x --timeout 3", true),
            ("add x --timeout 3 --wait", false),
            ("wait --timeout 3", false),
        ] {
            assert_eq!(read(line).is_err(), alone, "{line}");
        }
    }
}
