//! The guard's work with its clients.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::net::{IpAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};

use super::client::{Client, Context, Next};
use super::slab::Key;
use super::{Guard, Token, head, is_exhausted};
use crate::http::Refusal;
use crate::http::answer::BodyEnd;

/// Connections accepted before others get their turn.
const ACCEPTED_AT_ONCE: usize = 128;

/// Pause before accepting again when there are no descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Clients that are cut at once when there is no place for another: the look at all of
/// them is worth more than one.
const CUT_AT_ONCE: usize = 32;

/// Clients that hold less than this are not worth cutting for their memory.
const CUT_BYTES_MIN: usize = 4 << 10;

impl Guard {
    pub(super) fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok((stream, address)) => self.welcome(stream, address.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_exhausted(&error) => {
                    log::warn!("http: can't accept connections for now: {error}");
                    epoll::delete(&self.epoll, &self.listener)?;
                    self.timers
                        .push(Reverse((self.context.clock.now + ACCEPT_PAUSE, Token::Listener)));
                    break;
                }
                // One connection failed before it was accepted.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn welcome(&mut self, stream: TcpStream, ip: IpAddr) {
        let place = head::place(ip);
        let connections_max = if place.is_loopback() {
            self.context.options.limits.connections_of_loopback_max
        } else {
            self.context.options.limits.connections_per_place_max
        };
        let is_crowded = self.places.get(&place).is_some_and(|all| all.len() >= connections_max);
        if is_crowded && !self.cut_idlest(place) {
            let more = "all connections of this address wait for answers";
            return self.turn_away(stream, &Refusal::busy(429, "Too many requests", more));
        }
        if self.clients.len() >= self.context.options.limits.connections_max {
            self.cut_stale();
        }
        if self.clients.len() >= self.context.options.limits.connections_max {
            let more = "there are too many connections";
            return self.turn_away(stream, &Refusal::unavailable(more));
        }
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let seats = self.places.entry(place).or_default();
        let (now, limits) = (self.context.clock.now, &self.context.options.limits);
        let key = self.clients.insert(Client::new(stream, ip, seats.len(), now, limits));
        seats.push(key);
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
    fn turn_away(&mut self, mut stream: TcpStream, why: &Refusal) {
        let (head, body) = self.context.options.answer(why);
        let mut answer = Vec::new();
        head.write_outside(&mut answer, &self.context.clock.date, BodyEnd::Length, true);
        answer.extend_from_slice(&body);
        let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&answer));
        self.context.clock.seldom(|| log::warn!("http: turned a client away: {}", why.more));
    }

    pub(super) fn client_event(&mut self, key: Key, flags: EventFlags) {
        self.with_client(key, |client, context| {
            client.note(flags)?;
            client.advance(context)
        });
    }

    pub(super) fn with_client(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut Client, &mut Context) -> io::Result<Next>,
    ) {
        let Some(client) = self.clients.get(key) else { return };
        let outcome = act(client, &mut self.context);
        self.follow(key, outcome);
    }

    /// Sees to what follows from what a client did.
    pub(super) fn follow(&mut self, key: Key, outcome: io::Result<Next>) {
        match outcome {
            Ok(Next::Wait) => self.settle(key),
            Ok(Next::Ask) => {
                if let Some(client) = self.clients.get(key) {
                    self.waiting[client.kind() as usize].push_back(key);
                }
                self.settle(key);
            }
            Err(error) => self.part(key, &error),
        }
    }

    /// Counts what a client holds, and sees to it that its deadline is looked at.
    pub(super) fn settle(&mut self, key: Key) {
        let Some(client) = self.clients.get(key) else { return };
        let held = client.memory();
        self.held_bytes = self.held_bytes - client.counted + held;
        client.counted = held;
        if client.timer.is_none_or(|timer| client.deadline < timer) {
            client.timer = Some(client.deadline);
            self.timers.push(Reverse((client.deadline, Token::Client(key))));
        }
    }

    fn part(&mut self, key: Key, why: &io::Error) {
        let Some(client) = self.clients.remove(key) else { return };
        self.held_bytes -= client.counted;
        if let Some(number) = client.later() {
            self.mail.give_up(number);
        }
        let place = head::place(client.ip);
        if let Some(seats) = self.places.get_mut(&place) {
            seats.swap_remove(client.seat);
            if let Some(moved) = seats.get(client.seat).and_then(|key| self.clients.get(*key)) {
                moved.seat = client.seat;
            }
            if seats.is_empty() {
                self.places.remove(&place);
            }
        }
        if client.is_in_parts {
            log::debug!("http: broke off an answer ip={} reason={why}", client.ip);
            // A reset can't be taken for the answer's end, not even in HTTP/1.0.
            let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
        }
    }

    /// Makes room at a place by cutting the one client there that has done nothing for longest;
    /// false if all wait for answers. Behind one address may be many hosts (NAT, a balancer): the
    /// idle ones of one must not shut out the others.
    fn cut_idlest(&mut self, place: IpAddr) -> bool {
        let (places, clients) = (&self.places, &mut self.clients);
        let idle = places.get(&place).into_iter().flatten().filter_map(|key| {
            let client = clients.get(*key)?;
            client.is_idle().then_some((client.touched, *key))
        });
        let Some((_, key)) = idle.min() else { return false };
        self.context.clock.seldom(|| log::warn!("http: cut an idle client of a crowded address"));
        self.part(key, &io::ErrorKind::TimedOut.into());
        true
    }

    /// Makes places by cutting those who have done nothing for longest.
    fn cut_stale(&mut self) {
        let idle = self.clients.iter().filter(|(_, client)| client.is_idle());
        let mut stale: Vec<_> = idle.map(|(key, client)| (client.touched, key)).collect();
        if stale.len() > CUT_AT_ONCE {
            stale.select_nth_unstable(CUT_AT_ONCE);
            stale.truncate(CUT_AT_ONCE);
        }
        self.context
            .clock
            .seldom(|| log::warn!("http: cut idle clients to make place for new ones"));
        for (_, key) in stale {
            self.part(key, &io::ErrorKind::TimedOut.into());
        }
    }

    /// Keeps within the memory that clients may hold, by cutting those that have taken or
    /// sent nothing for longest.
    pub(super) fn free_memory(&mut self) {
        while self.held_bytes > self.context.options.limits.held_bytes_max {
            let holders = self.clients.iter().filter(|(_, client)| client.counted > CUT_BYTES_MIN);
            let Some((key, _)) = holders.min_by_key(|(_, client)| client.touched) else { return };
            self.context.clock.seldom(|| log::warn!("http: cut a slow client to free its memory"));
            self.part(key, &io::ErrorKind::OutOfMemory.into());
        }
    }

    pub(super) fn client_timer(&mut self, key: Key, at: Instant) -> io::Result<()> {
        let Some(client) = self.clients.get(key) else { return Ok(()) };
        if client.timer != Some(at) {
            return Ok(());
        }
        client.timer = None;
        if client.deadline > self.context.clock.now {
            self.settle(key);
            return Ok(());
        }
        let silent = client.silent_upstream();
        self.with_client(key, Client::expire);
        // Answers come in order: nobody behind this one is answered there any more.
        silent.map_or(Ok(()), |upstream| self.lose(upstream, &io::ErrorKind::TimedOut.into()))
    }
}
