//! What strangers that call a miner can make it do: a few questions to whom they name, now
//! and then, and no more, however often they call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::miner::{DEADLINE, Logs, TestMiner};
use blockchain::miner::jobs::gossip::LOOKS_MAX;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use tempfile::tempdir;

/// A stranger's connection.
struct Stranger(BufReader<TcpStream>);

impl Stranger {
    fn connect(miner: &TestMiner) -> Self {
        let stream = TcpStream::connect((miner.address.host(), miner.address.port())).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Asks, as the miner of this number at this port of this host; the answer's status.
    fn call(&mut self, line: &str, number: usize, port: u16) -> u16 {
        self.send(line, number, port, "")
    }

    fn send(&mut self, line: &str, number: usize, port: u16, body: &str) -> u16 {
        let who = format!("Miner-Id: {number:032x}\r\nMiner-Address: :{port}");
        let length = format!("Content-Length: {}", body.len());
        let request =
            format!("{line} HTTP/1.1\r\nHost: localhost\r\n{who}\r\n{length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
        self.0.read_line(&mut first).unwrap();
        while self.0.read_line(&mut line).unwrap() > 2 {
            if let Some(text) = line.strip_prefix("Content-Length: ") {
                length = text.trim_end().parse().unwrap();
            }
            line.clear();
        }
        self.0.read_exact(&mut vec![0; length]).unwrap();
        first.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn callers_at_silent_addresses_take_few_threads_and_all_get_their_turn() {
    // Each took a thread for ten seconds: 12,500 requests over one connection came to 5,800
    // threads and 1.7 GB.
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &["--gossip-interval", "3600"]);
    let silent: Vec<_> =
        (0..3 * LOOKS_MAX).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut stranger = Stranger::connect(&miner);
    for (number, listener) in silent.iter().enumerate() {
        let port = listener.local_addr().unwrap().port();
        assert_eq!(stranger.call("GET /health", number, port), 200);
    }
    // Each is left alone by us before the miner leaves it.
    let (mut open, mut seen) = (Vec::new(), 0);
    let timeout = Timespec::try_from(DEADLINE).unwrap();
    while seen < silent.len() {
        let mut waiting: Vec<_> = silent.iter().map(|it| PollFd::new(it, PollFlags::IN)).collect();
        assert_ne!(poll(&mut waiting, Some(&timeout)), Ok(0), "{seen} callers were looked at");
        let called = waiting.iter().map(|it| !it.revents().is_empty());
        for (listener, _) in silent.iter().zip(called).filter(|(_, called)| *called) {
            open.push(listener.accept().unwrap());
            seen += 1;
        }
        assert!(open.len() <= LOOKS_MAX, "{} at a time", open.len());
        if open.len() == LOOKS_MAX {
            open.remove(0);
        }
    }
}

/// A neighbour that has what the miner has, and counts how often it is asked for its health.
fn neighbour(health: Value) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // One connection stands, without a request.
            let (count, health) = (Arc::clone(&count), health.clone());
            thread::spawn(move || answer_one(BufReader::new(stream), &count, &health));
        }
    });
    (address, asked)
}

fn answer_one(mut stream: BufReader<TcpStream>, count: &AtomicUsize, health: &Value) {
    let (mut first, mut line) = (String::new(), String::new());
    let _ = stream.read_line(&mut first);
    while stream.read_line(&mut line).is_ok_and(|length| length > 2) {
        line.clear();
    }
    let body = if first.starts_with("GET /health") {
        count.fetch_add(1, SeqCst);
        health.clone()
    } else if first.starts_with("GET /data") {
        json!({"data": [], "length": 0, "cursor": format!("{:032x}-0", 7)})
    } else {
        json!({"neighbours": [], "length": 0})
    };
    let body = body.to_string();
    let head = format!("Content-Length: {}\r\nConnection: close", body.len());
    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
    let _ = stream.get_mut().write_all(answer.as_bytes());
}

#[test]
fn a_flood_of_blocks_that_do_not_fit_is_one_question_now_and_then() {
    // Each was followed by a question as soon as the one before was answered.
    const PUSHES: usize = 3_000;
    const GAP: Duration = Duration::from_millis(50);
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let hour = "3600";
    let flags = ["--gossip-interval", hour, "--chain-sync-interval", hour];
    let flags = [&flags[..], &["--data-sync-interval", hour]].concat();
    let miner = TestMiner::start(folder.path(), &logs, &flags);
    let mut health = serde_json::to_value(miner.health()).unwrap();
    health["id"] = json!(format!("{:032x}", 7));
    let (address, asked) = neighbour(health);
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut stranger = Stranger::connect(&miner);
    assert_eq!(stranger.call("GET /health", 7, port), 200);
    logs.wait_for("new neighbour");
    let (before, start) = (asked.load(SeqCst), Instant::now());
    let block = json!({"index": 999, "previous_hash": "0".repeat(64)});
    for _ in 0..PUSHES {
        assert_eq!(stranger.send("PUT /blocks", 7, port, &block.to_string()), 409);
    }
    let most = start.elapsed().div_duration_f64(GAP) as usize + 4;
    let asked = asked.load(SeqCst) - before;
    assert_eq!(miner.health().neighbours, 1, "it is no neighbour any more");
    assert!((1..=most).contains(&asked), "{PUSHES} pushes made {asked} questions of {most}");
}
