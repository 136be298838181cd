//! The flags of commands that have several.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::api::Address;
use crate::chain::DataId;
use crate::settings::THREADS_MAX;
use crate::settings::values::{host, path, seconds, whole};

/// The miner that is asked.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// Miner to ask [default: 127.0.0.1:12345]
    #[arg(short, long, value_name = "HOST:PORT", help_heading = "Miner")]
    pub miner: Option<Address>,
    /// Host of the miner, if --miner is not given
    #[arg(long, value_parser = host, help_heading = "Miner", value_hint = ValueHint::Hostname)]
    pub host: Option<String>,
    /// Port of the miner, if --miner is not given
    #[arg(short, long, help_heading = "Miner", value_parser = whole::<u16>(1, 65535))]
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
    #[arg(value_name = "MESSAGE", required_unless_present = "lines")]
    pub message: Option<String>,
    /// Add each line of a file as a message; "-" reads stdin. Empty lines are skipped. A
    /// repeat adds no line twice
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["message", "id", "wait"])]
    #[arg(value_hint = ValueHint::FilePath)]
    pub lines: Option<PathBuf>,
    /// With --lines: text that tells apart two files whose lines are not the same messages
    /// [default: the absolute path of FILE]
    #[arg(long, value_name = "TEXT")]
    pub id_prefix: Option<String>,
    /// Wait until the message is in the chain
    #[arg(short, long)]
    pub wait: bool,
    /// With --wait: give up after this many seconds; with --lines: after this many without
    /// progress [default: never; with --lines: 60]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Id of the message, 32 lower-case hex digits; makes a repeat safe [default: random]
    #[arg(long, value_name = "ID")]
    pub id: Option<DataId>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub struct GetChain {
    /// Start at this height [default: 0; on a terminal: the last 20 blocks]
    #[arg(long, value_name = "HEIGHT", conflicts_with = "last")]
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    pub from: Option<u64>,
    /// Show at most N blocks
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX))]
    pub limit: Option<u64>,
    /// Show the last N blocks
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "limit")]
    #[arg(value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
    pub last: Option<u64>,
    /// Print one block a line, exactly as it is hashed (NDJSON)
    #[arg(short, long, conflicts_with_all = ["json", "quiet"])]
    pub lines: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub struct Wait {
    /// Wait for N blocks, the genesis block included
    #[arg(short, long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX))]
    pub length: Option<u64>,
    /// Wait for the message with this id to be in the chain
    #[arg(long, value_name = "ID")]
    pub message: Option<DataId>,
    /// With --message: wait for K blocks from the message's own to the head
    #[arg(short, long, value_name = "K", default_value_t = 1)]
    #[arg(value_parser = whole::<u64>(1, u64::MAX))]
    pub confirmations: u64,
    /// Wait until no message is pending
    #[arg(short, long)]
    pub idle: bool,
    /// Wait until these miners meet the conditions, too, and all have the same head
    #[arg(short, long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub agree_with: Vec<Address>,
    /// Give up after this many seconds, with exit code 4
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub timeout: Duration,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub struct Watch {
    /// Seconds until a miner that does not answer is asked again
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
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
    pub threads: Option<usize>,
    #[command(flatten)]
    pub format: Format,
}
