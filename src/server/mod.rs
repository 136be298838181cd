//! FLOOR 2: the HTTP server, a child process of the miner. It imports `api`, never `miner`.
//!
//! ```text
//! client -> guard (one thread, owns all clients) -> tiny_http -> worker -> link -> miner
//! client <- guard <- tiny_http's connection <- the thread that reads the link <- miner
//! ```
//!
//! It keeps nothing: what it knows came with a request and goes with its answer. It lives
//! as long as its link, so a miner that is gone leaves no server.

use std::fs::{DirBuilder, File};
use std::io;
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::api::link::{Receiver, Sender, ToMiner};
use guard::Guard;
pub use limits::Limits;
use worker::Pending;

mod answer;
mod guard;
mod limits;
mod log;
mod worker;

/// What the child process does: serves on its standard input, a listening socket, and asks
/// the miner over its standard output, a stream socket, until that ends.
///
/// Signals that mean "stop" are the miner's business, so that Ctrl-C in a terminal, which
/// reaches both, ends things in order.
///
/// # Errors
/// As [`run`]; or the standard streams are something else.
pub fn run_on_standard_streams(level: ::log::LevelFilter) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let link = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let nothing = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    limits::raise_descriptors();
    log::install(Arc::new(Sender::new(link.try_clone()?)), level)?;
    run(listener, link, Limits::default())
}

/// Serves on `listener` and asks the miner over `link`, until that ends.
///
/// # Errors
/// The server can't begin or go on; the miner should start another.
pub fn run(listener: TcpListener, link: UnixStream, limits: Limits) -> io::Result<()> {
    let sender = Arc::new(Sender::new(link.try_clone()?));
    let private = PrivateSocket::bind()?;
    let server = tiny_http::Server::from_listener(private.listener.try_clone()?, None);
    let server = Arc::new(server.map_err(io::Error::other)?);
    let pending = Arc::new(Pending::default());
    let (stop, stopped) = UnixStream::pair()?;
    let ready = {
        let sender = Arc::clone(&sender);
        move || drop(sender.to_miner(&[ToMiner::Ready]))
    };
    let limits = limits.within_descriptors();
    let guard = Guard::new(listener, stopped, private.path(), limits, Box::new(ready))?;
    let guard = start("guard", &link, move || guard.run())?;
    let worker = {
        let (server, pending) = (Arc::clone(&server), Arc::clone(&pending));
        start("worker", &link, move || worker::work(&server, &sender, &pending))?
    };

    let read = answer_all(link, &pending);
    drop(stop);
    // Twice, since the worker may take the first for the end of a batch.
    server.unblock();
    server.unblock();
    let panicked = |_| io::Error::other("a thread of the server panicked");
    guard.join().map_err(panicked)??;
    worker.join().map_err(panicked)?;
    read
}

/// Passes the miner's answers on until the link ends.
fn answer_all(link: UnixStream, pending: &Pending) -> io::Result<()> {
    let _ends_link = EndsLink(link.try_clone()?);
    let mut receiver = Receiver::new(link);
    while let Some(answer) = receiver.from_miner()? {
        pending.answer(answer);
    }
    Ok(())
}

/// Starts a thread whose end ends the link too: the server is not left half alive.
fn start<T: Send + 'static>(
    name: &str,
    link: &UnixStream,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    let ends_link = EndsLink(link.try_clone()?);
    thread::Builder::new().name(name.into()).spawn(move || {
        let _ends_link = ends_link;
        work()
    })
}

/// Shuts the link down when it goes, also by a panic.
struct EndsLink(UnixStream);

impl Drop for EndsLink {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Where tiny_http listens: a socket in a folder that only this user can enter, since
/// whoever connects there comes past the guard.
struct PrivateSocket {
    folder: PathBuf,
    listener: UnixListener,
}

impl PrivateSocket {
    fn bind() -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("blockchain-{}", const_hex::encode(random));
        let places = [std::env::temp_dir(), "/dev/shm".into(), "/run".into(), ".".into()];
        let folders = places.into_iter().map(|place| place.join(&name));
        let mut last = None;
        for folder in folders {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => {
                    let listener = UnixListener::bind(folder.join(SOCKET))?;
                    return Ok(Self { folder, listener });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there was a place to try"))
    }

    fn path(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// The socket's name.
const SOCKET: &str = "tiny_http";
