//! A request as it comes to a worker, and its way back.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

use super::answer::AnswerHead;

/// Names the client's address; only the guard's own probes have none.
pub(super) const CALLER: &str = "Caller";

/// Asks for the next part of an answer.
pub(super) const REST: &str = "Rest";

/// Bodies that are rather copied than written by themselves.
const COPIED_BYTES_MAX: usize = 32 << 10;

/// Where requests come from; any number of workers take them.
#[derive(Clone)]
pub struct Requests(pub(super) Arc<tiny_http::Server>);

impl Requests {
    /// Waits for the next request; `None` at the end.
    pub fn next(&self) -> Option<Incoming> {
        loop {
            let request = Incoming(self.0.recv().ok()?);
            if let Some(request) = request.unless_probe() {
                return Some(request);
            }
        }
    }

    /// The next request, if there is one already.
    pub fn next_at_once(&self) -> Option<Incoming> {
        loop {
            let request = Incoming(self.0.try_recv().ok()??);
            if let Some(request) = request.unless_probe() {
                return Some(request);
            }
        }
    }
}

/// A request, whole and checked.
pub struct Incoming(tiny_http::Request);

impl Incoming {
    /// The other end of the client's connection.
    pub fn caller(&self) -> IpAddr {
        let ip = self.header(CALLER).and_then(|ip| ip.parse::<IpAddr>().ok());
        ip.expect("the guard names the caller").to_canonical()
    }

    /// `GET`, `HEAD`, …
    pub fn method(&self) -> &str {
        self.0.method().as_str()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.0.url()
    }

    /// The value of a header that the guard passes on.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        let header = self.0.headers().iter().find(|header| header.field.equiv(name));
        header.map(|header| header.value.as_str())
    }

    /// What an earlier part of the answer said to ask for the next one with.
    pub fn rest(&self) -> Option<&str> {
        self.header(REST)
    }

    /// Its body.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity(self.0.body_length().unwrap_or(0));
        self.0.as_reader().read_to_end(&mut body)?;
        Ok(body)
    }

    /// Answers. The guard always reads, so this never waits for a client.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn answer(self, head: &AnswerHead, body: &[u8]) -> io::Result<()> {
        let mut out = Vec::new();
        head.write_inside(&mut out);
        let body = if self.method() == "HEAD" { &[][..] } else { body };
        let mut writer = self.0.into_writer();
        if body.len() <= COPIED_BYTES_MAX {
            out.extend_from_slice(body);
            writer.write_all(&out)?;
        } else {
            writer.write_all(&out)?;
            writer.write_all(body)?;
        }
        writer.flush()
    }

    /// Answers the guard's own probe, which wants to see just that.
    fn unless_probe(self) -> Option<Self> {
        if self.header(CALLER).is_some() {
            return Some(self);
        }
        // A guard that is gone needs no answer.
        let _ = self.answer(&AnswerHead::new(200, 0), &[]);
        None
    }
}
