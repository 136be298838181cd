//! What a miner gives to others while strangers crowd its door.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use blockchain::api::Health;
use blockchain::http::raise_descriptors;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded, never};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, getrlimit};

use crate::Outcome;
use crate::chains::message;
use crate::client::{Connection, Load, request};
use crate::program::{HOPELESS, Miner};
use crate::table::{Asked, Table};

/// Connections that say nothing, and that say half of a request.
const IDLE: usize = 5_000;
const HALF: usize = 1_000;

/// Half a request that is as long as it may be.
const LONG_BYTES: usize = 200 << 10;

/// Looks at /health, each over a connection of its own.
const LOOKS: usize = 1_000;

/// What /health is to stay under beside them, 95 times in 100, in milliseconds.
const CROWD_MILLISECONDS_MAX: f64 = 100.0;

/// What both processes may hold in memory, in MB.
const CROWD_MEMORY_MAX: f64 = 100.0;

/// Connections of a flood of adds, and how long it goes on.
const FLOOD: usize = 256;
const FLOOD_TIME: Duration = Duration::from_secs(12);

/// What /health is to stay under meanwhile, 99 times in 100, in milliseconds.
const FLOOD_MILLISECONDS_MAX: f64 = 200.0;

/// Between two looks at it.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Some milliseconds of work for a block.
const DIFFICULTY: &str = "4";

pub fn measure(table: &mut Table) -> Outcome<()> {
    raise_descriptors();
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if allowed < (IDLE + HALF + 100) as u64 {
        table.leave_out("a crowd of strangers", format!("only {allowed} descriptors"));
    } else {
        crowd(table)?;
    }
    flood(table)
}

fn crowd(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let miner = Miner::start(&folder.path().join("test.chain"), HOPELESS, "1")?;
    let mut strangers = Vec::new();
    for number in 0..IDLE + HALF {
        let mut stream = TcpStream::connect(("127.0.0.1", miner.port))?;
        if number >= IDLE {
            stream.write_all(match number % 4 {
                0 => b"GET /hea",
                1 => b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ",
                2 => b"PUT /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nhalf",
                _ => b"PUT /add HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4",
            })?;
        }
        strangers.push(stream);
    }
    let p95 = looks(miner.port)?.milliseconds(20);
    let memory = miner.all_resident_bytes()? / 1e6;
    // Their deadlines are far off: the figures are of all of them.
    let gone = strangers.iter().filter(|stream| !is_open(stream)).count();
    if gone > 0 {
        return Err(format!("{gone} of the strangers were cut meanwhile").into());
    }
    drop(strangers);
    let at_most = Some(Asked::AtMost(1.0));
    let name = format!("/health p95, {IDLE} idle, {HALF} half-sent");
    table.row(name, "ms", p95, ("the limit", CROWD_MILLISECONDS_MAX), at_most);
    let limit = ("the limit", CROWD_MEMORY_MAX);
    table.row("memory of both then", "MB", memory, limit, at_most);

    miner.forget_peak()?;
    let half = [b"PUT /add?message=".as_slice(), &vec![b'a'; LONG_BYTES]].concat();
    let mut strangers = Vec::new();
    for _ in 0..HALF {
        let mut stream = TcpStream::connect(("127.0.0.1", miner.port))?;
        // It may be cut for the next one before it has said all that.
        _ = stream.write_all(&half);
        strangers.push(stream);
    }
    let p95 = looks(miner.port)?.milliseconds(20);
    let name = format!("/health p95, {HALF} half-sent of {} KB", LONG_BYTES / 1000);
    table.row(name, "ms", p95, ("the limit", CROWD_MILLISECONDS_MAX), at_most);
    let peak = miner.peak_bytes()? / 1e6;
    table.row("memory of both then, at most", "MB", peak, limit, at_most);
    Ok(())
}

/// How long /health takes, each time over a connection of its own.
fn looks(port: u16) -> Outcome<Load> {
    let (start, mut latencies) = (Instant::now(), Vec::with_capacity(LOOKS));
    for _ in 0..LOOKS {
        let asked = Instant::now();
        Connection::open(port)?.exchange(&request("GET", "/health", ""))?;
        latencies.push(asked.elapsed());
    }
    latencies.sort_unstable();
    Ok(Load { requests: LOOKS, bytes: 0, time: start.elapsed(), latencies })
}

