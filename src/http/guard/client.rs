//! One stranger's connection: what came, what goes out, and what comes next.

use std::io::{self, Write};
use std::net::{IpAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::epoll::EventFlags;

use super::body::Body;
use super::clock::Now;
use super::head::{self, Exchange, RequestHead, Search};
use super::slab::Key;
use crate::http::answer::BodyEnd;
use crate::http::{Limits, Options, Refusal, incoming};

mod answering;
mod bytes;

/// Clock, limits and buffer, shared by all clients.
pub struct Context {
    pub clock: Now,
    pub options: Options,
    /// Buffer for reading, shared so that an idle client takes no memory.
    pub scratch: Vec<u8>,
}

/// Next step of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event, or its deadline.
    Wait,
    /// Somebody to answer its request.
    Ask,
}

/// Kind of a request, by what it may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    /// It writes: its answer may have to wait for the disk.
    Write,
}

impl Kind {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];
}

pub struct Client {
    stream: TcpStream,
    pub ip: IpAddr,
    /// Its seat among the connections of its place.
    pub seat: usize,
    /// Came, and is not understood yet.
    inbox: Vec<u8>,
    /// Goes out; of which `sent` bytes are gone.
    outbox: Vec<u8>,
    sent: usize,
    stage: Stage,
    exchange: Exchange,
    /// Parts of an answer were sent, and more are to come: to end here is to break off.
    pub is_in_parts: bool,
    readable: bool,
    writable: bool,
    hung_up: bool,
    /// When something has to have happened.
    pub deadline: Instant,
    /// When the guard looks at the deadline; never later than it.
    pub timer: Option<Instant>,
    /// Bytes that the guard has counted for it.
    pub counted: usize,
    /// When bytes went one way or the other.
    pub touched: Instant,
}

/// Where a connection stands.
enum Stage {
    /// The head of a request comes, or nothing.
    Head(Search),
    /// The body comes.
    Body { request: Vec<u8>, body: Body },
    /// The request is whole, and waits for somebody to ask.
    Ready(Vec<u8>),
    /// This upstream was asked; whether its answer has begun.
    Asked { upstream: Key, has_begun: bool },
    /// Its answer comes later, by another way, under this number.
    Later(u64),
    /// The answer, or a part of it, is whole, and has to go out; what asks for the next.
    Answered { rest: Option<String> },
    /// The last answer goes out; then what still comes is thrown away for a while.
    Closing { is_shut: bool, drained: usize },
}

impl Client {
    pub fn new(stream: TcpStream, ip: IpAddr, seat: usize, now: Instant, limits: &Limits) -> Self {
        Self {
            stream,
            ip,
            seat,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            stage: Stage::Head(Search::default()),
            exchange: Exchange::default(),
            is_in_parts: false,
            readable: true,
            writable: true,
            hung_up: false,
            deadline: now + limits.idle,
            timer: None,
            counted: 0,
            touched: now,
        }
    }

