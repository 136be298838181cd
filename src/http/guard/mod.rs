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
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::Options;
use super::incoming::Taken;
use super::later::{Late, Mail};
use client::{Client, Context, Kind, Next};
use clock::Now;
use slab::{Key, Slab};
use upstream::Upstream;

mod body;
mod client;
mod clients;
mod clock;
mod head;
mod slab;
mod upstream;
mod upstreams;

const SCRATCH_BYTES: usize = 64 << 10;

/// Timers of clients that are gone which are left where they are.
const STALE_TIMERS_MAX: usize = 4 << 10;

/// Bytes of an answer that the kernel keeps for a client that does not take them; what is more
/// stays here, where it counts among `held_bytes_max`. Unlike a send buffer of that size, it puts
/// no bound to what is on its way over a long line.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// Events taken at a time: few, so that tiny_http begins with some requests while the next
/// are read.
const EVENTS: usize = 16;

pub struct Guard {
    epoll: OwnedFd,
    listener: TcpListener,
    /// Its other end's end means stop.
    _stop: UnixStream,
    path: PathBuf,
    context: Context,
    /// Where answers' bytes land first.
    answer_scratch: Vec<u8>,
    /// Next steps of clients, after an upstream's answers.
    outcomes: Vec<(Key, io::Result<Next>)>,
    clients: Slab<Client>,
    /// Connections of each place; each client knows its seat there.
    places: HashMap<IpAddr, Vec<Key>>,
    held_bytes: usize,
    /// Clients whose request is whole.
    waiting: [VecDeque<Key>; Kind::ALL.len()],
    upstreams: Slab<Upstream>,
    upstreams_opened: u64,
    idle: Vec<Key>,
    /// Upstreams that are asked, and may be asked more.
    filling: [Option<Key>; Kind::ALL.len()],
    unproven: bool,
    taken: Taken,
    failed_proofs: u32,
    mail: Mail,
    /// Clients that are answered later, by the numbers of their requests.
    later: HashMap<u64, Key>,
    /// Late answers whose requests are still said to be answered soon.
    early: HashMap<u64, Late>,
    timers: BinaryHeap<Reverse<(Instant, Token)>>,
    /// Told once, when requests are answered.
    ready: Option<Box<dyn FnOnce() + Send>>,
}

/// Subject of an event or a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Stop,
    Listener,
    Mail,
    Client(Key),
    Upstream(Key),
}

impl Token {
    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Stop => 0,
            Self::Listener => 1,
            Self::Mail => 2,
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
            _ if data == 2 => Self::Mail,
            _ => Self::Listener,
        }
    }
}

impl Guard {
    /// A guard of `listener`, before the tiny_http that listens at `path`, whose workers count
    /// in `taken` and put late answers into `mail`. It runs until `stop` is closed, and tells `ready` when requests are
    /// answered.
    pub fn new(
        listener: TcpListener,
        stop: UnixStream,
        path: PathBuf,
        options: Options,
        (taken, mail): (Taken, Mail),
        ready: Box<dyn FnOnce() + Send>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        // Accepted connections inherit both.
        socket2::SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, Token::Listener.data(), EventFlags::IN)?;
        epoll::add(&epoll, &stop, Token::Stop.data(), EventFlags::IN)?;
        epoll::add(&epoll, &mail.woken, Token::Mail.data(), EventFlags::IN)?;
        let context = Context { clock: Now::look(), options, scratch: vec![0; SCRATCH_BYTES] };
        Ok(Self {
            epoll,
            listener,
            _stop: stop,
            path,
            context,
            answer_scratch: vec![0; SCRATCH_BYTES],
            outcomes: Vec::new(),
            clients: Slab::new(),
            places: HashMap::new(),
            held_bytes: 0,
            waiting: Default::default(),
            upstreams: Slab::new(),
            upstreams_opened: 0,
            idle: Vec::new(),
            filling: Default::default(),
            unproven: false,
            taken,
            failed_proofs: 0,
            mail,
            later: HashMap::new(),
            early: HashMap::new(),
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
            let timeout = self.timers.peek().map(|Reverse((at, _))| self.context.clock.until(*at));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.context.clock.tick();
            for event in events.drain(..) {
                let epoll::Event { flags, data } = event;
                match Token::from_data(data) {
                    Token::Stop => return Ok(()),
                    Token::Listener => self.accept()?,
                    Token::Mail => self.mail.take().into_iter().for_each(|late| self.hear(late)),
                    Token::Client(key) => self.client_event(key, flags),
                    Token::Upstream(key) => self.upstream_event(key, flags)?,
                }
            }
            self.expire()?;
            self.assign()?;
            self.free_memory();
            self.forget_stale_timers();
        }
    }

