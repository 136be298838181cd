//! The life of a message: on disk, mined, confirmed.

use maud::{Markup, html};

use crate::api::DataState;
use crate::api::client::ClientError;
use crate::chain::DataId;
use crate::ui::frame::{self, Freshness, Tab};
use crate::ui::http::Answer;
use crate::ui::source::{At, NoPage, Source};
use crate::ui::words::{Shown, plural};

/// Confirmations after which a message counts as settled.
const SETTLED_CONFIRMATIONS: u64 = 3;

/// Characters of the message that are shown.
const MESSAGE_CHARACTERS: usize = 300;

/// Lines of it that surely need no scrolling.
const LINES_UNSCROLLED: usize = 3;

/// Renders the page of the message with this id.
pub fn page(source: &Source, at: &At, id: &str) -> Result<Answer, NoPage> {
    let id = id.parse::<DataId>().map_err(|error| NoPage::Bad(error.to_string()))?;
    let content = html! {
        section.card id="life" aria-live="polite" { (life(source, at, id)?) }
        p { a href=(at.href("/")) { "To the chain" } }
    };
    Ok(Answer::page(200, frame::page("Message", Tab::Chain, Freshness::Awaited, at, content)))
}

/// The three steps of a message's life, and where it is.
pub fn life(source: &Source, at: &At, id: DataId) -> Result<Markup, NoPage> {
    let state = match source.client.data_state(&at.address, id) {
        Ok(state) => Some(state),
        Err(ClientError::Refused { status: 404, .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let (mined, confirmations) = match state {
        Some(DataState::Mined { index, confirmations, .. }) => (Some(index), confirmations),
        _ => (None, 0),
    };
    let text = match mined {
        Some(index) => {
            let (blocks, _) = source.blocks(&at.address, index, 1)?;
            blocks.first().map(|seen| seen.block.data.message.clone())
        }
        None => {
            let waiting = source.waiting(at)?.data.into_iter();
            waiting.filter(|data| data.id == id).map(|data| data.message).next()
        }
    };
    let settled = confirmations >= SETTLED_CONFIRMATIONS;
    Ok(html! {
        h2 { "The life of your message" }
        @if let Some(text) = &text { @let shown = Shown(text.as_str(), MESSAGE_CHARACTERS);
            blockquote tabindex=[shown.may_fill(LINES_UNSCROLLED).then_some("0")] { (shown) }
         }
        @if state.is_none() {
            p.problem { "This miner knows no message with this id (any more)." }
        }
        ol.steps {
            (step(state.is_some(), mined.is_none(), "on disk", html! { "The miner has it and will not forget it, even without power." }))
            (step(mined.is_some(), !settled, &mined.map_or("mined".into(), |index| format!("mined in block {index}")), match mined {
                Some(index) => html! { a href=(at.href(&format!("/block/{index}"))) { "See the block" } },
                None => html! { "Miners search a proof for its block." },
            }))
            (step(settled, false, &if mined.is_some() { plural(confirmations, "confirmation") } else { "confirmed".into() }, html! {
                @if settled { "Changing it would take mining all these blocks again." }
                @else { "Each block from its own to the head counts; from " (SETTLED_CONFIRMATIONS) " on, it is settled." }
            }))
        }
        p.hint { "Id " code { (id) } }
    })
}

fn step(is_done: bool, is_last_done: bool, name: &str, more: Markup) -> Markup {
    let now = is_done && is_last_done;
    html! {
        li.done[is_done] aria-current=[now.then_some("step")] {
            strong { (name) @if is_done { span.visually-hidden { " (done)" } } }
            span.more { (more) }
        }
    }
}
