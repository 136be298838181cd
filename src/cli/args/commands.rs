//! The commands, and what each is about.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::{Add, Benchmark, Common, Format, GetChain, Wait, Watch};
use crate::api::{Address, BlockName};
use crate::chain::{DataId, Hash};
use crate::cli::start::Start;
use crate::cli::{lab, ui};
use crate::settings::values::{path, whole};

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
        #[arg(value_name = "N", required_if_eq("action", "limit"))]
        #[arg(value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
        guesses: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
    /// Ban a neighbour until it is unbanned, or list the bans
    Ban {
        /// Address of the neighbour [default: list all bans]
        #[arg(value_name = "HOST:PORT")]
        neighbour: Option<Address>,
        #[command(flatten)]
        common: Common,
    },
    /// Lift the ban on a neighbour
    Unban {
        /// Address of the neighbour
        #[arg(value_name = "HOST:PORT")]
        neighbour: Address,
        #[command(flatten)]
        common: Common,
    },
    /// Accept a branch that --finality-depth refused
    Accept {
        /// Hash of the branch's last block, 64 hex digits
        #[arg(value_name = "HASH")]
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
    Ui(ui::Flags),
    /// Run a classroom: miners on this host, pages to experiment with them, a wall to watch
    Lab(lab::Flags),
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

#[derive(Debug, Subcommand)]
pub enum MinerCommand {
    /// Start a miner; SIGINT (Ctrl-C) and SIGTERM stop it in order
    Start(Box<Start>),
}

#[derive(Debug, Subcommand)]
pub enum Get {
    /// Show the blocks of the chain, oldest first
    Chain(GetChain),
    /// Show one block, also a kept one that left the chain
    Block {
        /// Height of a block of the chain (the genesis block has height 0), or hash of any
        #[arg(value_name = "HEIGHT|HASH", value_parser = block_name)]
        which: BlockName,
        #[command(flatten)]
        common: Common,
    },
    /// Show where a message is: pending, or in which block
    Message {
        /// Id of the message, 32 lower-case hex digits
        #[arg(value_name = "ID")]
        id: DataId,
        #[command(flatten)]
        common: Common,
    },
    /// Show the neighbours and their state
    Neighbours(Common),
    /// Show the pending messages, oldest first
    Data(Common),
    /// Show health; exits 6 if unhealthy
    Health(Common),
    /// Show settings, files, jobs and mining
    Status(Common),
    /// Show the events of the last hour, oldest first
    Events(Common),
    /// Show the kept branches that left the chain, newest first
    Forks(Common),
}

impl Get {
    pub fn common(&self) -> &Common {
        match self {
            Self::Chain(GetChain { common, .. })
            | Self::Block { common, .. }
            | Self::Message { common, .. }
            | Self::Neighbours(common)
            | Self::Data(common)
            | Self::Health(common)
            | Self::Status(common)
            | Self::Events(common)
            | Self::Forks(common) => common,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Neighbours {
    /// Add a neighbour until the miner stops
    Add {
        /// Address of the neighbour; the port defaults to 12345
        #[arg(value_name = "HOST:PORT")]
        neighbour: Address,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a neighbour; it may come back by itself, unless it is banned
    Delete {
        /// Address of the neighbour; the port defaults to 12345
        #[arg(value_name = "HOST:PORT")]
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
