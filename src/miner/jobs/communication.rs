//! Communication with the server process: every request that came in over HTTP is answered
//! here.
//!
//! ```text
//! link -> serve -------------------------> link   what only asks: from memory, at once
//!           |-- messages  -> keep -------> link   all that wait, with one sync of the disk
//!           `-- followers -> follow -----> link   at the next event, or when the wait is over
//! ```
//!
//! Three threads and two bounded channels. Whoever reads the link answers questions itself, so
//! that no read waits for the disk. The threads end with the link, and the link with each of
//! them.

use std::io;
use std::iter;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::thread::{self, Builder};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select};

use crate::api::link::{self, EndsLink, ToMiner, ToServer};
use crate::api::{Caller, Reply, Request, routes};
use crate::miner::Miner;
use crate::miner::answer::{Brought, answer, events, keep_all};

/// Messages that may wait to be written; more are answered 503.
const ADDS_MAX: usize = 4_096;

const BATCH_MAX: usize = 1_024;

/// Questions read before their answers go out and messages are written: the first does not
/// wait long for the last.
const QUESTIONS_AT_ONCE: usize = 32;

/// Most bytes of answers that are put together before they are sent.
const OUTBOX_BYTES: usize = 64 << 10;

/// Clients that may wait for an event; more are answered at once.
const FOLLOWERS_MAX: usize = 256;

/// Those of one address, other than this host.
const FOLLOWERS_OF_ADDRESS_MAX: usize = 32;

/// Answers what comes over `link` until that ends, from the moment the server process is
/// ready to ask; `ready` is called then.
///
/// # Errors
/// The link's, or a thread can't be had.
pub fn serve(miner: &Miner, link: UnixStream, ready: &mut dyn FnMut()) -> io::Result<()> {
    let mut frames = link::Receiver::new(link.try_clone()?);
    loop {
        match frames.from_server()? {
            None => return Ok(()),
            Some(ToMiner::Ready) => break,
            Some(ToMiner::Log(line)) => line.log(),
            Some(ToMiner::Ask { .. }) => {
                return Err(io::Error::other("it asks before it says that it is ready"));
            }
        }
    }
    ready();
    let answers = &link::Sender::new(link.try_clone()?);
    let (adds, waiting) = bounded(ADDS_MAX);
    let (followers, followed) = bounded(FOLLOWERS_MAX);
    let desk = Desk { miner, answers, adds, followers };
    // The closure owns the senders: when it returns, the channels close and the threads end.
    thread::scope(move |scope| {
        let ends = EndsLink(link.try_clone()?);
        Builder::new().name("communication".into()).spawn_scoped(scope, move || {
            let _ends = ends;
            keep(miner, answers, &waiting);
        })?;
        let ends = EndsLink(link.try_clone()?);
        Builder::new().name("followers".into()).spawn_scoped(scope, move || {
            let _ends = ends;
            follow(miner, answers, &followed);
        })?;
        let _ends = EndsLink(link);
        while desk.read(&mut frames)? {}
        Ok(())
    })
}

/// Reads the link, answers what only asks, and hands the rest on.
struct Desk<'a> {
    miner: &'a Miner,
    answers: &'a link::Sender,
    adds: Sender<Add>,
    followers: Sender<Follower>,
}

struct Follower {
    /// Id of the last that is known.
    after: u64,
    until: Instant,
    ip: Option<IpAddr>,
    asker: Asker,
}

struct Add {
    brought: Brought,
    asker: Asker,
}

/// Whom to answer, and what to measure by.
struct Asker {
    id: u64,
    came: Instant,
    route: &'static str,
    is_miner: bool,
}

