//! HTTP around the pages: a few workers, and the headers that keep strangers' text harmless.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::http::{AnswerHead, Http, Incoming, Later, Limits, Options, Refusal};

const WORKERS: usize = 16;

/// Longest body of a request: a message of 64 KiB, each byte percent-encoded.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Longest time of a page: it asks several miners, one of which may not answer at all.
const ANSWER: Duration = Duration::from_secs(60);

/// Longest wait of a page for news: longer than [`super::news`] lets it.
const NEWS: Duration = Duration::from_secs(90);

/// Allows what comes from here and nothing else: no inline script or style, no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The same for a worker that puts WebAssembly together; no page may.
const WORKER_SECURITY_POLICY: &str =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/// Referrer policy: pages tell nothing of themselves to others. With less, a browser would send a
/// form of ours with `Origin: null`, and one that has plain http from another host sends no
/// `Sec-Fetch-Site` beside it, so that nothing told the form from a stranger's.
const REFERRER_POLICY: &str = "same-origin";

/// Level of compression: pages and scripts shrink to a quarter, within a millisecond.
const PACKING_LEVEL: u8 = 4;

/// Shorter bodies fit into a packet as they are.
const PACKED_BYTES_MIN: usize = 1_200;

const ENCODING: &str = "Accept-Encoding";
const HOST: &str = "Host";
const ORIGIN: &str = "Origin";
const SITE: &str = "Sec-Fetch-Site";

/// Headers that the guard passes on: whose name the page was opened by, who sent a form, and
/// whether an answer may be compressed.
const PASSED: [&str; 4] = [HOST, ORIGIN, SITE, ENCODING];

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

pub struct Asked {
    /// `GET` (also for `HEAD`), `POST`, …
    pub method: String,
    pub path: String,
    pub query: Fields,
    pub body: Vec<u8>,
    /// True if a page of ours sent it, as far as the browser tells.
    pub is_ours: bool,
    /// True if the browser runs on this host, and opened the page by an address that leads nowhere
    /// else: a name may lead a stranger's page here.
    pub is_local: bool,
}

/// Fields of a query or a form; of two with one name the last.
#[derive(Default)]
pub struct Fields(HashMap<String, String>);

impl Fields {
    pub fn of(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a field, if it is there and is one.
    pub fn read<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }
}

pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Where to go instead.
    pub location: Option<String>,
    /// True if it never changes.
    pub keeps: bool,
    /// True if it is a worker that puts WebAssembly together.
    pub assembles: bool,
    pub is_packed: bool,
}

impl Answer {
    pub fn page(status: u16, page: maud::Markup) -> Self {
        Self::new(status, "text/html; charset=utf-8", page.into_string())
    }

    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let (location, keeps, assembles, is_packed) = (None, false, false, false);
        Self { status, content_type, body, location, keeps, assembles, is_packed }
    }

    pub fn see_other(location: String) -> Self {
        Self { location: Some(location), ..Self::new(303, "text/plain", "") }
    }

    /// The same with a text compressed. What a miner says goes on as it is: much of it is hashes.
    fn packed(self) -> Self {
        if !self.content_type.starts_with("text/") || self.body.len() < PACKED_BYTES_MIN {
            return self;
        }
        let body = miniz_oxide::deflate::compress_to_vec_zlib(&self.body, PACKING_LEVEL);
        Self { body, is_packed: true, ..self }
    }
}

pub enum Response {
    Now(Answer),
    /// It is answered once there is something to tell, and ties up no worker meanwhile.
    Later(Box<dyn FnOnce(Pending)>),
}

pub struct Pending(Later);

impl Pending {
    pub fn is_given_up(&self) -> bool {
        self.0.is_given_up()
    }

    pub fn answer(self, answer: Answer) {
        self.0.answer(head(&answer), answer.body);
    }
}

pub struct Running {
    http: Http,
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Answers what comes in at `listener` by `answer`, to browsers that opened a page by an
    /// address or one of these `names`. What `ended` holds goes when it does
    /// not do so any more, for whatever reason.
    pub fn start<F>(
        listener: TcpListener,
        names: Vec<String>,
        answer: F,
        ended: impl Send + 'static,
    ) -> io::Result<Self>
    where
        F: Fn(&Asked) -> Response + Send + Sync + 'static,
    {
        // One at a time, since a page may wait for a miner that does not answer.
        let limits = Limits {
            body_bytes_max: BODY_BYTES_MAX,
            answer: ANSWER,
            later: NEWS,
            asked_at_once_max: 1,
            ..Limits::default()
        };
        let options =
            Options { limits, passed: &PASSED, for_pages: true, names: names.clone(), spell };
        let http = Http::start(listener, options, || (), ended)?;
        let (answer, names) = (Arc::new(answer), Arc::new(names));
        let worker = |number| {
            let (requests, answer) = (http.requests(), Arc::clone(&answer));
            let names = Arc::clone(&names);
            let work = move || {
                while let Some(request) = requests.next() {
                    // A browser that went away is no event here.
                    let _ = serve(request, &names, &*answer);
                }
            };
            thread::Builder::new().name(format!("ui-{number}")).spawn(work)
        };
        let workers = (0..WORKERS).map(worker).collect::<io::Result<_>>()?;
        Ok(Self { http, workers })
    }

