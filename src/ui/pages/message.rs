//! The life of a message: on disk, mined, confirmed; and whether its text still stands.

use maud::{Markup, html};

use super::chain;
use super::chance::chance;
use super::forks::{self, Former, why_dropped};
use crate::api::{DataState, StatusReport};
use crate::chain::{Data, DataId, Hash, Message, Micros};
use crate::ui::frame::{self, Freshness};
use crate::ui::http::{Answer, Fields};
use crate::ui::source::{At, NoPage};
use crate::ui::words::{Moment, Shown, count, plural, short_hash};

const MESSAGE_CHARACTERS: usize = 300;

/// Lines of it that surely need no scrolling.
const LINES_UNSCROLLED: usize = 3;

/// A message as somebody added it: its id and, if the link has it, the hash of its text.
#[derive(Clone, Copy)]
pub struct Followed {
    pub id: DataId,
    /// SHA-256 of its text when it was added.
    pub sha256: Option<Hash>,
}

pub fn page(at: &At, id: &str, query: &Fields) -> Result<Answer, NoPage> {
    let id = id.parse::<DataId>().map_err(|error| NoPage::Bad(error.to_string()))?;
    let status = at.status();
    let followed = Followed { id, sha256: query.read("sha256") };
    let life = life(at, followed, status.as_ref())?;
    let code = if life.is_known { 200 } else { 404 };
    let content = html! {
        h1.visually-hidden { "Message " (id) }
        section.card id="life" aria-live="polite" { (life.shown) }
        p { a href=(at.href("/")) { "To the chain" } }
    };
    Ok(Answer::page(code, frame::page("Message", chain::TAB, Freshness::Awaited, at, content)))
}

pub struct Life {
    /// True if the miner has, or had, a message with this id.
    pub is_known: bool,
    pub shown: Markup,
}

struct Story {
    followed: Followed,
    /// It has it: unprocessed, or in a block.
    is_here: bool,
    mined: Option<u64>,
    confirmations: u64,
    /// When its block was made.
    since: Option<Micros>,
    /// The text that stands under the id, and its hash.
    text: Option<Message>,
    stands: Option<Hash>,
    /// Texts of dropped blocks under the id.
    former: Vec<Former>,
    /// The hash of the text that was added, and of another one that stands in its place.
    other: Option<(Hash, Hash)>,
    /// Another block with a text under the id, and the hash of that.
    twin: Option<(u64, Hash)>,
}

impl Story {
    fn find(at: &At, followed: Followed) -> Result<Self, NoPage> {
        let Followed { id, sha256: added } = followed;
        let state = at.state(id, added)?;
        let told = state.as_ref().map(DataState::sha256);
        let (mined, confirmations) = match state {
            Some(DataState::Mined { index, confirmations, .. }) => (Some(index), confirmations),
            _ => (None, 0),
        };
        let data: Vec<(Micros, Data)> = match mined {
            Some(index) => {
                let (blocks, _) = at.blocks(index, 1)?;
                blocks.into_iter().map(|seen| (seen.block.timestamp, seen.block.data)).collect()
            }
            None => at.waiting()?.data.into_iter().map(|data| (at.now, data)).collect(),
        };
        let is_it = |text: &Message| told.is_none_or(|told| Hash::of(text.as_str()) == told);
        let found = data.into_iter().find(|(_, data)| data.id == id && is_it(&data.message));
        let (since, text) = found.map(|(since, data)| (since, data.message)).unzip();
        let since = since.filter(|_| mined.is_some());
        let former = forks::former(at, &at.forks(), id)?;
        let stands = text.as_ref().map(|text| Hash::of(text.as_str())).or(told);
        let other = added.zip(stands).filter(|(added, stands)| added != stands);
        let in_chain = stands.filter(|_| other.is_none() && mined.is_some());
        let twin = twin(at, followed, in_chain)?;
        let is_here = state.is_some();
        Ok(Self {
            followed,
            is_here,
            mined,
            confirmations,
            since,
            text,
            stands,
            former,
            other,
            twin,
        })
    }

    /// The hash of the text that stands there, if another one stood there before.
    fn stood_otherwise(&self) -> Option<Hash> {
        self.stands.filter(|stands| self.former.iter().any(|former| former.text_hash() != *stands))
    }

    fn is_rewritten(&self) -> bool {
        self.other.is_some() || self.twin.is_some() || self.stood_otherwise().is_some()
    }
}

/// The steps of a message's life, where it is, and whether another text stands there.
pub fn life(at: &At, followed: Followed, status: Option<&StatusReport>) -> Result<Life, NoPage> {
    let known = Story::find(at, followed)?;
    let Story { is_here, mined, text, stands, former, other, .. } = &known;
    let is_known = *is_here || !former.is_empty();
    let is_as_added = other.is_none() && stands.is_some();
    let shown = html! {
        h2 { @if other.is_some() { "Another text stands there" } @else { "The life of your message" } }
        (alarm(at, &known))
        (history(at, former, known.since, *mined, *is_here))
        @if let Some(text) = text { @let shown = Shown(text.as_str(), MESSAGE_CHARACTERS);
            blockquote.other[other.is_some()] tabindex=[shown.may_fill(LINES_UNSCROLLED).then_some("0")] { (shown) }
        }
        @if !is_known { p.problem { "This miner has no message with this id." } }
        @if !known.is_rewritten() { (steps(at, &known)) }
        @if mined.is_some() { (chance(known.confirmations, status)) }
        p.hint {
            "Id " code { (followed.id) }
            @if let Some(added) = followed.sha256.filter(|_| is_as_added) {
                " · it is the text that was added, SHA-256 " code { (short_hash(&added)) } }
        }
    };
    Ok(Life { is_known, shown })
}

