//! What the guard does with its connections to tiny_http.

use std::cmp::Reverse;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};

use super::client::{Client, Context, Next};
use super::slab::Key;
use super::upstream::{Piece, Stage, Upstream};
use super::{Guard, Token, is_exhausted};

/// Upstreams that stay when there is nothing to do: tiny_http keeps as many threads.
const UPSTREAMS_KEPT: usize = 4;

/// How long an upstream above those is kept for nothing.
const UPSTREAM_IDLE: Duration = Duration::from_secs(10);

/// How long tiny_http may take to prove that it has not forgotten a connection.
const PROOF_TIMEOUT: Duration = Duration::from_secs(1);

/// Proofs that may fail in a row before tiny_http is taken for dead.
const FAILED_PROOFS_MAX: u32 = 5;

impl Guard {
    /// Gives waiting requests to idle upstreams, and opens another if there are too few.
    pub(super) fn assign(&mut self) -> io::Result<()> {
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

    pub(super) fn open_upstream(&mut self) -> io::Result<()> {
        if self.unproven || self.upstreams.len() >= self.options.limits.upstreams_max {
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

    pub(super) fn upstream_event(&mut self, key: Key, flags: EventFlags) -> io::Result<()> {
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
            options: &self.options,
            local: self.local,
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
                log::warn!("http: lost a connection to tiny_http: {why}");
                if self.clients.get(client).is_some_and(|client| client.waits_for(key)) {
                    self.with_client(client, Client::expire);
                }
            }
            Stage::Unproven => {
                log::debug!("http: tiny_http does not prove a connection: {why}");
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

    pub(super) fn upstream_timer(&mut self, key: Key, at: Instant) -> io::Result<()> {
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
