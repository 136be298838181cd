//! What every page has around its content: head, navigation, the miner looked at, foot.

use std::fmt;

use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::pages::PAGES;
use super::source::At;
use crate::api::{Address, Status};

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tab {
    pub name: &'static str,
    pub path: &'static str,
}

impl Tab {
    pub const WALL: Self = Self { name: "Wall", path: "/wall" };
    pub const LEARN: Self = Self { name: "Learn", path: "/learn" };
}

/// How a page stays up to date.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Still,
    /// The script asks for it again at each event; without scripts nothing happens.
    Live,
    /// So too without scripts, for pages on which nobody types.
    Awaited,
}

pub fn page(
    title: &str,
    tab: impl Into<Option<Tab>>,
    freshness: Freshness,
    at: &At,
    content: Markup,
) -> Markup {
    let tab = tab.into();
    let health = &at.health;
    let is_ok = health.status == Status::Ok;
    let bar = html! {
        (brand(&at.href("/"), Some(&health.network)))
        (navigation(tab, at.is_lab, |path| at.href(path)))
        (badge(&at.href("/miner"), is_ok, "The miner is ", if is_ok { "well" } else { "failing" }))
    };
    let foot = html! {
        (chooser(&at.address, &at.choices))
        p.keys { kbd { "/" } " find · " kbd { "←" } " " kbd { "→" } " from block to block" }
        p { "version " (health.version) " · nothing here is loaded from elsewhere" }
    };
    whole(title, freshness, bar, content, foot)
}

pub fn of_class(title: &str, tab: Tab, script: &str, content: Markup) -> Markup {
    let bar = html! {
        (brand("/", Some(&"lab")))
        (navigation(Some(tab), true, str::to_owned))
    };
    let content = html! {
        (content)
        link rel="stylesheet" href=(assets::path("class.css"));
        script type="module" src=(assets::path(script)) {}
    };
    whole(title, Freshness::Still, bar, content, html! {})
}

/// A page about a miner that does not answer: links go on looking at it, and another one of
/// `choices` can be chosen.
pub fn without_answer(
    title: &str,
    freshness: Freshness,
    chosen: &Chosen<'_>,
    content: Markup,
) -> Markup {
    let at = if chosen.is_home { String::new() } else { format!("?at={}", chosen.address) };
    let href = |path: &str| format!("{path}{at}");
    let bar = html! {
        (brand(&href("/"), None))
        (navigation(None, chosen.is_lab, href))
        (badge(&href("/miner"), false, "The miner gives ", "no answer"))
    };
    whole(title, freshness, bar, content, chooser(chosen.address, &chosen.choices))
}

pub struct Chosen<'a> {
    pub address: &'a Address,
    /// True for the miner this UI was started for.
    pub is_home: bool,
    pub is_lab: bool,
    /// Who can be looked at, as far as known.
    pub choices: Vec<Address>,
}

fn brand(href: &str, network: Option<&dyn fmt::Display>) -> Markup {
    html! {
        a.brand href=(href) {
            img src=(assets::path("icon.svg")) alt="" width="28" height="28";
            span.name { "blockchain" }
            @if let Some(network) = network { span.network { (network) } }
        }
    }
}

/// How the miner is: `word`, which `before` makes a sentence.
fn badge(href: &str, is_good: bool, before: &str, word: &str) -> Markup {
    html! {
        a.health.(if is_good { "good" } else { "bad" }) href=(href) id="health" {
            span.dot aria-hidden="true" {} span.visually-hidden { (before) } span.word { (word) }
        }
    }
}

fn whole(title: &str, freshness: Freshness, bar: Markup, content: Markup, foot: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · blockchain" }
                link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
                link rel="stylesheet" href=(assets::path("style.css"));
                @if freshness == Freshness::Awaited {
                    noscript { meta http-equiv="refresh" content="2"; }
                }
                script type="module" src=(assets::path("app.js")) {}
            }
            body data-live[freshness != Freshness::Still] {
                a.skip href="#main" { "Skip to the content" }
                header.bar { (bar) }
                p.lost id="lost" role="alert" hidden {}
                main id="main" tabindex="-1" { (content) }
                footer { (foot) }
            }
        }
    }
}

fn navigation(current: Option<Tab>, is_lab: bool, href: impl Fn(&str) -> String) -> Markup {
    let of_class = if is_lab { &[Tab::WALL, Tab::LEARN][..] } else { &[] };
    let mark = |tab: Tab| (current == Some(tab)).then_some("page");
    html! {
        nav aria-label="Pages" {
            @for tab in of_class {
                a href=(tab.path) aria-current=[mark(*tab)] { (tab.name) }
            }
            @for (tab, _) in PAGES {
                a href=(href(tab.path)) aria-current=[mark(tab)] { (tab.name) }
            }
        }
    }
}

fn chooser(chosen: &Address, choices: &[Address]) -> Markup {
    html! {
        form.chooser method="get" {
            label for="at" { "Miner" }
            select id="at" name="at" {
                @for choice in choices {
                    option value=(choice) selected[choice == chosen] { (choice) }
                }
            }
            button { "Show" }
        }
    }
}
