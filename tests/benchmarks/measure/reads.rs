//! Reads of the chain, beside a bare tiny_http that sends the same bytes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use blockchain::http::{AnswerHead, Http, Limits, Options, Refusal, bind};

use crate::Outcome;
use crate::chains;
use crate::client::{download, load, request};
use crate::program::Miner;
use crate::table::{Asked, Table};

/// Makes this program a server that answers with a file: a bare tiny_http, or one behind
/// the guard.
pub const SERVER_ARGUMENTS: [&str; 2] = ["--bare-server", "--guarded-server"];

/// Threads of such a server.
const SERVER_THREADS: usize = 4;

const BARE: &str = SERVER_ARGUMENTS[0];
const GUARDED: &str = SERVER_ARGUMENTS[1];

const BLOCKS: u64 = 100_000;
const ROUNDS: usize = 3;
const GUARD_BODY_BYTES: usize = 300;
const GUARD_COUNT: usize = 10_000;
const PAGE: &str = "/chain?from=50000&limit=1000";

pub fn measure(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let chain = chains::make(folder.path(), BLOCKS)?;
    let miner = Miner::start(&chain.file, "1", "1")?;
    stream(table, &miner)?;
    let rows = [
        ("GET /chain, 1,000 blocks, 4 clients", PAGE, 4, 400, Some(Asked::AtLeast(0.5))),
        ("GET /health, 4 clients", "/health", 4, 3_000, None),
    ];
    for (name, target, clients, count, asked) in rows {
        let file = folder.path().join("body");
        std::fs::write(&file, body(miner.port, target)?)?;
        let bare = FileServer::start(BARE, &file)?;
        let request = request("GET", target, "");
        let (mut ours, mut theirs) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            ours = f64::max(ours, load(miner.port, clients, count, &request)?.bytes_rate());
            theirs = f64::max(theirs, load(bare.port, clients, count, &request)?.bytes_rate());
        }
        let reference = ("bare tiny_http", theirs / 1e6);
        table.row(name, "MB/s", ours / 1e6, reference, asked);
    }
    Ok(())
}

/// What the guard costs, where nothing else does.
pub fn guard(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("body");
    std::fs::write(&file, "x".repeat(GUARD_BODY_BYTES))?;
    let servers = [FileServer::start(GUARDED, &file)?, FileServer::start(BARE, &file)?];
    let request = request("GET", "/", "");
    for clients in [1, 16, 64] {
        let mut rates = [0.0; 2];
        for _ in 0..ROUNDS {
            for (server, rate) in servers.iter().zip(&mut rates) {
                let load = load(server.port, clients, GUARD_COUNT, &request)?;
                *rate = f64::max(*rate, load.rate());
            }
        }
        let [ours, theirs] = rates;
        let name = format!("guard and tiny_http, {clients} clients");
        table.row(name, "/s", ours, ("bare tiny_http", theirs), Some(Asked::AtLeast(0.7)));
    }
    Ok(())
}

/// How much memory it takes to send the whole chain.
fn stream(table: &mut Table, miner: &Miner) -> Outcome<()> {
    let before = miner.all_resident_bytes()?;
    miner.forget_peak()?;
    let bytes = download(miner.port, "/chain")?;
    let growth = (miner.peak_bytes()? - before).max(0.0) / 1e6;
    let name = format!("memory to stream {} MB of chain", bytes / 1_000_000);
    table.row(name, "MB", growth, ("the limit", 16.0), Some(Asked::AtMost(1.0)));
    Ok(())
}

fn body(port: u16, target: &str) -> Outcome<Vec<u8>> {
    let url = format!("http://127.0.0.1:{port}{target}");
    Ok(ureq::get(&url).call()?.body_mut().read_to_vec()?)
}

/// A server that answers with a file, a process of its own.
struct FileServer {
    child: Child,
    port: u16,
}

impl FileServer {
    fn start(argument: &str, file: &std::path::Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(argument).arg(file).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        Ok(Self { child, port: line.trim().parse()? })
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What such a server does until it is killed.
pub fn serve(argument: &str, file: &str) -> Outcome<()> {
    let body = std::fs::read(file)?;
    let listener = bind("127.0.0.1:0".parse()?)?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    if argument == BARE {
        // Accepted sockets inherit TCP_NODELAY; without, every long answer waits 40 ms.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        let server = tiny_http::Server::from_listener(listener, None);
        let server = server.map_err(|why| why.to_string())?;
        on_threads(|| {
            for request in server.incoming_requests() {
                _ = request.respond(tiny_http::Response::from_data(body.clone()));
            }
        });
    } else {
        let spell = |why: &Refusal| ("text/plain", why.more.clone().into_bytes());
        let limits = Limits::default();
        let options = Options { limits, passed: &[], for_pages: false, names: Vec::new(), spell };
        let http = Http::start(listener, options, || (), ())?;
        on_threads(|| {
            let requests = http.requests();
            while let Some(request) = requests.next() {
                _ = request.answer(&AnswerHead::new(200, body.len()), &body);
            }
        });
    }
    Ok(())
}

fn on_threads(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..SERVER_THREADS {
            scope.spawn(&work);
        }
    });
}
