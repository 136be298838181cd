//! Communication with the server process: every request that came in over HTTP is answered
//! here.
//!
//! Reads are answered at once, from memory. Messages to add go to a thread of their own that
//! writes all that wait with one sync, so that no read ever waits for the disc.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::api::link::{self, ToServer};
use crate::api::{Caller, Reply, Request, routes};
use crate::chain::Data;
use crate::miner::Miner;
use crate::miner::answer::{added, answer};

/// Questions that may wait to be answered; the link's reader waits while there are more.
pub const QUESTIONS_MAX: usize = 1_024;

/// Messages that may wait to be written; more are answered 503.
pub const ADDS_MAX: usize = 4_096;

/// Messages written with one sync.
const BATCH_MAX: usize = 1_024;

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

/// Answers one question, or hands it on to [`keep_data`].
pub fn round(miner: &Miner, question: Question, adds: &Sender<Add>) {
    let Question { id, caller, request, link, came } = question;
    let (route, is_miner) = (routes::path_of(&request), caller.miner.is_some());
    let asker = Asker { id, link, came, route, is_miner };
    miner.hear_from(&caller);
    match request {
        Request::Add { id: data_id, message } => {
            let data = Data { id: data_id.unwrap_or_else(|| miner.random_id()), message };
            match adds.try_send(Add { data, asker }) {
                Ok(()) => {}
                Err(TrySendError::Full(add) | TrySendError::Disconnected(add)) => {
                    let more = "more messages come in than the disc can take; try again";
                    let reply = Reply::problem(503, "No Message added!", more).retry_after(1);
                    miner.metrics.overloaded();
                    send(miner, add.asker, reply);
                }
            }
        }
        request => {
            let reply = answer(miner, request, &caller);
            send(miner, asker, reply);
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
        for (add, kept) in batch.into_iter().zip(kept) {
            send(miner, add.asker, added(add.data, kept));
        }
    }
}

/// That the server process is gone is for those to notice that watch it: who asked by it
/// has lost the connection.
fn send(miner: &Miner, asker: Asker, reply: Reply) {
    let Asker { id, link, came, route, is_miner } = asker;
    let (status, sent) = (reply.status, is_miner.then_some(reply.body.len()));
    if let Err(error) = link.to_server(&ToServer { id, reply }) {
        log::debug!("communication: an answer could not be sent: {error}");
    }
    miner.metrics.answered(route, status, came.elapsed(), sent);
}