fn is_open(mut stream: &TcpStream) -> bool {
    let read = stream.set_nonblocking(true).and_then(|()| stream.read(&mut [0; 1]));
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn flood(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let chain = folder.path().join("test.chain");
    let miner = Miner::start(&chain, DIFFICULTY, "2")?;
    // Enough to mine for a while, which tells what mining gives without a flood.
    let before = Flood::run(miner.port, Duration::from_millis(500))?;
    let calm = blocks_a_second(miner.port, Duration::from_secs(3))?;
    let (watch, end) = Watch::start(miner.port);
    let length = health(miner.port)?.length;
    let flood = Flood::run(miner.port, FLOOD_TIME)?;
    let blocks = health(miner.port)?.length - length;
    drop(end);
    let latencies = watch.join().map_err(|_| "the watch panicked")??;
    let mined = blocks as f64 / flood.time.as_secs_f64();
    if blocks == 0 {
        return Err("nothing was mined during a flood of adds".into());
    }

    // Killed without a warning, and started again: all that was acknowledged is there.
    drop(miner);
    let acknowledged = before.acknowledged + flood.acknowledged;
    let miner = Miner::start(&chain, DIFFICULTY, "1")?;
    let there = health(miner.port)?;
    let there = there.length - 1 + there.unprocessed as u64;
    if there < acknowledged {
        return Err(format!("{acknowledged} adds were acknowledged, {there} are there").into());
    }

    let name = format!("/health p99, adds over {FLOOD} connections");
    let p99 = latencies.milliseconds(100);
    let limit = ("the limit", FLOOD_MILLISECONDS_MAX);
    table.row(name, "ms", p99, limit, Some(Asked::AtMost(1.0)));
    let answers = (flood.acknowledged + flood.refused) as f64;
    let rate = answers / flood.time.as_secs_f64();
    table.row("answers a second then", "/s", rate, ("one connection each", FLOOD as f64), None);
    let refused = ("all answers", answers);
    table.row("503 with Retry-After then", "", flood.refused as f64, refused, None);
    table.row("blocks mined a second then", "/s", mined, ("before", calm), None);
    Ok(())
}

fn health(port: u16) -> Outcome<Health> {
    let body =
        ureq::get(&format!("http://127.0.0.1:{port}/health")).call()?.body_mut().read_to_vec()?;
    Ok(serde_json::from_slice(&body)?)
}

fn blocks_a_second(port: u16, time: Duration) -> Outcome<f64> {
    let (length, start) = (health(port)?.length, Instant::now());
    _ = never::<()>().recv_timeout(time);
    let blocks = health(port)?.length - length;
    Ok(blocks as f64 / start.elapsed().as_secs_f64())
}

/// Looks at /health now and then, until its sender is dropped.
struct Watch;

impl Watch {
    fn start(port: u16) -> (JoinHandle<Result<Load, String>>, Sender<()>) {
        let (end, ended) = bounded::<()>(0);
        let watch = thread::spawn(move || {
            let (start, mut latencies) = (Instant::now(), Vec::new());
            let mut connection = Connection::open(port).map_err(|error| error.to_string())?;
            while ended.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let took = connection.exchange(&request("GET", "/health", ""));
                latencies.push(took.map_err(|error| error.to_string())?);
            }
            latencies.sort_unstable();
            let requests = latencies.len();
            Ok(Load { requests, bytes: 0, time: start.elapsed(), latencies })
        });
        (watch, end)
    }
}

/// What became of many adds.
struct Flood {
    acknowledged: u64,
    refused: u64,
    time: Duration,
}

impl Flood {
    /// Adds over many connections, each again as soon as it was answered, and then waits for
    /// what is not answered yet.
    ///
    /// # Errors
    /// An answer is neither 200 nor 503 or 429 with `Retry-After`, or a connection ended.
    fn run(port: u16, time: Duration) -> Outcome<Self> {
        let add = request("PUT", "/add", &message(1));
        let mut all = Vec::new();
        for _ in 0..FLOOD {
            let mut one =
                Adding { stream: TcpStream::connect(("127.0.0.1", port))?, bytes: Vec::new() };
            one.stream.set_nodelay(true)?;
            one.stream.write_all(&add)?;
            all.push(one);
        }
        let (start, mut buffer) = (Instant::now(), vec![0; 16 << 10]);
        let mut flood = Self { acknowledged: 0, refused: 0, time };
        while !all.is_empty() {
            let mut waiting: Vec<_> =
                all.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)).collect();
            poll(&mut waiting, None)?;
            let readable: Vec<usize> =
                (0..all.len()).filter(|at| !waiting[*at].revents().is_empty()).collect();
            let goes_on = start.elapsed() < time;
            // From the last one on: what is removed changes no number that is still to come.
            for at in readable.into_iter().rev() {
                match all[at].hear(&mut buffer)? {
                    None => continue,
                    Some(200) => flood.acknowledged += 1,
                    Some(_) => flood.refused += 1,
                }
                if goes_on {
                    all[at].stream.write_all(&add)?;
                } else {
                    all.swap_remove(at);
                }
            }
        }
        flood.time = start.elapsed();
        Ok(flood)
    }
}

/// One connection of a flood.
struct Adding {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Adding {
    /// Reads once; the status if the answer is whole then.
    fn hear(&mut self, buffer: &mut [u8]) -> Outcome<Option<u16>> {
        let length = self.stream.read(buffer)?;
        if length == 0 {
            return Err("a connection was closed during a flood of adds".into());
        }
        self.bytes.extend_from_slice(&buffer[..length]);
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = answer.parse(&self.bytes)? else { return Ok(None) };
        let value = |name: &str| {
            let header = answer.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
            header.and_then(|it| std::str::from_utf8(it.value).ok()?.parse::<usize>().ok())
        };
        let length = value("Content-Length").ok_or("an answer without its length")?;
        if self.bytes.len() < head + length {
            return Ok(None);
        }
        let status = answer.code.unwrap_or_default();
        let is_fit = status == 200 || matches!(status, 429 | 503) && value("Retry-After").is_some();
        if !is_fit {
            return Err(format!("an add was answered {status}").into());
        }
        self.bytes.clear();
        Ok(Some(status))
    }
}
