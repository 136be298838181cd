//! Neighbours that lie, on real sockets. Of each: it was asked; the chain stays as it was;
//! memory stays small; the reason is shown; and an honest neighbour's news comes through.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::miner::{Logs, TestMiner, agree};
use blockchain::chain::testing::{Maker, NOW};
use blockchain::chain::{Block, Difficulty, Hash, Head, Micros, Network};
use serde_json::{Value, json};
use tempfile::tempdir;

/// Most memory that a miner may have, whatever a liar sends: kilobytes.
const MEMORY_MAX: u64 = 100_000;

/// What a liar knows: the honest chain.
#[derive(Clone)]
struct Truth {
    lines: Vec<String>,
    head: Head,
    health: Value,
    /// The miner it lies to.
    target: String,
}

impl Truth {
    fn network() -> Network {
        Network { name: "liars".parse().unwrap(), difficulty: Difficulty::new(2).unwrap() }
    }

    /// A health that claims a longer chain.
    fn claim(&self, more: u64) -> String {
        let mut health = self.health.clone();
        health["id"] = json!("00112233445566778899aabbccddeeff");
        health["length"] = json!(self.lines.len() as u64 + more);
        health["head"] = json!(Hash::of("claimed").to_string());
        health.to_string()
    }

    /// The honest chain and these lines behind it, as a page from the height asked for.
    fn page(&self, more: &[String], target: &str, length: usize) -> String {
        let value = |name: &str| {
            let start = target.find(name).map(|at| at + name.len());
            let digits = start.map(|at| target[at..].split('&').next().unwrap_or_default());
            digits.and_then(|digits| digits.parse::<usize>().ok())
        };
        let (from, limit) = (value("from=").unwrap_or(0), value("limit=").unwrap_or(usize::MAX));
        let all = self.lines.iter().chain(more).skip(from).take(limit.min(1_000));
        let all: Vec<&str> = all.map(String::as_str).collect();
        format!("{{\"chain\":[{}],\"length\":{length}}}", all.join(","))
    }

    /// Blocks behind the honest head, each changed and mined anew.
    fn blocks(&self, count: usize, change: impl Fn(usize, &mut Block)) -> Vec<String> {
        self.blocks_of(Self::network(), count, change)
    }

    fn blocks_of(
        &self,
        network: Network,
        count: usize,
        change: impl Fn(usize, &mut Block),
    ) -> Vec<String> {
        let (mut head, mut lines) = (self.head, Vec::new());
        for number in 0..count {
            let maker = Maker::at(network.clone(), head);
            let mut block = maker.candidate(&format!("lie {number}"));
            block.timestamp = head.timestamp + 1;
            change(number, &mut block);
            let line = maker.mine(block);
            let block = Block::read(&line, head.index + 1).unwrap();
            head = Head::of(&block, &line);
            lines.push(line);
        }
        lines
    }
}

/// How a liar answers: what goes over the wire for a path.
type Script = Box<dyn Fn(&Truth, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync>;

fn send(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Claims a longer chain, and has nothing else to say but what `chain` sends.
fn chain_liar(more: u64, chain: impl Fn(&Truth, &str) -> String + Send + Sync + 'static) -> Script {
    Box::new(move |truth, target, stream| match target.split('?').next() {
        Some("/health") => send(stream, &truth.claim(more)),
        Some("/chain") => send(stream, &chain(truth, target)),
        Some("/neighbours") => send(stream, r#"{"neighbours":[],"length":0}"#),
        _ => no_data(stream),
    })
}

fn no_data(stream: &mut TcpStream) -> std::io::Result<()> {
    let cursor = "00112233445566778899aabbccddeeff-0";
    send(stream, &format!(r#"{{"data":[],"length":0,"cursor":"{cursor}"}}"#))
}

/// Answers its health with these bytes, as they are.
fn raw_liar(
    write: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Script {
    Box::new(move |_, _, stream| write(stream))
}

/// Runs the liar's side; how often it was asked, and word of each time.
fn lie(
    listener: TcpListener,
    truth: Truth,
    script: Script,
) -> (Arc<AtomicUsize>, crossbeam_channel::Receiver<()>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (tells, told) = crossbeam_channel::unbounded();
    let (count, shared) = (Arc::clone(&asked), Arc::new((truth, script)));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (count, shared, tells) = (Arc::clone(&count), Arc::clone(&shared), tells.clone());
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone()?);
                let mut first = String::new();
                reader.read_line(&mut first)?;
                let mut line = String::new();
                while reader.read_line(&mut line)? > 2 {
                    line.clear();
                }
                count.fetch_add(1, Ordering::SeqCst);
                let _ = tells.send(());
                let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let mut stream = stream;
                (shared.1)(&shared.0, &target, &mut stream)?;
                stream.shutdown(std::net::Shutdown::Write)?;
                std::io::copy(&mut reader.take(1 << 20), &mut std::io::sink())
            });
        }
    });
    (asked, told)
}

