//! Answers, as they come on a connection on which several lines were sent.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;
use std::time::Duration;

/// Longest answer that is read: a confirmation repeats the message, escaped.
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub struct Answer {
    pub status: u16,
    pub retry_after: Duration,
    pub body: Vec<u8>,
}

pub fn read_answer(reader: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = reader.by_ref().take(1 << 14).read_until(b'\n', &mut head)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
        }
        if head.len() > 1 << 14 {
            return Err(malformed("it sends no HTTP"));
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Response::new(&mut headers);
    let is_whole = parsed.parse(&head).is_ok_and(|status| status.is_complete());
    let status = parsed.code.filter(|_| is_whole).ok_or_else(|| malformed("it sends no HTTP"))?;
    let number = |name: &str| {
        let header = parsed.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok()
    };
    let length = number("Content-Length").filter(|length| *length <= ANSWER_BYTES_MAX);
    let mut body = vec![0; length.ok_or_else(|| malformed("its answer has no length"))?];
    reader.read_exact(&mut body)?;
    let retry_after = Duration::from_secs(number("Retry-After").unwrap_or(1) as u64);
    Ok(Answer { status, retry_after, body })
}
