//! A request as it comes to a worker, and its way back.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::answer::AnswerHead;
use super::later::{Later, Mailbox};
use super::turns::{Queue, Queues, TURN, Turn};

/// Names the client's address; only the guard's own probes have none.
pub(super) const CALLER: &str = "Caller";

/// Asks for the next part of an answer.
pub(super) const REST: &str = "Rest";

/// Where requests come from; any number of workers take them.
#[derive(Clone)]
pub struct Requests {
    server: Arc<tiny_http::Server>,
    /// Held while a request is taken, so that requests join their queues in their order.
    queues: Arc<Mutex<Queues>>,
    taken: Taken,
    mailbox: Arc<Mailbox>,
}

/// Number of requests that workers have taken and not answered yet.
#[derive(Clone, Default)]
pub struct Taken(Arc<AtomicUsize>);

impl Taken {
    /// True while a worker may be too busy to take another request.
    pub fn any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

impl Requests {
    pub(super) fn new(server: Arc<tiny_http::Server>, taken: Taken, mailbox: Arc<Mailbox>) -> Self {
        Self { server, queues: Arc::default(), taken, mailbox }
    }

    /// Waits for the next request; `None` at the end.
    pub fn next(&self) -> Option<Incoming> {
        let mut queues = self.queues.lock();
        loop {
            let request = self.server.recv().ok()?;
            if let Some(request) = self.incoming(request, &mut queues).unless_probe() {
                return Some(request);
            }
        }
    }

    fn incoming(&self, request: tiny_http::Request, queues: &mut Queues) -> Incoming {
        Incoming::new(request, queues, &self.taken, &self.mailbox)
    }

    pub fn next_at_once(&self) -> Option<Incoming> {
        let mut queues = self.queues.try_lock()?;
        loop {
            let request = self.server.try_recv().ok()??;
            if let Some(request) = self.incoming(request, &mut queues).unless_probe() {
                return Some(request);
            }
        }
    }
}

/// A request, whole and checked. Dropped without an answer, it is answered 500.
pub struct Incoming {
    /// There until it is answered.
    request: Option<tiny_http::Request>,
    number: u64,
    queue: Arc<Queue>,
    taken: Taken,
    mailbox: Arc<Mailbox>,
}

impl Incoming {
    fn new(
        request: tiny_http::Request,
        queues: &mut Queues,
        taken: &Taken,
        mailbox: &Arc<Mailbox>,
    ) -> Self {
        taken.0.fetch_add(1, Relaxed);
        let turn = header(&request, TURN).and_then(|turn| turn.parse::<Turn>().ok());
        let turn = turn.expect("the guard tells each one's turn");
        Self {
            request: Some(request),
            number: turn.number,
            queue: queues.join(turn),
            taken: taken.clone(),
            mailbox: Arc::clone(mailbox),
        }
    }

    fn request(&self) -> &tiny_http::Request {
        self.request.as_ref().expect("it is not answered yet")
    }

    pub fn caller(&self) -> IpAddr {
        let ip = self.header(CALLER).and_then(|ip| ip.parse::<IpAddr>().ok());
        ip.expect("the guard names the caller").to_canonical()
    }

    /// `GET`, `HEAD`, …
    pub fn method(&self) -> &str {
        self.request().method().as_str()
    }

    pub fn target(&self) -> &str {
        self.request().url()
    }

    /// The value of a header that the guard passes on.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        header(self.request(), name)
    }

    /// The request for the next part, as an earlier part of the answer gave it.
    pub fn rest(&self) -> Option<&str> {
        self.header(REST)
    }

    /// Its body.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn body(&mut self) -> io::Result<Vec<u8>> {
        let request = self.request.as_mut().expect("it is not answered yet");
        let mut body = Vec::with_capacity(request.body_length().unwrap_or(0));
        request.as_reader().read_to_end(&mut body)?;
        Ok(body)
    }

    /// Answers. The guard always reads, so this never waits for a client.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn answer(mut self, head: &AnswerHead, body: &[u8]) -> io::Result<()> {
        self.put(head, body);
        self.queue.send()
    }

    /// Answers together with others, since each sending costs as much as many answers.
    pub fn answer_soon(mut self, head: &AnswerHead, body: &[u8]) -> Answered {
        self.put(head, body);
        Answered(Arc::clone(&self.queue))
    }

    /// Lets it wait for its answer, however long within [`super::Limits::later`], without
    /// holding up others.
    pub fn answer_later(mut self) -> Later {
        let number = self.mailbox.number();
        self.put(&AnswerHead::later(number), &[]);
        // A guard that is gone needs no answer.
        let _ = self.queue.send();
        Later::new(number, Arc::clone(&self.mailbox))
    }

    fn put(&mut self, head: &AnswerHead, body: &[u8]) {
        let Some(request) = self.request.take() else { return };
        let body = if *request.method() == tiny_http::Method::Head { &[][..] } else { body };
        let mut out = Vec::new();
        head.write_inside(&mut out);
        out.extend_from_slice(body);
        self.queue.put(self.number, request, &out);
    }

    /// Answers the guard's own probe, which wants to see just that.
    fn unless_probe(self) -> Option<Self> {
        if self.header(CALLER).is_some() {
            return Some(self);
        }
        // A guard that is gone needs no answer.
        let _ = self.answer(&AnswerHead::new(200, 0), &[]);
        None
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.request.is_some() {
            self.put(&AnswerHead::new(500, 0), &[]);
            // A guard that is gone needs no answer.
            let _ = self.queue.send();
        }
        self.taken.0.fetch_sub(1, Relaxed);
    }
}

/// An answer that goes out when this is dropped, with what else is there for the same
/// connection.
#[must_use]
pub struct Answered(Arc<Queue>);

impl Drop for Answered {
    fn drop(&mut self) {
        // A guard that is gone needs no answer.
        let _ = self.0.send();
    }
}

fn header<'a>(request: &'a tiny_http::Request, name: &'static str) -> Option<&'a str> {
    let header = request.headers().iter().find(|header| header.field.equiv(name));
    header.map(|header| header.value.as_str())
}
