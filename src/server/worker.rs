//! Between tiny_http and the miner: requests go out over the link, answers come back.
//!
//! Nobody waits: a request that was asked lies in [`Pending`] until its answer comes.

use std::collections::HashMap;
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::answer;
use crate::api::link::{Sender, ToMiner, ToServer};
use crate::api::{Address, Caller, Introduction, Reply, Request, routes};

/// Requests that the miner was asked and has not answered.
#[derive(Default)]
pub struct Pending {
    next: AtomicU64,
    requests: Mutex<HashMap<u64, tiny_http::Request>>,
}

impl Pending {
    fn put(&self, request: tiny_http::Request) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.requests.lock().insert(id, request);
        id
    }

    /// Passes on an answer of the miner.
    pub fn answer(&self, ToServer { id, reply }: ToServer) {
        let request = self.requests.lock().remove(&id);
        match request {
            Some(request) => respond(request, &reply),
            None => log::error!("server: the miner answers what nobody asked id={id}"),
        }
    }
}

/// Most requests that go over the link at once.
const ASKS_AT_ONCE: usize = 32;

/// Asks the miner what tiny_http's clients ask, until tiny_http or the link ends. Requests
/// that came meanwhile go together: under load a write and a wake-up serve many.
pub fn work(server: &tiny_http::Server, link: &Sender, pending: &Pending) {
    let mut asks = Vec::new();
    while let Ok(first) = server.recv() {
        let mut next = Some(first);
        while let Some(mut request) = next {
            match read(&mut request) {
                Ok((caller, asked)) => {
                    let id = pending.put(request);
                    asks.push(ToMiner::Ask { id, caller, request: asked });
                }
                Err(reply) => respond(request, &reply),
            }
            let has_room = asks.len() < ASKS_AT_ONCE;
            next = has_room.then(|| server.try_recv().ok().flatten()).flatten();
        }
        if link.to_miner(&asks).is_err() {
            return;
        }
        asks.clear();
    }
}

/// What is asked, and by whom; or the answer, where the miner need not be asked.
fn read(request: &mut tiny_http::Request) -> Result<(Caller, Request), Reply> {
    let header = |name: &'static str| {
        let header = request.headers().iter().find(|header| header.field.equiv(name));
        header.map(|header| header.value.as_str())
    };
    // Only the guard itself names no caller: it wants to see that it is answered.
    let Some(ip) = header("Caller") else { return Err(Reply::json(200, &())) };
    let ip = ip.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let miner = introduction(header("Miner-Id"), header("Miner-Address"));
    let caller = Caller { ip, miner };
    if let Some(rest) = header("Rest") {
        let rest = serde_json::from_str(rest).expect("it is what we sent to the guard");
        return Ok((caller, rest));
    }
    let mut body = Vec::new();
    if let Err(error) = request.as_reader().read_to_end(&mut body) {
        return Err(Reply::problem(400, "Bad request", error.to_string()));
    }
    let asked = routes::decode(request.method().as_str(), request.url(), &body)?;
    Ok((caller, asked))
}

/// What a miner says of itself; nothing if it makes no sense.
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

/// Answers. The guard always reads, so this never waits for a client.
fn respond(request: tiny_http::Request, reply: &Reply) {
    let mut out = answer::write_inside(reply);
    let without_body = *request.method() == tiny_http::Method::Head;
    let mut writer = request.into_writer();
    let sent = if without_body {
        writer.write_all(&out)
    } else if reply.body.len() <= COPIED_BYTES_MAX {
        out.extend_from_slice(&reply.body);
        writer.write_all(&out)
    } else {
        writer.write_all(&out).and_then(|()| writer.write_all(&reply.body))
    };
    if let Err(error) = sent.and_then(|()| writer.flush()) {
        log::debug!("server: can't answer: {error}");
    }
}

/// Bodies that are rather copied than written by themselves.
const COPIED_BYTES_MAX: usize = 32 << 10;

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
