//! FLOOR 1: what a miner is started with: each flag with its help, default and limits.
//!
//! The command line adds to each a variable and a spelling with underscores.

use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueHint;
use clap::builder::TypedValueParser;

use crate::api::{Address, DEFAULT_PORT, Setting};
use crate::chain::{Difficulty, Network, NetworkName};
use values::{host, log_level, path, seconds, whole};

pub mod values;

/// Most threads that can be asked for: far above the cores of any host that this runs on.
pub const THREADS_MAX: u64 = 1024;

/// Most neighbours that can be asked for: each is asked in every round.
const NEIGHBOURS_MAX: u64 = 1000;

/// Name of the network that is joined where nothing is said.
const NETWORK: &str = "main";

/// Settings of a miner; each comment is the flag's help.
#[derive(clap::Args, Clone, Debug, PartialEq)]
pub struct Settings {
    /// Chain file; missing folders are created. The hash file (.hash), the journal of pending
    /// messages (.data), older versions and miner.log are kept in the same folder
    #[arg(value_name = "CHAIN_PATH", value_parser = path(), value_hint = ValueHint::FilePath)]
    pub chain_path: PathBuf,
    /// Address to listen on; 0.0.0.0 accepts connections from other hosts
    #[arg(long, value_parser = host, default_value = "127.0.0.1", help_heading = "Server")]
    #[arg(value_hint = ValueHint::Hostname)]
    pub host: String,
    /// Port to listen on; 0 picks a free port
    #[arg(short, long, default_value_t = DEFAULT_PORT, help_heading = "Server")]
    #[arg(value_parser = whole::<u16>(0, 65535))]
    pub port: u16,
    /// File with a token, one word. Other hosts then need the token to add messages, and may
    /// change neighbours with it
    #[arg(long, value_name = "PATH", value_parser = path(), help_heading = "Server")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub write_token_file: Option<PathBuf>,
    /// Name of this miner, shown to people; 1 to 64 characters
    #[arg(long, value_name = "TEXT", help_heading = "Server")]
    pub name: Option<MinerName>,
    /// Zeros at the end of every proof's hash, 1 to 64; each further zero means 16 times the work
    #[arg(short, long, value_name = "ZEROS", default_value_t = Difficulty::DEFAULT)]
    #[arg(help_heading = "Network")]
    pub difficulty: Difficulty,
    /// Name of the network: 1 to 32 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME", default_value = NETWORK, help_heading = "Network")]
    pub network: NetworkName,
    /// Neighbours that are never forgotten; the port defaults to 12345
    #[arg(
        short,
        long,
        value_name = "HOST:PORT,…",
        value_delimiter = ',',
        help_heading = "Network"
    )]
    pub neighbours: Vec<Address>,
    /// Ask the given neighbours only; learn no others
    #[arg(long, help_heading = "Network")]
    pub only_given_neighbours: bool,
    /// Maximum number of neighbours, the given ones included
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Network")]
    #[arg(value_parser = whole::<usize>(1, NEIGHBOURS_MAX))]
    pub max_neighbours: usize,
    /// Address at which other miners reach this one [default: the one it connects from]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Network")]
    pub advertise: Option<Address>,
    /// Refuse a branch that would drop a block more than N deep [default: off]
    #[arg(long, value_name = "N", help_heading = "Network")]
    #[arg(value_parser = whole::<NonZeroU64>(1, u64::MAX))]
    pub finality_depth: Option<NonZeroU64>,
    /// Mining threads, at most 1024 [default: one for each core]
    #[arg(short, long, value_name = "N", help_heading = "Mining", value_parser = threads())]
    #[arg(default_value_t = all_cores(), hide_default_value = true)]
    pub threads: NonZeroUsize,
    /// Maximum guesses a second, over all threads; 0 starts paused [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Mining")]
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    pub hash_rate_limit: Option<u64>,
    /// Proof-of-work kernel, by name [default: the fastest on this CPU]
    #[arg(long, value_name = "NAME", help_heading = "Mining", hide = true)]
    pub kernel: Option<String>,
    /// Start a new chain; the existing one is kept as an older version. Has no variable
    #[arg(long, help_heading = "Files")]
    pub force_new_chain: bool,
    /// Number of older versions of the chain file to keep
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Files")]
    #[arg(value_parser = whole::<usize>(0, u64::MAX))]
    pub keep_versions: usize,
    /// Seconds between two exchanges of neighbour lists; fractions are allowed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "20")]
    #[arg(help_heading = "Intervals")]
    pub gossip_interval: Duration,
    /// Seconds between two requests to neighbours for blocks
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    #[arg(help_heading = "Intervals")]
    pub chain_sync_interval: Duration,
    /// Seconds between two requests to neighbours for pending messages
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    #[arg(help_heading = "Intervals")]
    pub data_sync_interval: Duration,
    /// Seconds between two writes of new blocks to the chain file
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    #[arg(help_heading = "Intervals")]
    pub backup_interval: Duration,
    /// Log messages of this level and above
    #[arg(long, value_name = "LEVEL", value_parser = log_level(), default_value = "info")]
    #[arg(help_heading = "Log")]
    pub log_level: log::LevelFilter,
    /// Format of the log: text for people, json for programs (one object a line)
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    #[arg(help_heading = "Log")]
    pub log_format: LogFormat,
}

