//! The one table between HTTP (method, path, query, body) and [`Request`], in both directions.
//!
//! Bad input ends here: what comes out of [`decode`] is typed and within its limits.
//!
//! ```
//! use blockchain::api::{Request, routes};
//!
//! let request = routes::decode("GET", "/chain?from=7", b"").unwrap();
//! assert_eq!(request, Request::Chain { from: 7, limit: None });
//! assert_eq!(routes::encode(&request).1, "/chain?from=7");
//! assert_eq!(routes::decode("GET", "/chain?from=x", b"").unwrap_err().status, 400);
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::{Address, Cursor, EVENT_WAIT_MAX, Reply, Request, Span};
use crate::chain::{Data, DataId, Hash, Message};

/// A path of the API and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path; `<id>` stands for a data id.
    pub path: &'static str,
    /// Methods, as `Allow` lists them.
    pub allow: &'static str,
}

/// Every path of the API.
pub const ROUTES: [Route; 16] = [
    Route { path: "/accept", allow: "PUT" },
    Route { path: "/add", allow: "PUT" },
    Route { path: "/bans", allow: "GET, HEAD, PUT, DELETE" },
    Route { path: "/blocks", allow: "PUT" },
    Route { path: "/blocks/<height or hash>", allow: "GET, HEAD" },
    Route { path: "/chain", allow: "GET, HEAD" },
    Route { path: "/data", allow: "GET, HEAD, PUT" },
    Route { path: "/data/<id>", allow: "GET, HEAD" },
    Route { path: "/events", allow: "GET, HEAD" },
    Route { path: "/forks", allow: "GET, HEAD" },
    Route { path: "/health", allow: "GET, HEAD" },
    Route { path: "/metrics", allow: "GET, HEAD" },
    Route { path: "/mining", allow: "GET, HEAD, PUT" },
    Route { path: "/neighbours", allow: "GET, HEAD, PUT, DELETE" },
    Route { path: "/openapi.json", allow: "GET, HEAD" },
    Route { path: "/status", allow: "GET, HEAD" },
];

/// The server as a whole, which `OPTIONS *` asks about.
const SERVER: Route = Route { path: "*", allow: "GET, HEAD, PUT, DELETE" };

