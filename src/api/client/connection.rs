//! A standing HTTP connection to a miner: requests go out one behind the other, without waiting
//! for answers, which come in the same order.
//!
//! ureq waits for each answer before the next request goes out, so that many requests under
//! way take as many connections, on which they overtake each other.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::api::{Address, Request, routes};

/// Limit of a pause in which the other end takes nothing of a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of the rest of an answer that has begun.
const REST_TIMEOUT: Duration = Duration::from_secs(10);

const HEAD_BYTES_MAX: usize = 4 << 10;

const HEADERS_MAX: usize = 32;

/// A standing connection. One thread may send while another receives.
pub struct Connection {
    host: String,
    headers: String,
    body_bytes_max: usize,
    stream: TcpStream,
    /// Held while a request is written: two must not mix.
    writing: Mutex<()>,
    /// Bytes that have come and belong to no answer yet.
    inbox: Mutex<Vec<u8>>,
}

#[derive(Debug, PartialEq)]
pub struct Received {
    pub status: u16,
    /// Seconds after which to try again (`Retry-After`).
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects to the first address of the host that answers. After an error here or below, in
    /// words, the connection is of no use any more.
    pub fn connect(
        address: &Address,
        headers: String,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Self, String> {
        let found = (address.host(), address.port()).to_socket_addrs();
        let found: Vec<SocketAddr> = found.map_err(in_words)?.collect();
        let mut outcome = Err("its name has no address".to_owned());
        for address in found {
            outcome = TcpStream::connect_timeout(&address, timeout).map_err(in_words);
            if outcome.is_ok() {
                break;
            }
        }
        let stream = outcome?;
        stream.set_nodelay(true).map_err(in_words)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(in_words)?;
        let (host, writing, inbox) = (address.to_string(), Mutex::default(), Mutex::default());
        Ok(Self { host, headers, body_bytes_max, stream, writing, inbox })
    }

    pub fn send(&self, request: &Request) -> Result<(), String> {
        self.send_all(std::slice::from_ref(request))
    }

    /// Sends requests at once: each packet of its own would wake the other end.
    pub fn send_all(&self, requests: &[Request]) -> Result<(), String> {
        let (host, headers, mut bytes) = (&self.host, &self.headers, Vec::new());
        for request in requests {
            let (method, target, body) = routes::encode(request);
            let length = body.len();
            let head = format!(
                "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n"
            );
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(&body);
        }
        let _writing = self.writing.lock();
        (&self.stream).write_all(&bytes).map_err(in_words)
    }

    /// Waits for an answer, for at most `patience`; `None` if none has begun by then.
    pub fn receive(&self, patience: Duration) -> Result<Option<Received>, String> {
        let mut inbox = self.inbox.lock();
        loop {
            if let Some((answer, end)) = answer(&inbox, self.body_bytes_max)? {
                inbox.drain(..end);
                return Ok(Some(answer));
            }
            let has_begun = !inbox.is_empty();
            let patience = if has_begun { REST_TIMEOUT } else { patience };
            if !self.fill(&mut inbox, patience)? {
                return if has_begun { Err("its answer stops".to_owned()) } else { Ok(None) };
            }
        }
    }

    /// Reads more into `inbox`; whether it came in time.
    fn fill(&self, inbox: &mut Vec<u8>, patience: Duration) -> Result<bool, String> {
        self.stream.set_read_timeout(Some(patience)).map_err(in_words)?;
        let mut scratch = [0; 16 << 10];
        match (&self.stream).read(&mut scratch) {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(length) => {
                inbox.extend_from_slice(&scratch[..length]);
                Ok(true)
            }
            Err(error) if is_time_up(&error) => Ok(false),
            Err(error) => Err(in_words(error)),
        }
    }

    pub fn peer(&self) -> Option<IpAddr> {
        self.stream.peer_addr().ok().map(|peer| peer.ip().to_canonical())
    }

    /// Ends it: whoever sends or waits gets an error.
    pub fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The first answer in `inbox`, and where it ends; none while it is not whole.
fn answer(inbox: &[u8], body_bytes_max: usize) -> Result<Option<(Received, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let begin = match head.parse(inbox).map_err(|error| error.to_string())? {
        httparse::Status::Complete(begin) => begin,
        httparse::Status::Partial if inbox.len() > HEAD_BYTES_MAX => {
            return Err("the head of its answer is too long".to_owned());
        }
        httparse::Status::Partial => return Ok(None),
    };
    let number = |name: &str| {
        let header = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()?.trim().parse::<u64>().ok()
    };
    let length = number("Content-Length").ok_or("its answer has no length")? as usize;
    if length > body_bytes_max {
        return Err("its answer is too long".to_owned());
    }
    let (status, retry_after) =
        (head.code.ok_or("its answer has no status")?, number("Retry-After"));
    let body = inbox.get(begin..begin + length);
    Ok(body.map(|body| (Received { status, retry_after, body: body.to_vec() }, begin + length)))
}

fn is_time_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn in_words(error: io::Error) -> String {
    error.to_string()
}

/// The standing connections of a client, to be ended with it.
#[derive(Default)]
pub(super) struct Connections(Mutex<AllConnections>);

#[derive(Default)]
struct AllConnections {
    open: Vec<Weak<Connection>>,
    have_ended: bool,
}

impl Connections {
    /// Takes one in, unless the client was shut down.
    pub(super) fn add(&self, connection: &Arc<Connection>) -> Result<(), String> {
        let mut all = self.0.lock();
        if all.have_ended {
            return Err("this miner ends".to_owned());
        }
        all.open.retain(|connection| connection.strong_count() > 0);
        all.open.push(Arc::downgrade(connection));
        Ok(())
    }

    /// Ends all, and lets no further one begin.
    pub(super) fn end(&self) {
        let mut all = self.0.lock();
        all.have_ended = true;
        for connection in all.open.drain(..).filter_map(|connection| connection.upgrade()) {
            connection.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_wherever_they_are_cut() {
        let one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
        let two = [&one[..], b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n"].concat();
        let answer = |inbox: &[u8]| answer(inbox, 64 << 10);
        for cut in 0..one.len() {
            assert_eq!(answer(&one[..cut]), Ok(None), "{cut}");
        }
        let whole = Received { status: 200, retry_after: None, body: b"ab".to_vec() };
        assert_eq!(answer(&two), Ok(Some((whole, one.len()))));
        assert_eq!(answer(&two[one.len()..]).map(|it| it.unwrap().0.status), Ok(409));
        for bad in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            b"hello\r\n",
            &[b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; HEAD_BYTES_MAX]].concat(),
        ] {
            assert!(answer(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
