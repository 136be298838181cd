//! An answer of a miner, as it goes out.

use serde::{Deserialize, Serialize};

use super::{Problem, Request};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Media {
    #[default]
    Json,
    Metrics,
}

impl Media {
    pub const ALL: [Self; 2] = [Self::Json, Self::Metrics];

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// An answer: what goes out over HTTP, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub status: u16,
    /// Seconds after which to try again (`Retry-After`).
    pub retry_after: Option<u32>,
    /// Methods that the path takes (`Allow`).
    pub allow: Option<String>,
    pub media: Media,
    pub body: Vec<u8>,
    /// The request for the next part, if this is not the whole.
    pub rest: Option<Request>,
}

impl Reply {
    pub fn new(status: u16, media: Media, body: Vec<u8>) -> Self {
        Self { status, retry_after: None, allow: None, media, body, rest: None }
    }

    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("our own types are always JSON");
        Self::new(status, Media::Json, body)
    }

    /// An error: what went wrong, and what to know or do about it.
    pub fn problem(status: u16, message: &str, more_information: impl Into<String>) -> Self {
        let message = message.to_owned();
        Self::json(status, &Problem { message, more_information: more_information.into() })
    }

    /// A change is made: which, and what follows from it, in the words of a [`Problem`].
    pub fn done(message: &str, more_information: impl Into<String>) -> Self {
        Self::problem(200, message, more_information)
    }

    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}
