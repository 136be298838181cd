//! Every request of the API, each in one row: method, path, parameters, how it is read and how it
//! is spelled.

use super::query::{Asked, HashRate, Spelled, WaitSeconds};
use super::{Decoded, OPENAPI, Route};
use crate::api::{Media, Reply, Request, Span};
use crate::chain::{Data, DataId, Message};
use Decoded::{Answer, Ask};

/// Makes of the rows the table and the two ways back, in which a request without a row does not
/// compile. A request `asks` without parameters, or `names` the one thing that it is about. `part` is
/// a request for the next part of an answer, which only the server process asks for, over the link.
macro_rules! routes {
    ($(
        $method:literal $path:literal
            $(asks $plain:ident;)?
            $(names $one:ident by $name:literal;)?
            $([$($parameter:literal),*] $(refuses $refusal:literal)? reads $read:expr;)?
            $(spells $request:pat => $spelled:expr;)?
            $(part $part:pat,)?
    )*) => {
        pub const ROUTES: &[Route] = &[$(Route {
            method: $method,
            path: $path,
            parameters: &[$($name)? $($($parameter),*)?],
            refusal: [$($($refusal,)?)? "Bad request"][0],
            read: $(|_| Ok(Ask(Request::$plain)))?
                $(|asked| asked.required($name).map(Request::$one).map(Ask))?
                $($read)?,
        }),*];

        /// The path of the route that `request` came by, for counting.
        #[allow(unused_variables, reason = "the patterns are those of the spelling")]
        pub fn path_of(request: &Request) -> &'static str {
            match request {$(
                $(Request::$plain => $path,)?
                $(Request::$one(_) => $path,)?
                $($request => $path,)?
                $($part => $path,)?
            )*}
        }

        /// Encodes `request` for HTTP: method, target and body.
        ///
        /// # Panics
        /// For the parts of an answer.
        pub fn encode(request: &Request) -> (&'static str, String, Vec<u8>) {
            let (method, path, spelled): (_, &str, Spelled) = match request {
                $(
                    $(Request::$plain => ($method, $path, Spelled::default()),)?
                    $(Request::$one(it) => ($method, $path, Spelled::query($name, it)),)?
                    $($request => ($method, $path, $spelled),)?
                )*
                _ => unreachable!("parts of an answer are asked for over the link alone"),
            };
            let Spelled { name, query, body } = spelled;
            let fixed = path.split('<').next().unwrap_or(path);
            let mark = if query.is_empty() { "" } else { "?" };
            (method, format!("{fixed}{name}{mark}{}", query.join("&")), body)
        }
    };
}

