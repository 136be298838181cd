//! Requests carried by HTTP, with a deadline for each.

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, Connections};
use super::{Delivery, Exchanged, NoAnswer, Token, Transport};
use crate::api::{Address, Introduction, Request, routes};

/// Buffers of a connection, one for each way. ureq fills them with zeros, so that its 128 KiB cost
/// a miner with eleven neighbours 4 MB of memory.
const BUFFER_BYTES: usize = 16 << 10;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of a whole page, as long as its bytes keep coming.
const PAGE_TIMEOUT: Duration = Duration::from_secs(120);

/// Limit of the time in which no byte of an answer comes.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer on a standing connection, on which blocks and messages are pushed.
const PUSHED_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(CONNECT_TIMEOUT.as_secs() < EXCHANGE_TIMEOUT.as_secs());

/// HTTP by ureq: no redirects, no proxy, no names of other miners' making.
pub(super) struct Http {
    agent: ureq::Agent,
    introduction: Option<Introduction>,
    token: Option<Token>,
    connections: Connections,
}

/// Time that an exchange may take, and each read of its answer.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    whole: Duration,
    read: Duration,
}

impl Timeouts {
    /// A miner that was asked to wait sends nothing meanwhile.
    fn for_request(request: &Request) -> Self {
        let is_page = matches!(request, Request::Chain { .. } | Request::Data { .. });
        let whole = if is_page { PAGE_TIMEOUT } else { EXCHANGE_TIMEOUT };
        Self { whole: whole + request.wait(), read: READ_TIMEOUT + request.wait() }
    }
}

impl Http {
    pub(super) fn new(introduction: Option<Introduction>, token: Option<Token>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_connections_per_host(1)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .user_agent(concat!("blockchain/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), introduction, token, connections: Connections::default() }
    }
}

impl Transport for Http {
    fn exchange(&self, address: &Address, request: &Request, bytes_max: u64) -> Exchanged {
        let patience = Timeouts::for_request(request);
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

    fn connect(&self, address: &Address) -> Result<Arc<Connection>, String> {
        let headers = self.introduction.iter().flat_map(introducing);
        let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let connection =
            Arc::new(Connection::connect(address, headers, CONNECT_TIMEOUT, PUSHED_BYTES_MAX)?);
        self.connections.add(&connection)?;
        Ok(connection)
    }

    fn shut_down(&self) {
        self.agent.clone().shutdown();
        self.connections.end();
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
        let patience = Timeouts::for_request(&events);
        assert!(patience.read > wait && patience.whole > wait, "{patience:?}");
        let other = Timeouts::for_request(&Request::Health);
        assert_eq!((other.whole, other.read), (EXCHANGE_TIMEOUT, READ_TIMEOUT));
    }
}