/// What is shown of the neighbour at `address`.
fn shown(miner: &TestMiner, address: &str) -> Option<Value> {
    let page = miner.get("/neighbours?details=true");
    let details = page["details"].as_array()?.clone();
    details.into_iter().find(|detail| detail["neighbour"] == address)
}

/// The same, as the command line shows it.
fn printed(miner: &TestMiner, address: &str) -> Option<Value> {
    let page: Value =
        serde_json::from_str(&miner.run(&["get", "neighbours", "--json"]).stdout).unwrap();
    let details = page["details"].as_array()?.clone();
    details.into_iter().find(|detail| detail["neighbour"] == address)
}

/// What must be said of a liar besides its state and the reason.
fn check_shown(miner: &TestMiner, address: &str) {
    let detail = shown(miner, address).unwrap();
    // Who told its length once has answered.
    assert_eq!(detail["last_answer"].is_u64(), detail["length"].is_u64(), "{detail}");
    if detail["state"] != "ok" {
        assert!(detail["failures"].as_u64() > Some(0), "{detail}");
        assert!(detail["until"].is_u64(), "{detail}");
    }
    let printed = printed(miner, address).unwrap();
    for field in ["state", "reason", "last_answer"] {
        // Between the two looks one more question may have been asked.
        assert_eq!(printed[field], detail[field], "{field}: {printed}");
    }
}

