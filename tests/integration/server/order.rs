//! Requests that share a connection to tiny_http, whose answers come in an order of their own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::scripted_server::{Client, obliging, short};
use blockchain::http::{AnswerHead, Http, Incoming, Limits, Options, Refusal, bind};

const CLIENTS: usize = 40;

/// A guarded tiny_http whose requests a test answers itself.
struct Served {
    address: SocketAddr,
    http: Option<Http>,
    worker: Option<JoinHandle<()>>,
}

impl Served {
    /// Gives its requests to `taken`.
    fn start(limits: Limits, taken: Sender<Incoming>) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let spell = |why: &Refusal| ("text/plain", why.more.clone().into_bytes());
        let options = Options { limits, passed: &[], for_pages: false, names: Vec::new(), spell };
        let http = Http::start(listener, options, || (), ()).unwrap();
        let requests = http.requests();
        let worker = thread::spawn(move || {
            while let Some(request) = requests.next() {
                taken.send(request).unwrap();
            }
        });
        Self { address, http: Some(http), worker: Some(worker) }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let ended = self.http.take().unwrap().stop(1);
        assert!(ended.is_ok() || thread::panicking(), "{ended:?}");
        self.worker.take().unwrap().join().unwrap();
    }
}

fn say(client: &mut Client, method: &str, name: usize) {
    client.say(format!("{method} /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

/// Answers with what was asked for.
fn echo(request: Incoming) {
    let body = request.target().as_bytes().to_vec();
    request.answer(&AnswerHead::new(200, body.len()), &body).unwrap();
}

/// One connection for all.
fn one_connection() -> Limits {
    Limits { upstreams_max: 1, ..Limits::default() }
}

#[test]
fn answers_reach_who_asked_in_whatever_order_they_are_given() {
    let (taken, requests) = channel();
    let served = Served::start(one_connection(), taken);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| served.client()).collect();
    for stride in [1, 3, 7, CLIENTS - 1] {
        for (name, client) in clients.iter_mut().enumerate() {
            say(client, if name % 5 == 0 { "HEAD" } else { "GET" }, name);
        }
        let mut all: Vec<_> = requests.iter().take(CLIENTS).map(Some).collect();
        for step in 0..CLIENTS {
            echo(all[step * stride % CLIENTS].take().unwrap());
        }
        for (name, client) in clients.iter_mut().enumerate() {
            if name % 5 == 0 {
                assert_eq!(client.hear_head().status, 200);
            } else {
                assert_eq!(client.hear().body, format!("/{name}").into_bytes());
            }
        }
    }
}

#[test]
fn a_client_that_has_gone_takes_nobodys_answer() {
    let (taken, requests) = channel();
    let served = Served::start(one_connection(), taken);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| served.client()).collect();
    for (name, client) in clients.iter_mut().enumerate() {
        say(client, "GET", name);
    }
    let all: Vec<_> = requests.iter().take(CLIENTS).collect();
    let mut stay: Vec<_> = clients.into_iter().enumerate().filter(|it| it.0 % 3 > 0).collect();
    all.into_iter().rev().for_each(echo);
    for (name, client) in &mut stay {
        assert_eq!(client.hear().body, format!("/{name}").into_bytes());
    }
}

#[test]
fn who_reads_does_not_wait_for_who_writes() {
    let (taken, requests) = channel();
    let served = Served::start(Limits::default(), taken);
    let (mut writes, mut reads) = (served.client(), served.client());
    say(&mut writes, "PUT", 1);
    let write = requests.recv().unwrap();
    say(&mut reads, "GET", 2);
    echo(requests.recv().unwrap());
    assert_eq!(reads.hear().body, b"/2");
    echo(write);
    assert_eq!(writes.hear().body, b"/1");
}

#[test]
fn however_many_write_a_place_is_left_to_those_that_read() {
    // While a disk hung, writers took every connection to tiny_http, and nothing was answered.
    let (taken, requests) = channel();
    let limits = Limits { upstreams_max: 3, asked_at_once_max: 1, ..Limits::default() };
    let served = Served::start(limits, taken);
    let mut writers: Vec<_> = (0..CLIENTS).map(|_| served.client()).collect();
    writers.iter_mut().for_each(|client| say(client, "PUT", 1));
    let writes: Vec<_> = requests.iter().take(2).collect();
    for _ in 0..3 {
        let mut reads = served.client();
        say(&mut reads, "GET", 2);
        let request = requests.recv().unwrap();
        assert_eq!(request.method(), "GET");
        echo(request);
        assert_eq!(reads.hear().body, b"/2");
    }
    writes.into_iter().for_each(echo);
    requests.iter().take(CLIENTS - 2).for_each(echo);
    assert!(writers.iter_mut().all(|client| client.hear().body == b"/1"));
}

#[test]
fn those_that_the_server_answers_itself_hold_up_nobody() {
    // A question went over the link only when there was nothing else to take: while 128
    // clients read /openapi.json, /health took up to a second.
    const READERS: usize = 128;
    let scripted = obliging();
    let ends = AtomicBool::new(false);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        for _ in 0..READERS {
            let (mut client, ends) = (scripted.client(), &ends);
            scope.spawn(move || {
                while !ends.load(SeqCst) {
                    assert_eq!(client.ask(get("/openapi.json")).status, 200);
                }
            });
        }
        for _ in 0..50 {
            let mut client = scripted.client();
            let asked = Instant::now();
            client.say(get("/health"));
            client.hear();
            slowest = slowest.max(asked.elapsed());
        }
        ends.store(true, SeqCst);
    });
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[test]
fn one_that_is_never_answered_holds_up_the_others_until_its_deadline() {
    let (taken, requests) = channel();
    let served = Served::start(Limits { answer: short().answer, ..one_connection() }, taken);
    let mut clients: Vec<_> = (0..3).map(|_| served.client()).collect();
    for (name, client) in clients.iter_mut().enumerate() {
        say(client, "GET", name);
    }
    let mut all = requests.iter().take(3);
    let never = all.next();
    all.for_each(echo);
    for client in &mut clients {
        assert_eq!(client.hear().status, 503);
    }
    let mut later = served.client();
    say(&mut later, "GET", 4);
    echo(requests.recv().unwrap());
    assert_eq!(later.hear().body, b"/4");
    drop(never);
}

