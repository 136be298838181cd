//! Pages for when there is no page: a miner that does not answer, a path that leads nowhere.

use maud::{Markup, html};

use crate::api::Address;
use crate::ui::frame::{self, Chosen, Freshness};
use crate::ui::http::Answer;
use crate::ui::source::{NoPage, Source};
use crate::ui::words::Shown;

const REASON_CHARACTERS_MAX: usize = 400;

/// Says what is wrong, and recovers by itself where that can be. `at` is the miner that was
/// asked for.
pub fn page(source: &Source, at: Option<&str>, no_page: NoPage) -> Answer {
    match no_page {
        NoPage::Dead(error) => dead(source, at, &error.to_string()),
        NoPage::Missing(why) => plain(source, at, 404, "Not here", &why),
        NoPage::Bad(why) => plain(source, at, 400, "That makes no sense", &why),
    }
}

fn dead(source: &Source, at: Option<&str>, why: &str) -> Answer {
    let content = html! {
        section.failure data-dead {
            h1 { "The miner does not answer" }
            p.reason { (Shown(why, REASON_CHARACTERS_MAX)) }
            p { "This page asks again every two seconds and comes back by itself." }
            p { "If it runs elsewhere, start this UI with " code { "blockchain ui --miner host:port" }
                "; to start one here: " code { "blockchain miner start test.chain" } }
        }
    };
    without_answer(source, at, 503, "No answer", Freshness::Awaited, content)
}

fn plain(source: &Source, at: Option<&str>, status: u16, heading: &str, why: &str) -> Answer {
    let content = html! {
        section.failure {
            h1 { (heading) }
            p.reason { (Shown(why, REASON_CHARACTERS_MAX)) }
        }
    };
    // A home miner that does not answer is not asked twice.
    match source.look(at).or_else(|why| if at.is_some() { source.look(None) } else { Err(why) }) {
        Ok(at) => Answer::page(status, frame::page(heading, None, Freshness::Still, &at, content)),
        Err(_) => without_answer(source, at, status, heading, Freshness::Still, content),
    }
}

fn without_answer(
    source: &Source,
    at: Option<&str>,
    status: u16,
    title: &str,
    freshness: Freshness,
    content: Markup,
) -> Answer {
    let mut choices = source.choices();
    let address = at.and_then(|at| at.parse::<Address>().ok()).unwrap_or(source.home.clone());
    if !choices.contains(&address) {
        choices.push(address.clone());
    }
    let chosen = Chosen {
        address: &address,
        is_home: address == source.home,
        is_lab: source.lab.is_some(),
        choices,
    };
    Answer::page(status, frame::without_answer(title, freshness, &chosen, content))
}