/// This API's description, for machines. A test holds it to [`ROUTES`] and to the answers.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Decodes an HTTP request.
///
/// # Errors
/// The answer, where the miner need not be asked: 400, 404 and 405 for who sent something
/// else, and this API's description.
pub fn decode(method: &str, target: &str, body: &[u8]) -> Result<Request, Reply> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if (method, path) == ("OPTIONS", SERVER.path) {
        return Err(not_allowed(method, path, &SERVER));
    }
    let path = &*plain(path);
    let (data_id, block) = (path.strip_prefix("/data/"), path.strip_prefix("/blocks/"));
    let name = match (data_id, block) {
        (Some(_), _) => "/data/<id>",
        (_, Some(_)) => "/blocks/<height or hash>",
        _ => path,
    };
    let route = ROUTES.iter().find(|route| route.path == name).ok_or_else(|| not_found(path))?;
    let is_get = matches!(method, "GET" | "HEAD");
    let query = Query(query);
    match (name, method) {
        ("/accept", "PUT") => query.read(&["hash"])?.required("hash").map(Request::Accept),
        ("/add", "PUT") => add(query, body),
        ("/bans", "PUT") => neighbour(query).map(Request::Ban),
        ("/bans", "DELETE") => neighbour(query).map(Request::Unban),
        ("/blocks", "PUT") => {
            query.read(&[])?;
            if lines(body)?.any(|line| line.len() < BLOCK_LINE_BYTES_MIN) {
                return Err(bad_request("a line is too short for a block"));
            }
            Ok(Request::PushBlocks { lines: lines(body)?.map(str::to_owned).collect() })
        }
        ("/chain", _) if is_get => {
            let query = query.read(&["from", "limit"])?;
            let from = query.optional("from")?.unwrap_or(0);
            Ok(Request::Chain { from, limit: query.optional("limit")? })
        }
        ("/data", _) if is_get => {
            let query = query.read(&["after"])?;
            let after = query.optional::<CursorText>("after")?;
            Ok(Request::Data { after: after.map(|CursorText(cursor)| cursor) })
        }
        ("/data", "PUT") => {
            let query = query.read(&["after", "cursor"])?;
            let after = query.optional::<CursorText>("after")?;
            let cursor = query.optional::<CursorText>("cursor")?;
            let span = after.zip(cursor);
            let span = span
                .map(|(CursorText(after), CursorText(cursor))| Span { after, cursor })
                .map(Box::new);
            let read = |line| serde_json::from_str::<Data>(line);
            let data = lines(body)?.map(read).collect::<Result<_, _>>();
            let data = data.map_err(|error| bad_request(format!("a line is no message: {error}")));
            Ok(Request::PushData { data: data?, span })
        }
        ("/data/<id>", _) if is_get => {
            let sha256 = query.read(&["sha256"])?.optional("sha256")?;
            let id = data_id.unwrap_or_default().parse::<DataId>();
            let id = id.map_err(|error| bad_request(error.to_string()))?;
            Ok(Request::DataState { id, sha256 })
        }
        ("/blocks/<height or hash>", _) if is_get => {
            query.read(&[])?;
            let block = block.unwrap_or_default().parse().map(Request::Block);
            block.map_err(|()| bad_request("a block is named by its height or by its hash"))
        }
        ("/mining", "PUT") => {
            let query = query.read(&["hash_rate_limit"])?;
            let HashRate(limit) = query.required("hash_rate_limit")?;
            Ok(Request::LimitMining(limit))
        }
        ("/events", _) if is_get => {
            let query = query.read(&["after", "wait"])?;
            let WaitSeconds(wait) = query.optional("wait")?.unwrap_or(WaitSeconds(0));
            Ok(Request::Events { after: query.optional("after")?, wait })
        }
        ("/bans" | "/forks" | "/health" | "/metrics" | "/mining" | "/status", _) if is_get => {
            query.read(&[])?;
            Ok(match name {
                "/bans" => Request::Bans,
                "/forks" => Request::Forks,
                "/health" => Request::Health,
                "/metrics" => Request::Metrics,
                "/mining" => Request::Mining,
                _ => Request::Status,
            })
        }
        ("/openapi.json", _) if is_get => {
            query.read(&[])?;
            Err(Reply { body: OPENAPI.into(), ..Reply::json(200, &()) })
        }
        ("/neighbours", "PUT") => neighbour(query).map(Request::AddNeighbour),
        ("/neighbours", "DELETE") => neighbour(query).map(Request::DeleteNeighbour),
        ("/neighbours", _) if is_get => {
            let details = query.read(&["details"])?.optional("details")?.unwrap_or(false);
            Ok(Request::Neighbours { details })
        }
        _ => Err(not_allowed(method, path, route)),
    }
}

