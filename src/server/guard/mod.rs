//! The guard: one thread that owns every client's connection, so that tiny_http meets
//! none of them.
//!
//! tiny_http 0.12 waits in a thread for each client, forgets connections that come in a
//! burst, and lets a single request abort the process. Behind this guard it gets complete,
//! limited, checked requests, one at a time each on a few lasting connections of our own,
//! and its answers are read at once. So no client, however slow or hostile, holds a thread:
//! it holds a place here and a few bytes, until its deadline.
//!
//! Clients' sockets are watched edge-triggered, so that a request costs no call but the
//! reads and writes themselves; while nothing happens, nothing wakes up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::{self, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::Limits;
use super::answer::{AnswerHead, End};
use client::{Client, Context, Next};
use clock::Clock;
use slab::{Key, Slab};
use upstream::{Piece, Stage, Upstream};

mod body;
mod client;
mod clock;
mod head;
mod slab;
mod upstream;

/// Bytes read at a time.
const SCRATCH_BYTES: usize = 64 << 10;

/// Events taken at a time.
const EVENTS: usize = 256;

/// Connections accepted before others get their turn.
const ACCEPTED_AT_ONCE: usize = 128;

/// Upstreams that stay when there is nothing to do: tiny_http keeps as many threads.
const UPSTREAMS_KEPT: usize = 4;

/// How long an upstream above those is kept for nothing.
const UPSTREAM_IDLE: Duration = Duration::from_secs(10);

/// How long tiny_http may take to prove that it has not forgotten a connection.
const PROOF_TIMEOUT: Duration = Duration::from_secs(1);

/// Proofs that may fail in a row before tiny_http is taken for dead.
const FAILED_PROOFS_MAX: u32 = 5;

/// How long to wait before accepting again when there are no descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Clients that are cut at once when there is no place for another: the look at all of
/// them is worth more than one.
const CUT_AT_ONCE: usize = 32;

/// Clients that hold less than this are not worth cutting for their memory.
const CUT_BYTES_MIN: usize = 4 << 10;

/// The guard.
pub struct Guard {
    epoll: OwnedFd,
    listener: TcpListener,
    /// Its other end's end means stop.
    _stop: UnixStream,
    /// Where tiny_http listens.
    path: PathBuf,
    limits: Limits,
    door: head::Door,
    clock: Clock,
    /// Where clients' bytes land first.
    scratch: Vec<u8>,
    /// Where answers' bytes land first.
    answer_scratch: Vec<u8>,
    clients: Slab<Client>,
    /// Connections of each place.
    places: HashMap<IpAddr, usize>,
    /// Bytes that clients hold.
    held_bytes: usize,
    /// Clients whose request is whole.
    waiting: VecDeque<Key>,
    upstreams: Slab<Upstream>,
    idle: Vec<Key>,
    unproven: bool,
    failed_proofs: u32,
    timers: BinaryHeap<Reverse<(Instant, Token)>>,
    /// Told once, when requests are answered.
    ready: Option<Box<dyn FnOnce() + Send>>,
}

/// What an event or a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Stop,
    Listener,
    Client(Key),
    Upstream(Key),
}

impl Token {
    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Stop => 0,
            Self::Listener => 1,
            Self::Client(key) => 2 << 62 | key.bits(),
            Self::Upstream(key) => 3 << 62 | key.bits(),
        })
    }

    fn from_data(data: EventData) -> Self {
        let data = data.u64();
        match data >> 62 {
            2 => Self::Client(Key::from_bits(data)),
            3 => Self::Upstream(Key::from_bits(data)),
            _ if data == 0 => Self::Stop,
            _ => Self::Listener,
        }
    }
}