fn threads() -> impl TypedValueParser<Value = NonZeroUsize> {
    whole::<usize>(1, THREADS_MAX).map(|it| NonZeroUsize::new(it).expect("it is at least 1"))
}

fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Settings {
    pub fn network(&self) -> Network {
        Network { name: self.network.clone(), difficulty: self.difficulty }
    }

    /// The network that is joined where nothing is said.
    pub fn default_network() -> Network {
        let name = NETWORK.parse().expect("it keeps the limits");
        Network { name, difficulty: Difficulty::DEFAULT }
    }

    /// The flags that /status shows.
    pub fn told(&self) -> Vec<Setting> {
        let seconds = |interval: Duration| interval.as_secs_f64().to_string();
        let neighbours: Vec<_> = self.neighbours.iter().map(Address::to_string).collect();
        [
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            ("difficulty", self.difficulty.to_string()),
            ("network", self.network.to_string()),
            ("neighbours", neighbours.join(",")),
            ("max-neighbours", self.max_neighbours.to_string()),
            ("advertise", or_empty(&self.advertise)),
            ("name", or_empty(&self.name)),
            ("threads", self.threads.to_string()),
            ("hash-rate-limit", or_empty(&self.hash_rate_limit)),
            ("finality-depth", or_empty(&self.finality_depth)),
            // Its place is nobody's business, but whether writes are open is.
            ("write-token-file", or_empty(&self.write_token_file.as_ref().map(|_| "given"))),
            ("keep-versions", self.keep_versions.to_string()),
            ("gossip-interval", seconds(self.gossip_interval)),
            ("chain-sync-interval", seconds(self.chain_sync_interval)),
            ("data-sync-interval", seconds(self.data_sync_interval)),
            ("backup-interval", seconds(self.backup_interval)),
            ("log-level", self.log_level.to_string().to_lowercase()),
        ]
        .map(|(name, value)| Setting { name: name.to_owned(), value })
        .into()
    }
}

fn or_empty(value: &Option<impl ToString>) -> String {
    value.as_ref().map_or_else(String::new, ToString::to_string)
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    // For people: time, level, part of the program, message, values.
    Text,
    // One JSON object a line.
    Json,
}

/// A miner's name for people: 1 to 64 characters, none of which could disturb a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinerName(String);

impl MinerName {
    /// Longest name, in characters: it has a column of its own in tables.
    const CHARACTERS_MAX: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MinerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MinerName {
    type Err = MinerNameError;

    fn from_str(text: &str) -> Result<Self, MinerNameError> {
        let length = text.chars().count();
        let fits = (1..=Self::CHARACTERS_MAX).contains(&length) && text.trim() == text;
        let harmless = text.chars().all(crate::escape::is_harmless);
        if fits && harmless { Ok(Self(text.to_owned())) } else { Err(MinerNameError) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a miner's name is 1 to 64 characters, without control characters or spaces around it")]
pub struct MinerNameError;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    #[test]
    fn a_flag_is_told_or_left_out_on_purpose() {
        /// What is somebody's own business, and what shows by itself.
        const LEFT_OUT: [&str; 4] =
            ["only-given-neighbours", "kernel", "force-new-chain", "log-format"];
        let command = Settings::augment_args(clap::Command::new("start"));
        let matches = command.clone().get_matches_from(["start", "x.chain"]);
        let told = Settings::from_arg_matches(&matches).unwrap().told();
        let told: BTreeSet<&str> = told.iter().map(|it| it.name.as_str()).collect();
        let flags: BTreeSet<&str> =
            command.get_arguments().filter_map(|it| it.get_long()).collect();
        assert_eq!(flags, told.into_iter().chain(LEFT_OUT).collect());
    }

    #[test]
    fn a_name_is_short_and_harmless() {
        for text in ["a", "Lena's miner", "鉱夫", &"x".repeat(64)] {
            assert_eq!(text.parse::<MinerName>().unwrap().as_str(), text);
        }
        for text in ["", " ", " a", "a\n", "a\u{1b}[31m", "a\u{202e}", &"x".repeat(65)] {
            assert!(text.parse::<MinerName>().is_err(), "{text:?}");
        }
    }
}
