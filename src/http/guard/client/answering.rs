//! How a client gets its answer: whole or in parts, at once or later.

use std::io::{self, Write};

use super::{Client, Context, Next, Stage};
use crate::http::answer::{AnswerHead, BodyEnd};
use crate::http::guard::upstream::AnswerPiece;

/// Length of most heads.
const HEAD_BYTES: usize = 256;

impl Client {
    /// Passes on what it was answered.
    ///
    /// # Errors
    /// The connection is broken, or the answer can't be ended.
    pub fn hear(&mut self, piece: AnswerPiece<'_>, context: &mut Context) -> io::Result<Next> {
        match piece {
            AnswerPiece::Head(AnswerHead { later: Some(number), .. }) => {
                self.stage = Stage::Later(*number);
                self.deadline = context.clock.now + context.options.limits.later;
                self.advance(context)
            }
            AnswerPiece::End(AnswerHead { later: Some(_), .. }) => Ok(Next::Wait),
            AnswerPiece::Head(head) => self.begin_answer(head, context).map(|()| Next::Wait),
            AnswerPiece::Body(bytes) => self.send(bytes, context).map(|()| Next::Wait),
            AnswerPiece::End(head) => self.end_answer(head, context),
        }
    }

    /// Passes on the answer that it was to get later.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn hear_late(
        &mut self,
        head: AnswerHead,
        body: &[u8],
        context: &mut Context,
    ) -> io::Result<Next> {
        if self.later().is_none() {
            return Ok(Next::Wait);
        }
        self.hear(AnswerPiece::Head(&head), context)?;
        if !self.exchange.without_body {
            self.hear(AnswerPiece::Body(body), context)?;
        }
        self.hear(AnswerPiece::End(head), context)
    }

    /// Begins an answer, or its next part.
    fn begin_answer(&mut self, head: &AnswerHead, context: &Context) -> io::Result<()> {
        match &mut self.stage {
            Stage::Asked { has_begun, .. } => *has_begun = true,
            Stage::Later(_) => {}
            _ => return Ok(()),
        }
        self.deadline = context.clock.now + context.options.limits.progress;
        if self.is_in_parts && !head.is_ok() {
            return Err(io::Error::other("the next part of the answer can't be had"));
        }
        let end = match (head.rest.is_some(), self.exchange.without_chunks) {
            (false, _) => BodyEnd::Length,
            (true, false) => BodyEnd::Chunks,
            (true, true) => BodyEnd::Connection,
        };
        if !self.is_in_parts {
            self.outbox.reserve(HEAD_BYTES);
            head.write_outside(&mut self.outbox, &context.clock.date, end, self.exchange.last);
            self.is_in_parts = head.rest.is_some() && !self.exchange.without_body;
        }
        if self.is_in_parts && !self.exchange.without_chunks && head.length > 0 {
            write!(self.outbox, "{:x}\r\n", head.length)?;
        }
        Ok(())
    }

    /// Ends an answer, or a part of it.
    fn end_answer(&mut self, head: AnswerHead, context: &mut Context) -> io::Result<Next> {
        let rest = head.rest.filter(|_| self.is_in_parts);
        if self.is_in_parts {
            let chunked = !self.exchange.without_chunks;
            if chunked && head.length > 0 {
                self.outbox.extend_from_slice(b"\r\n");
            }
            if chunked && rest.is_none() {
                self.outbox.extend_from_slice(b"0\r\n\r\n");
            }
            self.is_in_parts = rest.is_some();
        }
        self.stage = Stage::Answered { rest };
        self.advance(context)
    }
}