    /// Takes note of what epoll says, which says it only once.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn note(&mut self, events: EventFlags) -> io::Result<()> {
        self.readable |= events.intersects(EventFlags::IN | EventFlags::RDHUP);
        self.writable |= events.contains(EventFlags::OUT);
        self.hung_up |= events.contains(EventFlags::RDHUP);
        let is_broken = events.intersects(EventFlags::ERR | EventFlags::HUP);
        if is_broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// Goes on as far as it can.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn advance(&mut self, context: &mut Context) -> io::Result<Next> {
        loop {
            self.send(&[], context)?;
            let step = match &mut self.stage {
                // A browser closes at both ends; others may still listen when they send no more.
                Stage::Later(_) if self.hung_up && context.options.for_pages => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Stage::Ready(_) | Stage::Asked { .. } | Stage::Later(_) => return Ok(Next::Wait),
                Stage::Body { .. } => self.take_body(context)?,
                _ if !self.outbox.is_empty() => return Ok(Next::Wait),
                Stage::Head(_) => self.take_head(context)?,
                Stage::Answered { rest } => match rest.take() {
                    Some(rest) => Some(self.ask_for(&rest, context)),
                    None => {
                        self.begin_head(context);
                        None
                    }
                },
                Stage::Closing { .. } => self.drain(context)?,
            };
            if let Some(next) = step {
                return Ok(next);
            }
        }
    }

    /// Takes the head of a request; what comes next, unless it is to go on at once.
    fn take_head(&mut self, context: &mut Context) -> io::Result<Option<Next>> {
        let Stage::Head(search) = &mut self.stage else { return Ok(None) };
        match search.end(&mut self.inbox) {
            Ok(Some(end)) => match head::check(&self.inbox[..end], self.ip, &context.options) {
                Ok(head) => self.begin_body(end, head, context),
                Err(refusal) => self.refuse(&refusal, context),
            },
            Ok(None) if self.fill(context)? => {}
            Ok(None) => return Ok(Some(Next::Wait)),
            Err(refusal) => self.refuse(&refusal, context),
        }
        Ok(None)
    }

    /// Takes the body of a request; what comes next, unless it is to go on at once.
    fn take_body(&mut self, context: &mut Context) -> io::Result<Option<Next>> {
        let Stage::Body { request, body } = &mut self.stage else { return Ok(None) };
        match body.take(&mut self.inbox) {
            Ok(Some(bytes)) => {
                let mut request = std::mem::take(request);
                if !bytes.is_empty() {
                    write!(request, "Content-Length: {}\r\n", bytes.len())?;
                }
                request.extend_from_slice(b"\r\n");
                request.extend_from_slice(&bytes);
                return Ok(Some(self.ready(request, context)));
            }
            Ok(None) if self.fill(context)? => {}
            Ok(None) => {
                // Its bytes are in the body, and its room would count for nothing.
                if self.inbox.is_empty() {
                    self.inbox = Vec::new();
                }
                return Ok(Some(Next::Wait));
            }
            Err(refusal) => self.refuse(&refusal, context),
        }
        Ok(None)
    }

    /// Asks for the next part of an answer.
    fn ask_for(&mut self, rest: &str, context: &Context) -> Next {
        let (ip, caller) = (self.ip, incoming::CALLER);
        let head =
            format!("GET / HTTP/1.1\r\n{caller}: {ip}\r\n{}: {rest}\r\n\r\n", incoming::REST);
        self.ready(head.into(), context)
    }

    /// Waits for the next request, or for the connection's end.
    fn begin_head(&mut self, context: &Context) {
        if self.exchange.last {
            self.stage = Stage::Closing { is_shut: false, drained: 0 };
            self.deadline = context.clock.now + context.options.limits.linger;
            return;
        }
        self.stage = Stage::Head(Search::default());
        self.deadline = context.clock.now + context.options.limits.idle;
        self.outbox = Vec::new();
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        } else {
            self.deadline = context.clock.now + context.options.limits.head;
        }
    }

    fn begin_body(&mut self, end: usize, head: RequestHead, context: &Context) {
        self.inbox.drain(..end);
        if head.expects_continue && self.inbox.is_empty() {
            self.outbox.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.exchange = head.exchange;
        self.stage = Stage::Body {
            request: head.request,
            body: Body::new(head.framing, context.options.limits.body_bytes_max),
        };
        self.deadline = context.clock.now + context.options.limits.body;
    }

    fn ready(&mut self, request: Vec<u8>, context: &Context) -> Next {
        self.stage = Stage::Ready(request);
        self.deadline = context.clock.now + context.options.limits.answer;
        Next::Ask
    }

    /// Answers with an error of our own, after which the connection ends.
    pub fn refuse(&mut self, why: &Refusal, context: &Context) {
        log::debug!("http: refused a request ip={} status={}", self.ip, why.status);
        let (head, body) = context.options.answer(why);
        head.write_outside(&mut self.outbox, &context.clock.date, BodyEnd::Length, true);
        let without_body = match self.stage {
            Stage::Head(_) => self.inbox.starts_with(b"HEAD "),
            _ => self.exchange.without_body,
        };
        if !without_body {
            self.outbox.extend_from_slice(&body);
        }
        self.exchange.last = true;
        self.stage = Stage::Closing { is_shut: false, drained: 0 };
        self.deadline = context.clock.now + context.options.limits.linger;
    }

    /// Does what its deadline asks for.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn expire(&mut self, context: &mut Context) -> io::Result<Next> {
        let why = match &self.stage {
            Stage::Head(_) if self.inbox.is_empty() => None,
            Stage::Head(_) | Stage::Body { .. } => {
                let more = "the request did not come whole in time";
                Some(Refusal::new(408, "Request timeout", more))
            }
            Stage::Ready(_) | Stage::Asked { has_begun: false, .. } | Stage::Later(_)
                if !self.is_in_parts =>
            {
                Some(Refusal::unavailable("there is no answer in time"))
            }
            _ => None,
        };
        self.refuse(&why.ok_or(io::ErrorKind::TimedOut)?, context);
        self.advance(context)
    }

    /// The whole request, which `upstream` is asked now; whether its answer is without a
    /// body. `None` for a client that has given up meanwhile.
    pub fn asks(&mut self, upstream: Key) -> Option<(Vec<u8>, bool)> {
        let Stage::Ready(request) = &mut self.stage else { return None };
        let request = std::mem::take(request);
        self.stage = Stage::Asked { upstream, has_begun: false };
        Some((request, self.exchange.without_body))
    }

    pub fn kind(&self) -> Kind {
        if self.exchange.writes { Kind::Write } else { Kind::Read }
    }

    /// Who was asked and has not begun to answer.
    pub fn silent_upstream(&self) -> Option<Key> {
        match self.stage {
            Stage::Asked { upstream, has_begun: false } => Some(upstream),
            _ => None,
        }
    }

    /// Bytes of memory that it takes up besides itself: with what was reserved, which is up to
    /// half of it.
    pub fn memory(&self) -> usize {
        let held = match &self.stage {
            Stage::Body { request, body } => request.capacity() + body.memory(),
            Stage::Ready(request) => request.capacity(),
            _ => 0,
        };
        self.inbox.capacity() + self.outbox.capacity() + held
    }

    /// True where the client has to act next: to send more of a request, or to take more of an
    /// answer.
    pub fn is_idle(&self) -> bool {
        !matches!(self.stage, Stage::Ready(_) | Stage::Asked { .. } | Stage::Later(_))
    }

    /// The number of its request, if that is to be answered later.
    pub fn later(&self) -> Option<u64> {
        match self.stage {
            Stage::Later(number) => Some(number),
            _ => None,
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