/// Lets a miner with an honest neighbour meet a liar. `reason` is in what is shown of the
/// liar, with this state; or nothing is shown wrong, without one.
fn meet(script: Script, expected: Option<(&str, &str)>) {
    let (folders, logs) = ([0; 2].map(|_| tempdir().unwrap()), Logs::new());
    let flags = ["--network", "liars"];
    let honest = TestMiner::start(folders[0].path(), &logs, &flags);
    let to_honest = honest.address.to_string();
    // Of two that mine at once, one's blocks come before what waits at the other.
    let pause = ["--hash-rate-limit", "0"];
    let flags = [&["--network", "liars", "--neighbours", &to_honest][..], &pause].concat();
    let miner = TestMiner::start(folders[1].path(), &logs, &flags);
    for message in ["one", "two", "three"] {
        honest.add(message);
    }
    agree(&logs, &[&honest, &miner], 4);
    let mut before = miner.health();
    let page = miner.get("/chain");
    let lines: Vec<String> = (0..4)
        .map(|index| {
            let block = &page["chain"][index as usize];
            // serde_json sorts keys: the canonical line is written from the parts.
            canonical(block, index)
        })
        .collect();
    let head = Head::of(&Block::read(&lines[3], 3).unwrap(), &lines[3]);
    assert_eq!(head.hash, before.head);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = miner.address.to_string();
    let truth = Truth { lines, head, health: serde_json::to_value(&before).unwrap(), target };
    let (asked, is_asked) = lie(listener, truth, script);
    let (status, _) = miner.send("PUT", &format!("/neighbours?neighbour={address}"), b"");
    assert_eq!(status, 200);
    let mut told = vec!["one", "two", "three"];
    if matches!(expected, Some((_, "not answer"))) {
        // It keeps whoever asks it waiting for ten seconds, and nobody else.
        is_asked.recv_timeout(crate::support::miner::DEADLINE).expect("the liar is asked");
        honest.add("news meanwhile");
        agree(&logs, &[&honest, &miner], 5);
        let state = shown(&miner, &address).unwrap()["state"].clone();
        assert_eq!(state, "new", "news waited for the liar");
        before = miner.health();
        told.push("news meanwhile");
    }
    logs.wait_until("the liar is seen through", || {
        let detail = shown(&miner, &address);
        let Some((state, reason)) = expected else {
            return asked.load(Ordering::SeqCst) > 3 || detail.is_none();
        };
        detail.is_some_and(|detail| {
            let why = detail["reason"].as_str().unwrap_or_default();
            why.contains(reason) && detail["state"] == state
        })
    });
    assert!(asked.load(Ordering::SeqCst) > 0, "the liar was never asked");
    assert_eq!(miner.health().head, before.head);
    if expected.is_some() {
        check_shown(&miner, &address);
    }
    honest.add("honest news");
    told.push("honest news");
    agree(&logs, &[&honest, &miner], told.len() as u64 + 1);
    assert_eq!(miner.messages(), told);
    let memory = memory(&miner);
    assert!(memory < MEMORY_MAX, "{memory} kB");
}

fn canonical(block: &Value, index: u64) -> String {
    let text = |value: &Value| value.as_str().map(|text| format!("\"{text}\""));
    let null = || "null".to_owned();
    let line = format!(
        "{{\"index\":{},\"timestamp\":{},\"data\":{{\"id\":{},\"message\":{}}},\
         \"previous_hash\":{},\"proof\":{}}}",
        block["index"],
        block["timestamp"],
        block["data"]["id"],
        block["data"]["message"],
        text(&block["previous_hash"]).unwrap_or_else(null),
        text(&block["proof"]).unwrap_or_else(null)
    );
    Block::read(&line, index).unwrap().line()
}

/// Kilobytes that the miner's process holds.
fn memory(miner: &TestMiner) -> u64 {
    let pid = miner.pid().as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn answer(body: String) -> Script {
    raw_liar(move |stream| send(stream, &body))
}

#[test]
fn garbage() {
    meet(raw_liar(|stream| stream.write_all(&[0xff; 5_000])), Some(("failing", "no answer")));
}

#[test]
fn html() {
    meet(answer("<html><body>hello</body></html>".into()), Some(("banned", "sent no")));
}

#[test]
fn errors() {
    let error = "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let script = raw_liar(move |stream| stream.write_all(error.as_bytes()));
    meet(script, Some(("failing", "answers 500")));
}

#[test]
fn an_endless_body() {
    let script = raw_liar(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b' '; 65_536])?;
        }
    });
    meet(script, Some(("failing", "larger than request limit")));
}

#[test]
fn endless_headers() {
    let script = raw_liar(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(&b"X: y\r\n".repeat(10_000))?;
        }
    });
    meet(script, Some(("failing", "no answer")));
}

#[test]
fn endless_interim_answers() {
    let script = raw_liar(|stream| {
        loop {
            stream.write_all(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000))?;
        }
    });
    meet(script, Some(("failing", "no answer")));
}

#[test]
fn silence() {
    let script = raw_liar(|stream| {
        let _ = stream.read(&mut [0; 1]);
        let mut rest = stream.try_clone()?;
        std::io::copy(&mut rest, &mut std::io::sink()).map(drop)
    });
    meet(script, Some(("failing", "not answer")));
}

