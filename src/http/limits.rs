//! Limits of what strangers use up, in number, bytes and time.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of tiny_http and the guard for each upstream.
const UPSTREAM_DESCRIPTORS: usize = 3;

/// Descriptors for everything else.
const RESERVED_DESCRIPTORS: usize = 32;

/// Limits of what strangers use up, in number, bytes and time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all; fewer if the process may not have as many descriptors.
    pub connections_max: usize,
    /// Connections from one address, or from one /64 of IPv6.
    pub connections_per_place_max: usize,
    /// Connections from this host: who is here already can do worse than connect.
    pub connections_of_loopback_max: usize,
    /// Connections to tiny_http.
    pub upstreams_max: usize,
    /// Requests that each of them answers at a time, in order; others wait for their turn.
    pub asked_at_once_max: usize,
    pub body_bytes_max: usize,
    /// Bytes of requests and answers that are held for clients.
    pub held_bytes_max: usize,
    /// Time that a connection may have no request.
    pub idle: Duration,
    /// Limit of the head of a request.
    pub head: Duration,
    pub body: Duration,
    /// Limit of the answer of the miner; less than neighbours wait.
    pub answer: Duration,
    /// Time that an answer may take that is said to come later.
    pub later: Duration,
    /// Time that a client may take none of an answer.
    pub progress: Duration,
    /// Time that a refused client has to read the reason.
    pub linger: Duration,
    /// Time that tiny_http has to prove that it has not forgotten a connection.
    pub proof: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            connections_per_place_max: 256,
            connections_of_loopback_max: usize::MAX,
            upstreams_max: 16,
            asked_at_once_max: 64,
            body_bytes_max: 400 << 10,
            held_bytes_max: 16 << 20,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            body: Duration::from_secs(20),
            answer: Duration::from_secs(8),
            later: Duration::from_secs(40),
            progress: Duration::from_secs(20),
            linger: Duration::from_secs(2),
            proof: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The same within what this process may have of descriptors.
    pub(super) fn within_descriptors(mut self) -> Self {
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
        let free = allowed.saturating_sub(RESERVED_DESCRIPTORS);
        self.upstreams_max = self.upstreams_max.min(free / 4 / UPSTREAM_DESCRIPTORS).max(1);
        let free = free.saturating_sub(self.upstreams_max * UPSTREAM_DESCRIPTORS);
        self.connections_max = self.connections_max.min(free).max(1);
        self
    }
}

/// Allows this process as many descriptors as it may allow itself.
pub fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        log::debug!("http: can't raise the limit of descriptors: {error}");
    }
}
