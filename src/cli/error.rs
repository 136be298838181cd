//! Why a command could not be done: one line, what and why and what to do, and an exit code.

use std::io;

use crate::api::Address;
use crate::api::client::ClientError;
use crate::lab::LabError;
use crate::miner::MinerError;
use crate::store::StoreError;

pub type Result<T = (), E = CliError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}{hint}", hint = hint(.0))]
    Client(#[from] ClientError),
    /// The output could not be written. Silent if its reader has ended (`| head`).
    #[error("cannot write to stdout: {0}")]
    Output(#[from] io::Error),
    #[error("{1}")]
    Other(Exit, String),
}

/// Exit codes of commands that could not be done. 2 is clap's, for wrong usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Failed = 1,
    NoMiner = 3,
    /// `wait` gave up.
    TimedOut = 4,
    Refused = 5,
    /// A miner is unhealthy, or files are damaged.
    Unhealthy = 6,
}

impl CliError {
    /// An error in words, with exit code 1.
    pub fn other(words: impl Into<String>) -> Self {
        Self::Other(Exit::Failed, words.into())
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => exit_of(error),
            Self::Output(_) => Exit::Failed,
            Self::Other(exit, _) => *exit,
        }
    }
}

pub fn exit_of(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { .. } | ClientError::Malformed { .. } => Exit::NoMiner,
        ClientError::Refused { problem: None, .. } => Exit::NoMiner,
        ClientError::Refused { status: 401 | 403 | 409 | 503, .. } => Exit::Refused,
        ClientError::Refused { .. } => Exit::Failed,
    }
}

fn hint(error: &ClientError) -> String {
    match error {
        // A miner can be started on this host alone.
        ClientError::Unreachable { address, .. } if is_on_this_host(address) => format!(
            "; start a miner there with \"blockchain miner start CHAIN_PATH --port {}\", \
             or name another with --miner HOST:PORT",
            address.port()
        ),
        ClientError::Unreachable { .. } => {
            "; check that it runs, or name another miner with --miner HOST:PORT".into()
        }
        ClientError::Malformed { .. } | ClientError::Refused { problem: None, .. } => {
            "; is that a miner? --miner HOST:PORT names another".into()
        }
        ClientError::Refused { status: 401, .. } => {
            "; --token-file names the file with its token".into()
        }
        ClientError::Refused { .. } => String::new(),
    }
}

fn is_on_this_host(address: &Address) -> bool {
    address.is_local() || address.ip().is_some_and(|ip| ip.is_unspecified())
}

impl From<LabError> for CliError {
    fn from(error: LabError) -> Self {
        Self::other(error.to_string())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Other(exit_of_files(&error), error.to_string())
    }
}

impl From<MinerError> for CliError {
    fn from(error: MinerError) -> Self {
        let exit = match &error {
            MinerError::Store(error) => exit_of_files(error),
            _ => Exit::Failed,
        };
        Self::Other(exit, error.to_string())
    }
}

fn exit_of_files(error: &StoreError) -> Exit {
    match error {
        StoreError::Damaged { .. }
        | StoreError::Missing { .. }
        | StoreError::BeyondRepair { .. } => Exit::Unhealthy,
        _ => Exit::Failed,
    }
}
