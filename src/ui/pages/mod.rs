//! The pages, one file each, and the one list of those that the navigation names.

use super::frame::Tab;
use super::http::{Answer, Fields};
use super::source::{At, NoPage};

pub mod block;
pub mod chain;
pub mod chance;
pub mod check;
pub mod failure;
pub mod find;
pub mod forks;
pub mod lines;
pub mod message;
pub mod miner;
pub mod network;
pub mod workbench;

pub struct Visit<'a> {
    pub at: &'a At<'a>,
    pub query: &'a Fields,
    /// True for a browser on this host.
    pub is_local: bool,
}

type Show = fn(&Visit<'_>) -> Result<Answer, NoPage>;

/// The pages that the navigation names, in its order.
pub const PAGES: [(Tab, Show); 7] = [
    (chain::TAB, |to| chain::page(to.at, to.query)),
    (find::TAB, |to| find::page(to.at, to.query)),
    (check::TAB, |to| Ok(check::page(to.at))),
    (workbench::TAB, |to| Ok(workbench::page(to.at))),
    (forks::TAB, |to| forks::page(to.at)),
    (network::TAB, |to| network::page(to.at)),
    (miner::TAB, |to| miner::page(to.at, to.is_local)),
];

pub fn show(path: &str, visit: &Visit<'_>) -> Result<Answer, NoPage> {
    if let Some((_, show)) = PAGES.iter().find(|(tab, _)| tab.path == path) {
        return show(visit);
    }
    let Visit { at, query, .. } = visit;
    match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        ["block", name] => block::page(at, name),
        ["block", name, "message"] => block::message(at, name),
        ["data", id] => message::page(at, id, query),
        _ => Err(NoPage::Missing("there is no such page".into())),
    }
}
