//! Pages for when there is no page: a miner that does not answer, a path that leads nowhere.

use maud::html;

use crate::ui::frame::{self, Freshness};
use crate::ui::http::Answer;
use crate::ui::source::NoPage;
use crate::ui::words::Shown;

/// Longest reason that is shown, in characters.
const REASON_CHARACTERS_MAX: usize = 400;

/// Says what is wrong, and recovers by itself where that can be.
pub fn page(no_page: NoPage) -> Answer {
    match no_page {
        NoPage::Dead(error) => dead(&error.to_string()),
        NoPage::Missing(why) => plain(404, "Not here", &why),
        NoPage::Bad(why) => plain(400, "That makes no sense", &why),
    }
}

fn dead(why: &str) -> Answer {
    let content = html! {
        section.failure data-dead {
            h1 { "The miner does not answer" }
            p.reason { (Shown(why, REASON_CHARACTERS_MAX)) }
            p { "This page asks again every two seconds and comes back by itself." }
            p { "If it runs elsewhere, start this UI with " code { "blockchain ui --miner host:port" } "; to start one here: " code { "blockchain miner start test.chain" } }
        }
    };
    Answer::page(503, frame::bare("No answer", Freshness::Awaited, content))
}

fn plain(status: u16, heading: &str, why: &str) -> Answer {
    let content = html! {
        section.failure {
            h1 { (heading) }
            p.reason { (Shown(why, REASON_CHARACTERS_MAX)) }
            p { a href="/" { "To the chain" } }
        }
    };
    Answer::page(status, frame::bare(heading, Freshness::Still, content))
}