#[test]
fn a_worker_that_is_busy_is_not_taken_for_a_dead_one() {
    // Seven slow pages ended the server of the pages: a proof that a connection works takes a
    // worker, and none was free.
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let spell = |why: &Refusal| ("text/plain", why.more.clone().into_bytes());
    let limits = Limits { asked_at_once_max: 1, ..short() };
    // More proofs fail meanwhile than are allowed to.
    assert!(limits.answer > limits.proof * 20);
    let options = Options { limits, passed: &[], for_pages: false, names: Vec::new(), spell };
    let http = Http::start(listener, options, || (), ()).unwrap();
    let requests = http.requests();
    let mut slow = Client::connect(address);
    say(&mut slow, "GET", 1);
    let busy_with = requests.next().unwrap();
    // Its own connection to tiny_http is lost at its deadline, too.
    for _ in 0..3 {
        let mut waits = Client::connect(address);
        say(&mut waits, "GET", 2);
        assert_eq!(waits.hear().status, 503);
    }
    drop(busy_with);
    let worker = thread::spawn(move || {
        while let Some(request) = requests.next() {
            echo(request);
        }
    });
    let mut later = Client::connect(address);
    say(&mut later, "GET", 3);
    assert_eq!(later.hear().body, b"/3");
    http.stop(1).unwrap();
    worker.join().unwrap();
}

#[test]
fn a_request_that_is_dropped_is_answered_500() {
    let (taken, requests) = channel();
    let served = Served::start(one_connection(), taken);
    let mut client = served.client();
    say(&mut client, "GET", 1);
    drop(requests.recv().unwrap());
    assert_eq!(client.hear().status, 500);
    say(&mut client, "GET", 2);
    echo(requests.recv().unwrap());
    assert_eq!(client.hear().body, b"/2");
}

#[test]
fn requests_that_nobody_took_keep_no_server_from_ending() {
    // They waited for the answer to the one before them, which nobody gave any more: one of
    // hundreds of server processes outlived its killed miner.
    for _ in 0..100 {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let spell = |_: &Refusal| ("text/plain", Vec::new());
        let limits = one_connection();
        let options = Options { limits, passed: &[], for_pages: false, names: Vec::new(), spell };
        let http = Http::start(listener, options, || (), ()).unwrap();
        let mut clients = [0; 4].map(|_| Client::connect(address));
        clients.iter_mut().for_each(|client| say(client, "GET", 0));
        let requests = http.requests();
        let taken = [requests.next().unwrap(), requests.next().unwrap()];
        drop(requests);
        let (ended, end) = channel();
        thread::spawn(move || ended.send(http.stop(1).is_ok()));
        assert_eq!(end.recv_timeout(Duration::from_secs(10)), Ok(true));
        drop(taken);
    }
}
