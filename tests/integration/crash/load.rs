//! Clients that keep messages waiting: several connections, each with many requests under way.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use blockchain::api::Address;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::mixture::{Plan, Random, Spec};
use crate::support::miner::DEADLINE;

/// Bytes of requests before their answers are read: both ends have to hold what is under way.
const UNDER_WAY_BYTES: u64 = 512 << 10;

/// Until a loader asks again whether there are few enough that wait.
const PAUSE: Duration = Duration::from_millis(5);

/// A connection on which requests are sent ahead of their answers.
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: Address,
    requests: Vec<u8>,
}

impl Connection {
    pub fn open(address: &Address) -> io::Result<Self> {
        let stream = TcpStream::connect(address.to_string())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream, address: address.clone(), requests: Vec::new() })
    }

    pub fn request(&mut self, what: &str, body: &str) {
        let (address, length) = (&self.address, body.len());
        let head =
            format!("{what} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n");
        self.requests.extend_from_slice(head.as_bytes());
        self.requests.extend_from_slice(body.as_bytes());
    }

    pub fn send(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&self.requests)?;
        self.requests.clear();
        Ok(())
    }

    /// Status and body of the next answer.
    pub fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().map_err(io::Error::other)?;
                }
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => status = line.split(' ').nth(1).and_then(|word| word.parse().ok()),
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body))
    }
}

/// What the loaders of a life share.
pub struct Loads<'a> {
    pub plan: &'a Plan,
    pub address: &'a Address,
    pub next_number: &'a AtomicU64,
    /// Whether a message was refused, since the pool was full.
    pub was_full: AtomicBool,
}

impl Loads<'_> {
    /// Adds messages until `stop` is closed, and tells of each that was acknowledged.
    pub fn run(&self, mut random: Random, stop: &Receiver<()>, told: &Sender<Spec>) {
        while stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            // The miner dies before its loaders do, and its server process may before that.
            let _ = self.run_connection(&mut random, stop, told);
        }
    }

    fn run_connection(
        &self,
        random: &mut Random,
        stop: &Receiver<()>,
        told: &Sender<Spec>,
    ) -> io::Result<()> {
        let mut connection = Connection::open(self.address)?;
        let mut waiting = self.plan.waiting;
        loop {
            let room = (self.plan.waiting.saturating_add(1).saturating_sub(waiting))
                .div_ceil(self.plan.connections);
            let (mut sent, mut bytes) = (Vec::new(), 0);
            while (sent.len() as u64) < room.min(self.plan.pipelined) && bytes < UNDER_WAY_BYTES {
                let number = self.next_number.fetch_add(1, Ordering::Relaxed);
                let spec = self.plan.sizes.draw(number, random);
                connection.request(&format!("PUT /add?id={}", spec.id()), &spec.text());
                bytes += spec.bytes;
                sent.push(spec);
            }
            connection.request("GET /health", "");
            connection.send()?;
            let mut is_full = false;
            for spec in &sent {
                match connection.answer()? {
                    (200, _) => told.send(*spec).map_err(io::Error::other)?,
                    (503, _) => is_full = true,
                    (status, body) => panic!("{status}: {}", String::from_utf8_lossy(&body)),
                }
            }
            let (_, health) = connection.answer()?;
            let health: serde_json::Value = serde_json::from_slice(&health)?;
            waiting = health["unprocessed"].as_u64().ok_or(io::ErrorKind::InvalidData)?;
            self.was_full.fetch_or(is_full, Ordering::Relaxed);
            let pause = if is_full || sent.is_empty() { PAUSE } else { Duration::ZERO };
            if stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return Ok(());
            }
        }
    }
}