/// Encodes `request` for HTTP: method, target and body.
///
/// # Panics
/// For the parts of an answer, which only the server process asks for, over the link.
pub fn encode(request: &Request) -> (&'static str, String, Vec<u8>) {
    let get = |target: String| ("GET", target, Vec::new());
    match request {
        Request::Add { id, message } => {
            let id = id.map(|id| format!("?id={id}")).unwrap_or_default();
            ("PUT", format!("/add{id}"), message.as_str().into())
        }
        Request::Chain { from, limit: None } => get(format!("/chain?from={from}")),
        Request::Chain { from, limit: Some(limit) } => {
            get(format!("/chain?from={from}&limit={limit}"))
        }
        Request::Neighbours { details: false } => get("/neighbours".into()),
        Request::Neighbours { details: true } => get("/neighbours?details=true".into()),
        Request::AddNeighbour(address) => {
            ("PUT", format!("/neighbours?neighbour={address}"), Vec::new())
        }
        Request::DeleteNeighbour(address) => {
            ("DELETE", format!("/neighbours?neighbour={address}"), Vec::new())
        }
        Request::Accept(hash) => ("PUT", format!("/accept?hash={hash}"), Vec::new()),
        Request::Bans => get("/bans".into()),
        Request::Ban(address) => ("PUT", format!("/bans?neighbour={address}"), Vec::new()),
        Request::Unban(address) => ("DELETE", format!("/bans?neighbour={address}"), Vec::new()),
        Request::Data { after: None } => get("/data".into()),
        Request::Data { after: Some(cursor) } => {
            get(format!("/data?after={}", String::from(*cursor)))
        }
        Request::DataState { id, sha256: None } => get(format!("/data/{id}")),
        Request::DataState { id, sha256: Some(sha256) } => {
            get(format!("/data/{id}?sha256={sha256}"))
        }
        Request::Block(which) => get(format!("/blocks/{which}")),
        Request::Forks => get("/forks".into()),
        Request::Events { after, wait } => {
            let after = after.map(|after| format!("after={after}"));
            let wait = (*wait > 0).then(|| format!("wait={wait}"));
            let query: Vec<String> = after.into_iter().chain(wait).collect();
            let mark = if query.is_empty() { "" } else { "?" };
            get(format!("/events{mark}{}", query.join("&")))
        }
        Request::Health => get("/health".into()),
        Request::Status => get("/status".into()),
        Request::Metrics => get("/metrics".into()),
        Request::Mining => get("/mining".into()),
        Request::LimitMining(limit) => {
            let limit = limit.map_or("none".into(), |limit| limit.to_string());
            ("PUT", format!("/mining?hash_rate_limit={limit}"), Vec::new())
        }
        Request::PushBlocks { lines } => ("PUT", "/blocks".into(), lines.join("\n").into()),
        Request::PushData { data, span } => {
            let cursors = span.as_deref().map(|span| (span.after.into(), span.cursor.into()));
            let query = cursors.map_or_else(String::new, |(after, cursor): (String, String)| {
                format!("?after={after}&cursor={cursor}")
            });
            let lines = data.iter().map(serde_json::to_string);
            let lines: Result<Vec<_>, _> = lines.collect();
            let body = lines.expect("a message is always JSON").join("\n");
            ("PUT", format!("/data{query}"), body.into())
        }
        Request::ChainRest { .. } | Request::DataRest { .. } => {
            unreachable!("parts of an answer are asked for over the link alone")
        }
    }
}

/// The path in [`ROUTES`] that `request` came by, for counting.
pub fn path_of(request: &Request) -> &'static str {
    match request {
        Request::Accept(_) => "/accept",
        Request::Add { .. } => "/add",
        Request::Bans | Request::Ban(_) | Request::Unban(_) => "/bans",
        Request::PushBlocks { .. } => "/blocks",
        Request::Chain { .. } | Request::ChainRest { .. } => "/chain",
        Request::Data { .. } | Request::DataRest { .. } | Request::PushData { .. } => "/data",
        Request::DataState { .. } => "/data/<id>",
        Request::Block(_) => "/blocks/<height or hash>",
        Request::Forks => "/forks",
        Request::Events { .. } => "/events",
        Request::Health => "/health",
        Request::Metrics => "/metrics",
        Request::Mining | Request::LimitMining(_) => "/mining",
        Request::Neighbours { .. } | Request::AddNeighbour(_) | Request::DeleteNeighbour(_) => {
            "/neighbours"
        }
        Request::Status => "/status",
    }
}

/// The same path with the characters plain that need not be percent-encoded: two spellings of
/// one path (RFC 3986, 6.2.2.2). An encoded `/` or `?` stays another character than a plain one.
fn plain(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut parts = path.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()));
        let byte = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[2..]);
            }
            None => {
                plain.push('%');
                plain.push_str(part);
            }
        }
    }
    plain.into()
}

