//! Communication with the server process: every request that came in over HTTP is answered
//! here.
//!
//! Two threads take turns at the link. Whoever reads it answers at once, from memory, what
//! only asks. Whoever has read messages to add leaves the link to the other and writes all
//! that wait with one sync. So no read ever waits for the disk, and a message goes to disk
//! without being handed from thread to thread.
//!
//! Who waits for an event is put down, and holds neither of them: a third thread answers when
//! something happens or the wait is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use parking_lot::Mutex;

use crate::api::link::{self, EndsLink, ToMiner, ToServer};
use crate::api::{Caller, Reply, Request, Span, routes};
use crate::chain::{Data, Source};
use crate::miner::answer::{added, answer, events};
use crate::miner::{Kept, Miner, Sender, pushed};

/// Messages that may wait to be written; more are answered 503.
const ADDS_MAX: usize = 4_096;

/// Messages written with one sync.
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
    let answers = link::Sender::new(link.try_clone()?);
    let (frames, adds, followers) = (Mutex::new(frames), Mutex::default(), Mutex::default());
    let desk = Desk { miner, frames, answers, adds, followers };
    let ends = [EndsLink(link.try_clone()?), EndsLink(link)];
    // Nobody sends: it ends with those who take turns.
    let (lives, ended) = bounded::<Infallible>(0);
    let take_turns = |(ends, _lives): (EndsLink, crossbeam_channel::Sender<Infallible>)| {
        // Neither goes on without the other, whatever ends it.
        let _ends = ends;
        while desk.turn()? {}
        Ok(())
    };
    thread::scope(|scope| {
        let [own, other] = ends.map(|ends| (ends, lives.clone()));
        drop(lives);
        let desk = &desk;
        Builder::new().name("followers".into()).spawn_scoped(scope, move || desk.follow(&ended))?;
        let other = Builder::new()
            .name("communication".into())
            .spawn_scoped(scope, move || take_turns(other))?;
        let outcome = take_turns(own);
        outcome.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// What the threads that take turns share.
struct Desk<'a> {
    miner: &'a Miner,
    /// Held by whoever reads.
    frames: Mutex<link::Receiver>,
    answers: link::Sender,
    adds: Mutex<Adds>,
    followers: Mutex<Vec<Follower>>,
}

/// Somebody who waits for an event.
struct Follower {
    /// Id of the last that is known.
    after: u64,
    until: Instant,
    ip: Option<IpAddr>,
    asker: Asker,
}

/// Messages to be written.
#[derive(Default)]
struct Adds {
    waiting: VecDeque<Add>,
    /// Somebody writes, and takes along what comes meanwhile.
    is_writing: bool,
}

/// Messages to be written, and whom to tell.
struct Add {
    data: Vec<Data>,
    source: Source,
    from: From,
    asker: Asker,
}

impl Add {
    fn each(&self) -> impl Iterator<Item = (Data, Sender)> + '_ {
        let sender = match self.from {
            From::Client => Sender::Client(self.source),
            From::Neighbour(..) => Sender::Neighbour(self.source),
        };
        self.data.iter().map(move |data| (data.clone(), sender))
    }
}

/// Whom messages come from.
enum From {
    /// Somebody who adds one.
    Client,
    /// A neighbour that pushes what it has.
    Neighbour(Caller, Option<Box<Span>>),
}

/// Whom to answer, and what to measure by.
struct Asker {
    id: u64,
    came: Instant,
    route: &'static str,
    is_miner: bool,
}

impl Adds {
    fn wants_writer(&self) -> bool {
        !self.waiting.is_empty() && !self.is_writing
    }
}

