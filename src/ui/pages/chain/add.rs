//! The box to add a message, and what comes of it.

use maud::{Markup, html};

use super::render;
use crate::api::Added;
use crate::api::client::ClientError;
use crate::api::client::Result;
use crate::chain::data::MESSAGE_BYTES_MAX;
use crate::chain::{Data, DataId, Hash, Message};
use crate::random;
use crate::ui::http::{Answer, Fields};
use crate::ui::source::{At, NoPage, Source};
use crate::ui::words::Shown;

/// Text for the box again, after a message could not be added.
pub struct Draft<'a> {
    text: &'a str,
    problem: &'a str,
}

/// Adds the message of a form, and goes where its life can be followed.
pub fn add(source: &Source, form: &Fields) -> Result<Answer, NoPage> {
    let at = source.look(form.text("at"))?;
    // Browsers send a line break in a form as two characters.
    let text = form.text("message").unwrap_or_default().replace("\r\n", "\n");
    let refuse = |status, problem: &str| {
        let draft = Draft { text: &text, problem };
        Ok(Answer::page(status, render(&at, None, None, Some(draft))?))
    };
    let message = match Message::new(&text) {
        Ok(message) => message,
        Err(error) => return refuse(400, &error.to_string()),
    };
    let id = form.read("id").unwrap_or_else(random_id);
    let sha256 = Hash::of(message.as_str());
    match add_once(&at, id, message) {
        Ok(added) => {
            let path = format!("/?life={}&sha256={sha256}", added.data.id);
            Ok(Answer::see_other(at.href(&path)))
        }
        Err(error) => refuse(503, &error.to_string()),
    }
}

/// Adds a message. A form that is sent twice adds once; one that was changed after it was
/// sent is another message.
fn add_once(at: &At, id: DataId, message: Message) -> Result<Added> {
    match at.source.client.add(&at.address, Data { id, message: message.clone() }) {
        Err(ClientError::Refused { status: 409, .. }) => {
            at.source.client.add(&at.address, Data { id: random_id(), message })
        }
        answer => answer,
    }
}

fn random_id() -> DataId {
    DataId::from_random(random::bytes())
}

pub fn add_box(at: &At, draft: Option<Draft<'_>>) -> Markup {
    let (text, problem) = draft.map_or(("", None), |draft| (draft.text, Some(draft.problem)));
    html! {
        section.card.add {
            h2 { label for="message" { "Add a message" } }
            form method="post" action="/add" {
                @if !at.is_home { input type="hidden" name="at" value=(at.address); }
                input type="hidden" name="id" value=(random_id());
                textarea id="message" name="message" rows="3" required spellcheck="true" placeholder="It stays in the chain for good."
                    aria-describedby="message-hint" aria-invalid=[problem.map(|_| "true")] data-bytes-max=(MESSAGE_BYTES_MAX) {
                    // A browser drops the first line break in a text area.
                    "\n" (text)
                }
                @if let Some(problem) = problem { p.problem role="alert" { (Shown(problem, 300)) } }
                div.buttons {
                    button.primary { "Add" }
                    span.hint id="message-hint" { "Everybody can read it, and nobody can take it back." }
                }
            }
        }
    }
}
