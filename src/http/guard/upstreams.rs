//! The guard's work with its connections to tiny_http.

use std::cmp::Reverse;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};

use super::client::Client;
use super::slab::Key;
use super::upstream::{AnswerPiece, Upstream};
use super::{Guard, Kind, Token, is_exhausted};
use crate::http::answer::AnswerHead;
use crate::http::later::Late;

/// Upstreams that stay when there is nothing to do: tiny_http keeps as many threads.
const UPSTREAMS_KEPT: usize = 4;

/// Time after which an idle upstream above those is closed.
const UPSTREAM_IDLE: Duration = Duration::from_secs(10);

/// Proofs that may fail in a row before tiny_http is taken for dead.
const FAILED_PROOFS_MAX: u32 = 5;

impl Guard {
    /// Gives waiting requests to upstreams, and opens another if there are too few.
    pub(super) fn assign(&mut self) -> io::Result<()> {
        let mut are_too_few = false;
        for kind in Kind::ALL {
            let mut last = None;
            while let Some(&client) = self.waiting[kind as usize].front() {
                let Some(upstream) = self.upstream_with_room(kind) else {
                    are_too_few = true;
                    break;
                };
                self.waiting[kind as usize].pop_front();
                let asking = self.clients.get(client).and_then(|client| client.asks(upstream));
                let Some((request, without_body)) = asking else { continue };
                self.settle(client);
                if let Some(upstream) = self.upstreams.get(upstream) {
                    upstream.ask(client, &request, without_body);
                }
                if let Some(full) = last.replace(upstream).filter(|last| *last != upstream) {
                    self.flush(full)?;
                }
            }
            last.map_or(Ok(()), |last| self.flush(last))?;
        }
        if are_too_few { self.open_upstream() } else { Ok(()) }
    }

    /// The upstream that is being filled with requests of this kind, or an idle one. Those
    /// that write never share one with those that read, who would wait for the disk.
    fn upstream_with_room(&mut self, kind: Kind) -> Option<Key> {
        let asked_max = self.context.options.limits.asked_at_once_max;
        let filling = self.filling[kind as usize].filter(|key| {
            self.upstreams.get(*key).is_some_and(|upstream| upstream.has_room(asked_max))
        });
        self.filling[kind as usize] = filling.or_else(|| self.idle_upstream(kind));
        self.filling[kind as usize]
    }

    /// An idle upstream. Those that write leave one to those that read, who would otherwise
    /// wait for the disk.
    fn idle_upstream(&mut self, kind: Kind) -> Option<Key> {
        let max = self.context.options.limits.upstreams_max;
        let writing = self.upstreams.iter().filter(|(_, it)| it.writes && !it.is_idle()).count();
        if kind == Kind::Write && max > 1 && writing + 1 >= max {
            return None;
        }
        let key = self.idle.pop()?;
        self.upstreams.get(key)?.writes = kind == Kind::Write;
        Some(key)
    }

    fn flush(&mut self, key: Key) -> io::Result<()> {
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        match upstream.flush() {
            Ok(true) => Ok(()),
            Ok(false) => self.watch(key, EventFlags::IN | EventFlags::OUT),
            Err(error) => self.lose(key, &error),
        }
    }