impl Guard {
    /// A guard of `listener`, before the tiny_http that listens at `path`. It runs until
    /// `stop` is closed, and tells `ready` when requests are answered.
    pub fn new(
        listener: TcpListener,
        stop: UnixStream,
        path: PathBuf,
        limits: Limits,
        ready: Box<dyn FnOnce() + Send>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, Token::Listener.data(), EventFlags::IN)?;
        epoll::add(&epoll, &stop, Token::Stop.data(), EventFlags::IN)?;
        Ok(Self {
            epoll,
            door: head::Door { local: listener.local_addr()?.ip().is_loopback() },
            listener,
            _stop: stop,
            path,
            limits,
            clock: Clock::now(),
            scratch: vec![0; SCRATCH_BYTES],
            answer_scratch: vec![0; SCRATCH_BYTES],
            clients: Slab::new(),
            places: HashMap::new(),
            held_bytes: 0,
            waiting: VecDeque::new(),
            upstreams: Slab::new(),
            idle: Vec::new(),
            unproven: false,
            failed_proofs: 0,
            timers: BinaryHeap::new(),
            ready: Some(ready),
        })
    }

    /// Guards until it is stopped.
    ///
    /// # Errors
    /// tiny_http does not answer any more, or epoll fails.
    pub fn run(mut self) -> io::Result<()> {
        self.open_upstream()?;
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let timeout = self.timers.peek().map(|Reverse((at, _))| self.clock.until(*at));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.clock.tick();
            for event in events.drain(..) {
                let epoll::Event { flags, data } = event;
                match Token::from_data(data) {
                    Token::Stop => return Ok(()),
                    Token::Listener => self.accept()?,
                    Token::Client(key) => self.client_event(key, flags),
                    Token::Upstream(key) => self.upstream_event(key, flags)?,
                }
            }
            self.expire()?;
            self.assign()?;
            self.free_memory();
        }
    }

    // Clients

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok((stream, address)) => self.welcome(stream, address.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_exhausted(&error) => {
                    log::warn!("server: can't accept connections for now: {error}");
                    epoll::delete(&self.epoll, &self.listener)?;
                    self.timers.push(Reverse((self.clock.now + ACCEPT_PAUSE, Token::Listener)));
                    break;
                }
                // What went wrong with one connection before it was accepted.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn welcome(&mut self, stream: TcpStream, ip: IpAddr) {
        let place = head::place(ip);
        let connections_max = if place.is_loopback() {
            self.limits.connections_of_loopback_max
        } else {
            self.limits.connections_per_place_max
        };
        let is_crowded = self.places.get(&place).is_some_and(|count| *count >= connections_max);
        if is_crowded {
            let more = "there are too many connections from this address";
            return self.turn_away(stream, 429, "Too many requests", more);
        }
        if self.clients.len() >= self.limits.connections_max {
            self.cut_stale();
        }
        if self.clients.len() >= self.limits.connections_max {
            let more = "there are too many connections";
            return self.turn_away(stream, 503, "Service unavailable", more);
        }
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let key = self.clients.insert(Client::new(stream, ip, self.clock.now, &self.limits));
        *self.places.entry(place).or_default() += 1;
        let client = self.clients.get(key).expect("it was just put there");
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) =
            epoll::add(&self.epoll, client.as_fd(), Token::Client(key).data(), flags)
        {
            self.part(key, &error.into());
            return;
        }
        self.settle(key);
    }

    /// Says why, as far as that goes at once, and closes.
    fn turn_away(&mut self, mut stream: TcpStream, status: u16, message: &str, more: &str) {
        let reply = crate::api::Reply::problem(status, message, more).retry_after(1);
        let mut answer = Vec::new();
        AnswerHead::of(&reply).write_outside(&mut answer, &self.clock.date, End::Length, true);
        answer.extend_from_slice(&reply.body);
        let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&answer));
        self.clock.seldom(|| log::warn!("server: turned a client away: {more}"));
    }

    fn client_event(&mut self, key: Key, flags: EventFlags) {
        self.with_client(key, |client, context| {
            client.note(flags)?;
            client.advance(context)
        });
    }

    /// Lets a client act, and sees to what follows from it.
    fn with_client(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut Client, &mut Context<'_>) -> io::Result<Next>,
    ) {
        let Some(client) = self.clients.get(key) else { return };
        let mut context = Context {
            now: self.clock.now,
            date: &self.clock.date,
            limits: &self.limits,
            door: self.door,
            scratch: &mut self.scratch,
        };
        let outcome = act(client, &mut context);
        self.follow(key, outcome);
    }

    /// Sees to what follows from what a client did.
    fn follow(&mut self, key: Key, outcome: io::Result<Next>) {
        match outcome {
            Ok(Next::Wait) => self.settle(key),
            Ok(Next::Ask) => {
                self.waiting.push_back(key);
                self.settle(key);
            }
            Err(error) => self.part(key, &error),
        }
    }

    /// Counts what a client holds, and sees to it that its deadline is looked at.
    fn settle(&mut self, key: Key) {
        let Some(client) = self.clients.get(key) else { return };
        let held = client.memory();
        self.held_bytes = self.held_bytes - client.counted + held;
        client.counted = held;
        if client.timer.is_none_or(|timer| client.deadline < timer) {
            client.timer = Some(client.deadline);
            self.timers.push(Reverse((client.deadline, Token::Client(key))));
        }
    }

    /// Ends a connection.
    fn part(&mut self, key: Key, why: &io::Error) {
        let Some(client) = self.clients.remove(key) else { return };
        self.held_bytes -= client.counted;
        let place = head::place(client.ip);
        if let Some(count) = self.places.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.places.remove(&place);
            }
        }
        if client.is_in_parts {
            log::debug!("server: broke off an answer ip={} reason={why}", client.ip);
            // A reset can't be taken for the answer's end, not even in HTTP/1.0.
            let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
        }
    }

    /// Makes places by cutting those who have done nothing for longest.
    fn cut_stale(&mut self) {
        let idle = self.clients.iter().filter(|(_, client)| client.is_waiting_for_itself());
        let mut stale: Vec<_> = idle.map(|(key, client)| (client.touched, key)).collect();
        if stale.len() > CUT_AT_ONCE {
            stale.select_nth_unstable(CUT_AT_ONCE);
            stale.truncate(CUT_AT_ONCE);
        }
        self.clock.seldom(|| log::warn!("server: cut idle clients to make place for new ones"));
        for (_, key) in stale {
            self.part(key, &io::ErrorKind::TimedOut.into());
        }
    }

    /// Keeps within the memory that clients may hold, by cutting those that have taken or
    /// sent nothing for longest.
    fn free_memory(&mut self) {
        while self.held_bytes > self.limits.held_bytes_max {
            let holders = self.clients.iter().filter(|(_, client)| client.counted > CUT_BYTES_MIN);
            let Some((key, _)) = holders.min_by_key(|(_, client)| client.touched) else { return };
            self.clock.seldom(|| log::warn!("server: cut a slow client to free its memory"));
            self.part(key, &io::ErrorKind::OutOfMemory.into());
        }
    }

    // Upstreams

    /// Gives waiting requests to idle upstreams, and opens another if there are too few.
    fn assign(&mut self) -> io::Result<()> {
        while let Some(&client) = self.waiting.front() {
            let Some(&upstream) = self.idle.last() else { return self.open_upstream() };
            self.waiting.pop_front();
            let asking = self.clients.get(client).and_then(|client| client.asks(upstream));
            let Some((request, without_body)) = asking else { continue };
            self.idle.pop();
            self.settle(client);
            let Some(line) = self.upstreams.get(upstream) else { continue };
            match line.ask(client, request, without_body) {
                Ok(true) => {}
                Ok(false) => self.watch(upstream, EventFlags::IN | EventFlags::OUT)?,
                Err(error) => self.lose(upstream, &error)?,
            }
        }
        Ok(())
    }

    fn open_upstream(&mut self) -> io::Result<()> {
        if self.unproven || self.upstreams.len() >= self.limits.upstreams_max {
            return Ok(());
        }
        let upstream = match Upstream::open(&self.path, self.clock.now + PROOF_TIMEOUT) {
            Ok(upstream) => upstream,
            // Those that are there go on; the next request tries again.
            Err(error) if is_exhausted(&error) && self.upstreams.len() > 0 => return Ok(()),
            Err(error) => return Err(error),
        };
        let key = self.upstreams.insert(upstream);
        self.unproven = true;
        let upstream = self.upstreams.get(key).expect("it was just put there");
        epoll::add(&self.epoll, upstream.as_fd(), Token::Upstream(key).data(), EventFlags::IN)?;
        self.arm(key);
        Ok(())
    }

    fn watch(&mut self, key: Key, flags: EventFlags) -> io::Result<()> {
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        Ok(epoll::modify(&self.epoll, upstream.as_fd(), Token::Upstream(key).data(), flags)?)
    }

    fn upstream_event(&mut self, key: Key, flags: EventFlags) -> io::Result<()> {
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        if flags.contains(EventFlags::OUT) {
            match upstream.flush() {
                Ok(true) => self.watch(key, EventFlags::IN)?,
                Ok(false) => {}
                Err(error) => return self.lose(key, &error),
            }
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.receive(key)?;
        }
        Ok(())
    }

    /// Reads from an upstream and passes it on to the client that waits for it.
    fn receive(&mut self, key: Key) -> io::Result<()> {
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        let asking = match upstream.stage {
            Stage::Busy(client) => Some(client),
            Stage::Unproven | Stage::Idle => None,
        };
        let client = asking.and_then(|client| self.clients.get(client));
        let mut client = client.filter(|client| client.waits_for(key));
        let mut context = Context {
            now: self.clock.now,
            date: &self.clock.date,
            limits: &self.limits,
            door: self.door,
            scratch: &mut self.scratch,
        };
        let mut outcome = client.is_some().then_some(Ok(Next::Wait));
        let received = upstream.receive(&mut self.answer_scratch, |piece| {
            let (Some(client), Some(Ok(_))) = (&mut client, &outcome) else { return };
            outcome = Some(match piece {
                Piece::Head(head) => client.begin_answer(head, &context).map(|()| Next::Wait),
                Piece::Body(bytes) => client.pass(bytes, &context).map(|()| Next::Wait),
                Piece::End(head) => client.end_answer(head, &mut context),
            });
        });
        if let (Some(client), Some(outcome)) = (asking, outcome) {
            self.follow(client, outcome);
        }
        match received {
            Ok(true) => self.release(key),
            Ok(false) => {}
            Err(error) => self.lose(key, &error)?,
        }
        Ok(())
    }

    /// An upstream has answered, and can be asked again.
    fn release(&mut self, key: Key) {
        let Some(upstream) = self.upstreams.get(key) else { return };
        if upstream.stage == Stage::Unproven {
            self.unproven = false;
            self.failed_proofs = 0;
            if let Some(ready) = self.ready.take() {
                ready();
            }
        }
        upstream.stage = Stage::Idle;
        upstream.deadline = Some(self.clock.now + UPSTREAM_IDLE);
        self.idle.push(key);
        self.arm(key);
    }

    fn arm(&mut self, key: Key) {
        let Some(upstream) = self.upstreams.get(key) else { return };
        let Some(deadline) = upstream.deadline else { return };
        if upstream.timer.is_none_or(|timer| deadline < timer) {
            upstream.timer = Some(deadline);
            self.timers.push(Reverse((deadline, Token::Upstream(key))));
        }
    }

    /// Gives an upstream up.
    ///
    /// # Errors
    /// It was one too many: tiny_http does not answer any more.
    fn lose(&mut self, key: Key, why: &io::Error) -> io::Result<()> {
        let Some(upstream) = self.upstreams.remove(key) else { return Ok(()) };
        self.idle.retain(|idle| *idle != key);
        match upstream.stage {
            Stage::Idle => {}
            Stage::Busy(client) => {
                log::warn!("server: lost a connection to tiny_http: {why}");
                if self.clients.get(client).is_some_and(|client| client.waits_for(key)) {
                    self.with_client(client, Client::expire);
                }
            }
            Stage::Unproven => {
                log::debug!("server: tiny_http does not prove a connection: {why}");
                self.unproven = false;
                self.failed_proofs += 1;
                if self.failed_proofs > FAILED_PROOFS_MAX {
                    return Err(io::Error::other("tiny_http takes no connections any more"));
                }
                if self.ready.is_some() {
                    return self.open_upstream();
                }
            }
        }
        Ok(())
    }

    // Time

    /// Does what is due.
    fn expire(&mut self) -> io::Result<()> {
        let now = self.clock.now;
        while let Some(Reverse((at, token))) =
            self.timers.peek().copied().filter(|it| it.0.0 <= now)
        {
            self.timers.pop();
            match token {
                Token::Stop => {}
                Token::Listener => {
                    epoll::add(&self.epoll, &self.listener, token.data(), EventFlags::IN)?;
                }
                Token::Client(key) => self.client_timer(key, at),
                Token::Upstream(key) => self.upstream_timer(key, at)?,
            }
        }
        Ok(())
    }

    fn client_timer(&mut self, key: Key, at: Instant) {
        let Some(client) = self.clients.get(key) else { return };
        if client.timer != Some(at) {
            return;
        }
        client.timer = None;
        if client.deadline > self.clock.now {
            self.settle(key);
        } else {
            self.with_client(key, Client::expire);
        }
    }

    fn upstream_timer(&mut self, key: Key, at: Instant) -> io::Result<()> {
        let is_surplus = self.idle.len() > UPSTREAMS_KEPT;
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        if upstream.timer != Some(at) {
            return Ok(());
        }
        upstream.timer = None;
        match upstream.stage {
            Stage::Busy(_) => upstream.deadline = None,
            _ if upstream.deadline.is_some_and(|deadline| deadline > self.clock.now) => {
                self.arm(key);
            }
            Stage::Idle if !is_surplus => upstream.deadline = None,
            Stage::Idle | Stage::Unproven => {
                self.lose(key, &io::ErrorKind::TimedOut.into())?;
            }
        }
        Ok(())
    }
}

/// Whether no connection at all can be accepted for now.
fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}
