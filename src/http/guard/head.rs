//! The head of a stranger's request: found, checked and written anew.
//!
//! tiny_http never sees a byte of the stranger's head but method and target: what it gets
//! is written here, with the headers that a worker needs and no others. So two readers
//! that disagree about a head can't be played off against each other.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::http::{Options, Refusal, incoming};

/// Longest request line: a message of 64 KiB with every byte percent-encoded, and a slack.
const LINE_BYTES_MAX: usize = 256 << 10;

/// Longest head without the request line.
const HEADERS_BYTES_MAX: usize = 16 << 10;

const HEADERS_MAX: usize = 64;

/// Characters allowed around a header's value. Unicode has more white space; a server that takes
/// that off, too, reads another length than the proxy before it.
const SPACE: [char; 2] = [' ', '\t'];

/// Most headers that are passed on.
const PASSED_MAX: usize = 4;

#[derive(Debug)]
pub struct RequestHead {
    /// The head for tiny_http, but for its length and its end.
    pub request: Vec<u8>,
    pub framing: Framing,
    pub exchange: Exchange,
    /// True if the client waits to be told to send its body.
    pub expects_continue: bool,
}

/// Way in which the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(usize),
    /// It comes in chunks.
    Chunked,
}

/// Shape of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    /// It has no body (`HEAD`).
    pub without_body: bool,
    /// The client does not know chunks (HTTP/1.0).
    pub without_chunks: bool,
    /// The connection ends after it.
    pub last: bool,
    /// The request may write, by its method.
    pub writes: bool,
}

/// Progress of the search for a head's end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search {
    scanned: usize,
    line_bytes: Option<usize>,
    /// An empty line before the head was dropped.
    dropped_line: bool,
}

impl Search {
    /// Where the head at the start of `inbox` ends; `None` if it is not whole yet. Looks at
    /// no byte twice, so that one byte at a time costs no more than all at once. One empty line
    /// before it is dropped: old clients send it behind a body (RFC 9112, 2.2).
    pub fn end(&mut self, inbox: &mut Vec<u8>) -> Result<Option<usize>, Refusal> {
        if !self.dropped_line && inbox.first() == Some(&b'\r') {
            match inbox.get(1) {
                None => return Ok(None),
                Some(b'\n') => drop(inbox.drain(..2)),
                Some(_) => {}
            }
            self.dropped_line = true;
        }
        let bytes = inbox.as_slice();
        if bytes.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
            return Err(Refusal::bad_request(
                "this is no HTTP request; the API speaks plain HTTP/1.1",
            ));
        }
        while let Some(next) = bytes[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let at = self.scanned + next;
            self.scanned = at + 1;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Refusal::bad_request(
                    "a line ends in a line feed without a carriage return",
                ));
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

    fn check(&self, bytes: usize) -> Result<(), Refusal> {
        let line_bytes = self.line_bytes.unwrap_or(bytes);
        if line_bytes > LINE_BYTES_MAX {
            let more = format!("a request line has at most {LINE_BYTES_MAX} bytes");
            return Err(Refusal::new(414, "URI too long", more));
        }
        if bytes - line_bytes > HEADERS_BYTES_MAX { Err(too_many_headers()) } else { Ok(()) }
    }
}

/// Checks the whole head `bytes`, which came from `ip`.
///
/// # Errors
/// The answer to who sent something else.
pub fn check(bytes: &[u8], ip: IpAddr, options: &Options) -> Result<RequestHead, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(too_many_headers()),
        Err(httparse::Error::Version) => {
            let more = "the API speaks HTTP/1.1 and HTTP/1.0";
            return Err(Refusal::new(505, "HTTP version not supported", more));
        }
        Err(error) => return Err(Refusal::bad_request(format!("the request's head: {error}"))),
        Ok(_) => return Err(Refusal::bad_request("the request's head ends early")),
    }
    let method = parsed.method.unwrap_or_default();
    let (authority, target) = split(parsed.path.unwrap_or_default())?;
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::bad_request("write other characters than ASCII percent-encoded"));
    }
    let mut known = Known::read(parsed.headers, options.passed)?;
    let is_1_0 = parsed.version == Some(0);
    if !is_1_0 && known.host.is_none() {
        return Err(Refusal::bad_request("the Host header is missing"));
    }
    known.host = authority.or(known.host);
    let writes = !matches!(method, "GET" | "HEAD" | "OPTIONS");
    if !options.for_pages {
        refuse_browsers(&known, writes, ip, &options.names)?;
        if known.from_a_browser {
            // A page must not speak for a miner.
            known.passed = Default::default();
        }
    }
    let framing = known.framing(is_1_0, options.limits.body_bytes_max)?;
    Ok(RequestHead {
        request: known.rewrite(method, target, ip, options.passed),
        framing,
        exchange: Exchange {
            without_body: method == "HEAD",
            without_chunks: is_1_0,
            last: is_1_0 || known.closes,
            writes,
        },
        expects_continue: known.expects_continue && !is_1_0,
    })
}

/// A target's host, where the target is a whole URL, as proxies are sent it; and its path and
/// query. Such a host counts, and not that in the `Host` header (RFC 9112, 3.2.2).
fn split(target: &str) -> Result<(Option<&str>, &str), Refusal> {
    const SCHEME: &str = "http://";
    let scheme = target.get(..SCHEME.len()).filter(|it| it.eq_ignore_ascii_case(SCHEME));
    let Some(scheme) = scheme else {
        return Ok((None, target));
    };
    let url = &target[scheme.len()..];
    let (authority, path) = url.split_at(url.find(['/', '?']).unwrap_or(url.len()));
    match (authority, path) {
        ("", _) => Err(Refusal::bad_request("the request's URL names no host")),
        (_, "") => Ok((Some(authority), "/")),
        (_, path) if path.starts_with('/') => Ok((Some(authority), path)),
        _ => Err(Refusal::bad_request("the request's URL has a query and no path")),
    }
}

