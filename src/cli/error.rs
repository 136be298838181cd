//! Why a command could not be done: one line, what and why and what to do.

use std::io;

use crate::api::client::ClientError;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A miner did not answer, or not with what was asked for.
    #[error("{0}{hint}", hint = hint(.0))]
    Client(#[from] ClientError),
    /// What was printed did not arrive. Quiet if whoever read it has seen enough (`| head`).
    #[error("cannot write to stdout: {0}")]
    Output(#[from] io::Error),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// An error in words.
    pub fn other(words: impl Into<String>) -> Self {
        Self::Other(words.into())
    }
}

/// What to do about it.
fn hint(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { address, .. } => format!(
            "; start a miner there with \"blockchain miner start CHAIN_PATH --port {}\", \
             or name another with --host and --port",
            address.port()
        ),
        ClientError::Malformed { .. } | ClientError::Refused { problem: None, .. } => {
            "; is that a miner? --host and --port name another".into()
        }
        ClientError::Refused { .. } => String::new(),
    }
}