#[test]
fn one_byte_a_second() {
    let script = raw_liar(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let deadline = Instant::now() + crate::support::miner::DEADLINE;
        while Instant::now() < deadline {
            // Nothing comes: this only tells a second.
            let _ = stream.read(&mut [0; 1]);
            stream.write_all(b" ")?;
        }
        Ok(())
    });
    meet(script, Some(("failing", "not answer")));
}

#[test]
fn half_a_body() {
    let script = raw_liar(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":")
    });
    meet(script, Some(("failing", "no answer")));
}

#[test]
fn a_gzip_bomb() {
    // Where it was unpacked, the answer would be too large, or all spaces.
    let script = raw_liar(|stream| {
        let bomb = bomb();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n")?;
        write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", bomb.len())?;
        stream.write_all(&bomb)
    });
    meet(script, Some(("banned", "expected value at line 1 column 1")));
}

/// 200 KB of gzip that are 32 MB of spaces: one, and how often it is to be repeated.
fn bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut push = |code: &str| bits.extend(code.bytes().map(|bit| bit == b'1'));
    // The last block, by the fixed code of RFC 1951, 3.2.6; a space.
    push("1");
    push("10");
    push("01010000");
    // The 258 bytes that stand one byte back.
    (0..125_000).for_each(|_| push("1100010100000"));
    // The end.
    push("0000000");
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let byte = |bits: &[bool]| (0..8).zip(bits).map(|(at, bit)| u8::from(*bit) << at).sum::<u8>();
    bytes.extend(bits.chunks(8).map(byte));
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn a_redirect_loop() {
    let script = raw_liar(|stream| {
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /health\r\nContent-Length: 0\r\n\r\n")
    });
    meet(script, Some(("failing", "302")));
}

#[test]
fn json_200_000_deep() {
    meet(answer("[".repeat(200_000)), Some(("banned", "sent no")));
}

#[test]
fn wrong_types() {
    let script: Script = Box::new(|truth, _, stream| {
        let mut health: Value = serde_json::from_str(&truth.claim(1)).unwrap();
        health["length"] = json!("5");
        send(stream, &health.to_string())
    });
    meet(script, Some(("banned", "sent no")));
}

#[test]
fn a_hundred_thousand_neighbours() {
    let script: Script = Box::new(|truth, target, stream| match target {
        "/neighbours" => {
            let many: Vec<_> =
                (0..100_000).map(|n| format!("\"10.0.0.1:{}\"", n % 9_000 + 1)).collect();
            send(stream, &format!("{{\"neighbours\":[{}],\"length\":100000}}", many.join(",")))
        }
        data if data.starts_with("/data") => no_data(stream),
        _ => {
            let mut health: Value = serde_json::from_str(&truth.claim(0)).unwrap();
            health["length"] = json!(1);
            send(stream, &health.to_string())
        }
    });
    meet(script, Some(("failing", "larger than request limit")));
}

#[test]
fn its_own_address_and_ours() {
    let script: Script = Box::new(|truth, target, stream| match target {
        "/neighbours" => {
            let page = json!({"neighbours": [truth.target, "127.0.0.1:1"], "length": 2});
            send(stream, &page.to_string())
        }
        "/health" => {
            let mut health: Value = serde_json::from_str(&truth.claim(0)).unwrap();
            health["length"] = json!(1);
            send(stream, &health.to_string())
        }
        _ => no_data(stream),
    });
    meet(script, None);
}

#[test]
fn a_chain_with_no_work() {
    let script = chain_liar(3, |truth, target| {
        let mut lines = truth.blocks(3, |_, _| {});
        let (seal, _) = lines[0].split_once("-").unwrap();
        lines[0] = format!("{seal}-1\"}}");
        truth.page(&lines, target, 7)
    });
    meet(script, Some(("banned", "ends with 2 zeros")));
}

#[test]
fn a_chain_with_a_bad_link() {
    let script = chain_liar(3, |truth, target| {
        let lines = truth.blocks(3, |number, block| {
            if number == 1 {
                block.previous_hash = Some(Hash::of("elsewhere"));
            }
        });
        truth.page(&lines, target, 7)
    });
    meet(script, Some(("banned", "previous_hash")));
}