impl Desk<'_> {
    /// Reads what has come and answers it, waiting for the first; whether more may come.
    fn read(&self, frames: &mut link::Receiver) -> io::Result<bool> {
        let mut outbox = Outbox::new(self.miner, self.answers);
        for _ in 0..QUESTIONS_AT_ONCE {
            match frames.from_server()? {
                None => return Ok(false),
                Some(ToMiner::Ready) => {}
                Some(ToMiner::Log(line)) => line.log(),
                Some(ToMiner::Ask { id, caller, request }) => {
                    self.take(id, &caller, request, &mut outbox);
                }
            }
            if !frames.has_more() {
                break;
            }
        }
        Ok(true)
    }

    /// Answers a question, or hands it to whoever may wait.
    fn take(&self, id: u64, caller: &Caller, request: Request, outbox: &mut Outbox<'_>) {
        let (route, is_miner) = (routes::path_of(&request), caller.miner.is_some());
        let asker = Asker { id, came: Instant::now(), route, is_miner };
        self.miner.hear_from(caller);
        if let Some(refusal) = self.miner.refusal(&request, caller) {
            return outbox.put(asker, refusal);
        }
        if let Request::Events { after, .. } = request
            && !request.wait().is_zero()
        {
            let until = asker.came + request.wait();
            let after = after.unwrap_or_else(|| self.miner.diary.last_event());
            return self.let_follow(Follower { after, until, ip: caller.ip, asker }, outbox);
        }
        // A neighbour that was banned is refused like others.
        let is_refused =
            matches!(request, Request::PushData { .. }) && self.miner.is_shunned(caller);
        let brought = match is_refused {
            true => Err(request),
            false => Brought::of(self.miner, request, caller),
        };
        let brought = match brought {
            Ok(brought) => brought,
            Err(request) => return outbox.put(asker, answer(self.miner, request, caller)),
        };
        if let Err(error) = self.adds.try_send(Add { brought, asker }) {
            self.miner.metrics.overloaded();
            let more = "more messages come in than the disk can take; try again";
            let refusal = Reply::problem(503, "No Message added!", more).retry_after(1);
            outbox.put(error.into_inner().asker, refusal);
        }
    }

    fn let_follow(&self, follower: Follower, outbox: &mut Outbox<'_>) {
        if let Err(error) = self.followers.try_send(follower) {
            let Follower { asker, after, .. } = error.into_inner();
            outbox.put(asker, events(self.miner, Some(after)));
        }
    }
}

/// Writes messages, all that wait with one sync, until nobody hands on any more.
fn keep(miner: &Miner, answers: &link::Sender, waiting: &Receiver<Add>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<Add> =
            iter::once(first).chain(waiting.try_iter().take(BATCH_MAX - 1)).collect();
        keep_batch(miner, answers, batch);
    }
}

fn keep_batch(miner: &Miner, answers: &link::Sender, batch: Vec<Add>) {
    let (brought, askers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|Add { brought, asker }| (brought, asker)).unzip();
    let replies = keep_all(miner, brought);
    let mut outbox = Outbox::new(miner, answers);
    askers.into_iter().zip(replies).for_each(|(asker, reply)| outbox.put(asker, reply));
}

/// Answers those who wait for an event, until nobody hands on any more.
fn follow(miner: &Miner, answers: &link::Sender, new: &Receiver<Follower>) {
    let heard = miner.shared.bells.events.heard();
    let mut followers: Vec<Follower> = Vec::new();
    loop {
        let until = followers.iter().map(|follower| follower.until).min();
        let end = until.map_or_else(never, at);
        select! {
            recv(heard) -> _ => {}
            recv(end) -> _ => {}
            recv(new) -> new => match new {
                Ok(new) => {
                    // One too many does not wait: what is over is answered below.
                    let until = if has_room(&followers, new.ip) { new.until } else { Instant::now() };
                    followers.push(Follower { until, ..new });
                }
                Err(_) => return,
            },
        }
        let (now, last) = (Instant::now(), miner.diary.last_event());
        let mut outbox = Outbox::new(miner, answers);
        for Follower { after, asker, .. } in
            followers.extract_if(.., |it| it.until <= now || it.after != last)
        {
            // It waited as it brought to: that is not how long the answer took.
            let asker = Asker { came: now, ..asker };
            outbox.put(asker, events(miner, Some(after)));
        }
    }
}

/// True if one more may wait, from this address.
fn has_room(followers: &[Follower], ip: Option<IpAddr>) -> bool {
    let ip = ip.filter(|ip| !ip.to_canonical().is_loopback());
    let same = followers.iter().filter(|other| ip.is_some() && other.ip == ip).count();
    followers.len() < FOLLOWERS_MAX && same < FOLLOWERS_OF_ADDRESS_MAX
}

/// Answers that go out together, at the latest when it is dropped.
struct Outbox<'a> {
    miner: &'a Miner,
    link: &'a link::Sender,
    answers: Vec<ToServer>,
    bytes: usize,
}

impl<'a> Outbox<'a> {
    fn new(miner: &'a Miner, link: &'a link::Sender) -> Self {
        Self { miner, link, answers: Vec::new(), bytes: 0 }
    }

    fn put(&mut self, asker: Asker, reply: Reply) {
        let Asker { id, came, route, is_miner } = asker;
        let sent = is_miner.then_some(reply.body.len());
        self.miner.metrics.answered(route, reply.status, came.elapsed(), sent);
        self.bytes += reply.body.len();
        self.answers.push(ToServer { id, reply });
        if self.bytes >= OUTBOX_BYTES {
            self.send();
        }
    }

    /// That the server process is gone is for those to notice that watch it: who asked by
    /// it has lost the connection.
    fn send(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        if let Err(error) = self.link.to_server(&self.answers) {
            log::debug!("communication: answers could not be sent: {error}");
        }
        self.answers.clear();
        self.bytes = 0;
    }
}

impl Drop for Outbox<'_> {
    fn drop(&mut self) {
        self.send();
    }
}
