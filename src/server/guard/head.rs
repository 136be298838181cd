//! The head of a stranger's request: found, checked and written anew.
//!
//! tiny_http never sees a byte of the stranger's head but method and target: what it gets
//! is written here, with the headers that a worker needs and no others. So two readers
//! that disagree about a head can't be played off against each other.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::api::Reply;

/// Longest request line: a message of 64 KiB with every byte percent-encoded, and a slack.
const LINE_BYTES_MAX: usize = 256 << 10;

/// Longest head without the request line.
const HEADERS_BYTES_MAX: usize = 16 << 10;

/// Most headers.
const HEADERS_MAX: usize = 64;

/// Longest body: the longest message, and a slack so that the API can say what is wrong
/// with one that is a little longer.
pub const BODY_BYTES_MAX: usize = 68 << 10;

/// A checked head.
#[derive(Debug)]
pub struct Head {
    /// The head for tiny_http, but for its length and its end.
    pub request: Vec<u8>,
    /// How long the body is.
    pub framing: Framing,
    /// What the answer has to look like.
    pub exchange: Exchange,
    /// Whether the client waits to be told to send its body.
    pub expects_continue: bool,
}

/// How a body's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(usize),
    /// It comes in chunks.
    Chunked,
}

/// What an answer has to look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    /// It has no body (`HEAD`).
    pub without_body: bool,
    /// The client does not know chunks (HTTP/1.0).
    pub without_chunks: bool,
    /// The connection ends after it.
    pub last: bool,
}

/// How far the search for a head's end has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search {
    scanned: usize,
    line_bytes: Option<usize>,
}

impl Search {
    /// Where the head at the start of `bytes` ends; `None` if it is not whole yet. Looks at
    /// no byte twice, so that one byte at a time costs no more than all at once.
    pub fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Reply> {
        if bytes.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
            return Err(bad_request("this is no HTTP request; the API speaks plain HTTP/1.1"));
        }
        while let Some(next) = bytes[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let at = self.scanned + next;
            self.scanned = at + 1;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(bad_request("a line ends in a line feed without a carriage return"));
            }
            self.line_bytes.get_or_insert(at);
            self.check(at)?;
            if bytes[..at].ends_with(b"\r\n\r") {
                return Ok(Some(at + 1));
            }
        }
        self.scanned = bytes.len();
        self.check(bytes.len()).map(|()| None)
    }

    fn check(&self, bytes: usize) -> Result<(), Reply> {
        let line_bytes = self.line_bytes.unwrap_or(bytes);
        if line_bytes > LINE_BYTES_MAX {
            let more = format!("a request line has at most {LINE_BYTES_MAX} bytes");
            return Err(Reply::problem(414, "URI too long", more));
        }
        if bytes - line_bytes > HEADERS_BYTES_MAX { Err(too_many_headers()) } else { Ok(()) }
    }
}

/// Who may write.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Whether the listener is on loopback, where a page in a browser may have come by a
    /// name that it made point here.
    pub local: bool,
}

/// Checks the whole head `bytes`, which came from `ip`.
///
/// # Errors
/// The answer to who sent something else.
pub fn check(bytes: &[u8], ip: IpAddr, door: Door) -> Result<Head, Reply> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(too_many_headers()),
        Err(httparse::Error::Version) => {
            let more = "the API speaks HTTP/1.1 and HTTP/1.0";
            return Err(Reply::problem(505, "HTTP version not supported", more));
        }
        Err(error) => return Err(bad_request(format!("the request's head: {error}"))),
        Ok(_) => return Err(bad_request("the request's head ends early")),
    }
    let method = parsed.method.unwrap_or_default();
    let target = parsed.path.unwrap_or_default();
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad_request("write other characters than ASCII percent-encoded"));
    }
    let known = Known::read(parsed.headers)?;
    let is_1_0 = parsed.version == Some(0);
    if !is_1_0 && known.host.is_none() {
        return Err(bad_request("the Host header is missing"));
    }
    if !matches!(method, "GET" | "HEAD" | "OPTIONS") {
        refuse_browsers(&known, door)?;
    }
    let framing = known.framing(is_1_0)?;
    Ok(Head {
        request: known.rewrite(method, target, ip),
        framing,
        exchange: Exchange {
            without_body: method == "HEAD",
            without_chunks: is_1_0,
            last: is_1_0 || known.closes,
        },
        expects_continue: known.expects_continue && !is_1_0,
    })
}

