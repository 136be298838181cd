//! What every page has around its content: head, navigation, the miner looked at, foot.

use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::source::At;
use crate::api::Status;

/// The pages that the navigation names, and the path of each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// `/`
    Chain,
    /// `/find`
    Find,
    /// `/check`
    Check,
    /// `/network`
    Network,
    /// `/miner`
    Miner,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Chain, "Chain", "/"),
        (Self::Find, "Find", "/find"),
        (Self::Check, "Check", "/check"),
        (Self::Network, "Network", "/network"),
        (Self::Miner, "Miner", "/miner"),
    ];
}

/// How a page stays up to date.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// What it shows does not change.
    Still,
    /// The script asks for it again and again; without scripts nothing happens.
    Live,
    /// So too without scripts, since people wait for what comes.
    Awaited,
}

/// A whole page about the miner `at`.
pub fn page(title: &str, tab: Tab, freshness: Freshness, at: &At, content: Markup) -> Markup {
    let health = &at.health;
    let is_ok = health.status == Status::Ok;
    let bar = html! {
        a.brand href=(at.href("/")) {
            img src=(assets::path("icon.svg")) alt="" width="28" height="28";
            span.name { "blockchain" } span.network { (health.network) }
        }
        (navigation(Some(tab), |path| at.href(path)))
        a.health.(if is_ok { "good" } else { "bad" }) href=(at.href("/miner")) id="health" {
            span.dot aria-hidden="true" {} span.visually-hidden { "The miner is " }
            @if is_ok { "well" } @else { "failing" }
        }
    };
    let foot = html! {
        (chooser(at))
        p.keys { kbd { "/" } " find · " kbd { "←" } " " kbd { "→" } " from block to block" }
        p { "version " (health.version) " · nothing here is loaded from elsewhere" }
    };
    whole(title, freshness, bar, content, foot)
}

/// A page when there is no miner to speak of.
pub fn bare(title: &str, freshness: Freshness, content: Markup) -> Markup {
    let bar = html! {
        a.brand href="/" {
            img src=(assets::path("icon.svg")) alt="" width="28" height="28";
            span.name { "blockchain" }
        }
        (navigation(None, str::to_owned))
    };
    whole(title, freshness, bar, content, html! {})
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
                script src=(assets::path("app.js")) defer {}
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

fn navigation(current: Option<Tab>, href: impl Fn(&str) -> String) -> Markup {
    html! {
        nav aria-label="Pages" {
            @for (tab, name, path) in Tab::ALL {
                a href=(href(path)) aria-current=[(current == Some(tab)).then_some("page")] { (name) }
            }
        }
    }
}

/// Chooses whose eyes to look through.
fn chooser(at: &At) -> Markup {
    html! {
        form.chooser method="get" {
            label for="at" { "Seen by miner" }
            select id="at" name="at" {
                @for choice in &at.choices {
                    option value=(choice) selected[*choice == at.address] { (choice) }
                }
            }
            button { "Look" }
        }
    }
}