    /// Takes out the timers of what is gone, where these are most of all: clients that come and
    /// go by the thousand would otherwise leave theirs for as long as they might have stayed.
    fn forget_stale_timers(&mut self) {
        let live = self.clients.len() + self.upstreams.len();
        if self.timers.len() <= 4 * live + STALE_TIMERS_MAX {
            return;
        }
        let (clients, upstreams) = (&mut self.clients, &mut self.upstreams);
        self.timers.retain(|Reverse((at, token))| match token {
            Token::Client(key) => clients.get(*key).is_some_and(|it| it.timer == Some(*at)),
            Token::Upstream(key) => upstreams.get(*key).is_some_and(|it| it.timer == Some(*at)),
            Token::Listener | Token::Mail | Token::Stop => true,
        });
        self.timers.shrink_to(STALE_TIMERS_MAX);
    }

    fn expire(&mut self) -> io::Result<()> {
        let now = self.context.clock.now;
        while let Some(Reverse((at, token))) =
            self.timers.peek().copied().filter(|it| it.0.0 <= now)
        {
            self.timers.pop();
            match token {
                Token::Stop | Token::Mail => {}
                Token::Listener => {
                    epoll::add(&self.epoll, &self.listener, token.data(), EventFlags::IN)?;
                }
                Token::Client(key) => self.client_timer(key, at)?,
                Token::Upstream(key) => self.upstream_timer(key, at)?,
            }
        }
        Ok(())
    }
}

/// True if no connection at all can be accepted for now.
fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::http::later::Mailbox;
    use crate::http::{Limits, Refusal};

    #[test]
    fn clients_that_come_and_go_leave_no_timers() {
        // Each left one for a minute: 16,000 connections a second grew to 60 MB.
        const CLIENTS: usize = 10_000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = UnixStream::pair().unwrap();
        let spell = |_: &Refusal| ("text/plain", Vec::new());
        let limits = Limits::default();
        let options = Options { limits, passed: &[], for_pages: false, names: Vec::new(), spell };
        let path = PathBuf::from("nobody listens here");
        let (behind, ready) = ((Taken::default(), Mailbox::open().unwrap().1), Box::new(|| ()));
        let mut guard = Guard::new(listener, stopped, path, options, behind, ready).unwrap();
        let stays = TcpStream::connect(address).unwrap();
        let mut most = 0;
        for _ in 0..CLIENTS {
            let goes = TcpStream::connect(address).unwrap();
            // A reset leaves no port that waits.
            rustix::net::sockopt::set_socket_linger(&goes, Some(Duration::ZERO)).unwrap();
            guard.accept().unwrap();
            let (key, _) = guard.clients.iter().last().unwrap();
            guard.client_event(key, EventFlags::HUP);
            guard.forget_stale_timers();
            most = most.max(guard.timers.len());
        }
        assert_eq!(guard.clients.len(), 1);
        assert!((STALE_TIMERS_MAX..STALE_TIMERS_MAX + 8).contains(&most), "{most} timers");
        drop(stays);
        // Who stays keeps its own.
        guard.timers.extend(vec![Reverse((guard.context.clock.now, Token::Stop)); CLIENTS]);
        guard.forget_stale_timers();
        let of_clients = guard.timers.iter().filter(|it| matches!(it.0.1, Token::Client(_)));
        assert_eq!(of_clients.count(), 1);
    }
}
