//! Which page a path names, and what a browser may ask of the miner directly.

use std::sync::Arc;

use super::http::{Answer, Asked, Fields, Response};
use super::news::News;
use super::pages::Visit;
use super::source::{NoPage, Source};
use super::{assets, class, pages, survey};
use crate::api::routes::{self, Decoded};
use crate::api::{Cursor, PAGE_BYTES_MAX, Request};

/// Answers a browser, at once or when there is news.
pub fn respond(source: &Source, news: &Arc<News>, asked: &Asked) -> Response {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/news") => wait(source, news, &asked.query),
        _ => Response::Now(answer(source, asked)),
    }
}

/// Lets a page wait for news of the miner that it is about, or of the network around that.
fn wait(source: &Source, news: &Arc<News>, query: &Fields) -> Response {
    let neighbours = if query.text("of") == Some("network") { survey::ASKED_MAX } else { 0 };
    match source.met(query.text("at"), neighbours) {
        Err(why) => Response::Now(Answer::new(404, "text/plain", why)),
        Ok(miners) => {
            let (news, mark) = (Arc::clone(news), query.read("after").unwrap_or(0));
            Response::Later(Box::new(move |pending| news.wait(miners, mark, pending)))
        }
    }
}

fn answer(source: &Source, asked: &Asked) -> Answer {
    if let Some(answer) = source.lab.as_ref().and_then(|lab| class::answer(lab, asked)) {
        return answer;
    }
    let form;
    let fields = match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/add" | "/pace") => {
            form = Fields::of(&asked.body);
            &form
        }
        _ => &asked.query,
    };
    let at = fields.text("at");
    let refuse = |why: &str| Err(NoPage::Bad(why.to_owned()));
    let answer = match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/add") if asked.is_ours => pages::chain::add(source, fields),
        ("POST", "/add") => refuse("a message is added from this UI's own pages only"),
        ("POST", "/pace") if asked.is_ours && asked.is_local => {
            pages::miner::set_pace(source, fields)
        }
        ("POST", "/pace") => refuse("the pace is set from this host and this UI's pages only"),
        ("POST", "/blocks") if asked.is_ours => hand_in(source, at, &asked.body, fields),
        ("POST", "/blocks") => refuse("a block is handed in from this UI's own pages only"),
        ("GET", path) if path.starts_with("/assets/") => Ok(asset(&path["/assets/".len()..])),
        // For health checks of the UI: it is healthy while it answers and reaches its miner.
        ("GET", "/health") => relay(source, at, "/api/health", fields),
        ("GET", path) if path.starts_with("/api/") => relay(source, at, path, fields),
        ("GET", path) => source.look(at).and_then(|at| {
            let visit = Visit { at: &at, query: fields, is_local: asked.is_local };
            pages::show(path, &visit)
        }),
        _ => refuse("pages are asked for with GET"),
    };
    answer.unwrap_or_else(|no_page| pages::failure::page(source, at, no_page))
}

/// A file that pages load; no miner is asked for it.
fn asset(name: &str) -> Answer {
    let Some(asset) = assets::find(name) else {
        return Answer::new(404, "text/plain", "there is no such file");
    };
    let assembles = name == "worker.js";
    Answer {
        keeps: true,
        assembles,
        ..Answer::new(200, asset.content_type, asset.content.as_str())
    }
}

/// Passes blocks on to the miner, as whose next ones they may be taken.
fn hand_in(
    source: &Source,
    at: Option<&str>,
    lines: &[u8],
    fields: &Fields,
) -> Result<Answer, NoPage> {
    let at = source.look(at)?;
    let lines = std::str::from_utf8(lines);
    let lines = lines.map_err(|_| NoPage::Bad("a block is text in UTF-8".into()))?;
    let request = Request::PushBlocks { lines: lines.lines().map(str::to_owned).collect() };
    let (status, body) = source.client.send(&at.address, &request, PAGE_BYTES_MAX)?;
    if let Some(lab) = &source.lab {
        class::credit(lab, lines, fields.text("by").unwrap_or_default(), &body);
    }
    Ok(Answer::new(status, "application/json", body))
}

/// Passes a reading request on to the miner, so that the script needs no other origin.
fn relay(source: &Source, at: Option<&str>, path: &str, fields: &Fields) -> Result<Answer, NoPage> {
    let address = match at {
        None => source.home.clone(),
        Some(_) => source.look(at)?.address,
    };
    let number = |name: &str, or: u64| match fields.text(name) {
        None => Ok(or),
        Some(text) => text.parse().map_err(|_| NoPage::Bad(format!("{name} is no number"))),
    };
    let request = match path {
        "/api/chain" => {
            Request::Chain { from: number("from", 0)?, limit: Some(number("limit", 1_000)?) }
        }
        "/api/data" => Request::Data { after: Some(Cursor::beginning()) },
        path => match routes::decode("GET", &path["/api".len()..], b"") {
            Decoded::Ask(
                asked @ (Request::Health | Request::DataState { .. } | Request::Block(_)),
            ) => asked,
            _ => return Err(NoPage::Missing("there is no such thing to ask".into())),
        },
    };
    let (status, body) = source.client.send(&address, &request, PAGE_BYTES_MAX)?;
    Ok(Answer::new(status, "application/json", body))
}