/// The headers that mean something here.
#[derive(Default)]
struct Known<'a> {
    host: Option<&'a str>,
    length: Option<usize>,
    chunked: bool,
    closes: bool,
    expects_continue: bool,
    from_a_browser: bool,
    /// It was not typed into a browser (`Sec-Fetch-Site: none`).
    from_a_page: bool,
    passed: [Option<&'a str>; PASSED_MAX],
}

impl<'a> Known<'a> {
    fn read(headers: &[httparse::Header<'a>], passed: &[&str]) -> Result<Self, Refusal> {
        let mut known = Self::default();
        for header in headers {
            let value = std::str::from_utf8(header.value).unwrap_or("\u{fffd}");
            let value = value.trim_matches(SPACE);
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("Host") {
                if known.host.replace(value).is_some() {
                    return Err(Refusal::bad_request("there are two Host headers"));
                }
            } else if is("Content-Length") {
                if known.length.replace(length(value)?).is_some() {
                    return Err(Refusal::bad_request("there are two Content-Length headers"));
                }
            } else if is("Transfer-Encoding") {
                if known.chunked || !value.eq_ignore_ascii_case("chunked") {
                    let more = "the only transfer encoding known here is chunked";
                    return Err(Refusal::new(501, "Not implemented", more));
                }
                known.chunked = true;
            } else if is("Connection") {
                known.closes |=
                    value.split(',').any(|it| it.trim_matches(SPACE).eq_ignore_ascii_case("close"));
            } else if is("Expect") {
                if !value.eq_ignore_ascii_case("100-continue") {
                    let more = "the only expectation known here is 100-continue";
                    return Err(Refusal::new(417, "Expectation failed", more));
                }
                known.expects_continue = true;
            } else if is("Origin") || is("Sec-Fetch-Site") {
                known.from_a_browser = true;
                known.from_a_page |= is("Origin") || value != "none";
            }
            if let Some(at) = passed.iter().position(|name| is(name)) {
                known.passed[at] = Some(value).filter(|value| value.is_ascii());
            }
        }
        Ok(known)
    }

    /// Reads how the body's end is known. Two ways at once would smuggle requests past a
    /// server that takes the other one.
    fn framing(&self, is_1_0: bool, bytes_max: usize) -> Result<Framing, Refusal> {
        match (self.chunked, self.length) {
            (true, Some(_)) => {
                Err(Refusal::bad_request("both Content-Length and Transfer-Encoding"))
            }
            (true, None) if is_1_0 => {
                Err(Refusal::bad_request("HTTP/1.0 has no Transfer-Encoding"))
            }
            (true, None) => Ok(Framing::Chunked),
            (false, length) => match length.unwrap_or(0) {
                length if length > bytes_max => Err(Refusal::body_too_long(bytes_max)),
                length => Ok(Framing::Length(length)),
            },
        }
    }

    fn rewrite(&self, method: &str, target: &str, ip: IpAddr, passed: &[&str]) -> Vec<u8> {
        let mut request = Vec::with_capacity(method.len() + target.len() + 128);
        let caller = incoming::CALLER;
        let line = write!(request, "{method} {target} HTTP/1.1\r\n{caller}: {ip}\r\n");
        line.expect("memory takes everything");
        for (name, value) in passed.iter().zip(self.passed) {
            if let Some(value) = value {
                write!(request, "{name}: {value}\r\n").expect("memory takes everything");
            }
        }
        request
    }
}

fn length(value: &str) -> Result<usize, Refusal> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Refusal::bad_request("the Content-Length is no number"));
    }
    Ok(value.parse().unwrap_or(usize::MAX))
}

/// Refuses what a page in a browser may have caused and must not: a write, which names the page,
/// and anything that came by a name which the page's owner made point here (DNS rebinding).
/// Such a name is the `Host` of a request from this host itself.
fn refuse_browsers(
    known: &Known<'_>,
    writes: bool,
    ip: IpAddr,
    names: &[String],
) -> Result<(), Refusal> {
    if writes && known.from_a_page {
        let more = "a page in a browser (Origin, Sec-Fetch-Site) may only read";
        return Err(Refusal::new(403, "Forbidden", more));
    }
    let is_local = ip.to_canonical().is_loopback();
    if is_local && known.host.is_some_and(|host| !is_ours(host, names)) {
        let more = "on its own host, a miner answers to localhost, an IP address, a name without \
                    a dot, and its names by --host and --advertise";
        return Err(Refusal::new(403, "Forbidden", more));
    }
    Ok(())
}

/// True for a `Host` that no stranger can have made point here: an address, a name that only
/// this network knows, or one of `names`. Names that strangers own have a dot.
fn is_ours(host: &str, names: &[String]) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or(("", "")),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    if name.parse::<IpAddr>().is_ok() {
        return is_port;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    is_port
        && !host.starts_with('[')
        && !name.is_empty()
        && (!name.contains('.')
            || name.ends_with(".localhost")
            || names.iter().any(|own| own.eq_ignore_ascii_case(&name)))
}

fn too_many_headers() -> Refusal {
    let more = format!("at most {HEADERS_MAX} headers with {HEADERS_BYTES_MAX} bytes in all");
    Refusal::new(431, "Request header fields too large", more)
}

/// The address by which limits count: an IPv6 host has a whole /64 to choose from.
pub fn place(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6((u128::from(v6) & !(u128::from(u64::MAX))).into())
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests;
