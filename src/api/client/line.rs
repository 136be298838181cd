//! A standing HTTP connection to another miner: requests are pipelined.
//!
//! ureq waits for each answer before the next request goes out, so that many requests under
//! way take as many connections, on which they overtake each other. Here they keep their order.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Line;
use crate::api::{Address, Request, routes};

/// Limit of a pause in which the other end takes nothing of a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of the rest of an answer that has begun.
const REST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// Longest body of an answer: pushes have short ones.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Most headers of an answer.
const HEADERS_MAX: usize = 32;

/// See [`Line`].
pub(super) struct HttpLine {
    host: String,
    /// Headers of each request.
    headers: String,
    stream: TcpStream,
    /// Held while a request is written: two must not mix.
    writing: Mutex<()>,
    /// Bytes that have come and belong to no answer yet.
    inbox: Mutex<Vec<u8>>,
}

impl HttpLine {
    pub(super) fn connect(
        address: &Address,
        headers: String,
        timeout: Duration,
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
        let host = address.to_string();
        Ok(Self { host, headers, stream, writing: Mutex::new(()), inbox: Mutex::default() })
    }

    /// Reads more into `inbox`; whether it came in time.
    fn fill(&self, inbox: &mut Vec<u8>, patience: Duration) -> Result<bool, String> {
        self.stream.set_read_timeout(Some(patience)).map_err(in_words)?;
        let mut scratch = [0; 4 << 10];
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
}

impl Line for HttpLine {
    fn send(&self, request: &Request) -> Result<(), String> {
        let (method, target, body) = routes::encode(request);
        let (host, headers, length) = (&self.host, &self.headers, body.len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&body);
        let _writing = self.writing.lock();
        (&self.stream).write_all(&bytes).map_err(in_words)
    }

    fn receive(&self, patience: Duration) -> Result<Option<(u16, Vec<u8>)>, String> {
        let mut inbox = self.inbox.lock();
        loop {
            if let Some((status, length, answer)) = answer(&inbox)? {
                let body = inbox[length..answer].to_vec();
                inbox.drain(..answer);
                return Ok(Some((status, body)));
            }
            let has_begun = !inbox.is_empty();
            let patience = if has_begun { REST_TIMEOUT } else { patience };
            if !self.fill(&mut inbox, patience)? {
                return if has_begun { Err("its answer stops".to_owned()) } else { Ok(None) };
            }
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.stream.peer_addr().ok().map(|peer| peer.ip().to_canonical())
    }

    fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The first answer in `inbox`: its status, where its body begins and where that ends; none
/// while it is not whole.
fn answer(inbox: &[u8]) -> Result<Option<(u16, usize, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let begin = match head.parse(inbox).map_err(|error| error.to_string())? {
        httparse::Status::Complete(begin) => begin,
        httparse::Status::Partial if inbox.len() > HEAD_BYTES_MAX => {
            return Err("the head of its answer is too long".to_owned());
        }
        httparse::Status::Partial => return Ok(None),
    };
    let is_length =
        |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("Content-Length");
    let length = head.headers.iter().find(is_length).map(|header| header.value);
    let length = length.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let length: usize = length.ok_or("its answer has no length")?;
    if length > BODY_BYTES_MAX {
        return Err("its answer is too long".to_owned());
    }
    let status = head.code.ok_or("its answer has no status")?;
    Ok((inbox.len() >= begin + length).then_some((status, begin, begin + length)))
}

fn is_time_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn in_words(error: io::Error) -> String {
    error.to_string()
}

/// The standing connections of a client, to be ended with it.
#[derive(Default)]
pub(super) struct Lines(Mutex<AllLines>);

#[derive(Default)]
struct AllLines {
    lines: Vec<Weak<HttpLine>>,
    have_ended: bool,
}

impl Lines {
    /// Takes one in, unless the client was shut down.
    pub(super) fn add(&self, line: &Arc<HttpLine>) -> Result<(), String> {
        let mut all = self.0.lock();
        if all.have_ended {
            return Err("this miner ends".to_owned());
        }
        all.lines.retain(|line| line.strong_count() > 0);
        all.lines.push(Arc::downgrade(line));
        Ok(())
    }

    /// Ends all, and lets no further one begin.
    pub(super) fn end(&self) {
        let mut all = self.0.lock();
        all.have_ended = true;
        for line in all.lines.drain(..).filter_map(|line| line.upgrade()) {
            line.close();
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
        for cut in 0..one.len() {
            assert_eq!(answer(&one[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(answer(&two), Ok(Some((200, one.len() - 2, one.len()))));
        assert_eq!(answer(&two[one.len()..]).map(|it| it.unwrap().0), Ok(409));
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