/// What happened to the text that was added, if it is not where it was put.
fn alarm(at: &At, known: &Story) -> Markup {
    let Story { followed: Followed { sha256: added, .. }, mined, former, .. } = known;
    let (words, original) = if let Some((added, stands)) = known.other {
        let words = html! {
            p { strong { "✗ This is not the text that was added." } }
            p {
                @match mined { Some(index) => { "Block " (count(*index))
                    " holds another text under this id" } None =>
                    "Another text is unprocessed under this id" }
                ": its SHA-256 is " code { (short_hash(&stands)) } ", that of the text that was added is " code { (short_hash(&added)) } "."
            }
        };
        (words, Some(added))
    } else if let Some((index, text)) = known.twin {
        let words = html! {
            p { strong { "✗ The chain holds another text under this id, too." } " Block " (count(index))
                " has one with the SHA-256 " code { (short_hash(&text)) }
                ": " a href=(at.block(index)) { "see it" } "." }
        };
        (words, *added)
    } else if mined.is_none() && !former.is_empty() {
        let words = html! {
            p { strong { "✗ A stronger branch rewrote the block of this message." }
                " Its text is in the chain no more" @if known.is_here {
                ": it is unprocessed again." } @else { "." } }
        };
        (words, *added)
    } else if let Some(stands) = known.stood_otherwise() {
        let words = html! {
            p { strong { "✗ Another text stood under this id before." } " A stronger branch rewrote it. The \
                SHA-256 of the text below is " code { (short_hash(&stands)) } "." }
        };
        (words, None)
    } else {
        return html! {};
    };
    html! { div.alarm role="alert" { (words) (originals(at, former, original)) } }
}

fn steps(at: &At, known: &Story) -> Markup {
    let Story { is_here, mined, confirmations, .. } = known;
    html! {
        ol.steps {
            (step(*is_here, mined.is_none(), "on disk", html! { "The miner keeps it, also through a power cut." }))
            (step(mined.is_some(), true, &mined.map_or("mined".into(), |index| format!("mined in block {index}")), match mined {
                Some(index) => html! { a href=(at.block(index)) { "See the block" } },
                None => html! { "Miners search a proof for its block." },
            }))
            (step(false, false, &if mined.is_some() { plural(*confirmations, "confirmation") } else { "confirmed".into() }, html! {
                "Each block from its own to the head counts. None makes it certain; each makes rewriting it costlier."
            }))
        }
    }
}

/// The block, and the hash, of another text in the chain under the id of one that stands there.
fn twin(at: &At, followed: Followed, stands: Option<Hash>) -> Result<Option<(u64, Hash)>, NoPage> {
    let Some(stands) = stands.filter(|_| followed.sha256.is_some()) else { return Ok(None) };
    Ok(match at.first_in_chain(followed.id)? {
        Some(DataState::Mined { index, sha256, .. }) if sha256 != stands => Some((index, sha256)),
        _ => None,
    })
}

/// The dropped blocks that held a message: of this text, if one is named.
fn originals(at: &At, former: &[Former], text: Option<Hash>) -> Markup {
    let is_it = |former: &&Former| text.is_none_or(|text| former.text_hash() == text);
    html! {
        @for former in former.iter().filter(is_it) {
            p {
                "It stood in block " (count(former.seen.block.index)) " with " (plural(former.confirmations, "confirmation"))
                " until " (Moment(former.dropped.at).show()) ". " (why_dropped(&former.dropped)) " "
                a href=(at.block(former.seen.hash)) { "Open the dropped original" }
            }
        }
    }
}

/// The blocks that a message was in, and when it was in none; `since` is the timestamp of the
/// block that it is in now.
fn history(
    at: &At,
    former: &[Former],
    since: Option<Micros>,
    mined: Option<u64>,
    is_known: bool,
) -> Markup {
    let begins = |number: usize| former.get(number).map(|former| former.seen.block.timestamp);
    html! {
        @if !former.is_empty() {
            ol.history aria-label="Where the message was" {
                @for (number, one) in former.iter().enumerate() {
                    @let next = begins(number + 1).or(since);
                    li { a href=(at.block(one.seen.hash)) { "block " (count(one.seen.block.index)) } }
                    li.gone { "dropped " (Moment(one.dropped.at).age(at.now)) }
                    @if next.map_or(is_known, |next| next > one.dropped.at) { li { "unprocessed" } }
                }
                @if let Some(index) = mined { li { a href=(at.block(index)) { "block " (count(index)) } } }
            }
        }
    }
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
