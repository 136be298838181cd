//! Answers that come later, past tiny_http: who waits for one holds a place at the guard and
//! a few bytes, and no request behind it waits for it.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::answer::AnswerHead;

/// An answer, and the number of the request that it is for.
pub type Late = (u64, AnswerHead, Vec<u8>);

/// Where late answers are put.
pub struct Mailbox {
    next: AtomicU64,
    late: Mutex<Vec<Late>>,
    /// Requests whose clients are gone, until they are answered.
    gone: Mutex<HashSet<u64>>,
    wake: UnixStream,
}

/// Where the guard takes them out.
pub struct Mail {
    mailbox: Arc<Mailbox>,
    /// Readable when there is something.
    pub woken: UnixStream,
}

impl Mailbox {
    /// A mailbox, and its other end.
    ///
    /// # Errors
    /// There are no descriptors.
    pub fn open() -> io::Result<(Arc<Self>, Mail)> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let (next, late, gone) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        let mailbox = Arc::new(Self { next, late, gone, wake });
        Ok((Arc::clone(&mailbox), Mail { mailbox, woken }))
    }

    /// The number of a request that is answered later.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    fn put(&self, late: Late) {
        self.late.lock().push(late);
        // A guard that is gone needs no answer, and one that was not woken yet will be.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Mail {
    pub fn take(&self) -> Vec<Late> {
        let mut wakes = [0; 64];
        while (&self.woken).read(&mut wakes).is_ok_and(|count| count == wakes.len()) {}
        std::mem::take(&mut *self.mailbox.late.lock())
    }

    /// Notes that nobody waits for the answer to a request any more.
    pub fn give_up(&self, number: u64) {
        self.mailbox.gone.lock().insert(number);
    }

    /// Notes that a request was answered.
    pub fn close(&self, number: u64) {
        self.mailbox.gone.lock().remove(&number);
    }
}

/// A request that is answered later. Dropped without an answer, it is answered 500.
pub struct Later {
    number: u64,
    mailbox: Option<Arc<Mailbox>>,
}

impl Later {
    pub(super) fn new(number: u64, mailbox: Arc<Mailbox>) -> Self {
        Self { number, mailbox: Some(mailbox) }
    }

    /// True once its client is gone: the answer is for nobody.
    pub fn is_given_up(&self) -> bool {
        self.mailbox.as_ref().is_some_and(|mailbox| mailbox.gone.lock().contains(&self.number))
    }

    pub fn answer(mut self, head: AnswerHead, body: Vec<u8>) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.put((self.number, head, body));
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.put((self.number, AnswerHead::new(500, 0), Vec::new()));
        }
    }
}
