//! HTTP around the pages: a few workers over `tiny_http`, limits, and the headers that keep
//! strangers' text harmless.
//!
//! Meant for loopback. Every answer closes its connection: that costs microseconds there,
//! and a burst of kept-alive connections can leave some unanswered in `tiny_http`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tiny_http::{Request, Server};

/// Threads that answer.
const WORKERS: usize = 6;

/// Longest body of a request: a message of 64 KiB, each byte percent-encoded.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Allows what comes from here and nothing else: no inline script or style, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a browser asks.
pub struct Asked {
    /// `GET` (also for `HEAD`), `POST`, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// Of a form.
    pub body: Vec<u8>,
    /// Whether a page of ours sent it, as far as the browser tells.
    pub is_ours: bool,
}

/// What it gets.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Where to go instead.
    pub location: Option<String>,
    /// Whether it never changes.
    pub keeps: bool,
}

impl Answer {
    /// A page.
    pub fn page(status: u16, page: maud::Markup) -> Self {
        Self::new(status, "text/html; charset=utf-8", page.into_string())
    }

    /// An answer of this type.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, body: body.into(), location: None, keeps: false }
    }

    /// Sends the browser to another page of ours.
    pub fn see_other(location: String) -> Self {
        Self { location: Some(location), ..Self::new(303, "text/plain", "") }
    }
}

/// A server that runs.
pub struct Running {
    server: Arc<Server>,
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Answers what comes in at `listener` by `answer`.
    ///
    /// # Errors
    /// When the listener or a thread can't be had.
    pub fn start<F>(listener: TcpListener, answer: F) -> io::Result<Self>
    where
        F: Fn(&Asked) -> Answer + Send + Sync + 'static,
    {
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
        let (server, answer) = (Arc::new(server), Arc::new(answer));
        let worker = |number| {
            let (server, answer) = (Arc::clone(&server), Arc::clone(&answer));
            let work = move || {
                while let Ok(request) = server.recv() {
                    // A browser that went away is no event here.
                    let _ = serve(request, &*answer);
                }
            };
            thread::Builder::new().name(format!("ui-{number}")).spawn(work)
        };
        let workers = (0..WORKERS).map(worker).collect::<io::Result<_>>()?;
        Ok(Self { server, workers })
    }

    /// Ends it once the pages under way are out.
    pub fn stop(self) {
        self.workers.iter().for_each(|_| self.server.unblock());
        for worker in self.workers {
            let _ = worker.join();
        }
    }
}

fn serve(mut request: Request, answer: &dyn Fn(&Asked) -> Answer) -> io::Result<()> {
    if request.body_length().is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        // Any way of answering would make tiny_http take memory for the whole body first.
        std::mem::forget(request);
        return Ok(());
    }
    let (asked, host) = (read(&mut request)?, header(&request, "Host"));
    let is_head = *request.method() == tiny_http::Method::Head;
    let answer = if host.is_some_and(|host| is_direct(&host)) {
        answer(&asked)
    } else {
        let hint = "open this page by localhost or an IP address, e.g. http://127.0.0.1:8000\n";
        Answer::new(421, "text/plain; charset=utf-8", hint)
    };
    let mut writer = request.into_writer();
    writer.write_all(head(&answer).as_bytes())?;
    if !is_head {
        writer.write_all(&answer.body)?;
    }
    writer.flush()
}

fn read(request: &mut Request) -> io::Result<Asked> {
    let method = request.method().as_str();
    let method = if method == "HEAD" { "GET" } else { method }.to_owned();
    let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut body = Vec::new();
    request.as_reader().take(BODY_BYTES_MAX as u64).read_to_end(&mut body)?;
    let site = header(request, "Sec-Fetch-Site");
    let is_ours = match (site, header(request, "Origin")) {
        (Some(site), _) => matches!(site.as_str(), "same-origin" | "none"),
        (None, Some(origin)) => {
            header(request, "Host").is_some_and(|host| origin == format!("http://{host}"))
        }
        (None, None) => true,
    };
    Ok(Asked { method, path, query, body, is_ours })
}

fn header(request: &Request, name: &str) -> Option<String> {
    let is_it =
        |header: &&tiny_http::Header| header.field.as_str().as_str().eq_ignore_ascii_case(name);
    request.headers().iter().find(is_it).map(|header| header.value.to_string())
}

/// Whether a host is an address or `localhost`. A name that somebody made point here would
/// let that somebody's pages read ours.
fn is_direct(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.parse::<SocketAddr>().is_ok()
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
}

fn head(answer: &Answer) -> String {
    let Answer { status, content_type, body, .. } = answer;
    let reason = match status {
        200 => "OK",
        303 => "See Other",
        _ => "No",
    };
    let cache = if answer.keeps { "max-age=31536000, immutable" } else { "no-store" };
    let location = answer.location.as_ref().map(|to| format!("Location: {to}\r\n"));
    let retry = if *status == 503 { "Retry-After: 2\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\nCache-Control: {cache}\r\n{}{retry}\
         Content-Security-Policy: {CONTENT_SECURITY_POLICY}\r\nX-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n\
         Cross-Origin-Opener-Policy: same-origin\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n\r\n",
        body.len(),
        location.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_answered() {
        for host in
            ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "[::1]", "localhost:1", "LOCALHOST"]
        {
            assert!(is_direct(host), "{host}");
        }
        for host in ["", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!is_direct(host), "{host}");
        }
    }
}
