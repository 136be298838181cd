//! FLOOR 1: what a miner is started with, shared by the miner and the command line.
//!
//! Plain values, each within its limits; how they are spelled on the command line and in
//! the environment is `cli`'s.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::api::{Address, DEFAULT_PORT};
use crate::chain::{Difficulty, Network};

/// Settings of a miner.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The chain file; a leading `~/` is the home folder already.
    pub chain_path: PathBuf,
    /// A name or an IP address without brackets, to listen on.
    pub host: String,
    /// To listen on; 0 takes a free one.
    pub port: u16,
    /// The network that the miner belongs to.
    pub network: Network,
    /// Given by hand: never forgotten.
    pub neighbours: Vec<Address>,
    /// Most neighbours that are kept, those given by hand included.
    pub neighbours_max: usize,
    /// Address at which others reach the miner; otherwise they take the address that it
    /// comes from and the port that it listens on.
    pub advertise: Option<Address>,
    /// Ask the given neighbours alone, and take in no others.
    pub only_given_neighbours: bool,
    /// A name for people, shown by /health and on the pages.
    pub name: Option<MinerName>,
    /// Threads that search for proofs.
    pub threads: NonZeroUsize,
    /// Most guesses a second, over all threads; 0 pauses mining.
    pub hash_rate_limit: Option<u64>,
    /// Blocks deeper than this are never dropped for another branch, except by hand.
    pub finality_depth: Option<NonZeroU64>,
    /// File with the token that a request has to carry to change anything.
    pub write_token_file: Option<PathBuf>,
    /// Treatment of the chain file that is there.
    pub start: Start,
    /// Older versions of the chain file that stay.
    pub versions_kept: usize,
    /// Between two rounds of asking neighbours for their neighbours.
    pub gossip_interval: Duration,
    /// Between two rounds of asking neighbours for blocks.
    pub chain_sync_interval: Duration,
    /// Between two rounds of asking neighbours for unprocessed data.
    pub data_sync_interval: Duration,
    /// Between two looks whether the chain file lacks something.
    pub backup_interval: Duration,
    /// Least important lines that are logged.
    pub log_level: log::LevelFilter,
    /// Format of the log.
    pub log_format: LogFormat,
    /// The proof-of-work kernel by its name; the fastest that this CPU has without one.
    pub kernel: Option<String>,
}

impl Settings {
    /// The command line's defaults, for this chain file and network.
    pub fn new(chain_path: impl Into<PathBuf>, network: Network) -> Self {
        Self {
            chain_path: chain_path.into(),
            host: "127.0.0.1".into(),
            port: DEFAULT_PORT,
            network,
            neighbours: Vec::new(),
            neighbours_max: 8,
            advertise: None,
            only_given_neighbours: false,
            name: None,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            hash_rate_limit: None,
            finality_depth: None,
            write_token_file: None,
            start: Start::Continue,
            versions_kept: 10,
            gossip_interval: Duration::from_secs(20),
            chain_sync_interval: Duration::from_secs(10),
            data_sync_interval: Duration::from_secs(5),
            backup_interval: Duration::from_secs(30),
            log_level: log::LevelFilter::Info,
            log_format: LogFormat::Text,
            kernel: None,
        }
    }

    /// The network that is joined where nothing is said.
    pub fn default_network() -> Network {
        let name = "main".parse().expect("it keeps the limits");
        Network { name, difficulty: Difficulty::DEFAULT }
    }
}

/// Treatment of the chain file that a miner finds, or does not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Goes on from it; begins a new chain only where there never was one.
    Continue,
    /// Begins a new chain; what is there becomes an older version.
    ForceNewChain,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, part of the program, message, values.
    Text,
    /// One JSON object a line.
    Json,
}

/// A miner's name for people: 1 to 64 characters, none of which could disturb a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinerName(String);

impl MinerName {
    /// Longest name, in characters: it has a column of its own in tables.
    const CHARACTERS_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
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

/// Text that is no miner's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a miner's name is 1 to 64 characters, without control characters or spaces around it")]
pub struct MinerNameError;

#[cfg(test)]
mod tests {
    use super::*;

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
