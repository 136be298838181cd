//! The head of an answer: between worker and guard, and as the client gets it.
//!
//! Inside, an answer is HTTP with a length, whole, and with a header `Rest` where it is a
//! part: the guard asks for the next part by sending that header back. Outside, such an
//! answer is sent in chunks.

use std::io::Write;

use crate::api::{Media, Reply};

/// The head of an answer as a worker wrote it.
#[derive(Debug)]
pub struct AnswerHead {
    status: u16,
    retry_after: Option<String>,
    allow: Option<String>,
    media: Media,
    /// Bytes in the body.
    pub length: usize,
    /// What asks for the next part.
    pub rest: Option<String>,
}

/// How the client is told where the answer ends, and whether the connection ends too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After as many bytes as the head says.
    Length,
    /// With the last chunk.
    Chunks,
    /// With the connection: what HTTP/1.0 has for an answer of unknown length.
    Connection,
}

/// Writes what a worker answers.
pub fn write_inside(reply: &Reply) -> Vec<u8> {
    let mut head = Vec::with_capacity(128);
    write_line(&mut head, format_args!("HTTP/1.1 {} ", reply.status));
    write_line(&mut head, format_args!("Content-Type: {}", reply.media.content_type()));
    write_line(&mut head, format_args!("Content-Length: {}", reply.body.len()));
    if let Some(seconds) = reply.retry_after {
        write_line(&mut head, format_args!("Retry-After: {seconds}"));
    }
    if let Some(methods) = reply.allow {
        write_line(&mut head, format_args!("Allow: {methods}"));
    }
    if let Some(rest) = &reply.rest {
        let rest = serde_json::to_string(rest).expect("our own types are always JSON");
        write_line(&mut head, format_args!("Rest: {rest}"));
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn write_line(out: &mut Vec<u8>, line: std::fmt::Arguments<'_>) {
    out.write_fmt(line).expect("memory takes everything");
    out.extend_from_slice(b"\r\n");
}

impl AnswerHead {
    /// Reads what a worker wrote: the head and its length, `None` if it is not whole yet.
    ///
    /// # Errors
    /// It is no answer.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(end) = parsed.parse(bytes)? else { return Ok(None) };
        let status = parsed.code.ok_or(httparse::Error::Status)?;
        let (retry_after, allow, media) = (None, None, Media::default());
        let mut head = Self { status, retry_after, allow, media, length: 0, rest: None };
        for header in parsed.headers {
            let text = || String::from_utf8_lossy(header.value).into_owned();
            match header.name {
                "Content-Type" => {
                    let known = |media: &Media| media.content_type().as_bytes() == header.value;
                    head.media = Media::ALL.into_iter().find(known).unwrap_or_default();
                }
                "Content-Length" => {
                    head.length = text().parse().map_err(|_| httparse::Error::HeaderValue)?;
                }
                "Retry-After" => head.retry_after = Some(text()),
                "Allow" => head.allow = Some(text()),
                "Rest" => head.rest = Some(text()),
                _ => {}
            }
        }
        Ok(Some((head, end)))
    }

    /// The head of an answer that the guard itself gives.
    pub fn of(reply: &Reply) -> Self {
        Self {
            status: reply.status,
            retry_after: reply.retry_after.map(|seconds| seconds.to_string()),
            allow: reply.allow.map(str::to_owned),
            media: reply.media,
            length: reply.body.len(),
            rest: None,
        }
    }

    /// Whether this is what was asked for.
    pub fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// Writes the head for the client.
    pub fn write_outside(&self, out: &mut Vec<u8>, date: &str, end: End, last: bool) {
        let reason = tiny_http::StatusCode(self.status).default_reason_phrase();
        write_line(out, format_args!("HTTP/1.1 {} {reason}", self.status));
        let media = self.media.content_type();
        write_line(out, format_args!("Date: {date}\r\nContent-Type: {media}"));
        if let Some(seconds) = &self.retry_after {
            write_line(out, format_args!("Retry-After: {seconds}"));
        }
        if let Some(methods) = &self.allow {
            write_line(out, format_args!("Allow: {methods}"));
        }
        match end {
            End::Length => write_line(out, format_args!("Content-Length: {}", self.length)),
            End::Chunks => write_line(out, format_args!("Transfer-Encoding: chunked")),
            End::Connection => {}
        }
        if last {
            write_line(out, format_args!("Connection: close"));
        }
        out.extend_from_slice(b"\r\n");
    }
}
