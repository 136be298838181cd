//! One of the guard's own connections to tiny_http: requests go out together, answers are
//! read at once.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use super::slab::Key;
use crate::http::answer::AnswerHead;
use crate::http::turns::{TURN, Turn};

/// Bytes of requests that one connection has to answer at a time, or one request.
const ASKED_BYTES_MAX: usize = 256 << 10;

/// A connection to tiny_http.
pub struct Upstream {
    stream: UnixStream,
    /// Tells the order of its requests to those who answer them.
    name: u64,
    /// Requests that were sent, the probe among them.
    turns: u64,
    /// Bytes that tiny_http has not taken yet.
    unsent: Vec<u8>,
    /// The beginning of an answer's head.
    inbox: Vec<u8>,
    /// Requests without their answers, in the order in which these come.
    asked: VecDeque<Asked>,
    asked_bytes: usize,
    /// The answer that comes, and how much of its body is missing.
    answer: Option<(AnswerHead, usize)>,
    /// True if it is for requests that write; see [`Upstream::is_idle`].
    pub writes: bool,
    /// True once it has answered: tiny_http forgets connections that come in a burst.
    pub is_proven: bool,
    /// When it has to be proven, or may be closed.
    pub deadline: Option<Instant>,
    /// When the guard looks at the deadline.
    pub timer: Option<Instant>,
}

struct Asked {
    /// Whose; nobody's for the probe.
    client: Option<Key>,
    without_body: bool,
    bytes: usize,
}

pub enum AnswerPiece<'a> {
    Head(&'a AnswerHead),
    Body(&'a [u8]),
    End(AnswerHead),
}

impl Upstream {
    /// Connects, and asks for a proof. No other connection ever has this `name`.
    pub fn open(path: &Path, name: u64, deadline: Instant) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        let mut upstream = Self {
            stream,
            name,
            turns: 0,
            unsent: Vec::new(),
            inbox: Vec::new(),
            asked: VecDeque::new(),
            asked_bytes: 0,
            answer: None,
            writes: false,
            is_proven: false,
            deadline: Some(deadline),
            timer: None,
        };
        upstream.push(None, b"GET / HTTP/1.1\r\n\r\n", true);
        upstream.flush()?;
        Ok(upstream)
    }

    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// True if it may be asked one more, of `asked_max` at a time.
    pub fn has_room(&self, asked_max: usize) -> bool {
        self.asked.len() < asked_max && self.asked_bytes < ASKED_BYTES_MAX
    }

    /// Asks for `client`; the request goes out with [`Upstream::flush`].
    pub fn ask(&mut self, client: Key, request: &[u8], without_body: bool) {
        self.push(Some(client), request, without_body);
    }

    fn push(&mut self, client: Option<Key>, request: &[u8], without_body: bool) {
        let line = request.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.unsent.extend_from_slice(&request[..line]);
        let turn = Turn { connection: self.name, number: self.turns };
        write!(self.unsent, "{TURN}: {turn}\r\n").expect("memory takes everything");
        self.unsent.extend_from_slice(&request[line..]);
        self.turns += 1;
        self.asked_bytes += request.len();
        self.asked.push_back(Asked { client, without_body, bytes: request.len() });
    }

    /// Sends what is left of the requests; whether that was all.
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
        self.unsent.clear();
        self.unsent.shrink_to(ASKED_BYTES_MAX);
        Ok(true)
    }

    pub fn clients(&self) -> impl Iterator<Item = Key> {
        self.asked.iter().filter_map(|asked| asked.client)
    }

    /// Reads once, and hands on what came, with whom it is for.
    ///
    /// # Errors
    /// The connection is at its end, or carries something else than answers.
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(Key, AnswerPiece<'_>),
    ) -> io::Result<()> {
        let length = match self.stream.read(scratch) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut bytes = &scratch[..length];
        let joined;
        if !self.inbox.is_empty() {
            self.inbox.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.inbox);
            bytes = &joined;
        }
        while !bytes.is_empty() {
            match self.take_answer(bytes, &mut take)? {
                Some(used) => bytes = &bytes[used..],
                None => break,
            }
        }
        Ok(())
    }

    /// Hands on what `bytes` hold of the answer that is due; the length of that, if the answer
    /// is whole with it.
    fn take_answer(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Key, AnswerPiece<'_>),
    ) -> io::Result<Option<usize>> {
        let unasked = || io::Error::other("an answer to what was not asked");
        let asked = self.asked.front().ok_or_else(unasked)?;
        let mut take = |piece: AnswerPiece<'_>| {
            if let Some(client) = asked.client {
                take(client, piece);
            }
        };
        let (head, missing, begin) = match self.answer.take() {
            Some((head, missing)) => (head, missing, 0),
            None => {
                let Some((head, end)) = AnswerHead::read(bytes)? else {
                    self.inbox = bytes.to_vec();
                    return Ok(None);
                };
                take(AnswerPiece::Head(&head));
                let missing = if asked.without_body { 0 } else { head.length };
                (head, missing, end)
            }
        };
        let end = bytes.len().min(begin.saturating_add(missing));
        if begin < end {
            take(AnswerPiece::Body(&bytes[begin..end]));
        }
        if end - begin < missing {
            self.answer = Some((head, missing - (end - begin)));
            return Ok(None);
        }
        take(AnswerPiece::End(head));
        self.asked_bytes -= asked.bytes;
        self.asked.pop_front();
        Ok(Some(end))
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