/// Takes the message from the query, or else from the body.
fn add(query: Query<'_>, body: &[u8]) -> Result<Request, Reply> {
    let refuse = |why: String| Reply::problem(400, "No Message added!", why);
    let query = query.read_or(&["message", "id"], refuse)?;
    let id = query.optional::<DataId>("id")?;
    let text = match query.values.get("message") {
        Some(text) => text,
        None => std::str::from_utf8(body).map_err(|_| refuse("the body is not UTF-8".into()))?,
    };
    if text.is_empty() {
        let hint = "give it as PUT /add?message=… (percent-encoded) or as the request's body";
        return Err(refuse(format!("the message is missing or empty; {hint}")));
    }
    let message = Message::new(text).map_err(|error| refuse(error.to_string()))?;
    Ok(Request::Add { id, message })
}

/// No block has a shorter line: each names a hash, or is a genesis block (143 bytes). Each line
/// costs a piece of memory, and a body of 130,000 short ones took eighteen times its length.
const BLOCK_LINE_BYTES_MIN: usize = 64;

/// The lines of a body, without line breaks; at least one.
///
/// No line of JSON holds a control character, and one that does would grow sixfold on its way
/// to the miner.
fn lines(body: &[u8]) -> Result<impl Iterator<Item = &str>, Reply> {
    let text = std::str::from_utf8(body).map_err(|_| bad_request("the body is not UTF-8"))?;
    let lines = || text.lines().filter(|line| !line.is_empty());
    if lines().next().is_none() {
        return Err(bad_request(
            "the body is empty; it takes one block or message a line, as JSON",
        ));
    }
    if lines().any(|line| line.bytes().any(|byte| byte < b' ')) {
        return Err(bad_request("a line of the body holds a control character"));
    }
    Ok(lines())
}

fn neighbour(query: Query<'_>) -> Result<Address, Reply> {
    query.read(&["neighbour"])?.required("neighbour")
}

fn bad_request(why: impl Into<String>) -> Reply {
    Reply::problem(400, "Bad request", why)
}

fn not_found(path: &str) -> Reply {
    let paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    let path: String = path.chars().take(80).collect();
    let more = format!("there is no {path}; there are {}", paths.join(", "));
    Reply::problem(404, "Not found", more)
}

fn not_allowed(method: &str, path: &str, route: &Route) -> Reply {
    let method: String = method.chars().take(20).collect();
    let more = format!("{path} takes {}, not {method}", route.allow);
    Reply { allow: Some(route.allow), ..Reply::problem(405, "Method not allowed", more) }
}

/// A query as it came.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

/// A query's parameters, each known and there once.
struct Values<'a> {
    values: HashMap<&'a str, String>,
    refuse: fn(String) -> Reply,
}

impl<'a> Query<'a> {
    fn read(self, known: &[&str]) -> Result<Values<'a>, Reply> {
        self.read_or(known, bad_request)
    }

    /// Decodes the parameters. An unknown one is refused: it is most often the rest of a
    /// message with an `&` in it that was not percent-encoded, and would be lost.
    fn read_or(self, known: &[&str], refuse: fn(String) -> Reply) -> Result<Values<'a>, Reply> {
        let mut values = HashMap::new();
        for pair in self.0.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let shown: String = name.chars().take(40).collect();
            if !known.contains(&name) {
                let known = if known.is_empty() { "none" } else { &known.join(", ") };
                let hint = "write & within a value as %26";
                let why = format!("unknown parameter {shown:?}; known here: {known}; {hint}");
                return Err(refuse(why));
            }
            let spaced = value.replace('+', " ");
            let decoded = percent_decode_str(&spaced).decode_utf8();
            let value = decoded.map_err(|_| refuse(format!("{shown} is not UTF-8")))?.into_owned();
            if values.insert(name, value).is_some() {
                return Err(refuse(format!("{shown} is given twice")));
            }
        }
        Ok(Values { values, refuse })
    }
}

impl Values<'_> {
    fn optional<T: Parameter>(&self, name: &str) -> Result<Option<T>, Reply> {
        let Some(text) = self.values.get(name) else { return Ok(None) };
        let shown: String = text.chars().take(80).collect();
        let refuse = || (self.refuse)(format!("{name} is {}, not {shown:?}", T::EXPECTED));
        T::read(text).map(Some).ok_or_else(refuse)
    }

    fn required<T: Parameter>(&self, name: &str) -> Result<T, Reply> {
        let missing = || (self.refuse)(format!("{name} is missing: {}", T::EXPECTED));
        self.optional(name)?.ok_or_else(missing)
    }
}

