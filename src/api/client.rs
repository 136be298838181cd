//! Asking another miner, with deadlines and size limits on everything.
//!
//! What a request becomes on the wire is `routes`'; how it travels is a [`Transport`]'s:
//! HTTP here, something simulated in tests. Every answer is a stranger's: it is read up
//! to a limit, and typed.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{
    Added, Address, ChainPage, Cursor, DataPage, DataState, EventPage, Health, Introduction,
    NeighbourPage, PAGE_BYTES_MAX, Problem, Request, StatusReport, routes,
};
use crate::chain::{Data, DataId};

mod line;

use line::{HttpLine, Lines};

/// Longest answer that is no page of blocks or messages.
const SMALL_BYTES_MAX: u64 = 256 << 10;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an exchange may take in all: a page over a slow line.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

const _: () = assert!(CONNECT_TIMEOUT.as_secs() < EXCHANGE_TIMEOUT.as_secs());

/// Why an exchange gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered in time, or the connection broke.
    #[error("no answer from {address}: {why}")]
    Unreachable {
        /// Who was asked.
        address: Address,
        /// What the network said.
        why: String,
    },
    /// It answered, but not with what was asked for.
    #[error("{address} answers {status}: {}", describe(.problem))]
    Refused {
        /// Who was asked.
        address: Address,
        /// HTTP status.
        status: u16,
        /// What it says about it.
        problem: Option<Problem>,
    },
    /// What it sent is no answer to this request.
    #[error("{address} sends no {what}: {why}")]
    Malformed {
        /// Who was asked.
        address: Address,
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

fn describe(problem: &Option<Problem>) -> String {
    let Some(Problem { message, more_information }) = problem else { return "no reason".into() };
    format!("{message} {more_information}").chars().take(300).collect()
}

/// Carries a request to a miner and brings status and body back.
pub trait Transport: Send + Sync {
    /// Sends `request`; reads at most `bytes_max` of the answer's body.
    ///
    /// # Errors
    /// In words, when there is no whole answer in time or it is too long.
    fn exchange(
        &self,
        address: &Address,
        request: &Request,
        bytes_max: u64,
    ) -> Result<(u16, Vec<u8>), String>;

    /// Begins a standing connection.
    ///
    /// # Errors
    /// In words, when nobody answers in time.
    fn line(&self, _address: &Address) -> Result<Arc<dyn Line>, String> {
        Err("no connection stands over this transport".to_owned())
    }

    /// The addresses that a host's name has; none where it can't be looked up now.
    fn resolve(&self, name: &Address) -> Vec<Address>;

    /// Ends calls under way, and lets no further one begin.
    fn shut_down(&self);
}

/// A connection that stands: requests go out one behind the other, without waiting for
/// answers, which come in the same order.
pub trait Line: Send + Sync {
    /// Sends a request.
    ///
    /// # Errors
    /// In words; the connection is of no use any more.
    fn send(&self, request: &Request) -> Result<(), String>;

    /// Waits for an answer, for at most `patience`; `None` if none has begun by then.
    ///
    /// # Errors
    /// In words; the connection is of no use any more.
    fn receive(&self, patience: Duration) -> Result<Option<(u16, Vec<u8>)>, String>;

    /// The other end.
    fn peer(&self) -> Option<IpAddr>;

    /// Ends it: whoever sends or waits gets an error.
    fn close(&self);
}

/// Asks miners.
pub struct MinerClient<T: ?Sized = dyn Transport> {
    /// Bytes of answers' bodies.
    received: AtomicU64,
    transport: Box<T>,
}

impl MinerClient {
    /// A client that speaks HTTP.
    pub fn http(introduction: Option<Introduction>) -> Self {
        Self::new(Box::new(Http::new(introduction)))
    }

    /// A client over this transport.
    pub fn new(transport: Box<dyn Transport>) -> Self {
        Self { received: AtomicU64::new(0), transport }
    }

    /// The addresses that a host's name has; none where it can't be looked up now.
    pub fn resolve(&self, name: &Address) -> Vec<Address> {
        self.transport.resolve(name)
    }

    /// Ends calls under way, and lets no further one begin.
    pub fn shut_down(&self) {
        self.transport.shut_down();
    }

    /// Bytes in the bodies of all answers so far.
    pub fn received_bytes(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// How it is.
    ///
    /// # Errors
    /// [`ClientError`]; not for a miner that answers 503 with its reasons.
    pub fn health(&self, address: &Address) -> Result<Health, ClientError> {
        let (status, body) = self.send(address, &Request::Health, SMALL_BYTES_MAX)?;
        match (status, parse(&body)) {
            (200 | 503, Ok(health)) => Ok(health),
            (200, Err(why)) => Err(malformed(address, "health", why)),
            _ => Err(refused(address, status, &body)),
        }
    }

    /// Blocks from height `from`, at most `limit` of them; it may send fewer.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn chain(
        &self,
        address: &Address,
        from: u64,
        limit: u64,
    ) -> Result<ChainPage, ClientError> {
        let request = Request::Chain { from, limit: Some(limit) };
        let page: ChainPage = self.ask(address, &request, PAGE_BYTES_MAX, "page of blocks")?;
        let (sent, length) = (page.chain.len() as u64, page.length);
        if sent > limit || from.checked_add(sent).is_none_or(|end| sent > 0 && end > length) {
            let why = format!("{sent} blocks from height {from}, of {length} in all");
            return Err(malformed(address, "page of blocks", why));
        }
        Ok(page)
    }

    /// Unprocessed data that came after `cursor`; some of it, if there is much.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn data(&self, address: &Address, after: Cursor) -> Result<DataPage, ClientError> {
        let request = Request::Data { after: Some(after) };
        self.ask(address, &request, PAGE_BYTES_MAX, "page of messages")
    }

    /// Its neighbours.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn neighbours(
        &self,
        address: &Address,
        details: bool,
    ) -> Result<NeighbourPage, ClientError> {
        let request = Request::Neighbours { details };
        self.ask(address, &request, SMALL_BYTES_MAX, "list of neighbours")
    }

    /// Tells it to take in or forget a neighbour.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn change_neighbour(&self, address: &Address, change: &Request) -> Result<(), ClientError> {
        let _: serde_json::Value = self.ask(address, change, SMALL_BYTES_MAX, "confirmation")?;
        Ok(())
    }

    /// Adds a message. A repeat with the same id adds nothing twice.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn add(&self, address: &Address, data: Data) -> Result<Added, ClientError> {
        let request = Request::Add { id: Some(data.id), message: data.message };
        self.ask(address, &request, PAGE_BYTES_MAX, "confirmation")
    }

    /// Where a message is.
    ///
    /// # Errors
    /// [`ClientError`]; 404 if it knows no such message.
    pub fn data_state(&self, address: &Address, id: DataId) -> Result<DataState, ClientError> {
        self.ask(address, &Request::DataState(id), SMALL_BYTES_MAX, "state of a message")
    }

    /// What happened at it in the last hour.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn events(&self, address: &Address) -> Result<EventPage, ClientError> {
        self.ask(address, &Request::Events, PAGE_BYTES_MAX, "list of events")
    }

    /// Its settings, files, jobs and search.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn status(&self, address: &Address) -> Result<StatusReport, ClientError> {
        self.ask(address, &Request::Status, SMALL_BYTES_MAX, "status")
    }

    /// Begins a standing connection.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`]
    pub fn line(&self, address: &Address) -> Result<Arc<dyn Line>, ClientError> {
        let unreachable = |why| ClientError::Unreachable { address: address.clone(), why };
        self.transport.line(address).map_err(unreachable)
    }

    /// Sends any request; status and body of the answer.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`]
    pub fn send(
        &self,
        address: &Address,
        request: &Request,
        bytes_max: u64,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let unreachable = |why| ClientError::Unreachable { address: address.clone(), why };
        let answer = self.transport.exchange(address, request, bytes_max);
        let (status, body) = answer.map_err(unreachable)?;
        self.received.fetch_add(body.len() as u64, Relaxed);
        Ok((status, body))
    }

    fn ask<A: DeserializeOwned>(
        &self,
        address: &Address,
        request: &Request,
        bytes_max: u64,
        what: &'static str,
    ) -> Result<A, ClientError> {
        let (status, body) = self.send(address, request, bytes_max)?;
        if status != 200 {
            return Err(refused(address, status, &body));
        }
        parse(&body).map_err(|why| malformed(address, what, why))
    }
}

fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn malformed(address: &Address, what: &'static str, why: String) -> ClientError {
    ClientError::Malformed { address: address.clone(), what, why }
}

fn refused(address: &Address, status: u16, body: &[u8]) -> ClientError {
    let problem = serde_json::from_slice(body).ok();
    ClientError::Refused { address: address.clone(), status, problem }
}

/// HTTP by ureq: no redirects, no proxy, no names of other miners' making.
struct Http {
    agent: ureq::Agent,
    introduction: Option<Introduction>,
    lines: Lines,
}

impl Http {
    fn new(introduction: Option<Introduction>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(EXCHANGE_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_connections_per_host(1)
            .user_agent(concat!("blockchain/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), introduction, lines: Lines::default() }
    }
}

impl Transport for Http {
    fn exchange(
        &self,
        address: &Address,
        request: &Request,
        bytes_max: u64,
    ) -> Result<(u16, Vec<u8>), String> {
        let (method, target, body) = routes::encode(request);
        let mut http =
            ureq::http::Request::builder().method(method).uri(format!("http://{address}{target}"));
        for (name, value) in self.introduction.iter().flat_map(introducing) {
            http = http.header(name, value);
        }
        let http = http.body(body).map_err(|error| error.to_string())?;
        let mut answer = self.agent.run(http).map_err(|error| error.to_string())?;
        let body = answer.body_mut().with_config().limit(bytes_max).read_to_vec();
        Ok((answer.status().as_u16(), body.map_err(|error| error.to_string())?))
    }

    fn resolve(&self, name: &Address) -> Vec<Address> {
        let found = (name.host(), name.port()).to_socket_addrs();
        found.into_iter().flatten().map(|ip| Address::from_ip(ip.ip(), ip.port())).collect()
    }

    fn line(&self, address: &Address) -> Result<Arc<dyn Line>, String> {
        let headers = self.introduction.iter().flat_map(introducing);
        let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let line = Arc::new(HttpLine::connect(address, headers, CONNECT_TIMEOUT)?);
        self.lines.add(&line)?;
        Ok(line)
    }

    fn shut_down(&self) {
        self.agent.clone().shutdown();
        self.lines.end();
    }
}

/// The headers by which a miner introduces itself.
fn introducing(introduction: &Introduction) -> [(&'static str, String); 2] {
    let Introduction { id, host, port } = introduction;
    let host = host.as_deref().unwrap_or_default();
    [("Miner-Id", id.to_string()), ("Miner-Address", format!("{host}:{port}"))]
}