    /// Ends it once the pages under way are out.
    ///
    /// # Errors
    /// It had ended before, for this reason.
    pub fn stop(self) -> io::Result<()> {
        let stopped = self.http.stop(self.workers.len());
        for worker in self.workers {
            let _ = worker.join();
        }
        stopped
    }
}

/// The guard's words to a browser that it refuses.
fn spell(why: &Refusal) -> (&'static str, Vec<u8>) {
    (PLAIN_TEXT, format!("{}: {}\n", why.message, why.more).into())
}

fn serve(
    mut request: Incoming,
    names: &[String],
    answer: &dyn Fn(&Asked) -> Response,
) -> io::Result<()> {
    let asked = read(&mut request)?;
    let response = if request.header(HOST).is_some_and(|host| is_known(host, names)) {
        answer(&asked)
    } else {
        let hint = "open this page by localhost or an IP address, e.g. http://127.0.0.1:8000\n";
        Response::Now(Answer::new(421, PLAIN_TEXT, hint))
    };
    let takes_packed = request.header(ENCODING).is_some_and(|all| all.contains("deflate"));
    match response {
        Response::Now(answer) => {
            let answer = if takes_packed { answer.packed() } else { answer };
            request.answer(&head(&answer), &answer.body)
        }
        Response::Later(tell) => {
            tell(Pending(request.answer_later()));
            Ok(())
        }
    }
}

fn read(request: &mut Incoming) -> io::Result<Asked> {
    let body = request.body()?;
    let method = request.method();
    let method = if method == "HEAD" { "GET" } else { method }.to_owned();
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    let (path, query) = (path.to_owned(), Fields::of(query.as_bytes()));
    let is_ours = match (request.header(SITE), request.header(ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            request.header(HOST).is_some_and(|host| origin == format!("http://{host}"))
        }
        (None, None) => true,
    };
    let is_local = request.caller().is_loopback() && request.header(HOST).is_some_and(is_loopback);
    Ok(Asked { method, path, query, body, is_ours, is_local })
}

/// Address that a header `Host` names, with or without a port; `localhost` is one of loopback.
fn address_of(host: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.trim_matches(['[', ']']).parse().ok();
    match name_of(host) {
        name if name.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        name => bare(host).or_else(|| bare(name)),
    }
}

/// The same header without its port.
fn name_of(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback(host: &str) -> bool {
    address_of(host).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// True if a host is an address or one of these names. Another name may be one that somebody made
/// point here: that somebody's pages could read ours.
fn is_known(host: &str, names: &[String]) -> bool {
    let name = name_of(host);
    address_of(host).is_some() || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn head(answer: &Answer) -> AnswerHead {
    let policy = if answer.assembles { WORKER_SECURITY_POLICY } else { CONTENT_SECURITY_POLICY };
    let cache = if answer.keeps { "max-age=31536000, immutable" } else { "no-store" };
    let mut head = AnswerHead::new(answer.status, answer.body.len())
        .header("Content-Type", answer.content_type)
        .header("Cache-Control", cache)
        .header("Content-Security-Policy", policy)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", REFERRER_POLICY)
        .header("X-Frame-Options", "DENY")
        .header("Cross-Origin-Resource-Policy", "same-origin");
    if answer.is_packed {
        head = head.header("Content-Encoding", "deflate").header("Vary", ENCODING);
    }
    if let Some(location) = &answer.location {
        head = head.header("Location", location);
    }
    if answer.status == 503 {
        head = head.header("Retry-After", 2);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_given_are_answered_too() {
        let names = ["classroom.local".to_owned()];
        for (host, expected) in [
            ("classroom.local:8000", true),
            ("Classroom.Local", true),
            ("classroom.local.evil.example", false),
            ("evil.example", false),
        ] {
            assert_eq!(is_known(host, &names), expected, "{host}");
        }
    }

    #[test]
    fn hosts_of_loopback_are_told_from_all_others() {
        for (host, expected) in [
            ("127.0.0.1:8000", true),
            ("127.0.0.1", true),
            ("[::1]:8000", true),
            ("[::1]", true),
            ("LOCALHOST:1", true),
            ("192.168.0.5:8000", false),
            ("[2001:db8::1]:8000", false),
            ("classroom.local:8000", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn only_addresses_and_localhost_are_answered() {
        for host in
            ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "[::1]", "localhost:1", "LOCALHOST"]
        {
            assert!(is_known(host, &[]), "{host}");
        }
        for host in ["", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert!(!is_known(host, &[]), "{host}");
        }
    }
}
