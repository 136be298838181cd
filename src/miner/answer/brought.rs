//! Answers to those who bring messages: a client that adds one, and a neighbour that pushes what it
//! has.

use super::RETRY_AFTER_SECONDS;
use crate::api::{Added, Address, Caller, Cursor, DataTaken, Reply, Request, Span};
use crate::chain::Data;
use crate::miner::{Kept, Miner, Sender};

/// Messages that a request brings.
pub struct Brought {
    data: Vec<Data>,
    sender: Sender,
    /// The neighbour that pushes them, and what it tells of those that came to it.
    neighbour: Option<Address>,
    span: Option<Box<Span>>,
}

impl Brought {
    /// The messages of `request`, or else that.
    pub fn of(miner: &Miner, request: Request, caller: &Caller) -> Result<Self, Request> {
        match request {
            Request::Add { id, message } => {
                let data = vec![Data { id: id.unwrap_or_else(|| miner.random_id()), message }];
                let sender = Sender::Client(miner.source(caller));
                Ok(Self { data, sender, neighbour: None, span: None })
            }
            Request::PushData { data, span } => {
                let neighbour = miner.caller(caller);
                if let Some(neighbour) = &neighbour {
                    // Before the news of them goes out.
                    let ids = data.iter().map(|data| data.id);
                    miner.shared.with_neighbours(|all| all.gave(neighbour, ids));
                }
                let sender = Sender::Neighbour(miner.source(caller));
                Ok(Self { data, sender, neighbour, span })
            }
            other => Err(other),
        }
    }
}

/// Keeps the messages of all with one sync of the disk; the answers, in the same order.
pub fn keep_all(miner: &Miner, all: Vec<Brought>) -> Vec<Reply> {
    let each = |brought: &Brought| {
        let sender = brought.sender;
        brought.data.iter().map(move |data| (data.clone(), sender)).collect::<Vec<_>>()
    };
    let batch: Vec<(Data, Sender)> = all.iter().flat_map(each).collect();
    let arrivals = || miner.shared.with_pool(|pool| pool.cursor());
    let before = arrivals();
    let mut kept = miner.keep(&batch).into_iter();
    let arrived = before..arrivals();
    let reply = |brought: Brought| {
        let kept: Vec<Kept> = kept.by_ref().take(brought.data.len()).collect();
        match brought.sender {
            Sender::Client(_) => {
                let mut added =
                    brought.data.into_iter().zip(kept).map(|(data, kept)| added(data, kept));
                added.next().expect("a client adds one message")
            }
            Sender::Neighbour(_) => pushed(miner, brought, &kept, arrived.clone()),
        }
    };
    all.into_iter().map(reply).collect()
}

fn added(data: Data, kept: Kept) -> Reply {
    let more_information = match kept {
        Kept::Added => "It is on disk and will be in the chain exactly once.",
        Kept::Again => "It was added before; nothing is added twice.",
        Kept::Conflict => {
            let more = format!("the id {} belongs to another message", data.id);
            return Reply::problem(409, "No Message added!", more);
        }
        Kept::Full => return not_added("too many messages wait to be mined; try again later"),
        Kept::Failing(why) => return not_added(&why),
    };
    let message = "Message added!".to_owned();
    Reply::json(200, &Added { message, more_information: more_information.to_owned(), data })
}

/// The answer to pushed messages, of which became what `kept` says. `arrivals` had come before
/// and after all was written.
fn pushed(miner: &Miner, brought: Brought, kept: &[Kept], arrivals: std::ops::Range<u64>) -> Reply {
    for kept in kept {
        match kept {
            Kept::Full => return not_added("too many messages wait to be mined"),
            Kept::Failing(why) => return not_added(why),
            Kept::Added | Kept::Again | Kept::Conflict => {}
        }
    }
    if let Some((neighbour, span)) = brought.neighbour.zip(brought.span) {
        miner.shared.with_neighbours(|all| all.told(&neighbour, *span));
    }
    let taken = kept.iter().filter(|kept| **kept == Kept::Added).count() as u64;
    let cursor = |arrivals| Cursor { run: miner.id, arrivals };
    // Others may have come among them.
    let are_all = taken > 0 && arrivals.end - arrivals.start == taken;
    let span =
        are_all.then(|| Span { after: cursor(arrivals.start), cursor: cursor(arrivals.end) });
    Reply::json(200, &DataTaken { taken, span })
}

fn not_added(why: &str) -> Reply {
    Reply::problem(503, "No Message added!", why).retry_after(RETRY_AFTER_SECONDS)
}
