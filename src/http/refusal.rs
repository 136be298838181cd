//! The guard's own answers.

/// Why a request, or a connection, gets no answer from a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub message: &'static str,
    pub more: String,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal that nothing is known to end.
    pub fn new(status: u16, message: &'static str, more: impl Into<String>) -> Self {
        Self { status, message, more: more.into(), retry_after: None }
    }

    /// To a request that can't be understood.
    pub fn bad_request(more: impl Into<String>) -> Self {
        Self::new(400, "Bad request", more)
    }

    /// To a body longer than `max` bytes.
    pub fn body_too_long(max: usize) -> Self {
        Self::new(413, "Body too long", format!("a request's body has at most {max} bytes"))
    }

    /// When there is no room for one more just now.
    pub fn busy(status: u16, message: &'static str, more: &str) -> Self {
        Self { retry_after: Some(1), ..Self::new(status, message, more) }
    }

    /// When there is nobody to ask, or nobody answers.
    pub fn unavailable(more: &str) -> Self {
        Self::busy(503, "Service unavailable", more)
    }
}
