//! Between HTTP (method, path, query, body) and [`Request`], in both directions, by one table.
//!
//! Bad input ends here: what comes out of [`decode`] is typed and within its limits.
//!
//! ```
//! use blockchain::api::{Request, routes::{self, Decoded}};
//!
//! let request = Request::Chain { from: 7, limit: None };
//! assert_eq!(routes::encode(&request).1, "/chain?from=7");
//! assert_eq!(routes::decode("GET", "/chain?from=7", b""), Decoded::Ask(request));
//! let Decoded::Answer(reply) = routes::decode("GET", "/chain?from=x", b"") else { panic!() };
//! assert_eq!(reply.status, 400);
//! ```

use std::borrow::Cow;

use super::{Reply, Request};
use query::Asked;
pub use table::{ROUTES, encode, path_of};

mod query;
mod table;
#[cfg(test)]
mod tests;

/// A request that the API knows: what asks for it, and how it is read.
#[derive(Debug)]
pub struct Route {
    /// The method; HEAD goes where GET goes.
    pub method: &'static str,
    /// The path; `<id>` stands for a data id.
    pub path: &'static str,
    parameters: &'static [&'static str],
    refusal: &'static str,
    read: fn(&Asked<'_>) -> Result<Decoded, String>,
}

/// What an HTTP request comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// The miner has to be asked.
    Ask(Request),
    /// It need not: this API's description, or 400, 404 or 405 for what is no request.
    Answer(Reply),
}

/// Path by which `OPTIONS` asks about the server as a whole.
const SERVER: &str = "*";

/// This API's description, for machines. A test holds it to [`ROUTES`] and to the answers.
pub const OPENAPI: &str = include_str!("openapi.json");

pub fn decode(method: &str, target: &str, body: &[u8]) -> Decoded {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if (method, path) == ("OPTIONS", SERVER) {
        return Decoded::Answer(not_allowed(method, path, |_| true));
    }
    let path = &*plain(path);
    let Some((of_path, name)) =
        ROUTES.iter().find_map(|route| Some((route.path, route.name(path)?)))
    else {
        return Decoded::Answer(not_found(path));
    };
    let asks = if method == "HEAD" { "GET" } else { method };
    let Some(route) = ROUTES.iter().find(|it| (it.path, it.method) == (of_path, asks)) else {
        return Decoded::Answer(not_allowed(method, path, |it| it.path == of_path));
    };
    let asked = Asked::read(name, query, route.parameters, body);
    let refuse = |why| Decoded::Answer(Reply::problem(400, route.refusal, why));
    asked.and_then(|asked| (route.read)(&asked)).unwrap_or_else(refuse)
}

impl Route {
    /// What `path` names of this route: the end behind its fixed part, which is empty where it
    /// has none. `None` for another path.
    fn name<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.path.split_once('<') {
            Some((fixed, _)) => path.strip_prefix(fixed),
            None => (self.path == path).then_some(""),
        }
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

fn not_found(path: &str) -> Reply {
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    let path: String = path.chars().take(80).collect();
    let more = format!("there is no {path}; there are {}", paths.join(", "));
    Reply::problem(404, "Not found", more)
}

/// The refusal of a method where those of the `known` routes can be had.
fn not_allowed(method: &str, path: &str, known: impl Fn(&Route) -> bool) -> Reply {
    let is_known = |method: &&str| ROUTES.iter().any(|it| it.method == *method && known(it));
    let methods = ["GET", "PUT", "DELETE"].into_iter().filter(is_known);
    let methods = methods.map(|method| if method == "GET" { "GET, HEAD" } else { method });
    let allow = methods.collect::<Vec<_>>().join(", ");
    let method: String = method.chars().take(20).collect();
    let more = format!("{path} takes {allow}, not {method}");
    Reply { allow: Some(allow), ..Reply::problem(405, "Method not allowed", more) }
}
