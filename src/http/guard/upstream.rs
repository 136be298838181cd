//! One of the guard's own connections to tiny_http: a request at a time, answers read at once.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use super::slab::Key;
use crate::http::answer::AnswerHead;

/// A request that a worker answers at once; no client's, since it names no caller.
const PING: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A connection to tiny_http.
pub struct Upstream {
    stream: UnixStream,
    /// What tiny_http has not taken yet.
    unsent: Vec<u8>,
    /// The beginning of an answer's head.
    inbox: Vec<u8>,
    answer: Option<(AnswerHead, usize)>,
    without_body: bool,
    pub stage: Stage,
    /// When it has to be proven, or may be closed.
    pub deadline: Option<Instant>,
    /// When the guard looks at the deadline.
    pub timer: Option<Instant>,
}

/// What an upstream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has to answer a first time: tiny_http forgets connections that come in a burst.
    Unproven,
    /// Nothing.
    Idle,
    /// It answers this client, if that is still there.
    Busy(Key),
}

/// What came from an upstream, in this order.
pub enum Piece<'a> {
    /// The head of an answer.
    Head(&'a AnswerHead),
    /// Some of its body.
    Body(&'a [u8]),
    /// The answer is whole.
    End(AnswerHead),
}

impl Upstream {
    /// Connects, and asks for a proof.
    pub fn open(path: &Path, deadline: Instant) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        let mut upstream = Self {
            stream,
            unsent: PING.to_vec(),
            inbox: Vec::new(),
            answer: None,
            without_body: false,
            stage: Stage::Unproven,
            deadline: Some(deadline),
            timer: None,
        };
        upstream.flush()?;
        Ok(upstream)
    }

    /// Sends a request for `client`; whether all of it could be sent.
    pub fn ask(&mut self, client: Key, request: Vec<u8>, without_body: bool) -> io::Result<bool> {
        self.stage = Stage::Busy(client);
        self.without_body = without_body;
        self.unsent = request;
        self.flush()
    }

    /// Sends what is left of a request; whether that was all.
    pub fn flush(&mut self) -> io::Result<bool> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.drain(..sent);
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        Ok(true)
    }

    /// Reads once, and hands on what came; whether an answer ended.
    ///
    /// # Errors
    /// The connection is at its end, or carries something else than an answer.
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(Piece<'_>),
    ) -> io::Result<bool> {
        let length = match self.stream.read(scratch) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if is_passing(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut bytes = &scratch[..length];
        let joined;
        if self.answer.is_none() {
            if !self.inbox.is_empty() {
                self.inbox.extend_from_slice(bytes);
                joined = std::mem::take(&mut self.inbox);
                bytes = &joined;
            }
            let Some((head, end)) = AnswerHead::read(bytes)? else {
                self.inbox = bytes.to_vec();
                return Ok(false);
            };
            take(Piece::Head(&head));
            let missing = if self.without_body { 0 } else { head.length };
            self.answer = Some((head, missing));
            bytes = &bytes[end..];
        }
        let Some((_, missing)) = &mut self.answer else { return Ok(false) };
        *missing = missing
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("an answer is longer than its length"))?;
        if !bytes.is_empty() {
            take(Piece::Body(bytes));
        }
        if *missing > 0 {
            return Ok(false);
        }
        if let Some((head, _)) = self.answer.take() {
            take(Piece::End(head));
        }
        Ok(true)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl AsFd for Upstream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