/// A type that a query's parameter can have.
trait Parameter: Sized {
    /// The expected spelling, in words.
    const EXPECTED: &'static str;

    fn read(text: &str) -> Option<Self>;
}

macro_rules! parameter {
    ($type:ty, $expected:literal) => {
        impl Parameter for $type {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Option<Self> {
                Self::from_str(text).ok()
            }
        }
    };
}

parameter!(Hash, "64 lower-case hex digits");
parameter!(DataId, "32 lower-case hex digits");
parameter!(Address, "host:port");
parameter!(bool, "true or false");

impl Parameter for u64 {
    const EXPECTED: &'static str = "a whole number from 0 to 2^64-1";

    fn read(text: &str) -> Option<Self> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
    }
}

/// Seconds to wait for an event.
struct WaitSeconds(u64);

impl Parameter for WaitSeconds {
    const EXPECTED: &'static str = "whole seconds from 0 to 30";

    fn read(text: &str) -> Option<Self> {
        u64::read(text).filter(|wait| *wait <= EVENT_WAIT_MAX).map(Self)
    }
}

/// A limit of guesses a second as it is written.
struct HashRate(Option<u64>);

impl Parameter for HashRate {
    const EXPECTED: &'static str = "guesses a second (0 pauses), or none";

    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(Self(None)) } else { u64::read(text).map(Some).map(Self) }
    }
}

/// A [`Cursor`] as it is written.
struct CursorText(Cursor);

impl Parameter for CursorText {
    const EXPECTED: &'static str = "what an earlier answer gave as its cursor";

