//! Why a miner gave no answer, or not the one that was asked for.

use crate::api::{Address, Problem};
use crate::escape::words;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer in time, or the connection broke.
    #[error("no answer from {address}: {why}")]
    Unreachable {
        address: Address,
        why: String,
        /// State of the request, which may have arrived all the same.
        sent: Delivery,
    },
    #[error("{address} answers {status}: {}", describe(.problem))]
    Refused { address: Address, status: u16, problem: Option<Problem> },
    /// Its answer is none to this request.
    #[error("{address} sent no valid {what}: {why}")]
    Malformed {
        address: Address,
        /// Name of what was asked for.
        what: &'static str,
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It never left: there was no connection.
    NotSent,
    /// It may have arrived.
    Uncertain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    pub why: String,
    pub sent: Delivery,
}

impl<T: Into<String>> From<T> for NoAnswer {
    fn from(why: T) -> Self {
        Self { why: why.into(), sent: Delivery::Uncertain }
    }
}

/// Status and body of an answer.
pub type Exchanged = Result<(u16, Vec<u8>), NoAnswer>;

fn describe(problem: &Option<Problem>) -> String {
    let Some(Problem { message, more_information }) = problem else { return "no reason".into() };
    let end = if message.ends_with(['!', '.', ':']) { "" } else { ":" };
    words(&format!("{message}{end} {more_information}"))
}