routes! {
    "PUT" "/accept" names Accept by "hash";

    "PUT" "/add" ["message", "id"] refuses "No Message added!"
        reads add;
        spells Request::Add { id, message } => Spelled::body(message.as_str()).and("id", *id);

    "GET" "/bans" asks Bans;

    "PUT" "/bans" names Ban by "neighbour";

    "DELETE" "/bans" names Unban by "neighbour";

    "PUT" "/blocks" []
        reads push_blocks;
        spells Request::PushBlocks { lines } => Spelled::body(lines.join("\n"));

    "GET" "/blocks/<height or hash>" []
        reads |asked| {
            let which = asked.name.parse().map(Request::Block).map(Ask);
            which.map_err(|()| "a block is named by its height or by its hash".into())
        };
        spells Request::Block(which) => Spelled::name(which);

    "GET" "/chain" ["from", "limit"]
        reads |asked| {
            let from = asked.optional("from")?.unwrap_or(0);
            Ok(Ask(Request::Chain { from, limit: asked.optional("limit")? }))
        };
        spells Request::Chain { from, limit } => Spelled::query("from", from).and("limit", *limit);
        part Request::ChainRest { .. },

    "GET" "/data" ["after"]
        reads |asked| Ok(Ask(Request::Data { after: asked.optional("after")? }));
        spells Request::Data { after } => Spelled::default().and("after", *after);
        part Request::DataRest { .. },

    "PUT" "/data" ["after", "cursor"]
        reads push_data;
        spells Request::PushData { data, span } => {
            let lines: Result<Vec<_>, _> = data.iter().map(serde_json::to_string).collect();
            Spelled::body(lines.expect("a message is always JSON").join("\n"))
                .and("after", span.as_ref().map(|span| span.after))
                .and("cursor", span.as_ref().map(|span| span.cursor))
        };

    "GET" "/data/<id>" ["sha256"]
        reads |asked| {
            let sha256 = asked.optional("sha256")?;
            let id = asked.name.parse::<DataId>().map_err(|error| error.to_string())?;
            Ok(Ask(Request::DataState { id, sha256 }))
        };
        spells Request::DataState { id, sha256 } => Spelled::name(id).and("sha256", *sha256);

    "GET" "/events" ["after", "wait"]
        reads |asked| {
            let WaitSeconds(wait) = asked.optional("wait")?.unwrap_or(WaitSeconds(0));
            Ok(Ask(Request::Events { after: asked.optional("after")?, wait }))
        };
        spells Request::Events { after, wait } => {
            Spelled::default().and("after", *after).and("wait", (*wait > 0).then_some(wait))
        };

    "GET" "/forks" asks Forks;

    "GET" "/health" asks Health;

    "GET" "/metrics" asks Metrics;

    "GET" "/mining" asks Mining;

    "PUT" "/mining" ["hash_rate_limit"]
        reads |asked| {
            let HashRate(limit) = asked.required("hash_rate_limit")?;
            Ok(Ask(Request::LimitMining(limit)))
        };
        spells Request::LimitMining(limit) => Spelled::query("hash_rate_limit", HashRate(*limit));

    "GET" "/neighbours" ["details"]
        reads |asked| {
            Ok(Ask(Request::Neighbours { details: asked.optional("details")?.unwrap_or(false) }))
        };
        spells Request::Neighbours { details } => {
            Spelled::default().and("details", details.then_some(true))
        };

    "PUT" "/neighbours" names AddNeighbour by "neighbour";

    "DELETE" "/neighbours" names DeleteNeighbour by "neighbour";

    "GET" "/openapi.json" []
        reads |_| Ok(Answer(Reply::new(200, Media::Json, OPENAPI.into())));

    "GET" "/status" asks Status;
}

/// Takes the message from the query, or else from the body.
fn add(asked: &Asked<'_>) -> Result<Decoded, String> {
    let id = asked.optional::<DataId>("id")?;
    let text = match asked.text("message") {
        Some(text) => text,
        None => asked.body_text()?,
    };
    if text.is_empty() {
        let hint = "give it as PUT /add?message=… (percent-encoded) or as the request's body";
        return Err(format!("the message is missing or empty; {hint}"));
    }
    let message = Message::new(text).map_err(|error| error.to_string())?;
    Ok(Ask(Request::Add { id, message }))
}

/// No block has a shorter line: each names a hash, or is a genesis block (143 bytes). Each line
/// costs a piece of memory, and a body of 130,000 short ones took eighteen times its length.
const BLOCK_LINE_BYTES_MIN: usize = 64;

fn push_blocks(asked: &Asked<'_>) -> Result<Decoded, String> {
    let lines = asked.lines()?;
    if lines.clone().any(|line| line.len() < BLOCK_LINE_BYTES_MIN) {
        return Err("a line is too short for a block".into());
    }
    Ok(Ask(Request::PushBlocks { lines: lines.map(str::to_owned).collect() }))
}

fn push_data(asked: &Asked<'_>) -> Result<Decoded, String> {
    let span = asked.optional("after")?.zip(asked.optional("cursor")?);
    let span = span.map(|(after, cursor)| Box::new(Span { after, cursor }));
    let data = asked.lines()?.map(serde_json::from_str::<Data>).collect::<Result<_, _>>();
    let data = data.map_err(|error| format!("a line is no message: {error}"))?;
    Ok(Ask(Request::PushData { data, span }))
}