#[test]
fn a_chain_from_the_future() {
    let day: Micros = 24 * 60 * 60 * 1_000_000;
    let script = chain_liar(3, move |truth, target| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ahead = (now.as_micros() as Micros).max(NOW) + day;
        let lines = truth.blocks(3, |number, block| block.timestamp = ahead + number as u64);
        truth.page(&lines, target, 7)
    });
    meet(script, Some(("ok", "two hours ahead")));
}

#[test]
fn a_chain_with_a_message_twice() {
    let script = chain_liar(3, |truth, target| {
        let known = Block::read(&truth.lines[2], 2).unwrap().data;
        let lines = truth.blocks(3, |number, block| {
            if number == 2 {
                block.data = known.clone();
            }
        });
        truth.page(&lines, target, 7)
    });
    let (banned, words) = ("banned", "that is not in the chain yet");
    meet(script, Some((banned, words)));
}

#[test]
fn another_network() {
    let script: Script = Box::new(|truth, target, stream| {
        assert!(!target.starts_with("/data"), "messages of another network were asked for");
        let mut health: Value = serde_json::from_str(&truth.claim(9)).unwrap();
        health["network"] = json!("other");
        health["genesis"] = json!(Hash::of("other").to_string());
        send(stream, &health.to_string())
    });
    meet(script, Some(("failing", "another network")));
}

#[test]
fn cheaper_difficulty() {
    let script = chain_liar(3, |truth, target| {
        let cheap = Network { difficulty: Difficulty::new(1).unwrap(), ..Truth::network() };
        let lines = truth.blocks_of(cheap, 8, |_, _| {});
        truth.page(&lines, target, 12)
    });
    meet(script, Some(("banned", "ends with 2 zeros")));
}

#[test]
fn longer_than_claimed() {
    // Whoever has more than it claimed has mined meanwhile: nothing is wrong with that, but
    // a chain that never ends well is.
    let script = chain_liar(1, |truth, target| {
        let lines = truth.blocks(2, |_, _| {});
        truth
            .page(&lines[..1], target, 1_000_000)
            .replace(&lines[0], &lines[0].replace("lie 0", "lie 9"))
    });
    meet(script, Some(("banned", "the seal")));
}

#[test]
fn shorter_than_claimed() {
    let script = chain_liar(100, |truth, target| truth.page(&[], target, 4));
    meet(script, Some(("banned", "sends")));
}

#[test]
fn one_that_changes_at_every_call() {
    // One block at a time, each of another chain: as if it had changed since the page before.
    let calls = AtomicUsize::new(0);
    let script = chain_liar(3, move |truth, target| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        let lines = truth.blocks(1, |_, block| {
            block.previous_hash = Some(Hash::of(format!("call {call}")));
        });
        truth.page(&lines, &format!("{}&limit=1", target.split('&').next().unwrap()), 7)
    });
    meet(script, Some(("banned", "its chain changed while it was read")));
}

#[test]
fn only_the_first_half() {
    // A fork behind block 1, of which it claims nine blocks and has one.
    let is_found = AtomicBool::new(false);
    let script = chain_liar(6, move |truth, target| {
        let known = Block::read(&truth.lines[1], 1).unwrap();
        let fork = Truth { head: Head::of(&known, &truth.lines[1]), ..truth.clone() };
        let lines: Vec<String> =
            truth.lines[..2].iter().cloned().chain(fork.blocks(3, |_, _| {})).collect();
        is_found.fetch_or(target.contains("from=1&"), Ordering::SeqCst);
        let has = if is_found.load(Ordering::SeqCst) { 3 } else { 5 };
        let served = Truth { lines: lines[..has].to_vec(), ..fork };
        served.page(&[], target, 10)
    });
    meet(script, Some(("banned", "no block at height 3 of the 10")));
}
