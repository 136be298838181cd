//! Requests there and back, and what is refused.

use super::*;
use crate::api::{Cursor, EVENT_WAIT_MAX, Span};
use crate::chain::testing::{data, network};
use crate::chain::{Block, Hash, Network};

fn text(decoded: Decoded) -> String {
    match decoded {
        Decoded::Ask(Request::Add { message, .. }) => message.as_str().to_owned(),
        Decoded::Ask(other) => panic!("{other:?}"),
        Decoded::Answer(reply) => {
            format!("{} {}", reply.status, String::from_utf8(reply.body).unwrap())
        }
    }
}

fn answer(method: &str, target: &str, body: &[u8]) -> Reply {
    match decode(method, target, body) {
        Decoded::Answer(reply) => reply,
        Decoded::Ask(request) => panic!("{request:?}"),
    }
}

#[test]
fn a_body_of_many_short_lines_takes_no_memory_for_each() {
    let refused = answer("PUT", "/blocks", &b"{}\n".repeat(130_000));
    assert_eq!(refused.status, 400);
}

#[test]
fn what_is_encoded_is_decoded() {
    let cursor = Cursor { run: RunIdOf::id(), arrivals: 7 };
    let hash = Hash::of("x");
    let shortest = Block::genesis(&Network { name: "a".parse().unwrap(), ..network(1) }).line();
    for request in [
        Request::Add { id: Some(data("a").id), message: data("ä & b").message },
        Request::Add { id: None, message: data("\0").message },
        Request::Chain { from: 0, limit: None },
        Request::Chain { from: 7, limit: Some(9) },
        Request::Neighbours { details: false },
        Request::Neighbours { details: true },
        Request::AddNeighbour("[::1]:5".parse().unwrap()),
        Request::DeleteNeighbour("miner2".parse().unwrap()),
        Request::Data { after: None },
        Request::Data { after: Some(cursor) },
        Request::DataState { id: data("a").id, sha256: None },
        Request::DataState { id: data("a").id, sha256: Some(hash) },
        Request::Block(crate::api::BlockName::Height(7)),
        Request::Block(crate::api::BlockName::Hash(hash)),
        Request::Forks,
        Request::EVENTS,
        Request::Events { after: Some(7), wait: 0 },
        Request::Events { after: None, wait: 1 },
        Request::Events { after: Some(u64::MAX), wait: EVENT_WAIT_MAX },
        Request::Health,
        Request::Status,
        Request::Metrics,
        Request::Accept(Hash::of("x")),
        Request::Bans,
        Request::Ban("[::1]:5".parse().unwrap()),
        Request::Unban("miner2".parse().unwrap()),
        Request::Mining,
        Request::LimitMining(Some(0)),
        Request::LimitMining(None),
        Request::PushBlocks { lines: vec!["x".repeat(200), shortest] },
        Request::PushData { data: vec![data("a\nb")], span: None },
        Request::PushData {
            data: vec![data("a"), data("\0")],
            span: Some(Box::new(Span { after: cursor, cursor: Cursor { arrivals: 9, ..cursor } })),
        },
    ] {
        let (method, target, body) = encode(&request);
        assert!(ROUTES.iter().any(|route| route.path == path_of(&request)), "{request:?}");
        assert_eq!(decode(method, &target, &body), Decoded::Ask(request));
    }
}

struct RunIdOf;

impl RunIdOf {
    fn id() -> crate::api::RunId {
        crate::api::RunId::from_random([7; 16])
    }
}

#[test]
fn a_message_comes_from_the_query_or_the_body() {
    let add = |target: &str, body: &[u8]| text(decode("PUT", target, body));
    assert_eq!(add("/add?message=a+b%20c%2B%C3%A4", b""), "a b c+ä");
    assert_eq!(add("/add?message=a", b"body"), "a");
    assert_eq!(add("/add", "böd&y+%20".as_bytes()), "böd&y+%20");
    for (target, body) in [
        ("/add", &b""[..]),
        ("/add?message=", b""),
        ("/add?message=%FF", b""),
        ("/add", b"\xff"),
        ("/add?message=a%7F", b""),
        ("/add?message=a&message=b", b""),
        ("/add?message=fish & chips", b""),
        ("/add?message=a&id=5", b""),
    ] {
        let answer = add(target, body);
        assert!(answer.starts_with("400 {\"message\":\"No Message added!\""), "{answer}");
    }
    assert!(add("/add", "a".repeat(65_537).as_bytes()).contains("at most 65536"));
}

#[test]
fn other_paths_methods_and_values_are_refused() {
    let status = |method, target: &str| answer(method, target, b"").status;
    for target in ["/", "/chains", "/chain/", "/chain/1", "//chain", "", "*", "/data/x/y/z"] {
        assert!(matches!(status("GET", target), 404 | 400), "{target}");
    }
    for (method, target) in [("GET", "/add"), ("POST", "/chain"), ("OPTIONS", "/data")] {
        let reply = answer(method, target, b"");
        assert_eq!(reply.status, 405);
        assert!(reply.allow.is_some());
    }
    for target in [
        "/chain?from=-1",
        "/chain?from=+1",
        "/chain?limit=x",
        "/chain?from=18446744073709551616",
        "/chain?form=1",
        "/data?after=x",
        "/data?after=00112233445566778899aabbccddeeff-",
        "/data?after=00112233445566778899aabbccddeeff-%2B5",
        "/data?after=00112233445566778899aabbccddeeff-10000000000000000000",
        "/data/xyz",
        "/neighbours?details=yes",
        "/health?x=1",
        "/events?wait=31",
        "/events?wait=-1",
        "/events?wait=0.5",
        "/events?after=x",
    ] {
        assert_eq!(status("GET", target), 400, "{target}");
    }
    assert_eq!(status("PUT", "/neighbours?neighbour=a:b"), 400);
    assert_eq!(status("PUT", "/neighbours"), 400);
    assert!(matches!(decode("HEAD", "/chain", b""), Decoded::Ask(_)));
    let allow = |method, target| answer(method, target, b"").allow.unwrap();
    assert_eq!(allow("OPTIONS", "*"), "GET, HEAD, PUT, DELETE");
    assert_eq!(allow("POST", "/bans"), "GET, HEAD, PUT, DELETE");
    assert_eq!(allow("POST", "/add"), "PUT");
    assert_eq!(allow("POST", "/mining"), "GET, HEAD, PUT");
}

#[test]
fn a_path_may_be_percent_encoded() {
    for target in ["/%68ealth", "/he%61lth", "/%68%65%61%6C%74%68", "/health?"] {
        assert_eq!(decode("GET", target, b""), Decoded::Ask(Request::Health), "{target}");
    }
    let id = data("a").id;
    assert_eq!(
        decode("GET", &format!("/dat%61/{id}"), b""),
        Decoded::Ask(Request::DataState { id, sha256: None })
    );
    for target in ["/%2Fhealth", "%2Fhealth", "/health%3F", "/%", "/%6", "/%ff", "/%2568ealth"] {
        assert_eq!(answer("GET", target, b"").status, 404, "{target}");
    }
}