/// The headers that mean something here.
#[derive(Default)]
struct Known<'a> {
    host: Option<&'a str>,
    length: Option<usize>,
    chunked: bool,
    closes: bool,
    expects_continue: bool,
    from_a_page: bool,
    introduction: [Option<&'a str>; 2],
}

impl<'a> Known<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Self, Reply> {
        let mut known = Self::default();
        for header in headers {
            let value = std::str::from_utf8(header.value).unwrap_or("\u{fffd}").trim();
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("Host") {
                if known.host.replace(value).is_some() {
                    return Err(bad_request("there are two Host headers"));
                }
            } else if is("Content-Length") {
                if known.length.replace(length(value)?).is_some() {
                    return Err(bad_request("there are two Content-Length headers"));
                }
            } else if is("Transfer-Encoding") {
                if known.chunked || !value.eq_ignore_ascii_case("chunked") {
                    let more = "the only transfer encoding known here is chunked";
                    return Err(Reply::problem(501, "Not implemented", more));
                }
                known.chunked = true;
            } else if is("Connection") {
                known.closes |= value.split(',').any(|it| it.trim().eq_ignore_ascii_case("close"));
            } else if is("Expect") {
                if !value.eq_ignore_ascii_case("100-continue") {
                    let more = "the only expectation known here is 100-continue";
                    return Err(Reply::problem(417, "Expectation failed", more));
                }
                known.expects_continue = true;
            } else if is("Origin") || (is("Sec-Fetch-Site") && value != "none") {
                known.from_a_page = true;
            } else if let Some(at) = INTRODUCTION.iter().position(|name| is(name)) {
                known.introduction[at] = Some(value).filter(|value| value.is_ascii());
            }
        }
        Ok(known)
    }

    /// How the body's end is known. Two ways at once are what smuggles requests past
    /// whoever takes the other one.
    fn framing(&self, is_1_0: bool) -> Result<Framing, Reply> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(bad_request("both Content-Length and Transfer-Encoding")),
            (true, None) if is_1_0 => Err(bad_request("HTTP/1.0 has no Transfer-Encoding")),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => match length.unwrap_or(0) {
                length if length > BODY_BYTES_MAX => Err(body_too_long()),
                length => Ok(Framing::Length(length)),
            },
        }
    }

    fn rewrite(&self, method: &str, target: &str, ip: IpAddr) -> Vec<u8> {
        let mut request = Vec::with_capacity(method.len() + target.len() + 128);
        let line = write!(request, "{method} {target} HTTP/1.1\r\nCaller: {ip}\r\n");
        line.expect("memory takes everything");
        for (name, value) in INTRODUCTION.iter().zip(self.introduction) {
            if let Some(value) = value {
                write!(request, "{name}: {value}\r\n").expect("memory takes everything");
            }
        }
        request
    }
}

/// Headers by which a miner introduces itself; they go on as they come.
const INTRODUCTION: [&str; 2] = ["Miner-Id", "Miner-Address"];

fn length(value: &str) -> Result<usize, Reply> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(bad_request("the Content-Length is no number"));
    }
    Ok(value.parse().unwrap_or(usize::MAX))
}

/// Refuses what a page in a browser may have caused: it names itself, or, if it came by a
/// name of its own that points here (DNS rebinding), that name is the `Host`.
fn refuse_browsers(known: &Known<'_>, door: Door) -> Result<(), Reply> {
    if known.from_a_page {
        let more = "a page in a browser (Origin, Sec-Fetch-Site) may only read";
        return Err(Reply::problem(403, "Forbidden", more));
    }
    if door.local && known.host.is_some_and(|host| !is_local(host)) {
        let more = "this miner listens on loopback: write to it as localhost or 127.0.0.1";
        return Err(Reply::problem(403, "Forbidden", more));
    }
    Ok(())
}

/// Whether a `Host` names this host, whatever a name server says.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The answer to a request that can't be understood.
pub fn bad_request(why: impl Into<String>) -> Reply {
    Reply::problem(400, "Bad request", why)
}

/// The answer to a body that is too long.
pub fn body_too_long() -> Reply {
    let more = format!("a request's body has at most {BODY_BYTES_MAX} bytes");
    Reply::problem(413, "Body too long", more)
}

fn too_many_headers() -> Reply {
    let more = format!("at most {HEADERS_MAX} headers with {HEADERS_BYTES_MAX} bytes in all");
    Reply::problem(431, "Request header fields too large", more)
}

/// What addresses count as one: an IPv6 host has a whole /64 to choose from.
pub fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6((u128::from(v6) & !(u128::from(u64::MAX))).into())
        }
        ip => ip,
    }
}