    pub(super) fn open_upstream(&mut self) -> io::Result<()> {
        if self.unproven || self.upstreams.len() >= self.context.options.limits.upstreams_max {
            return Ok(());
        }
        self.upstreams_opened += 1;
        let deadline = self.context.clock.now + self.context.options.limits.proof;
        let name = self.upstreams_opened;
        let upstream = match Upstream::open(&self.path, name, deadline) {
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

    /// Reads from an upstream and passes it on to the clients that wait for it.
    fn receive(&mut self, key: Key) -> io::Result<()> {
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        let was_idle = upstream.is_idle();
        let (clients, context) = (&mut self.clients, &mut self.context);
        let (outcomes, later) = (&mut self.outcomes, &mut self.later);
        let mut numbers = Vec::new();
        let received = upstream.receive(&mut self.answer_scratch, |for_whom, piece| {
            if let AnswerPiece::End(AnswerHead { later: Some(number), .. }) = piece {
                later.insert(number, for_whom);
                numbers.push(number);
            }
            let before = outcomes.pop_if(|last| last.0 == for_whom);
            let has_failed = before.as_ref().is_some_and(|(_, outcome)| outcome.is_err());
            match clients.get(for_whom).filter(|_| !has_failed) {
                Some(client) => outcomes.push((for_whom, client.hear(piece, context))),
                None => outcomes.extend(before),
            }
        });
        let has_answered = !was_idle && upstream.is_idle();
        let mut outcomes = std::mem::take(&mut self.outcomes);
        for (client, outcome) in outcomes.drain(..) {
            self.follow(client, outcome);
        }
        self.outcomes = outcomes;
        for number in numbers {
            if self.later.get(&number).is_some_and(|key| self.clients.get(*key).is_none()) {
                self.mail.give_up(number);
            }
            self.early.remove(&number).into_iter().for_each(|late| self.hear(late));
        }
        match received {
            Ok(()) if has_answered => self.release(key),
            Ok(()) => {}
            Err(error) => self.lose(key, &error)?,
        }
        Ok(())
    }

    /// Passes on an answer that comes late.
    pub(super) fn hear(&mut self, late: Late) {
        let Some(key) = self.later.remove(&late.0) else {
            self.early.insert(late.0, late);
            return;
        };
        let (number, head, body) = late;
        self.mail.close(number);
        self.with_client(key, |client, context| client.hear_late(head, &body, context));
    }

    /// An upstream has answered everything.
    fn release(&mut self, key: Key) {
        let Some(upstream) = self.upstreams.get(key) else { return };
        if !upstream.is_proven {
            upstream.is_proven = true;
            self.unproven = false;
            self.failed_proofs = 0;
            if let Some(ready) = self.ready.take() {
                ready();
            }
        }
        upstream.deadline = Some(self.context.clock.now + UPSTREAM_IDLE);
        for filling in &mut self.filling {
            filling.take_if(|filling| *filling == key);
        }
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

    /// Gives an upstream up; who waits for it is told to try again.
    ///
    /// # Errors
    /// It was one too many: tiny_http does not answer any more.
    pub(super) fn lose(&mut self, key: Key, why: &io::Error) -> io::Result<()> {
        let Some(upstream) = self.upstreams.remove(key) else { return Ok(()) };
        self.idle.retain(|idle| *idle != key);
        for filling in &mut self.filling {
            filling.take_if(|filling| *filling == key);
        }
        if upstream.is_proven {
            if !upstream.is_idle() {
                log::warn!("http: lost a connection to tiny_http: {why}");
            }
            for client in upstream.clients() {
                self.with_client(client, Client::expire);
            }
            return Ok(());
        }
        log::debug!("http: tiny_http does not prove a connection: {why}");
        self.unproven = false;
        // A proof takes a worker. While one is busy, there may be none for a proof: seven slow
        // pages at once were taken for the end of tiny_http.
        if self.taken.any() {
            return Ok(());
        }
        self.failed_proofs += 1;
        if self.failed_proofs > FAILED_PROOFS_MAX {
            return Err(io::Error::other("tiny_http takes no connections any more"));
        }
        if self.ready.is_some() { self.open_upstream() } else { Ok(()) }
    }

    pub(super) fn upstream_timer(&mut self, key: Key, at: Instant) -> io::Result<()> {
        let is_surplus = self.idle.len() > UPSTREAMS_KEPT;
        let Some(upstream) = self.upstreams.get(key) else { return Ok(()) };
        if upstream.timer != Some(at) {
            return Ok(());
        }
        upstream.timer = None;
        match (upstream.is_proven, upstream.is_idle()) {
            (true, false) => upstream.deadline = None,
            _ if upstream.deadline.is_some_and(|deadline| deadline > self.context.clock.now) => {
                self.arm(key);
            }
            (true, true) if !is_surplus => upstream.deadline = None,
            _ => {
                self.lose(key, &io::ErrorKind::TimedOut.into())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::thread;

    use super::*;
    use crate::http::incoming::Taken;
    use crate::http::later::Mailbox;
    use crate::http::{Limits, Options, Refusal};

    /// Breaks every connection that was asked for a proof, up to one that asks for the end;
    /// how many those were. More than enough are refused.
    fn break_all(listener: &UnixListener) -> usize {
        const END: u8 = b'E';
        const FAR_TOO_MANY: usize = 100;
        let is_proof = |stream: io::Result<UnixStream>| {
            let mut byte = [END];
            stream.and_then(|mut stream| stream.read_exact(&mut byte)).is_ok() && byte != [END]
        };
        listener
            .incoming()
            .take(FAR_TOO_MANY)
            .map(is_proof)
            .take_while(|is_proof| *is_proof)
            .count()
    }

    #[test]
    fn a_guard_whose_connections_all_break_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let breaks = thread::spawn(move || break_all(&listener));
        let (_stop, stopped) = UnixStream::pair().unwrap();
        let spell = |_: &Refusal| ("text/plain", Vec::new());
        let limits = Limits::default();
        let options = Options { limits, passed: &[], for_pages: false, names: Vec::new(), spell };
        let clients = TcpListener::bind("127.0.0.1:0").unwrap();
        let ready = Box::new(|| panic!("nothing was proven"));
        let behind = (Taken::default(), Mailbox::open().unwrap().1);
        let guard = Guard::new(clients, stopped, path.clone(), options, behind, ready).unwrap();
        assert!(guard.run().is_err());
        // Nobody listens any more where there were too many.
        let _ = UnixStream::connect(path).and_then(|mut stream| stream.write_all(b"E"));
        assert_eq!(breaks.join().unwrap(), FAILED_PROOFS_MAX as usize + 1);
    }
}
