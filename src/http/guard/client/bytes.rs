//! Bytes that come from a client and go to it.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use super::{Client, Context, Next, Stage};

/// Most bytes that are read and thrown away so that a refusal arrives: while bytes are
/// unread, closing would reset the connection and take the answer with it.
const DRAINED_BYTES_MAX: usize = 4 << 20;

impl Client {
    /// Reads what has come; whether there was anything.
    pub(super) fn fill(&mut self, context: &mut Context) -> io::Result<bool> {
        while self.readable {
            match self.stream.read(&mut context.scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    // Less than fits was all there is, unless the end is to be read yet.
                    self.readable = length == context.scratch.len() || self.hung_up;
                    if self.inbox.is_empty() && matches!(self.stage, Stage::Head(_)) {
                        self.deadline = context.clock.now + context.options.limits.head;
                    }
                    self.inbox.extend_from_slice(&context.scratch[..length]);
                    self.touched = context.clock.now;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Throws away what still comes, behind the last answer.
    pub(super) fn drain(&mut self, context: &mut Context) -> io::Result<Option<Next>> {
        let Stage::Closing { is_shut, drained } = &mut self.stage else { return Ok(None) };
        if !*is_shut {
            *is_shut = true;
            self.stream.shutdown(Shutdown::Write)?;
        }
        *drained += self.inbox.len();
        if *drained > DRAINED_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.inbox.clear();
        Ok(if self.fill(context)? { None } else { Some(Next::Wait) })
    }

    /// Sends what goes out and then `more`, and keeps what the client does not take.
    pub(super) fn send(&mut self, mut more: &[u8], context: &Context) -> io::Result<()> {
        while self.writable && self.outbox.len() - self.sent + more.len() > 0 {
            let kept = &self.outbox[self.sent..];
            match self.stream.write_vectored(&[IoSlice::new(kept), IoSlice::new(more)]) {
                Ok(length) => {
                    let of_kept = length.min(kept.len());
                    self.sent += of_kept;
                    more = &more[length - of_kept..];
                    self.touched = context.clock.now;
                    if matches!(self.stage, Stage::Answered { .. } | Stage::Asked { .. }) {
                        self.deadline = context.clock.now + context.options.limits.progress;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.outbox.len() {
            self.outbox.clear();
            self.sent = 0;
        }
        self.outbox.extend_from_slice(more);
        Ok(())
    }
}
