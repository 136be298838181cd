//! The client of a miner, with deadlines and size limits on everything.
//!
//! `routes` spells requests; a [`Transport`] carries them: HTTP here, a simulation in tests.
//! An answer may come from a stranger: it is read up to a limit, and typed.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{
    Added, Address, BlockAnswer, BlockName, ChainPage, Cursor, DataPage, DataState, EventPage,
    Health, Introduction, NeighbourPage, PAGE_BYTES_MAX, Problem, Request, StatusReport, routes,
};
use crate::chain::{Block, Data, DataId, Hash};
use crate::escape::words;

mod line;
mod token;

use line::{HttpLine, Lines};
pub use token::Token;

/// Longest answer that is no page of blocks or messages.
const SMALL_BYTES_MAX: u64 = 256 << 10;

/// Limit of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Limit of a whole exchange.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of a whole page, as long as its bytes keep coming.
const PAGE_TIMEOUT: Duration = Duration::from_secs(120);

/// Limit of the time in which no byte of an answer comes.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

const _: () = assert!(CONNECT_TIMEOUT.as_secs() < EXCHANGE_TIMEOUT.as_secs());

/// Why an exchange gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer in time, or the connection broke.
    #[error("no answer from {address}: {why}")]
    Unreachable {
        /// The miner that was asked.
        address: Address,
        /// Error of the network.
        why: String,
        /// State of the request, which may have arrived all the same.
        sent: Delivery,
    },
    /// It answered, but not with what was asked for.
    #[error("{address} answers {status}: {}", describe(.problem))]
    Refused {
        /// Who was asked.
        address: Address,
        /// HTTP status.
        status: u16,
        /// Its explanation.
        problem: Option<Problem>,
    },
    /// Its answer is none to this request.
    #[error("{address} sent no valid {what}: {why}")]
    Malformed {
        /// Who was asked.
        address: Address,
        /// Name of what was asked for.
        what: &'static str,
        /// Fault of the answer.
        why: String,
    },
}

/// State of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It never left: there was no connection.
    NotSent,
    /// It may have arrived.
    Uncertain,
}

/// Why a transport has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// Error of the network.
    pub why: String,
    /// State of the request.
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

