//! Looks whether a condition holds now, by asking the miners.

use super::LabError;
use super::class::Class;
use super::name::Name;
use super::order::Condition;
use crate::api::{DataPage, PAGE_BLOCKS_MAX, Request};
use crate::chain::Hash;

/// Newest blocks of a chain in which a message is looked for.
const LOOKED_AT: u64 = 1_000;

/// What holds, or else why it does not: the state that was found. An error where it cannot be told,
/// since a miner does not run, or does not answer.
pub type Verdict = Result<Result<(), String>, LabError>;

pub fn look(class: &Class, condition: &Condition) -> Verdict {
    match condition {
        Condition::OneChain(names) => one_chain(class, names),
        Condition::Length(name, length) => {
            let is = class.client.health(&class.reach(*name)?)?.length;
            so(is >= *length, || format!("the length of {name} is {is}"))
        }
        Condition::Block(name, height, text) => {
            let (blocks, _) = class.client.blocks(&class.reach(*name)?, *height, 1)?;
            let is = blocks.first().map(|sent| sent.block.data.message.as_str());
            so(is == Some(text), || match is {
                Some(is) => format!("that block holds {is:?}"),
                None => format!("{name} has no such block"),
            })
        }
        Condition::Mined(name, text) => {
            let is = mined(class, *name, text)?;
            so(is, || format!("no block of {name} holds it"))
        }
        Condition::Waiting(name, text) => {
            let request = Request::Data { after: None };
            let page: DataPage = class.client.call(&class.reach(*name)?, &request, "messages")?;
            let is = page.data.iter().any(|data| data.message.as_str() == text);
            so(is, || format!("{name} has no such pending message"))
        }
        Condition::Refused(name) => {
            let refused = class.client.health(&class.reach(*name)?)?.refused;
            so(refused.is_some(), || format!("{name} refused no branch"))
        }
        Condition::Not(condition) => {
            let holds = look(class, condition)?.is_ok();
            so(!holds, || format!("\"{condition}\" holds"))
        }
    }
}

fn so(is: bool, why_not: impl Fn() -> String) -> Verdict {
    Ok(if is { Ok(()) } else { Err(why_not()) })
}

fn one_chain(class: &Class, names: &[Name]) -> Verdict {
    let names = if names.is_empty() { class.running() } else { names.to_vec() };
    let mut heads: Vec<(Name, Hash)> = Vec::new();
    for name in names {
        heads.push((name, class.client.health(&class.reach(name)?)?.head));
    }
    let (_, first) = *heads.first().ok_or_else(|| LabError("no miner runs".into()))?;
    let other = heads.iter().find(|(_, head)| *head != first);
    so(other.is_none(), || {
        let shown = heads.iter().map(|(name, head)| format!("{name} {}", &head.to_string()[..8]));
        format!("the heads are: {}", shown.collect::<Vec<_>>().join(", "))
    })
}

fn mined(class: &Class, name: Name, text: &str) -> Result<bool, LabError> {
    let at = class.reach(name)?;
    let length = class.client.health(&at)?.length;
    let mut from = length.saturating_sub(LOOKED_AT);
    while from < length {
        let (page, _) = class.client.blocks(&at, from, PAGE_BLOCKS_MAX)?;
        if page.iter().any(|sent| sent.block.data.message.as_str() == text) {
            return Ok(true);
        }
        if page.is_empty() {
            break;
        }
        from += page.len() as u64;
    }
    Ok(false)
}
