//! Plots of the newest blocks.

use maud::{Markup, html};

use super::PLOTTED_BLOCKS;
use crate::ui::plot::{self, Bar, Plot};
use crate::ui::source::{At, Sent};
use crate::ui::words::{count, duration, plural, short_count};

pub fn plots(at: &At, blocks: &[Sent]) -> Markup {
    let made: Vec<_> = blocks.iter().filter(|seen| seen.block.proof.is_some()).collect();
    let ((unit, gaps), nonces) = (gaps(&made), nonces(&made));
    let expected = 16f64.powi(i32::from(at.health.difficulty.zeros()));
    if gaps.len() < 2 {
        return html! {
            section.card.plots id="plots" {
                h2 { "The newest blocks" }
                p.lead { "Three blocks with a proof are needed to draw how long they took and how lucky the miners were." }
            }
        };
    }
    html! {
        section.card.plots id="plots" {
            h2 { "The newest blocks" }
            (plot::draw(&Plot {
                title: "Time between blocks",
                sentence: "A block comes when a message is unprocessed and its proof is found.",
                unit,
                summary: summary_of(&gaps),
                bars: &gaps,
                level: None,
            }))
            (plot::draw(&Plot {
                title: "Nonces found",
                sentence: "Guesses until the proof was found. A search is luck: most end early, some take several times the average.",
                unit: "guesses",
                summary: summary_of(&nonces),
                bars: &nonces,
                level: Some((expected, format!("average {}", short_count(expected)))),
            }))
        }
    }
}

/// The times between blocks, and their unit.
fn gaps(made: &[&Sent]) -> (&'static str, Vec<Bar>) {
    let gap = |pair: &[&Sent]| {
        let micros = pair[1].block.timestamp.saturating_sub(pair[0].block.timestamp);
        Bar { index: pair[1].block.index, value: micros as f64 / 1e6, words: duration(micros) }
    };
    let mut gaps: Vec<_> = made.windows(2).map(gap).collect();
    let (name, length) = unit(gaps.iter().map(|bar| bar.value).fold(0.0, f64::max));
    gaps.iter_mut().for_each(|bar| bar.value /= length);
    (name, gaps)
}

fn nonces(made: &[&Sent]) -> Vec<Bar> {
    let nonce = |seen: &&Sent| {
        let nonce = seen.block.proof.map_or(0, |proof| proof.nonce);
        let words = format!("nonce {}", count(nonce));
        Bar { index: seen.block.index, value: nonce as f64, words }
    };
    let newest = made.len().saturating_sub(PLOTTED_BLOCKS as usize);
    made[newest..].iter().map(nonce).collect()
}

fn summary_of(bars: &[Bar]) -> String {
    let of = |bar: Option<&Bar>| bar.map_or("", |bar| bar.words.as_str()).to_owned();
    let lowest = bars.iter().min_by(|one, other| one.value.total_cmp(&other.value));
    let highest = bars.iter().max_by(|one, other| one.value.total_cmp(&other.value));
    let (all, lowest, highest) = (plural(bars.len() as u64, "block"), of(lowest), of(highest));
    format!("{all}, lowest {lowest}, highest {highest}, last {}", of(bars.last()))
}

/// The unit that suits times up to so many seconds, and its length.
fn unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        s if s < 1e-3 => ("microseconds", 1e-6),
        s if s < 1.0 => ("milliseconds", 1e-3),
        s if s < 180.0 => ("seconds", 1.0),
        s if s < 10_800.0 => ("minutes", 60.0),
        s if s < 259_200.0 => ("hours", 3_600.0),
        _ => ("days", 86_400.0),
    }
}
