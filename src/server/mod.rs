//! FLOOR 2: the HTTP server, a child process of the miner. It imports `api`, never `miner`.
//!
//! ```text
//! client -> guarded tiny_http -> worker -> link -> miner
//! client <- guarded tiny_http <- the thread that reads the link <- miner
//! ```
//!
//! It keeps nothing: what it knows came with a request and goes with its answer. It lives
//! as long as its link, so a miner that is gone leaves no server.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::api::Reply;
use crate::api::link::{EndsLink, Receiver, Sender, ToMiner};
use crate::http::{Http, Limits, Options, Refusal, raise_descriptors};
use crate::signals;
use worker::{CALLER, Pending};

mod log;
mod worker;

/// Limit of the end of threads once the link has ended. The process ends all the same: a miner
/// that is gone can't kill it, and one was seen to live on.
const END_TIMEOUT: Duration = Duration::from_millis(100);

/// Runs the child process: serves on its standard input, a listening socket, and asks
/// the miner over its standard output, a stream socket, until that ends.
///
/// Signals that mean "stop" are the miner's business, so that Ctrl-C in a terminal, which
/// reaches both, ends things in order.
///
/// # Errors
/// As [`run`]; or the standard streams are something else.
pub fn run_on_standard_streams(level: ::log::LevelFilter, names: Vec<String>) -> io::Result<()> {
    signals::leave_stop_to_parent()?;
    // Started by /proc/self/exe, it would be "exe" in top and ps.
    rustix::thread::set_name(c"blockchain")?;
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let link = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let nothing = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    raise_descriptors();
    log::install(Arc::new(Sender::new(link.try_clone()?)), level)?;
    run(listener, link, Limits::default(), names)
}

/// Serves on `listener` and asks the miner over `link`, until that ends. Clients on this host
/// may know it by these `names`.
///
/// # Errors
/// The server can't begin or go on; the miner should start another.
pub fn run(
    listener: TcpListener,
    link: UnixStream,
    limits: Limits,
    names: Vec<String>,
) -> io::Result<()> {
    let sender = Arc::new(Sender::new(link.try_clone()?));
    let ready = {
        let sender = Arc::clone(&sender);
        move || drop(sender.to_miner(&[ToMiner::Ready]))
    };
    let options = Options { limits, passed: &CALLER, for_pages: false, names, spell };
    let http = Http::start(listener, options, ready, EndsLink(link.try_clone()?))?;
    let pending = Arc::new(Pending::default());
    let worker = {
        let (requests, pending) = (http.requests(), Arc::clone(&pending));
        let ends_link = EndsLink(link.try_clone()?);
        thread::Builder::new().name("worker".into()).spawn(move || {
            let _ends_link = ends_link;
            worker::work(&requests, &sender, &pending);
        })?
    };
    let read = answer_all(link, &pending);
    let (ended, end) = crossbeam_channel::bounded(1);
    thread::Builder::new().name("stop".into()).spawn(move || {
        let join = || worker.join().map_err(|_| io::Error::other("the worker panicked"));
        let _ = ended.send(http.stop(1).and_then(|()| join()));
    })?;
    end.recv_timeout(END_TIMEOUT).unwrap_or(Ok(())).and(read)
}

/// A refusal, as the API spells what goes wrong.
fn spell(why: &Refusal) -> (&'static str, Vec<u8>) {
    let reply = Reply::problem(why.status, why.message, why.more.as_str());
    (reply.media.content_type(), reply.body)
}

fn answer_all(link: UnixStream, pending: &Pending) -> io::Result<()> {
    let _ends_link = EndsLink(link.try_clone()?);
    let mut receiver = Receiver::new(link);
    let mut answered = Vec::new();
    while let Some(answer) = receiver.from_miner()? {
        answered.extend(pending.answer(answer));
        // Answers that came together go out together.
        if !receiver.has_more() {
            answered.clear();
        }
    }
    Ok(())
}
