//! Reads of the chain, beside a bare tiny_http that sends the same bytes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::Outcome;
use crate::chains;
use crate::client::{download, load, request};
use crate::program::Miner;
use crate::table::{Asked, Table};

/// Makes this program the reference server, which answers with a file.
pub const BARE_ARGUMENT: &str = "--bare-server";

/// Threads of the reference server.
const BARE_THREADS: usize = 4;

const BLOCKS: u64 = 100_000;
const ROUNDS: usize = 3;
const PAGE: &str = "/chain?from=50000&limit=1000";

pub fn measure(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let chain = chains::make(folder.path(), BLOCKS)?;
    let miner = Miner::start(&chain.file, "1", "1")?;
    stream(table, &miner)?;
    let rows = [
        ("GET /chain, 1,000 blocks, 4 clients", PAGE, 4, 400, Some(Asked::AtLeast(0.5))),
        // No more clients: a bare tiny_http forgets some of those that come in a burst.
        ("GET /health, 4 clients", "/health", 4, 3_000, None),
    ];
    for (name, target, clients, count, asked) in rows {
        let file = folder.path().join("body");
        std::fs::write(&file, body(miner.port, target)?)?;
        let bare = Bare::start(&file)?;
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

/// The reference server, a process of its own.
struct Bare {
    child: Child,
    port: u16,
}

impl Bare {
    fn start(file: &std::path::Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(BARE_ARGUMENT).arg(file).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        Ok(Self { child, port: line.trim().parse()? })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What the reference server does until it is killed.
pub fn serve_bare(file: &str) -> Outcome<()> {
    let body = std::fs::read(file)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // Accepted sockets inherit it; without, every long answer waits 40 ms.
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let server = tiny_http::Server::from_listener(listener, None).map_err(|why| why.to_string())?;
    std::thread::scope(|scope| {
        for _ in 0..BARE_THREADS {
            scope.spawn(|| {
                for request in server.incoming_requests() {
                    _ = request.respond(tiny_http::Response::from_data(body.clone()));
                }
            });
        }
    });
    Ok(())
}