impl Desk<'_> {
    /// Reads and answers until there is something to write, and writes it; whether more may
    /// come.
    fn turn(&self) -> io::Result<bool> {
        let mut frames = self.frames.lock();
        while !self.adds.lock().wants_writer() {
            if !self.read(&mut frames)? {
                return Ok(false);
            }
        }
        drop(frames);
        self.write();
        Ok(true)
    }

    /// Reads what has come and answers it, waiting for the first; whether more may come.
    fn read(&self, frames: &mut link::Receiver) -> io::Result<bool> {
        let mut outbox = Outbox::new(self);
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

    /// Answers a question, or lets a message wait to be written.
    fn take(&self, id: u64, caller: &Caller, request: Request, outbox: &mut Outbox<'_>) {
        let (route, is_miner) = (routes::path_of(&request), caller.miner.is_some());
        let asker = Asker { id, came: Instant::now(), route, is_miner };
        self.miner.hear_from(caller);
        if let Some(refusal) = self.miner.refusal(&request, caller) {
            return outbox.put(asker, refusal);
        }
        let (data, from) = match request {
            Request::Add { id, message } => {
                let id = id.unwrap_or_else(|| self.miner.random_id());
                (vec![Data { id, message }], From::Client)
            }
            Request::PushData { data, span } if !self.miner.is_shunned(caller) => {
                pushed::note_data(self.miner, &data, caller);
                (data, From::Neighbour(caller.clone(), span))
            }
            Request::Events { after, .. } if !request.wait().is_zero() => {
                let until = asker.came + request.wait();
                let after = after.unwrap_or_else(|| self.miner.diary.last_event());
                return self.wait(Follower { after, until, ip: caller.ip, asker }, outbox);
            }
            request => return outbox.put(asker, answer(self.miner, request, caller)),
        };
        let source = self.miner.source(caller);
        let mut adds = self.adds.lock();
        if adds.waiting.len() < ADDS_MAX {
            return adds.waiting.push_back(Add { data, source, from, asker });
        }
        drop(adds);
        self.miner.metrics.overloaded();
        let more = "more messages come in than the disk can take; try again";
        outbox.put(asker, Reply::problem(503, "No Message added!", more).retry_after(1));
    }

    /// Answers at once where something has happened or too many wait; otherwise lets
    /// [`Desk::follow`] answer.
    fn wait(&self, follower: Follower, outbox: &mut Outbox<'_>) {
        let mut followers = self.followers.lock();
        let is_full = followers.len() >= FOLLOWERS_MAX || {
            let ip = follower.ip.filter(|ip| !ip.to_canonical().is_loopback());
            let same = followers.iter().filter(|other| ip.is_some() && other.ip == ip);
            same.count() >= FOLLOWERS_OF_ADDRESS_MAX
        };
        // Looked at under the lock: what happens after it rings for who is in the list.
        if is_full || self.miner.diary.last_event() != follower.after {
            drop(followers);
            return outbox.put(follower.asker, events(self.miner, Some(follower.after)));
        }
        followers.push(follower);
        drop(followers);
        self.miner.shared.bells.events.ring();
    }

    /// Answers those who wait for an event, until the link has ended.
    fn follow(&self, ended: &Receiver<Infallible>) {
        let heard = self.miner.shared.bells.events.heard();
        loop {
            let until = self.followers.lock().iter().map(|follower| follower.until).min();
            let patience = until.map(|until| until.saturating_duration_since(Instant::now()));
            crossbeam_channel::select! {
                recv(heard) -> _ => {}
                recv(ended) -> _ => return,
                default(patience.unwrap_or(Duration::MAX)) => {}
            }
            let (now, last) = (Instant::now(), self.miner.diary.last_event());
            let is_due = |it: &mut Follower| it.until <= now || it.after != last;
            let due: Vec<Follower> = self.followers.lock().extract_if(.., is_due).collect();
            let mut outbox = Outbox::new(self);
            for Follower { after, asker, .. } in due {
                // It waited as it wanted to: that is not how long the answer took.
                let asker = Asker { came: now, ..asker };
                outbox.put(asker, events(self.miner, Some(after)));
            }
        }
    }

    /// Writes all messages that wait, those included that come meanwhile, unless another
    /// does.
    fn write(&self) {
        let mut is_ours = false;
        loop {
            let batch: Vec<Add> = {
                let mut adds = self.adds.lock();
                if adds.is_writing && !is_ours {
                    return;
                }
                is_ours = !adds.waiting.is_empty();
                adds.is_writing = is_ours;
                let count = adds.waiting.len().min(BATCH_MAX);
                adds.waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            let data: Vec<(Data, Sender)> = batch.iter().flat_map(Add::each).collect();
            let arrivals = || self.miner.shared.with_pool(|pool| pool.cursor());
            let before = arrivals();
            let mut kept = self.miner.keep_each(&data).into_iter();
            let arrived = before..arrivals();
            let mut outbox = Outbox::new(self);
            for Add { data, from, asker, .. } in batch {
                let kept: Vec<Kept> = kept.by_ref().take(data.len()).collect();
                let reply = match from {
                    From::Client => {
                        data.into_iter().zip(kept).map(|(data, kept)| added(data, kept)).next()
                    }
                    From::Neighbour(caller, span) => {
                        Some(pushed::data(self.miner, span, &caller, &kept, arrived.clone()))
                    }
                };
                outbox.put(asker, reply.expect("a client adds one message"));
            }
        }
    }
}

/// Answers that go out together, at the latest when it is dropped.
struct Outbox<'a> {
    desk: &'a Desk<'a>,
    answers: Vec<ToServer>,
    bytes: usize,
}

impl<'a> Outbox<'a> {
    fn new(desk: &'a Desk<'a>) -> Self {
        Self { desk, answers: Vec::new(), bytes: 0 }
    }

    fn put(&mut self, asker: Asker, reply: Reply) {
        let Asker { id, came, route, is_miner } = asker;
        let sent = is_miner.then_some(reply.body.len());
        self.desk.miner.metrics.answered(route, reply.status, came.elapsed(), sent);
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
        if let Err(error) = self.desk.answers.to_server(&self.answers) {
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
