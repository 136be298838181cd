//! What clients see of the server process when everybody behaves.

use std::io::Read;
use std::net::Shutdown;

use crate::support::scripted_server::{Scripted, obliging, ok, short};
use blockchain::api::{Introduction, Reply, Request};
use blockchain::http::Limits;

const GET: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/// A miner that answers an add with its message.
fn echo() -> Scripted {
    Scripted::start(Limits::default(), |_, request| match request {
        Request::Add { message, .. } => Some(Reply::problem(200, message.as_str(), "")),
        _ => Some(ok()),
    })
}

fn put(headers: &str, body: &str) -> String {
    format!("PUT /add HTTP/1.1\r\nHost: localhost:1\r\n{headers}\r\n{body}")
}

#[test]
fn a_request_reaches_the_miner_and_its_answer_the_client() {
    let scripted = echo();
    let mut client = scripted.client();
    for message in ["one", "two", &"x".repeat(65_536)] {
        let answer = client.ask(put(&format!("Content-Length: {}\r\n", message.len()), message));
        assert_eq!((answer.status, answer.message()), (200, message.to_owned()));
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        assert!(answer.header("Date").is_some());
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    }
    assert_eq!(scripted.asked.lock().unwrap()[0].0.ip, Some("127.0.0.1".parse().unwrap()));
    scripted.end().unwrap();
}

