//! FLOOR 1: an HTTP server that strangers can't bring down: tiny_http behind a guard.
//!
//! ```text
//! client -> guard (one thread, owns all clients) -> tiny_http -> Requests, any number of workers
//! client <- guard <- tiny_http's connection <- Incoming::answer, from any thread
//! ```

use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use guard::Guard;
use incoming::Taken;
use later::Mailbox;
use private_socket::PrivateSocket;

mod answer;
mod guard;
mod incoming;
mod later;
mod limits;
mod listener;
mod private_socket;
mod refusal;
mod turns;

pub use answer::AnswerHead;
pub use incoming::{Answered, Incoming, Requests};
pub use later::Later;
pub use limits::{Limits, raise_descriptors};
pub use listener::bind;
pub use refusal::Refusal;

/// Description of the server behind the guard.
#[derive(Clone, Debug)]
pub struct Options {
    pub limits: Limits,
    /// Headers that go on to the workers; all others end at the guard.
    pub passed: &'static [&'static str],
    /// Browsers are who it is for, and the workers check what pages may do. Without it, a page
    /// in a browser may only read, and none of what it passes on arrives; and from this host,
    /// a `Host` that strangers may own is refused.
    pub for_pages: bool,
    /// Names of this host beside those that no stranger can own.
    pub names: Vec<String>,
    /// Spells a refusal: the media type of the body, and the body.
    pub spell: fn(&Refusal) -> (&'static str, Vec<u8>),
}

impl Options {
    fn answer(&self, why: &Refusal) -> (AnswerHead, Vec<u8>) {
        let (media, body) = (self.spell)(why);
        let head = AnswerHead::new(why.status, body.len()).header("Content-Type", media);
        match why.retry_after {
            Some(seconds) => (head.header("Retry-After", seconds), body),
            None => (head, body),
        }
    }
}

pub struct Http {
    server: Arc<tiny_http::Server>,
    requests: Requests,
    stop: UnixStream,
    guard: JoinHandle<io::Result<()>>,
    _private: PrivateSocket,
}

impl Http {
    /// Serves on `listener`. `ready` is called once requests are answered, and what it
    /// holds goes when the guard ends, for whatever reason.
    ///
    /// # Errors
    /// A socket or a thread can't be had.
    pub fn start(
        listener: TcpListener,
        options: Options,
        ready: impl FnOnce() + Send + 'static,
        ended: impl Send + 'static,
    ) -> io::Result<Self> {
        let private = PrivateSocket::bind()?;
        let server = tiny_http::Server::from_listener(private.listener.try_clone()?, None);
        let server = Arc::new(server.map_err(io::Error::other)?);
        let (stop, stopped) = UnixStream::pair()?;
        let options = Options { limits: options.limits.within_descriptors(), ..options };
        let taken = Taken::default();
        let (mailbox, mail) = Mailbox::open()?;
        let requests = Requests::new(Arc::clone(&server), taken.clone(), mailbox);
        let ready = Box::new(ready);
        let guard = Guard::new(listener, stopped, private.path(), options, (taken, mail), ready)?;
        let guard = thread::Builder::new().name("guard".into()).spawn(move || {
            let _ended = ended;
            guard.run().inspect_err(|error| log::error!("http: the server ends: {error}"))
        })?;
        Ok(Self { server, requests, stop, guard, _private: private })
    }

    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Ends it: no request comes any more to any of this many workers.
    ///
    /// # Errors
    /// The error that ended the guard before.
    pub fn stop(self, workers: usize) -> io::Result<()> {
        drop(self.stop);
        // Twice, since a worker may take the first for the end of what is there at once.
        (0..2 * workers).for_each(|_| self.server.unblock());
        // A request that nobody took answers by itself when it goes with the server, and waits
        // for the one before it, which may be with somebody who gives no answer any more. Where
        // a server ends its process does so too: it may as well be left as it is.
        mem::forget(self.server);
        self.guard.join().map_err(|_| io::Error::other("the guard panicked"))?
    }
}