    fn read(text: &str) -> Option<Self> {
        Cursor::try_from(text.to_owned()).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::{data, network};
    use crate::chain::{Block, Network};

    fn text(request: Result<Request, Reply>) -> String {
        match request {
            Ok(Request::Add { message, .. }) => message.as_str().to_owned(),
            Ok(other) => panic!("{other:?}"),
            Err(reply) => format!("{} {}", reply.status, String::from_utf8(reply.body).unwrap()),
        }
    }

    #[test]
    fn a_body_of_many_short_lines_takes_no_memory_for_each() {
        let refused = decode("PUT", "/blocks", &b"{}\n".repeat(130_000)).unwrap_err();
        assert_eq!(refused.status, 400);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let cursor = Cursor { run: RunIdOf::id(), arrivals: 7 };
        let hash = Hash::of("x");
        let shortest = Block::genesis(&Network { name: "a".parse().unwrap(), ..network(1) }).line();
        for request in [
            Request::Add { id: Some(data("a").id), message: data("ä & b").message },
            Request::Add { id: None, message: data("\0").message },
            Request::Chain { from: 0, limit: None },
            Request::Chain { from: 7, limit: Some(9) },
            Request::Neighbours { details: false },
            Request::Neighbours { details: true },
            Request::AddNeighbour("[::1]:5".parse().unwrap()),
            Request::DeleteNeighbour("miner2".parse().unwrap()),
            Request::Data { after: None },
            Request::Data { after: Some(cursor) },
            Request::DataState { id: data("a").id, sha256: None },
            Request::DataState { id: data("a").id, sha256: Some(hash) },
            Request::Block(super::super::BlockName::Height(7)),
            Request::Block(super::super::BlockName::Hash(hash)),
            Request::Forks,
            Request::EVENTS,
            Request::Events { after: Some(7), wait: 0 },
            Request::Events { after: None, wait: 1 },
            Request::Events { after: Some(u64::MAX), wait: EVENT_WAIT_MAX },
            Request::Health,
            Request::Status,
            Request::Metrics,
            Request::Accept(Hash::of("x")),
            Request::Bans,
            Request::Ban("[::1]:5".parse().unwrap()),
            Request::Unban("miner2".parse().unwrap()),
            Request::Mining,
            Request::LimitMining(Some(0)),
            Request::LimitMining(None),
            Request::PushBlocks { lines: vec!["x".repeat(200), shortest] },
            Request::PushData { data: vec![data("a\nb")], span: None },
            Request::PushData {
                data: vec![data("a"), data("\0")],
                span: Some(Box::new(Span {
                    after: cursor,
                    cursor: Cursor { arrivals: 9, ..cursor },
                })),
            },
        ] {
            let (method, target, body) = encode(&request);
            assert!(ROUTES.iter().any(|route| route.path == path_of(&request)), "{request:?}");
            assert_eq!(decode(method, &target, &body), Ok(request));
        }
    }

    struct RunIdOf;

    impl RunIdOf {
        fn id() -> super::super::RunId {
            super::super::RunId::from_random([7; 16])
        }
    }

    #[test]
    fn a_message_comes_from_the_query_or_the_body() {
        let add = |target: &str, body: &[u8]| text(decode("PUT", target, body));
        assert_eq!(add("/add?message=a+b%20c%2B%C3%A4", b""), "a b c+ä");
        assert_eq!(add("/add?message=a", b"body"), "a");
        assert_eq!(add("/add", "böd&y+%20".as_bytes()), "böd&y+%20");
        for (target, body) in [
            ("/add", &b""[..]),
            ("/add?message=", b""),
            ("/add?message=%FF", b""),
            ("/add", b"\xff"),
            ("/add?message=a%7F", b""),
            ("/add?message=a&message=b", b""),
            ("/add?message=fish & chips", b""),
            ("/add?message=a&id=5", b""),
        ] {
            let answer = add(target, body);
            assert!(answer.starts_with("400 {\"message\":\"No Message added!\""), "{answer}");
        }
        assert!(add("/add", "a".repeat(65_537).as_bytes()).contains("at most 65536"));
    }

    #[test]
    fn other_paths_methods_and_values_are_refused() {
        let status = |method, target: &str| decode(method, target, b"").unwrap_err().status;
        for target in ["/", "/chains", "/chain/", "/chain/1", "//chain", "", "*", "/data/x/y/z"] {
            assert!(matches!(status("GET", target), 404 | 400), "{target}");
        }
        for (method, target) in [("GET", "/add"), ("POST", "/chain"), ("OPTIONS", "/data")] {
            let reply = decode(method, target, b"").unwrap_err();
            assert_eq!(reply.status, 405);
            assert!(reply.allow.is_some());
        }
        for target in [
            "/chain?from=-1",
            "/chain?from=+1",
            "/chain?limit=x",
            "/chain?from=18446744073709551616",
            "/chain?form=1",
            "/data?after=x",
            "/data?after=00112233445566778899aabbccddeeff-",
            "/data?after=00112233445566778899aabbccddeeff-%2B5",
            "/data?after=00112233445566778899aabbccddeeff-10000000000000000000",
            "/data/xyz",
            "/neighbours?details=yes",
            "/health?x=1",
            "/events?wait=31",
            "/events?wait=-1",
            "/events?wait=0.5",
            "/events?after=x",
        ] {
            assert_eq!(status("GET", target), 400, "{target}");
        }
        assert_eq!(status("PUT", "/neighbours?neighbour=a:b"), 400);
        assert_eq!(status("PUT", "/neighbours"), 400);
        assert!(decode("HEAD", "/chain", b"").is_ok());
        assert_eq!(decode("OPTIONS", "*", b"").unwrap_err().allow, Some("GET, HEAD, PUT, DELETE"));
    }

    #[test]
    fn a_path_may_be_percent_encoded() {
        for target in ["/%68ealth", "/he%61lth", "/%68%65%61%6C%74%68", "/health?"] {
            assert_eq!(decode("GET", target, b""), Ok(Request::Health), "{target}");
        }
        let id = data("a").id;
        assert_eq!(
            decode("GET", &format!("/dat%61/{id}"), b""),
            Ok(Request::DataState { id, sha256: None })
        );
        for target in ["/%2Fhealth", "%2Fhealth", "/health%3F", "/%", "/%6", "/%ff", "/%2568ealth"]
        {
            assert_eq!(decode("GET", target, b"").unwrap_err().status, 404, "{target}");
        }
    }
}