#[test]
fn a_message_of_64_kib_fits_into_the_request_line_percent_encoded() {
    let message = "ä".repeat(32_768);
    let target = "%C3%A4".repeat(32_768);
    let answer = echo()
        .client()
        .ask(format!("PUT /add?message={target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_eq!(answer.message(), message);
}

#[test]
fn bodies_come_in_chunks_too() {
    let scripted = echo();
    let mut client = scripted.client();
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        "05\r\nhello\r\n000\r\n\r\n",
    ] {
        assert_eq!(client.ask(put("Transfer-Encoding: chunked\r\n", body)).message(), "hello");
    }
    for byte in put("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n").bytes() {
        client.say([byte]);
    }
    assert_eq!(client.hear().message(), "hello");
}

#[test]
fn who_waits_to_be_told_to_send_its_body_is_told() {
    let scripted = echo();
    let mut client = scripted.client();
    let answer = client.ask(put("Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
    assert_eq!((answer.status, answer.head.as_str()), (100, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_eq!(client.ask("hello").message(), "hello");
    let answer = client.ask(put("Expect: a-miracle\r\nContent-Length: 5\r\n", ""));
    assert_eq!(answer.status, 417);
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let scripted = echo();
    let mut client = scripted.client();
    let numbers: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    let target = |number| format!("PUT /add?message={number} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.say(numbers.iter().map(target).collect::<String>());
    for number in &numbers {
        assert_eq!(client.hear().message(), *number);
    }
}

#[test]
fn a_client_that_sends_no_more_still_gets_its_answers() {
    let scripted = obliging();
    let mut client = scripted.client();
    client.say(GET.repeat(3));
    client.0.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(client.hear().status, 200);
    }
    assert_eq!(client.hear_all().unwrap(), b"");
}

#[test]
fn head_is_get_without_the_body_and_options_names_the_methods() {
    let scripted = obliging();
    let mut client = scripted.client();
    let length = ok().body.len().to_string();
    for _ in 0..2 {
        client.say("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
        let head = client.hear_head();
        assert_eq!((head.status, head.header("Content-Length")), (200, Some(length.as_str())));
    }
    let answer = client.ask("OPTIONS /add HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("PUT")));
    assert!(!answer.head.contains("Access-Control"));
    assert_eq!(client.ask(GET).body, ok().body);
}

#[test]
fn a_refused_head_has_no_body_and_what_is_refused_after_one_has() {
    let scripted = obliging();
    for bad in ["HTTP/1.1\r\n\r\n", "HTTP/2.0\r\n\r\n", "HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n"]
    {
        let mut client = scripted.client();
        client.say(format!("HEAD /health {bad}"));
        let head = client.hear_head();
        assert!(head.status >= 400 && head.header("Content-Length").is_some());
        assert_eq!(client.hear_all().unwrap(), b"", "{bad:?}");
    }
    let mut client = scripted.client();
    client.say("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.hear_head().status, 200);
    assert_eq!(client.ask("GET /health HTTP/1.1\r\n\r\n").message(), "Bad request");
    let mut client = scripted.client();
    for line in ["HEAD /add", "HEAD /nothing", "HEAD /chain?from=x"] {
        client.say(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let head = client.hear_head();
        assert!(head.status >= 400 && head.header("Content-Length").is_some());
    }
    assert_eq!(client.ask(GET).status, 200);
}

#[test]
fn a_target_may_be_a_whole_url_whose_host_counts() {
    let scripted = obliging();
    let ask = |target: &str| {
        scripted.client().ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).status
    };
    for target in ["http://127.0.0.1/health", "HTTP://localhost:80/health", "http://x/health?"] {
        assert_eq!(ask(target), 200, "{target}");
    }
    assert_eq!(scripted.requests(), [Request::Health, Request::Health, Request::Health]);
    assert_eq!(ask("http://x"), 404);
    assert_eq!(ask("http:///health"), 400);
    assert_eq!(ask("http://x?y"), 400);
    assert_eq!(ask("https://x/health"), 404);
    assert_eq!(ask("http://evil.example/health"), 403);
    let put = "PUT http://evil.example/add?message=x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(scripted.client().ask(put).status, 403);
}

#[test]
fn an_empty_line_before_a_request_is_passed_over() {
    // As some clients send behind a body that has its length.
    let scripted = echo();
    let mut client = scripted.client();
    assert_eq!(client.ask(format!("\r\n{GET}")).status, 200);
    let put = put("Content-Length: 5\r\n", "hello");
    assert_eq!(client.ask(format!("{put}\r\n{GET}")).message(), "hello");
    assert_eq!(client.hear().status, 200);
    for byte in format!("\r\n{GET}").bytes() {
        client.say([byte]);
    }
    assert_eq!(client.hear().status, 200);
}

#[test]
fn old_clients_and_those_that_say_so_get_one_answer() {
    let scripted = obliging();
    for request in [
        "GET /health HTTP/1.0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nconnection: TE, Close\r\n\r\n",
    ] {
        let mut client = scripted.client();
        let answer = client.ask(request);
        assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")));
        assert_eq!(client.hear_all().unwrap(), b"");
    }
}

#[test]
fn what_a_miner_says_of_itself_reaches_the_other_and_nonsense_does_not() {
    let scripted = obliging();
    let id = "00112233445566778899aabbccddeeff";
    for (headers, known) in [
        (format!("Miner-Id: {id}\r\nMiner-Address: miner2:80\r\n"), true),
        (format!("Miner-Id: {id}\r\n"), false),
        (format!("Miner-Id: {id}\r\nMiner-Address: a b:0\r\n"), false),
        (format!("Miner-Id: {id}0\r\nMiner-Address: miner2:80\r\n"), false),
        ("Miner-Id: \u{e4}\r\nMiner-Address: miner2:80\r\n".to_owned(), false),
    ] {
        let answer =
            scripted.client().ask(format!("GET /health HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
        assert_eq!(answer.status, 200);
        let (caller, _) = scripted.asked.lock().unwrap().pop().unwrap();
        let miner = Introduction { id: id.parse().unwrap(), host: Some("miner2".into()), port: 80 };
        assert_eq!(caller.miner, known.then_some(miner), "{headers}");
    }
}

#[test]
fn a_client_can_say_neither_who_it_is_nor_what_the_guard_says() {
    let scripted = obliging();
    let rest = r#"{"ChainRest":{"from":0,"until":1,"after":"x"}}"#;
    for header in ["Caller: 10.0.0.1".to_owned(), format!("Rest: {rest}")] {
        let answer =
            scripted.client().ask(format!("GET /health HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
        assert_eq!(answer.status, 200);
        let (caller, request) = scripted.asked.lock().unwrap().pop().unwrap();
        assert_eq!(caller.ip, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(request, Request::Health);
    }
}

#[test]
fn a_page_in_a_browser_can_only_read() {
    let scripted = obliging();
    let ask = |line: &str, headers: &str| {
        scripted.client().ask(format!("{line} HTTP/1.1\r\n{headers}\r\n\r\n"))
    };
    let writes = ["PUT /add?message=x", "DELETE /neighbours?neighbour=a:1", "POST /add"];
    for headers in [
        "Host: localhost\r\nOrigin: http://evil.example",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nOrigin: null\r\nSec-Fetch-Site: none",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
        "Host: localhost\r\nSec-Fetch-Site: same-origin",
    ] {
        for line in writes {
            assert_eq!(ask(line, headers).status, 403, "{headers}");
        }
        let answer = ask("GET /health", headers);
        assert_eq!(answer.status, 200);
        assert!(!answer.head.contains("Access-Control"));
    }
    // A name of the page's own that points here (DNS rebinding): its page would be of our origin.
    for host in ["evil.example:12345", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
        for line in writes.into_iter().chain(["GET /chain", "HEAD /chain", "OPTIONS /chain"]) {
            let headers = format!("Host: {host}");
            let mut client = scripted.client();
            client.say(format!("{line} HTTP/1.1\r\n{headers}\r\n\r\n"));
            assert_eq!(client.hear_head().status, 403, "{line} {headers}");
        }
    }
    assert!(scripted.requests().iter().all(|request| *request == Request::Health));
    for host in
        ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:80", "10.0.0.1", "miner2:80", "miner.lan"]
    {
        for line in ["PUT /add?message=x", "GET /health"] {
            assert_eq!(ask(line, &format!("Host: {host}")).status, 200, "{host}");
        }
    }
}

#[test]
fn a_page_in_a_browser_is_no_miner() {
    // A page with many frames made its hosts the neighbours of every visitor's miner.
    let scripted = obliging();
    let id = "00112233445566778899aabbccddeeff";
    let introduction = format!("Miner-Id: {id}\r\nMiner-Address: evil.example:80\r\n");
    for header in
        ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: none"]
    {
        for headers in
            [format!("{introduction}{header}\r\n"), format!("{header}\r\n{introduction}")]
        {
            let get = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
            assert_eq!(scripted.client().ask(get).status, 200);
            assert_eq!(scripted.asked.lock().unwrap().pop().unwrap().0.miner, None, "{headers}");
        }
    }
}

#[test]
fn a_miner_that_does_not_answer_in_time_is_told_of_and_asked_again() {
    let scripted = Scripted::start(short(), |_, request| (*request != Request::Status).then(ok));
    let answer = scripted.client().ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
    assert_eq!(answer.message(), "Service unavailable");
    scripted.assert_answers();
}

#[test]
fn when_to_try_again_is_passed_on() {
    let full = || Reply::problem(503, "full", "").retry_after(77);
    let scripted = Scripted::start(Limits::default(), move |_, _| Some(full()));
    let answer = scripted.client().ask(GET);
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("77")));
}

#[test]
fn a_server_without_a_miner_ends() {
    let scripted = obliging();
    let mut client = scripted.client();
    assert_eq!(client.ask(GET).status, 200);
    scripted.end().unwrap();
    let mut byte = [0];
    assert!(matches!(client.0.read(&mut byte), Ok(0) | Err(_)));
}
