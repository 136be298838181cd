//! The head of an answer: between a worker and the guard, and as the client gets it.
//!
//! Inside, an answer is HTTP with a length, whole, and with a header `Rest` where it is a
//! part: the guard asks for the next part by sending that header back. Outside, such an
//! answer is sent in chunks. A header `Later` says that the answer comes by another way
//! ([`super::later`]).

use std::fmt::Display;
use std::io::{self, Write};

/// The head of an answer, or of a part of one.
#[derive(Debug)]
pub struct AnswerHead {
    /// Status line and headers that are meant for the client, each with its line break.
    lines: Vec<u8>,
    status_end: usize,
    pub length: usize,
    /// The request for the next part.
    pub rest: Option<String>,
    /// This is no answer: that comes later, under this number.
    pub later: Option<u64>,
}

/// Way in which the client sees the end of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// After as many bytes as the head says.
    Length,
    /// With the last chunk.
    Chunks,
    /// With the connection: what HTTP/1.0 has for an answer of unknown length.
    Connection,
}

/// Length of most heads.
const HEAD_BYTES: usize = 192;

const LENGTH: &[u8] = b"Content-Length: ";
const REST: &[u8] = b"Rest: ";
const LATER: &[u8] = b"Later: ";

impl AnswerHead {
    /// The head of an answer of `status` with a body of `length` bytes.
    pub fn new(status: u16, length: usize) -> Self {
        let reason = tiny_http::StatusCode(status).default_reason_phrase();
        let mut lines = Vec::with_capacity(HEAD_BYTES);
        push_line(&mut lines, format_args!("HTTP/1.1 {status} {reason}"));
        Self { status_end: lines.len(), lines, length, rest: None, later: None }
    }

    /// Adds a header; neither name nor value has a line break.
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        push_line(&mut self.lines, format_args!("{name}: {value}"));
        self
    }

    /// Says that this is a part, and what asks for the next: one line of text.
    pub fn rest(self, rest: Option<String>) -> Self {
        Self { rest, ..self }
    }

    /// Placeholder of the answer that comes later under this number.
    pub fn later(number: u64) -> Self {
        Self { later: Some(number), ..Self::new(200, 0) }
    }

    /// Writes it for the guard.
    pub fn write_inside(&self, out: &mut Vec<u8>) {
        let (status, headers) = self.lines.split_at(self.status_end);
        out.reserve(self.lines.len() + 64);
        out.extend_from_slice(status);
        push_line(out, format_args!("Content-Length: {}", self.length));
        if let Some(rest) = &self.rest {
            push_line(out, format_args!("Rest: {rest}"));
        }
        if let Some(number) = self.later {
            push_line(out, format_args!("Later: {number}"));
        }
        out.extend_from_slice(headers);
        out.extend_from_slice(b"\r\n");
    }

    /// Reads what a worker wrote: the head and its length, `None` if it is not whole yet.
    ///
    /// # Errors
    /// It is no answer.
    pub fn read(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let no_answer = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer");
        let mut left = &bytes[..end + 2];
        let mut lines = Vec::with_capacity(left.len());
        lines.extend_from_slice(take_line(&mut left).ok_or_else(no_answer)?);
        let status_end = lines.len();
        let length = take_line(&mut left).and_then(|line| value(line, LENGTH));
        let length = length.and_then(|text| text.parse().ok()).ok_or_else(no_answer)?;
        let mut take = |name| {
            let mut after = left;
            let value = take_line(&mut after).and_then(|line| value(line, name))?;
            left = after;
            Some(value)
        };
        let rest = take(REST).map(str::to_owned);
        let later = take(LATER).and_then(|number| number.parse().ok());
        lines.extend_from_slice(left);
        Ok(Some((Self { lines, status_end, length, rest, later }, end + 4)))
    }

    pub fn is_ok(&self) -> bool {
        self.lines.starts_with(b"HTTP/1.1 200 ")
    }

    /// Writes it for the client; `last` tells that the connection ends after the answer.
    pub fn write_outside(&self, out: &mut Vec<u8>, date: &str, end: BodyEnd, last: bool) {
        let (status, headers) = self.lines.split_at(self.status_end);
        out.reserve(self.lines.len() + 128);
        out.extend_from_slice(status);
        push_line(out, format_args!("Date: {date}"));
        out.extend_from_slice(headers);
        match end {
            BodyEnd::Length => push_line(out, format_args!("Content-Length: {}", self.length)),
            BodyEnd::Chunks => push_line(out, format_args!("Transfer-Encoding: chunked")),
            BodyEnd::Connection => {}
        }
        if last {
            push_line(out, format_args!("Connection: close"));
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn push_line(out: &mut Vec<u8>, line: std::fmt::Arguments<'_>) {
    out.write_fmt(line).expect("memory takes everything");
    out.extend_from_slice(b"\r\n");
}

fn take_line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, left) = bytes.split_at(end + 1);
    *bytes = left;
    Some(line)
}

/// The value of the header `name` in this line, if it is that header's.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    std::str::from_utf8(line.strip_prefix(name)?.strip_suffix(b"\r\n")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_arrives_as_it_was_sent() {
        for rest in [None, Some("{\"from\":1}".to_owned())] {
            let head = AnswerHead::new(503, 7).header("Retry-After", 1).rest(rest.clone());
            let mut bytes = Vec::new();
            head.write_inside(&mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(b"{\r\n\r\n}");
            let (read, end) = AnswerHead::read(&bytes).unwrap().unwrap();
            assert_eq!((end, read.length, &read.rest, read.is_ok()), (length, 7, &rest, false));
            let mut outside = Vec::new();
            read.write_outside(&mut outside, "today", BodyEnd::Length, true);
            let expected = "HTTP/1.1 503 Service Unavailable\r\nDate: today\r\nRetry-After: 1\r\n\
                            Content-Length: 7\r\nConnection: close\r\n\r\n";
            assert_eq!(std::str::from_utf8(&outside), Ok(expected));
            for cut in 0..length {
                assert!(AnswerHead::read(&bytes[..cut]).unwrap().is_none());
            }
        }
        let mut bytes = Vec::new();
        AnswerHead::later(7).write_inside(&mut bytes);
        let (read, _) = AnswerHead::read(&bytes).unwrap().unwrap();
        assert_eq!((read.later, read.rest, read.length), (Some(7), None, 0));
        for bytes in ["\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "a\r\nContent-Length: x\r\n\r\n"] {
            assert!(AnswerHead::read(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }
}
