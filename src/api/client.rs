//! The client of a miner, with deadlines and size limits on everything.
//!
//! `routes` spells requests; a [`Transport`] carries them: HTTP here, a simulation in tests.
//! An answer may come from a stranger: it is read up to a limit, and typed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde::de::DeserializeOwned;

use super::{
    Added, Address, Cursor, DataPage, DataState, EventPage, Health, Introduction, NeighbourPage,
    PAGE_BYTES_MAX, Request, StatusReport,
};
use crate::chain::{Data, DataId, Hash};
use crate::escape::words;

mod blocks;
mod connection;
mod error;
mod http;
mod token;

pub use blocks::Sent;
pub use connection::{Connection, Received};
pub use error::{ClientError, Delivery, Exchanged, NoAnswer};
use http::Http;
pub use token::Token;

pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// Longest answer that is no page.
const SMALL_BYTES_MAX: u64 = 256 << 10;

/// Longest answer to a request that is read: a stranger may send without end.
fn bytes_max(request: &Request) -> u64 {
    match request {
        Request::Health | Request::Status | Request::DataState { .. } => SMALL_BYTES_MAX,
        // With details, those that are left alone are told with their reasons.
        Request::Neighbours { details: false } => SMALL_BYTES_MAX,
        _ => PAGE_BYTES_MAX,
    }
}

/// Carries a request to a miner and brings status and body back.
pub trait Transport: Send + Sync {
    /// Sends `request`; reads at most `bytes_max` of the answer's body.
    ///
    /// # Errors
    /// When there is no whole answer in time or it is too long.
    fn exchange(&self, address: &Address, request: &Request, bytes_max: u64) -> Exchanged;

    /// Begins a standing connection.
    ///
    /// # Errors
    /// In words, when nobody answers in time.
    fn connect(&self, _address: &Address) -> Result<Arc<Connection>, String> {
        Err("no connection stands over this transport".to_owned())
    }

    /// The addresses that a host's name has; none where it can't be looked up now.
    fn resolve(&self, name: &Address) -> Vec<Address>;

    /// Ends calls under way, and lets no further one begin.
    fn shut_down(&self);
}

/// Carries requests by HTTP, without an introduction.
pub fn transport() -> Box<dyn Transport> {
    Box::new(Http::new(None, None))
}

pub struct MinerClient {
    /// Bytes of answers' bodies.
    received: AtomicU64,
    transport: Box<dyn Transport>,
}

impl MinerClient {
    pub fn http(introduction: Option<Introduction>) -> Self {
        Self::new(Box::new(Http::new(introduction, None)))
    }

    /// A client that speaks HTTP and shows `token`, if there is one, with each request that
    /// may change something.
    pub fn http_with(token: Option<Token>) -> Self {
        Self::new(Box::new(Http::new(None, token)))
    }

    pub fn new(transport: Box<dyn Transport>) -> Self {
        Self { received: AtomicU64::new(0), transport }
    }

    pub fn resolve(&self, name: &Address) -> Vec<Address> {
        self.transport.resolve(name)
    }

    pub fn shut_down(&self) {
        self.transport.shut_down();
    }

    /// Bytes in the bodies of all answers so far.
    pub fn received_bytes(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Its health; a miner that answers 503 with its reasons is no error.
    pub fn health(&self, address: &Address) -> Result<Health> {
        let request = Request::Health;
        let (status, body) = self.send(address, &request, bytes_max(&request))?;
        match (status, parse(&body)) {
            (200 | 503, Ok(health)) => Ok(bounded(health)),
            (200, Err(why)) => Err(malformed(address, "health", why)),
            _ => Err(refused(address, status, &body)),
        }
    }

    /// Unprocessed data that came after `cursor`; some of it, if there is much.
    pub fn data(&self, address: &Address, after: Cursor) -> Result<DataPage> {
        let request = Request::Data { after: Some(after) };
        self.call(address, &request, "page of messages")
    }

    pub fn neighbours(&self, address: &Address, details: bool) -> Result<NeighbourPage> {
        self.call(address, &Request::Neighbours { details }, "list of neighbours")
    }

    /// Adds a message. A repeat with the same id adds nothing twice.
    pub fn add(&self, address: &Address, data: Data) -> Result<Added> {
        let request = Request::Add { id: Some(data.id), message: data.message };
        self.call(address, &request, "confirmation")
    }

    /// Where a message is; refused with 404 if the miner knows none.
    pub fn data_state(
        &self,
        address: &Address,
        id: DataId,
        sha256: Option<Hash>,
    ) -> Result<DataState> {
        self.call(address, &Request::DataState { id, sha256 }, "state of a message")
    }

    pub fn events(&self, address: &Address) -> Result<EventPage> {
        self.call(address, &Request::EVENTS, "list of events")
    }

    /// Events at it after the event `after`: as soon as there is something, or after `wait`
    /// seconds, at most [`super::EVENT_WAIT_MAX`].
    pub fn events_after(&self, address: &Address, after: u64, wait: u64) -> Result<EventPage> {
        let request = Request::Events { after: Some(after), wait };
        self.call(address, &request, "list of events")
    }

    pub fn status(&self, address: &Address) -> Result<StatusReport> {
        self.call(address, &Request::Status, "status")
    }

    /// Begins a standing connection.
    pub fn connect(&self, address: &Address) -> Result<Arc<Connection>> {
        let sent = Delivery::NotSent;
        let unreachable = |why| ClientError::Unreachable { address: address.clone(), why, sent };
        self.transport.connect(address).map_err(unreachable)
    }

    /// Sends any request; status and body of the answer.
    pub fn send(
        &self,
        address: &Address,
        request: &Request,
        bytes_max: u64,
    ) -> Result<(u16, Vec<u8>)> {
        let unreachable = |NoAnswer { why, sent }| ClientError::Unreachable {
            address: address.clone(),
            why: words(&why),
            sent,
        };
        let answer = self.transport.exchange(address, request, bytes_max);
        let (status, body) = answer.map_err(unreachable)?;
        self.received.fetch_add(body.len() as u64, Relaxed);
        Ok((status, body))
    }

    /// Sends any request; what the body of an answer of status 200 says.
    pub fn call<A: DeserializeOwned>(
        &self,
        address: &Address,
        request: &Request,
        what: &'static str,
    ) -> Result<A> {
        let (status, body) = self.send(address, request, bytes_max(request))?;
        if status != 200 {
            return Err(refused(address, status, &body));
        }
        parse(&body).map_err(|why| malformed(address, what, why))
    }
}

fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Reasons that a miner may give for not being well.
const REASONS_MAX: usize = 20;

/// The same with what a stranger may write at will cut.
fn bounded(mut health: Health) -> Health {
    health.version = words(&health.version);
    health.kernel = words(&health.kernel);
    health.name = health.name.as_deref().map(words);
    health.reasons.truncate(REASONS_MAX);
    for reason in &mut health.reasons {
        *reason = words(reason);
    }
    health
}

fn malformed(address: &Address, what: &'static str, why: String) -> ClientError {
    ClientError::Malformed { address: address.clone(), what, why: words(&why) }
}

fn refused(address: &Address, status: u16, body: &[u8]) -> ClientError {
    let problem = serde_json::from_slice(body).ok();
    ClientError::Refused { address: address.clone(), status, problem }
}
