//! A client for load: one thread, many kept-alive connections, each asking again as soon as
//! it was answered, as redis-benchmark does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::Outcome;

/// What a load came to.
pub struct Load {
    pub requests: usize,
    pub bytes: usize,
    pub time: Duration,
    /// How long each answer took, in order of length.
    pub latencies: Vec<Duration>,
}

impl Load {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }

    pub fn bytes_rate(&self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64()
    }

    /// The latency that all but 1 of `one_in` stay below, in milliseconds.
    pub fn milliseconds(&self, one_in: usize) -> f64 {
        let place = self.latencies.len() - 1 - self.latencies.len() / one_in;
        self.latencies[place].as_secs_f64() * 1e3
    }
}

/// A request for `target`, whose body is `body`.
pub fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Asks `count` times over `clients` connections. Each is opened and asks a first time by
/// itself: a bare tiny_http forgets some of those that come in a burst.
pub fn load(port: u16, clients: usize, count: usize, request: &[u8]) -> Outcome<Load> {
    let mut all = Vec::new();
    for _ in 0..clients {
        let mut connection = Connection::open(port)?;
        connection.exchange(request)?;
        all.push(connection);
    }
    let (start, mut asked, mut bytes) = (Instant::now(), 0, 0);
    let mut latencies = Vec::with_capacity(count);
    for connection in &mut all {
        connection.ask(request)?;
        asked += 1;
    }
    while latencies.len() < count {
        let mut waiting: Vec<_> =
            all.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)).collect();
        poll(&mut waiting, None)?;
        let readable: Vec<usize> =
            (0..all.len()).filter(|at| !waiting[*at].revents().is_empty()).collect();
        for at in readable {
            let connection = &mut all[at];
            let Some(answer) = connection.read_some()? else { continue };
            latencies.push(connection.asked.elapsed());
            bytes += answer;
            if asked < count {
                connection.ask(request)?;
                asked += 1;
            }
        }
    }
    let time = start.elapsed();
    latencies.sort_unstable();
    Ok(Load { requests: count, bytes, time, latencies })
}

/// Reads the whole answer to `request`, over a connection of its own; its bytes.
pub fn download(port: u16, target: &str) -> Outcome<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    Ok(std::io::copy(&mut stream, &mut std::io::sink())?)
}

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    asked: Instant,
    head: Vec<u8>,
    body: Body,
    bytes: usize,
    /// What came last, to see the end of a body in chunks.
    tail: Vec<u8>,
    buffer: Vec<u8>,
}

/// How the body of an answer ends.
#[derive(Clone, Copy)]
enum Body {
    /// Not known before the head is whole.
    Unknown,
    /// After so many bytes.
    Length(usize),
    /// With an empty chunk. No JSON holds a bare line break, so its spelling is enough.
    Chunks,
}

/// What ends a body in chunks.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

impl Connection {
    pub fn open(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let buffer = vec![0; 256 << 10];
        let (head, tail, asked) = (Vec::new(), Vec::new(), Instant::now());
        Ok(Self { stream, asked, head, body: Body::Unknown, bytes: 0, tail, buffer })
    }

    /// Asks and waits for the answer; how long it took.
    pub fn exchange(&mut self, request: &[u8]) -> Outcome<Duration> {
        self.ask(request)?;
        while self.read_some()?.is_none() {}
        Ok(self.asked.elapsed())
    }

    fn ask(&mut self, request: &[u8]) -> Outcome<()> {
        self.asked = Instant::now();
        Ok(self.stream.write_all(request)?)
    }

    /// Reads once; bytes of the body if the answer is whole then.
    fn read_some(&mut self) -> Outcome<Option<usize>> {
        let length = self.stream.read(&mut self.buffer)?;
        if length == 0 {
            return Err("the connection was closed".into());
        }
        self.bytes += length;
        let kept = self.tail.len().saturating_sub(LAST_CHUNK.len());
        self.tail.drain(..kept);
        self.tail.extend_from_slice(&self.buffer[..length]);
        if let Body::Unknown = self.body {
            self.head.extend_from_slice(&self.buffer[..length]);
            let Some((head, body)) = read_head(&self.head)? else { return Ok(None) };
            (self.bytes, self.body) = (self.bytes - head, body);
        }
        let is_whole = match self.body {
            Body::Unknown => false,
            Body::Length(bytes) => self.bytes == bytes,
            Body::Chunks => self.tail.ends_with(LAST_CHUNK),
        };
        Ok(is_whole.then(|| {
            (self.body, self.tail) = (Body::Unknown, Vec::new());
            self.head.clear();
            std::mem::take(&mut self.bytes)
        }))
    }
}

/// Bytes of the head, and how the body ends that follows; `None` if it is not whole.
fn read_head(bytes: &[u8]) -> Outcome<Option<(usize, Body)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(None) };
    if answer.code != Some(200) {
        return Err(format!("it answers {:?}", answer.code).into());
    }
    let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("content-length");
    let body = match answer.headers.iter().find(named) {
        Some(length) => Body::Length(std::str::from_utf8(length.value)?.parse()?),
        None => Body::Chunks,
    };
    Ok(Some((head, body)))
}