/// Carries requests by HTTP, without an introduction.
pub fn transport() -> Box<dyn Transport> {
    Box::new(Http::new(None, None))
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
        Self::new(Box::new(Http::new(introduction, None)))
    }

    /// A client that speaks HTTP and shows `token`, if there is one, with each request that
    /// may change something.
    pub fn http_with(token: Option<Token>) -> Self {
        Self::new(Box::new(Http::new(None, token)))
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

    /// Its health.
    ///
    /// # Errors
    /// [`ClientError`]; not for a miner that answers 503 with its reasons.
    pub fn health(&self, address: &Address) -> Result<Health, ClientError> {
        let (status, body) = self.send(address, &Request::Health, SMALL_BYTES_MAX)?;
        match (status, parse(&body)) {
            (200 | 503, Ok(health)) => Ok(bounded(health)),
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
        // Those that are left alone are told with their reasons.
        let bytes_max = if details { PAGE_BYTES_MAX } else { SMALL_BYTES_MAX };
        self.ask(address, &request, bytes_max, "list of neighbours")
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
    pub fn data_state(
        &self,
        address: &Address,
        id: DataId,
        sha256: Option<Hash>,
    ) -> Result<DataState, ClientError> {
        self.ask(address, &Request::DataState { id, sha256 }, SMALL_BYTES_MAX, "state of a message")
    }

    /// Its events of the last hour.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn events(&self, address: &Address) -> Result<EventPage, ClientError> {
        self.ask(address, &Request::EVENTS, PAGE_BYTES_MAX, "list of events")
    }

    /// Events at it after the event `after`: as soon as there is something, or after `wait`
    /// seconds, at most [`super::EVENT_WAIT_MAX`].
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn events_after(
        &self,
        address: &Address,
        after: u64,
        wait: u64,
    ) -> Result<EventPage, ClientError> {
        let request = Request::Events { after: Some(after), wait };
        self.ask(address, &request, PAGE_BYTES_MAX, "list of events")
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
        let sent = Delivery::NotSent;
        let unreachable = |why| ClientError::Unreachable { address: address.clone(), why, sent };
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

    /// The block of this name, in the chain or in a kept branch, and what its line says.
    ///
    /// # Errors
    /// [`ClientError`]; also where the answer is another block.
    pub fn block(
        &self,
        address: &Address,
        which: BlockName,
    ) -> Result<(BlockAnswer, Block), ClientError> {
        #[derive(Deserialize)]
        struct Index {
            index: u64,
        }
        let answer: BlockAnswer = self.call(address, &Request::Block(which), "block")?;
        let malformed = |why: String| malformed(address, "block", why);
        let line = answer.block.get();
        let Index { index } =
            serde_json::from_str(line).map_err(|error| malformed(error.to_string()))?;
        let block = Block::read(line, index).map_err(|error| malformed(error.to_string()))?;
        let is_asked_for = match which {
            BlockName::Height(height) => height == index,
            BlockName::Hash(hash) => hash == answer.hash,
        };
        if Hash::of(line) != answer.hash || !is_asked_for {
            return Err(malformed("it is another block".into()));
        }
        Ok((answer, block))
    }

    /// Sends any request; what the body of an answer of status 200 says.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn call<A: DeserializeOwned>(
        &self,
        address: &Address,
        request: &Request,
        what: &'static str,
    ) -> Result<A, ClientError> {
        self.ask(address, request, PAGE_BYTES_MAX, what)
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

/// HTTP by ureq: no redirects, no proxy, no names of other miners' making.
struct Http {
    agent: ureq::Agent,
    introduction: Option<Introduction>,
    token: Option<Token>,
    lines: Lines,
}

/// Time that an exchange may take, and each read of its answer.
#[derive(Clone, Copy, Debug)]
struct Patience {
    whole: Duration,
    read: Duration,
}

impl Patience {
    /// A miner that was asked to wait sends nothing meanwhile.
    fn for_request(request: &Request) -> Self {
        let is_page = matches!(request, Request::Chain { .. } | Request::Data { .. });
        let whole = if is_page { PAGE_TIMEOUT } else { EXCHANGE_TIMEOUT };
        Self { whole: whole + request.wait(), read: READ_TIMEOUT + request.wait() }
    }
}

impl Http {
    fn new(introduction: Option<Introduction>, token: Option<Token>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_connections_per_host(1)
            .user_agent(concat!("blockchain/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), introduction, token, lines: Lines::default() }
    }
}

impl Transport for Http {
    fn exchange(&self, address: &Address, request: &Request, bytes_max: u64) -> Exchanged {
        let patience = Patience::for_request(request);
        let (method, target, body) = routes::encode(request);
        let mut http =
            ureq::http::Request::builder().method(method).uri(format!("http://{address}{target}"));
        if let Some(token) = self.token.as_ref().filter(|_| method != "GET") {
            http = http.header("Authorization", token.bearer());
        }
        for (name, value) in self.introduction.iter().flat_map(introducing) {
            http = http.header(name, value);
        }
        let not_sent =
            |error: ureq::http::Error| NoAnswer { why: error.to_string(), sent: Delivery::NotSent };
        let no_answer =
            |error: ureq::Error| NoAnswer { sent: delivery(&error), why: in_words(&error) };
        let http = http.body(body.as_slice()).map_err(not_sent)?;
        let http = self.agent.configure_request(http);
        let http = http.timeout_global(Some(patience.whole)).timeout_per_read(Some(patience.read));
        let http = http.build();
        let mut answer = self.agent.run(http).map_err(no_answer)?;
        let body = answer.body_mut().with_config().limit(bytes_max).read_to_vec();
        let cut =
            |error: ureq::Error| NoAnswer { why: in_words(&error), sent: Delivery::Uncertain };
        Ok((answer.status().as_u16(), body.map_err(cut)?))
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

/// An error in words, without the kind in front of what the system says.
fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "it did not answer in time".into(),
        other => other.to_string(),
    }
}

/// State of a request that failed with `error`: not sent where there never was a connection.
fn delivery(error: &ureq::Error) -> Delivery {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let is_sent = match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => false,
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => false,
        ureq::Error::Io(error) => {
            !matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        }
        _ => true,
    };
    if is_sent { Delivery::Uncertain } else { Delivery::NotSent }
}

/// The headers by which a miner introduces itself.
fn introducing(introduction: &Introduction) -> [(&'static str, String); 2] {
    let Introduction { id, host, port } = introduction;
    let host = host.as_deref().unwrap_or_default();
    [("Miner-Id", id.to_string()), ("Miner-Address", format!("{host}:{port}"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EVENT_WAIT_MAX;

    /// Each read had 10 s of its own: `watch` said "no answer" whenever nothing happened for that
    /// long.
    #[test]
    fn a_miner_that_was_asked_to_wait_may() {
        let wait = Duration::from_secs(EVENT_WAIT_MAX);
        let events = Request::Events { after: Some(1), wait: EVENT_WAIT_MAX };
        let patience = Patience::for_request(&events);
        assert!(patience.read > wait && patience.whole > wait, "{patience:?}");
        let other = Patience::for_request(&Request::Health);
        assert_eq!((other.whole, other.read), (EXCHANGE_TIMEOUT, READ_TIMEOUT));
    }
}
