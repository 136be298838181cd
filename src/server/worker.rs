//! Between HTTP and the miner: requests go out over the link, answers come back.
//!
//! Nobody waits: a request that was asked lies in [`Pending`] until its answer comes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::api::client::Token;
use crate::api::link::{Sender, ToMiner, ToServer};
use crate::api::routes::{self, Decoded};
use crate::api::{Address, Caller, Introduction, Reply};
use crate::http::{AnswerHead, Answered, Incoming, Later, Requests};

/// Headers that say who asks: those by which a miner introduces itself, and a token.
pub const CALLER: [&str; 3] = ["Miner-Id", "Miner-Address", "Authorization"];

/// Requests that the miner was asked and has not answered.
#[derive(Default)]
pub struct Pending {
    next: AtomicU64,
    requests: Mutex<HashMap<u64, Unanswered>>,
}

enum Unanswered {
    Soon(Incoming),
    /// It holds up nobody behind it.
    Later(Later),
}

impl Pending {
    fn put(&self, request: Unanswered) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.requests.lock().insert(id, request);
        id
    }

    /// Passes on an answer of the miner.
    pub fn answer(&self, ToServer { id, reply }: ToServer) -> Option<Answered> {
        let request = self.requests.lock().remove(&id);
        if request.is_none() {
            log::error!("server: the miner answers what nobody asked id={id}");
        }
        match request? {
            Unanswered::Soon(request) => Some(respond(request, &reply)),
            Unanswered::Later(later) => {
                later.answer(head(&reply), reply.body);
                None
            }
        }
    }
}

/// Most requests that are taken before what is to be asked goes over the link: those that are
/// answered here hold up nobody else.
const TAKEN_AT_ONCE: usize = 32;

/// Asks the miner what HTTP clients ask, until there are no requests any more or the link
/// ends. Requests that came meanwhile go together: under load a write and a wake-up serve many.
pub fn work(requests: &Requests, link: &Sender, pending: &Pending) {
    let mut asks = Vec::new();
    while let Some(first) = requests.next() {
        let (mut next, mut taken) = (Some(first), 0);
        while let Some(mut request) = next {
            match read(&mut request) {
                Decoded::Ask(asked) => {
                    let (caller, waits) = (caller_of(&request), !asked.wait().is_zero());
                    let asker = if waits {
                        Unanswered::Later(request.answer_later())
                    } else {
                        Unanswered::Soon(request)
                    };
                    let id = pending.put(asker);
                    asks.push(ToMiner::Ask { id, caller, request: asked });
                }
                Decoded::Answer(reply) => drop(respond(request, &reply)),
            }
            taken += 1;
            next = (taken < TAKEN_AT_ONCE).then(|| requests.next_at_once()).flatten();
        }
        if link.to_miner(&asks).is_err() {
            return;
        }
        asks.clear();
    }
}

fn caller_of(request: &Incoming) -> Caller {
    let [id, address, token] = CALLER.map(|name| request.header(name));
    let token = token.and_then(Token::of_header);
    Caller { ip: Some(request.caller()), miner: introduction(id, address), token }
}

fn read(request: &mut Incoming) -> Decoded {
    if let Some(rest) = request.rest() {
        return Decoded::Ask(serde_json::from_str(rest).expect("it is what we sent to the guard"));
    }
    match request.body() {
        Ok(body) => routes::decode(request.method(), request.target(), &body),
        Err(error) => Decoded::Answer(Reply::problem(400, "Bad request", error.to_string())),
    }
}

/// The introduction of a miner; none if it makes no sense.
fn introduction(id: Option<&str>, address: Option<&str>) -> Option<Introduction> {
    let id = id?.parse().ok()?;
    let (host, port) = address?.rsplit_once(':')?;
    let host = match host {
        "" => None,
        _ if host.contains(':') => Some(format!("[{}]", host.trim_matches(['[', ']']))),
        _ => Some(host.to_owned()),
    };
    let known_by = host.as_deref().unwrap_or("localhost");
    let address = format!("{known_by}:{port}").parse::<Address>().ok()?;
    Some(Introduction { id, host: host.map(|_| address.host().to_owned()), port: address.port() })
}

/// Answers as the miner says.
fn respond(request: Incoming, reply: &Reply) -> Answered {
    request.answer_soon(&head(reply), &reply.body)
}

fn head(reply: &Reply) -> AnswerHead {
    let rest = reply.rest.as_ref();
    let rest = rest.map(|rest| serde_json::to_string(rest).expect("our own types are always JSON"));
    let mut head = AnswerHead::new(reply.status, reply.body.len())
        .header("Content-Type", reply.media.content_type())
        .rest(rest);
    if let Some(seconds) = reply.retry_after {
        head = head.header("Retry-After", seconds);
    }
    if reply.status == 401 {
        head = head.header("WWW-Authenticate", "Bearer");
    }
    if let Some(methods) = &reply.allow {
        head = head.header("Allow", methods);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_introductions_that_make_sense_are_taken() {
        let id = "00112233445566778899aabbccddeeff";
        let read = |id, address| {
            introduction(Some(id), Some(address)).map(|miner| (miner.host, miner.port))
        };
        assert_eq!(read(id, ":80"), Some((None, 80)));
        assert_eq!(read(id, "Miner2:80"), Some((Some("miner2".into()), 80)));
        for v6 in ["::1:80", "[::1]:80"] {
            assert_eq!(read(id, v6), Some((Some("::1".into()), 80)));
        }
        for (id, address) in
            [("", ":80"), (id, ""), (id, "a"), (id, ":"), (id, "a:0"), (id, "a b:1"), (id, "a:x")]
        {
            assert_eq!(read(id, address), None);
        }
        assert!(introduction(Some(id), None).is_none());
    }
}
