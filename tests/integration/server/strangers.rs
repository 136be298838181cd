//! Strangers at the door: what they send ends by an error or a deadline, and nobody else
//! notices. The eleven faults of tiny_http 0.12 are told by number, as they were found.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::time::Instant;

use crate::support::scripted_server::{PATIENCE, Scripted, obliging, ok, short};
use blockchain::api::{Reply, Request};
use blockchain::http::Limits;
use rustix::net::sockopt::set_socket_linger;

const GET: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends `bytes` and expects one error, with our body, and the connection's end.
fn check(scripted: &Scripted, bytes: impl AsRef<[u8]>, status: u16) {
    let shown =
        String::from_utf8_lossy(&bytes.as_ref()[..bytes.as_ref().len().min(90)]).into_owned();
    let mut client = scripted.client();
    client.say(bytes);
    let answer = client.hear();
    assert_eq!(answer.status, status, "{shown:?}");
    assert!(!answer.message().is_empty());
    assert_eq!(answer.header("Connection"), Some("close"), "{shown:?}");
    assert_eq!(client.hear_all().unwrap(), b"", "{shown:?}");
}

fn get(headers: &str) -> String {
    format!("GET /health HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// Says the same for as long as the other end listens; its answer's status.
fn endless(scripted: &Scripted, start: &str, more: &str) -> Option<u16> {
    let mut client = scripted.client();
    client.say(start);
    let more = more.repeat(10_000);
    while client.try_say(&more).is_ok() {}
    client.last_status()
}

#[test]
fn fault_1_answers_above_a_kilobyte_come_at_once_on_a_lasting_connection() {
    let scripted =
        Scripted::start(Limits::default(), |_, _| Some(Reply::problem(200, "x", "x".repeat(5000))));
    let mut client = scripted.client();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(client.ask(GET).status, 200);
    }
    // It took 44 ms each.
    assert!(start.elapsed().as_secs() < 4, "{:?}", start.elapsed());
}

#[test]
fn fault_2_connections_that_come_in_a_burst_are_all_answered() {
    let scripted = obliging();
    for _ in 0..10 {
        let mut burst: Vec<_> = (0..100).map(|_| scripted.client()).collect();
        burst.iter_mut().for_each(|client| client.say(GET));
        assert!(burst.iter_mut().all(|client| client.hear().status == 200));
    }
}

#[test]
fn fault_3_a_length_without_measure_is_refused() {
    let scripted = obliging();
    for length in ["409601", "1000000000000", "18446744073709551616", &"9".repeat(999)] {
        check(&scripted, get(&format!("Content-Length: {length}\r\n")), 413);
    }
    scripted.assert_answers();
}

#[test]
fn fault_4_other_versions_are_refused() {
    let scripted = obliging();
    for _ in 0..50 {
        check(&scripted, "GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    }
    check(&scripted, "GET /health HTTP/0.9\r\nHost: x\r\n\r\n", 505);
    check(&scripted, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    check(&scripted, "GET /health\r\n\r\n", 400);
    scripted.assert_answers();
}

#[test]
fn fault_6_heads_without_end_are_refused() {
    let scripted = obliging();
    assert!(matches!(endless(&scripted, "GET /", "a"), Some(414) | None));
    assert!(matches!(endless(&scripted, "GET / HTTP/1.1\r\nX: ", "a"), Some(431) | None));
    assert!(matches!(endless(&scripted, "GET / HTTP/1.1\r\n", "X: y\r\n"), Some(431) | None));
    check(&scripted, format!("GET /{}", "a".repeat(262_200)), 414);
    check(&scripted, get(&format!("X: {}", "a".repeat(16_400))), 431);
    check(&scripted, get(&"X: y\r\n".repeat(64)), 431);
    assert_eq!(scripted.client().ask(get(&"X: y\r\n".repeat(63))).status, 200);
    let long = get(&format!("X: {}\r\n", "a".repeat(16_000)));
    assert_eq!(scripted.client().ask(long).status, 200);
}

#[test]
fn fault_7_who_sends_ahead_and_reads_nothing_is_cut() {
    let scripted =
        Scripted::start(Limits { progress: short().progress, ..Limits::default() }, |_, _| {
            Some(Reply::problem(200, "x", "x".repeat(50_000)))
        });
    let mut client = scripted.client();
    let ahead = GET.repeat(1000);
    let end = loop {
        if let Err(error) = client.try_say(&ahead) {
            break error.kind();
        }
    };
    assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end}");
    scripted.assert_answers();
}

#[test]
fn fault_8_slow_bodies_and_slow_readers_hold_up_nobody() {
    let scripted = Scripted::start(Limits::default(), |_, request| match request {
        Request::Health => Some(ok()),
        _ => Some(Reply::problem(200, "x", "x".repeat(1_000_000))),
    });
    let mut slow: Vec<_> = (0..300).map(|_| scripted.client()).collect();
    for (number, client) in slow.iter_mut().enumerate() {
        client.say(match number % 3 {
            0 => "GET /status HTTP/1.1\r\nHost: x\r\n\r\n",
            1 => "PUT /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nx",
            _ => "GET /hea",
        });
    }
    // Others waited until the deadlines of all these.
    let start = Instant::now();
    scripted.assert_answers();
    drop(slow);
    scripted.assert_answers();
    assert!(start.elapsed() < Limits::default().head / 2, "{:?}", start.elapsed());
}

#[test]
fn fault_10_a_reset_right_after_the_request_hurts_nobody() {
    let scripted = obliging();
    for request in
        [GET, "GET /he", "", "PUT /add HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"]
    {
        for _ in 0..50 {
            let mut client = scripted.client();
            client.say(request);
            set_socket_linger(&client.0, Some(std::time::Duration::ZERO)).unwrap();
        }
    }
    scripted.assert_answers();
    assert!(scripted.end().is_ok());
}

#[test]
fn fault_11_a_body_is_never_taken_for_the_next_request() {
    let scripted = obliging();
    let smuggled = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = smuggled.len();
    let mut client = scripted.client();
    for request in [
        get(&format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n")),
        get(&format!("Content-Length: {length}\r\n\r\n{smuggled}"))
            .trim_end_matches("\r\n")
            .to_owned()
            + "\r\n\r\n",
    ] {
        assert_eq!(client.ask(request).status, 200);
    }
    assert_eq!(client.ask(GET).status, 200);
    assert_eq!(scripted.requests(), [Request::Health, Request::Health, Request::Health]);
}

#[test]
fn two_readings_of_where_a_request_ends_are_refused() {
    let scripted = obliging();
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
        // White space in Unicode, and nowhere else.
        "Content-Length: \u{a0}5\r\n",
        "Content-Length: 5\u{2003}\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length : 5\r\n",
        " Content-Length: 5\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "X: y\r\n\tContent-Length: 5\r\n",
        "X\0: y\r\n",
        "X: \0\r\n",
        "X: y\rContent-Length: 5\r\n",
        "X: y\nContent-Length: 5\r\n",
        "X: y\n\r\n",
        "no colon\r\n",
        ": no name\r\n",
        "Host: y\r\n",
    ] {
        check(&scripted, get(headers), 400);
    }
    for encoding in [
        "chunked, chunked",
        "identity",
        "gzip, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "\u{a0}chunked",
        "chunked\u{85}",
        "",
    ] {
        check(&scripted, get(&format!("Transfer-Encoding: {encoding}\r\n")), 501);
    }
    for head in [
        "GET /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\nHost: x\n\n",
        "GET /health HTTP/1.1\r\nHost: x\n\r\n",
        "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /health HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET /h\u{e4}lth HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\nHost: x\r\n\r\n",
        "\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "\rGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "\0",
        "{}",
    ] {
        check(&scripted, head, 400);
    }
    assert_eq!(scripted.requests(), []);
}

#[test]
fn only_plain_chunks_are_taken() {
    let scripted = obliging();
    let chunks = |chunks: &str| get(&format!("Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    for text in [
        "5;x=y\r\nhello\r\n0\r\n",
        "5 \r\nhello\r\n0\r\n",
        "5\nhello\r\n0\r\n",
        "5\r\nhello!\r\n0\r\n",
        "5\r\nhello\n0\r\n",
        "0x5\r\nhello\r\n0\r\n",
        "+5\r\nhello\r\n0\r\n",
        "\r\nhello\r\n0\r\n",
        "g\r\n",
        "0\r\nTrailer: x\r\n",
    ] {
        check(&scripted, chunks(text), 400);
    }
    for text in ["ffffffff\r\n", "fffffffff\r\n", "64001\r\n"] {
        check(&scripted, chunks(text), 413);
    }
    let start = "PUT /add HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(matches!(endless(&scripted, start, "1\r\nx\r\n"), Some(413) | None));
    assert!(matches!(endless(&scripted, start, "0"), Some(413) | None));
    assert_eq!(scripted.requests(), []);
}

#[test]
fn a_client_that_speaks_tls_is_told_at_once() {
    let scripted = obliging();
    check(&scripted, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
}

#[test]
fn what_does_not_come_in_time_ends() {
    let scripted = Scripted::start(short(), |_, _| Some(ok()));
    let put = "PUT /add HTTP/1.1\r\nHost: localhost\r\n";
    for (start, status) in [
        ("", None),
        ("G", Some(408)),
        ("GET /health HTTP/1.1\r\nHost: x\r\n\r", Some(408)),
        (&format!("{put}Content-Length: 5\r\n\r\nhell"), Some(408)),
        (&format!("{put}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Some(408)),
    ] {
        let mut client = scripted.client();
        client.say(start);
        if let Some(status) = status {
            let answer = client.hear();
            assert_eq!((answer.status, answer.message().as_str()), (status, "Request timeout"));
        }
        assert_eq!(client.hear_all().unwrap(), b"", "{start:?}");
    }
    let mut client = scripted.client();
    assert_eq!(client.ask(GET).status, 200);
    assert_eq!(client.hear_all().unwrap(), b"");
    // A byte now and then does not put the deadline off.
    let mut client = scripted.client();
    client.0.set_read_timeout(Some(short().head / 15)).unwrap();
    let (start, mut status) = (Instant::now(), [0; 12]);
    while client.0.read_exact(&mut status).is_err() {
        let _ = client.try_say("a");
        assert!(start.elapsed() < PATIENCE, "it was let go on");
    }
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[test]
fn the_beginning_of_a_request_that_was_sent_ahead_has_a_deadline() {
    let limits = Limits { head: short().head, ..Limits::default() };
    let scripted = Scripted::start(limits, |_, _| Some(ok()));
    let mut client = scripted.client();
    assert_eq!(client.ask(format!("{GET}GET /he")).status, 200);
    assert_eq!(client.hear().status, 408);
}

/// Waits until the only place of this host's is free again.
fn await_place(scripted: &Scripted) {
    let start = Instant::now();
    while scripted.client().ask_if_open(GET) != Some(200) {
        assert!(start.elapsed() < PATIENCE, "the place is never free");
    }
}

#[test]
fn who_stays_after_the_last_answer_loses_the_place() {
    let limits =
        Limits { connections_of_loopback_max: 1, linger: short().linger, ..Limits::default() };
    for (last, status) in [("\0", 400), ("GET /health HTTP/1.0\r\n\r\n", 200)] {
        let scripted = Scripted::start(limits.clone(), |_, _| Some(ok()));
        let mut stays = scripted.client();
        stays.say(last);
        assert_eq!(stays.hear().status, status);
        await_place(&scripted);
    }
}

#[test]
fn who_is_refused_is_not_listened_to_for_ever() {
    let limits = Limits { linger: std::time::Duration::from_secs(3600), ..Limits::default() };
    let scripted = Scripted::start(limits, |_, _| Some(ok()));
    let mut client = scripted.client();
    client.say("GET / HTTP/2.0\r\n\r\n");
    let mebibyte = "x".repeat(1 << 20);
    assert!((0..64).any(|_| client.try_say(&mebibyte).is_err()));
}

#[test]
fn half_requests_and_early_ends_hurt_nobody() {
    let scripted = obliging();
    for start in
        ["", "GET /he", "PUT /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nh"]
    {
        let mut client = scripted.client();
        client.say(start);
        client.0.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.hear_all().unwrap(), b"");
    }
    for _ in 0..100 {
        scripted.client().say(GET);
    }
    scripted.assert_answers();
}

#[test]
fn a_new_client_takes_the_place_of_those_that_are_idle_for_longest() {
    const CUT_AT_ONCE: usize = 32;
    let limits = Limits { connections_max: CUT_AT_ONCE + 8, ..Limits::default() };
    let scripted = Scripted::start(limits.clone(), |_, _| Some(ok()));
    let mut clients: Vec<_> = (0..limits.connections_max).map(|_| scripted.client()).collect();
    // Neither in the order in which they came nor in its reverse.
    let count = clients.len();
    let in_turn: Vec<usize> = (0..count).map(|turn| turn * 7 % count).collect();
    for at in &in_turn {
        assert_eq!(clients[*at].ask(GET).status, 200);
    }
    assert_eq!(scripted.client().ask(GET).status, 200);
    let (go, stay) = in_turn.split_at(CUT_AT_ONCE);
    assert!(go.iter().all(|at| clients[*at].hear_all().is_ok_and(|bytes| bytes.is_empty())));
    assert!(stay.iter().all(|at| clients[*at].ask(GET).status == 200));
}

#[test]
fn clients_that_are_being_answered_keep_their_places() {
    let limits = Limits { connections_max: 3, answer: short().answer * 8, ..short() };
    let (asked, all_asked) = std::sync::mpsc::channel();
    let scripted = Scripted::start(limits, move |_, _| asked.send(()).map(|()| None).unwrap());
    let mut clients: Vec<_> = (0..3).map(|_| scripted.client()).collect();
    for client in &mut clients {
        client.say(GET);
        all_asked.recv().unwrap();
    }
    let mut refused = scripted.client();
    let answer = refused.hear();
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
    assert_eq!(answer.message(), "Service unavailable");
    assert!(clients.iter_mut().all(|client| client.hear().status == 503));
}

/// Room for three connections of this host; every request but that for the health takes long.
fn crowded() -> (Scripted, std::sync::mpsc::Receiver<()>) {
    let (asked, all_asked) = std::sync::mpsc::channel();
    // One that takes long must not hold up the next on the same connection to tiny_http.
    let limits =
        Limits { connections_of_loopback_max: 3, asked_at_once_max: 1, ..Limits::default() };
    let scripted = Scripted::start(limits, move |_, request| match request {
        Request::Health => Some(ok()),
        Request::Chain { .. } => Some(Reply::problem(200, "x", "x".repeat(8 << 20))),
        _ => asked.send(()).map(|()| None).unwrap(),
    });
    (scripted, all_asked)
}

#[test]
fn idle_connections_of_an_address_shut_nobody_out_there() {
    // 256 of them did: a stranger behind a balancer kept out all others behind it.
    for start in [
        "",
        GET,
        "GET /hea",
        "PUT /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx",
        "GET /chain HTTP/1.1\r\nHost: x\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let (scripted, _) = crowded();
        let mut idle: Vec<_> = (0..3).map(|_| scripted.client()).collect();
        idle.iter_mut().for_each(|client| client.say(start));
        // The last of an answer may still be on its way to the guard.
        await_place(&scripted);
        for _ in 0..20 {
            assert_eq!(scripted.client().ask(GET).status, 200, "{start:?}");
        }
    }
}

#[test]
fn of_an_address_that_is_crowded_the_idlest_goes() {
    let (scripted, all_asked) = crowded();
    let [mut is_answered, mut idlest, mut active] = [0; 3].map(|_| scripted.client());
    is_answered.say("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
    all_asked.recv().unwrap();
    assert_eq!(idlest.ask(GET).status, 200);
    assert_eq!(active.ask(GET).status, 200);
    let mut new = scripted.client();
    assert_eq!(new.ask(GET).status, 200);
    assert_eq!(idlest.hear_all().unwrap(), b"");
    assert_eq!(active.ask(GET).status, 200);
    assert_eq!(scripted.client().ask(GET).status, 200);
    assert_eq!(new.hear_all().unwrap(), b"");
    assert_eq!(active.ask(GET).status, 200);
}

#[test]
fn one_address_can_take_only_so_many_places() {
    let (scripted, all_asked) = crowded();
    let mut clients: Vec<_> = (0..3).map(|_| scripted.client()).collect();
    for client in &mut clients {
        client.say("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
        all_asked.recv().unwrap();
    }
    let refused = scripted.client().hear();
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("1")));
    assert_eq!(refused.message(), "Too many requests");
}
