//! Long answers, which go out part by part.

use std::io::Read;

use crate::support::scripted_server::{Client, Scripted, ok, short};
use blockchain::api::{Caller, Reply, Request};
use blockchain::chain::Hash;
use blockchain::http::Limits;

const PARTS: u64 = 40;
const PART_BYTES: usize = 1 << 20;
const GET: &str = "GET /chain HTTP/1.1\r\nHost: x\r\n\r\n";

/// The next part of a chain of so many parts; those but the last have this length.
fn part(request: &Request, part_bytes: usize) -> Option<Reply> {
    let from = match request {
        Request::Chain { .. } => 0,
        Request::ChainRest { from, .. } => *from,
        _ => return Some(ok()),
    };
    let next = Request::ChainRest { from: from + 1, until: PARTS, after: Hash::of("x") };
    let is_last = from + 1 == PARTS;
    let body = vec![b'a' + (from % 26) as u8; if is_last { 7 } else { part_bytes }];
    Some(Reply { body, rest: (!is_last).then_some(next), ..ok() })
}

fn serve(limits: Limits, part_bytes: usize) -> Scripted {
    Scripted::start(limits, move |_: &Caller, request| part(request, part_bytes))
}

fn whole(part_bytes: usize) -> Vec<u8> {
    let parts = (0..PARTS).map(|from| Request::ChainRest { from, until: 0, after: Hash::of("") });
    parts.flat_map(|request| part(&request, part_bytes).unwrap().body).collect()
}

/// Reads chunks up to the last; an error if the connection ends before it.
fn hear_chunks(client: &mut Client) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            client.0.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let size = std::str::from_utf8(&line[..line.len() - 2]).unwrap();
        let mut chunk = vec![0; usize::from_str_radix(size, 16).unwrap() + 2];
        client.0.read_exact(&mut chunk)?;
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(chunk.len() - 2);
        if chunk.is_empty() {
            return Ok(body);
        }
        body.extend(chunk);
    }
}

#[test]
fn a_long_answer_is_whole_and_the_connection_goes_on() {
    for part_bytes in [0, 1, 100_000] {
        let scripted = serve(Limits::default(), part_bytes);
        let mut client = scripted.client();
        for _ in 0..2 {
            client.say(GET);
            let head = client.hear_head();
            assert_eq!((head.status, head.header("Transfer-Encoding")), (200, Some("chunked")));
            assert_eq!(head.header("Content-Length"), None);
            assert!(hear_chunks(&mut client).unwrap() == whole(part_bytes));
        }
    }
}

#[test]
fn head_of_a_long_answer_asks_for_no_parts() {
    let scripted = serve(Limits::default(), 10);
    let mut client = scripted.client();
    client.say("HEAD /chain HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.hear_head().status, 200);
    assert_eq!(client.ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    assert_eq!(scripted.requests().len(), 2);
}

#[test]
fn old_clients_get_a_long_answer_without_chunks() {
    let scripted = serve(Limits::default(), 1000);
    let mut client = scripted.client();
    client.say("GET /chain HTTP/1.0\r\n\r\n");
    let head = client.hear_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert!(client.hear_all().unwrap() == whole(1000));
}

#[test]
fn the_next_part_is_asked_for_only_when_the_client_has_taken_the_one_before() {
    let scripted = serve(Limits::default(), PART_BYTES);
    let mut client = scripted.client();
    client.say(GET);
    client.hear_head();
    // It takes nothing more. What was asked for is all that the sockets' buffers hold.
    let mut other = scripted.client();
    for _ in 0..500 {
        assert_eq!(other.ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    }
    let parts = scripted.requests().iter().filter(|it| **it != Request::Health).count();
    assert!(parts < 12, "{parts} parts were asked for");
}

#[test]
fn an_answer_that_cannot_be_ended_breaks_off_visibly() {
    for (old, failing_late) in [(false, false), (true, false), (false, true), (true, true)] {
        let scripted = Scripted::start(short(), move |_, request| match request {
            Request::ChainRest { from: 3, .. } if failing_late => None,
            Request::ChainRest { from: 3, .. } => Some(Reply { status: 409, ..ok() }),
            other => part(other, 1000),
        });
        let mut client = scripted.client();
        client.say(if old { "GET /chain HTTP/1.0\r\n\r\n" } else { GET });
        client.hear_head();
        if old {
            assert!(client.hear_all().is_err());
        } else {
            assert!(hear_chunks(&mut client).is_err());
        }
        scripted.assert_answers();
    }
}

#[test]
fn many_slow_readers_hold_up_nobody_and_little_memory() {
    let limits = Limits { held_bytes_max: 2 << 20, ..Limits::default() };
    let scripted = serve(limits, PART_BYTES);
    let slow: Vec<_> = (0..12)
        .map(|_| {
            let mut client = scripted.client();
            client.say(GET);
            client.hear_head();
            client
        })
        .collect();
    scripted.assert_answers();
    let mut quick = scripted.client();
    quick.say(GET);
    quick.hear_head();
    assert_eq!(hear_chunks(&mut quick).unwrap().len(), whole(PART_BYTES).len());
    // Who has taken nothing for longest goes first.
    let mut first = slow.into_iter().next().unwrap();
    assert!(hear_chunks(&mut first).is_err(), "the slowest was not cut");
}

#[test]
fn answers_that_nobody_takes_do_not_lie_in_the_kernel() {
    // Each lay there as a whole, up to 4 MB for each connection, where no limit of ours counts.
    const CLIENTS: usize = 24;
    const BYTES: usize = 1 << 20;
    let limits = Limits { held_bytes_max: 2 << 20, ..Limits::default() };
    let scripted = Scripted::start(limits, |_, _| Some(Reply { body: vec![b' '; BYTES], ..ok() }));
    let mut unread: Vec<_> = (0..CLIENTS).map(|_| scripted.client()).collect();
    for client in &mut unread {
        client.say(GET);
        client.hear_head();
    }
    let whole = unread.iter_mut().filter_map(|client| client.hear_all_of(BYTES));
    assert!(whole.count() < CLIENTS / 2);
}
