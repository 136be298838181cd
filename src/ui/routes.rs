//! Which page a path names, and what a browser may ask of the miner directly.

use std::collections::HashMap;
use std::sync::Arc;

use super::http::{Answer, Asked, Response};
use super::news::News;
use super::pages::Visit;
use super::source::{NoPage, Source};
use super::{assets, class, pages, source, survey};
use crate::api::routes::{self, Decoded};
use crate::api::{PAGE_BYTES_MAX, Request};

/// Fields of a query or a form.
pub type Parameters = HashMap<String, String>;

/// Answers a browser, at once or when there is news.
pub fn respond(source: &Source, news: &Arc<News>, asked: &Asked) -> Response {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/news") => wait(source, news, asked),
        _ => Response::Now(answer(source, asked)),
    }
}

/// Lets a page wait for news of the miner that it is about, or of the network around that.
fn wait(source: &Source, news: &Arc<News>, asked: &Asked) -> Response {
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(asked.query.as_bytes());
        fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    };
    let neighbours = if field("of").as_deref() == Some("network") { survey::ASKED_MAX } else { 0 };
    let at = field("at");
    match source.met(at.as_deref(), neighbours) {
        Err(why) => Response::Now(Answer::new(404, "text/plain", why)),
        Ok(miners) => {
            let mark = field("after").and_then(|mark| mark.parse().ok()).unwrap_or(0);
            let news = Arc::clone(news);
            Response::Later(Box::new(move |pending| news.wait(miners, mark, pending)))
        }
    }
}

fn answer(source: &Source, asked: &Asked) -> Answer {
    let parameters: Parameters =
        form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
    if let Some(answer) = source.lab.as_ref().and_then(|lab| class::answer(lab, asked)) {
        return answer;
    }
    let at = parameters.get("at").map(String::as_str);
    let mut chosen = at.map(str::to_owned);
    let answer = match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/add") => {
            let form: Parameters = form_urlencoded::parse(&asked.body).into_owned().collect();
            chosen = form.get("at").cloned();
            if asked.is_ours {
                pages::chain::add(source, &form)
            } else {
                Err(NoPage::Bad("a message is added from this UI's own pages only".into()))
            }
        }
        ("POST", "/pace") => {
            let form: Parameters = form_urlencoded::parse(&asked.body).into_owned().collect();
            chosen = form.get("at").cloned();
            if asked.is_ours && asked.is_local {
                pages::miner::set_pace(source, &form)
            } else {
                Err(NoPage::Bad("the pace is set from this host and this UI's pages only".into()))
            }
        }
        ("POST", "/blocks") if asked.is_ours => hand_in(source, at, &asked.body, &parameters),
        ("POST", "/blocks") => {
            Err(NoPage::Bad("a block is handed in from this UI's own pages only".into()))
        }
        ("GET", path) if path.starts_with("/assets/") => Ok(asset(&path["/assets/".len()..])),
        // For health checks of the UI: it is healthy while it answers and reaches its miner.
        ("GET", "/health") => relay(source, at, "/api/health", &parameters),
        ("GET", path) if path.starts_with("/api/") => relay(source, at, path, &parameters),
        ("GET", path) => source.look(at).and_then(|at| {
            let (at, parameters) = (&at, &parameters);
            pages::show(path, &Visit { source, at, parameters, is_local: asked.is_local })
        }),
        _ => Err(NoPage::Bad("pages are asked for with GET".into())),
    };
    answer.unwrap_or_else(|no_page| pages::failure::page(source, chosen.as_deref(), no_page))
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
    parameters: &Parameters,
) -> Result<Answer, NoPage> {
    let at = source.look(at)?;
    let lines = std::str::from_utf8(lines);
    let lines = lines.map_err(|_| NoPage::Bad("a block is text in UTF-8".into()))?;
    let (status, body) = source.hand_in(&at.address, lines)?;
    if let Some(lab) = &source.lab {
        let by = parameters.get("by").map_or("", String::as_str);
        class::credit(lab, lines, by, &body);
    }
    Ok(Answer::new(status, "application/json", body))
}

/// Passes a reading request on to the miner, so that the script needs no other origin.
fn relay(
    source: &Source,
    at: Option<&str>,
    path: &str,
    parameters: &Parameters,
) -> Result<Answer, NoPage> {
    let address = match at {
        None => source.home.clone(),
        Some(_) => source.look(at)?.address,
    };
    let number = |name: &str, or: u64| match parameters.get(name) {
        None => Ok(or),
        Some(text) => text.parse().map_err(|_| NoPage::Bad(format!("{name} is no number"))),
    };
    let request = match path {
        "/api/chain" => {
            Request::Chain { from: number("from", 0)?, limit: Some(number("limit", 1_000)?) }
        }
        "/api/data" => Request::Data { after: Some(source::first_page()) },
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
