//! Communication with the server process: every request that came in over HTTP is answered
//! here.
//!
//! Reads are answered at once, from memory. Messages to add go to a thread of their own that
//! writes all that wait with one sync, so that no read ever waits for the disc.

use std::iter;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::api::link::{self, ToServer};
use crate::api::{Caller, Reply, Request, routes};
use crate::chain::Data;
use crate::miner::Miner;
use crate::miner::answer::{added, answer};

/// Questions that may wait to be answered; the link's reader waits while there are more.
const QUESTIONS_MAX: usize = 1_024;

/// Messages that may wait to be written; more are answered 503.
const ADDS_MAX: usize = 4_096;

/// Messages written with one sync.
const BATCH_MAX: usize = 1_024;

/// Questions answered before the answers go out: the first does not wait long for the last.
const ANSWERS_MAX: usize = 32;

/// Most bytes of answers that are put together before they are sent.
const OUTBOX_BYTES: usize = 64 << 10;

/// A question, and the way back.
pub struct Question {
    /// Comes back with the answer.
    pub id: u64,
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub request: Request,
    /// The link it came by: another one, if the server process was started anew meanwhile.
    pub link: Arc<link::Sender>,
    /// When it was here.
    pub came: Instant,
}

/// A message to be written, and whom to tell.
pub struct Add {
    data: Data,
    asker: Asker,
}

/// Whom to answer, and what to measure by.
struct Asker {
    id: u64,
    link: Arc<link::Sender>,
    came: Instant,
    route: &'static str,
    is_miner: bool,
}

/// Where questions go: messages to the thread of [`keep_data`], all others to that of
/// [`answer_questions`]. Both end when it is gone.
pub struct Desk {
    questions: Sender<Question>,
    adds: Sender<Add>,
}

impl Desk {
    /// A desk, and what it hands on.
    pub fn new() -> (Self, Receiver<Question>, Receiver<Add>) {
        let (questions, asked) = bounded(QUESTIONS_MAX);
        let (adds, to_keep) = bounded(ADDS_MAX);
        (Self { questions, adds }, asked, to_keep)
    }

    /// Hands a question on; waits while there are too many that read.
    pub fn take(&self, miner: &Miner, question: Question) {
        if !matches!(question.request, Request::Add { .. }) {
            // Without anybody to answer, the miner is at its end.
            let _ = self.questions.send(question);
            return;
        }
        let (asker, caller, request) = question.open();
        miner.hear_from(&caller);
        let Request::Add { id, message } = request else { return };
        let data = Data { id: id.unwrap_or_else(|| miner.random_id()), message };
        match self.adds.try_send(Add { data, asker }) {
            Ok(()) => {}
            Err(TrySendError::Full(add) | TrySendError::Disconnected(add)) => {
                let more = "more messages come in than the disc can take; try again";
                let reply = Reply::problem(503, "No Message added!", more).retry_after(1);
                miner.metrics.overloaded();
                let mut outbox = Outbox::new(miner);
                outbox.put(add.asker, reply);
            }
        }
    }
}

impl Question {
    fn open(self) -> (Asker, Caller, Request) {
        let Self { id, caller, request, link, came } = self;
        let (route, is_miner) = (routes::path_of(&request), caller.miner.is_some());
        (Asker { id, link, came, route, is_miner }, caller, request)
    }
}

/// Answers questions as they come, until nobody can ask any more.
pub fn answer_questions(miner: &Miner, asked: &Receiver<Question>) {
    while let Ok(first) = asked.recv() {
        let mut outbox = Outbox::new(miner);
        for question in iter::once(first).chain(asked.try_iter().take(ANSWERS_MAX - 1)) {
            let (asker, caller, request) = question.open();
            miner.hear_from(&caller);
            outbox.put(asker, answer(miner, request, &caller));
        }
    }
}

/// Writes messages as they come, all that wait with one sync, until nobody can send any
/// more.
pub fn keep_data(miner: &Miner, adds: &Receiver<Add>) {
    while let Ok(first) = adds.recv() {
        let mut batch = vec![first];
        batch.extend(adds.try_iter().take(BATCH_MAX - 1));
        let data: Vec<Data> = batch.iter().map(|add| add.data.clone()).collect();
        let kept = miner.keep(&data);
        let mut outbox = Outbox::new(miner);
        for (add, kept) in batch.into_iter().zip(kept) {
            outbox.put(add.asker, added(add.data, kept));
        }
    }
}

/// Answers that go out together, at the latest when it is dropped.
struct Outbox<'a> {
    miner: &'a Miner,
    link: Option<Arc<link::Sender>>,
    answers: Vec<ToServer>,
    bytes: usize,
}

impl<'a> Outbox<'a> {
    fn new(miner: &'a Miner) -> Self {
        Self { miner, link: None, answers: Vec::new(), bytes: 0 }
    }

    fn put(&mut self, asker: Asker, reply: Reply) {
        let Asker { id, link, came, route, is_miner } = asker;
        let sent = is_miner.then_some(reply.body.len());
        self.miner.metrics.answered(route, reply.status, came.elapsed(), sent);
        if self.link.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &link)) {
            self.send();
        }
        self.link = Some(link);
        self.bytes += reply.body.len();
        self.answers.push(ToServer { id, reply });
        if self.bytes >= OUTBOX_BYTES {
            self.send();
        }
    }

    /// That the server process is gone is for those to notice that watch it: who asked by
    /// it has lost the connection.
    fn send(&mut self) {
        let Some(link) = self.link.take() else { return };
        if let Err(error) = link.to_server(&self.answers) {
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
