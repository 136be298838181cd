//! Small bar plots with axes and units, drawn as SVG on the server.

use maud::{Markup, html};

use super::words::{count, short_count};

/// Width and height of the drawing, in its own units.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 190.0;

/// Room for the labels left of, below and above the bars.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 34.0;

pub struct Bar {
    pub index: u64,
    /// Its height, in the unit of the plot.
    pub value: f64,
    pub words: String,
}

pub struct Plot<'a> {
    pub title: &'a str,
    /// A sentence below the heading.
    pub sentence: &'a str,
    pub unit: &'a str,
    pub bars: &'a [Bar],
    /// The values in words: the lowest, the highest.
    pub summary: String,
    /// A level worth a line, and its name.
    pub level: Option<(f64, String)>,
}

pub fn draw(plot: &Plot<'_>) -> Markup {
    let Plot { title, sentence, unit, bars, summary, level } = plot;
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return html! {} };
    let highest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let top = nice_above(level.as_ref().map_or(highest, |(value, _)| highest.max(*value)));
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / top);
    let step = (WIDTH - LEFT) / bars.len() as f64;
    html! {
        figure.plot {
            figcaption { h3 { (title) } p { (sentence) } }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(summary) {
                text.scale x="0" y="15" { (unit) }
                @for part in 0..=4 {
                    @let value = top * f64::from(part) / 4.0;
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(round(y(value))) y2=(round(y(value))) {}
                    text.scale x=(LEFT - 8.0) y=(round(y(value) + 4.0)) text-anchor="end" { (short_count(value)) }
                }
                @for (place, bar) in bars.iter().enumerate() {
                    @let height = (y(0.0) - y(bar.value)).max(1.5);
                    rect.bar x=(round(LEFT + step * place as f64 + step * 0.12)) y=(round(y(0.0) - height))
                        width=(round(step * 0.76)) height=(round(height)) rx="1.5" {
                        title { "Block " (bar.index) ": " (bar.words) }
                    }
                }
                @if let Some((value, name)) = level {
                    line.level x1=(LEFT) x2=(WIDTH) y1=(round(y(*value))) y2=(round(y(*value))) {}
                    text.name x=(WIDTH) y="15" text-anchor="end" { "┄ " (name) }
                }
                text.scale x=(LEFT) y=(HEIGHT - 6.0) { "block " (count(first.index)) }
                text.scale x=(WIDTH) y=(HEIGHT - 6.0) text-anchor="end" { "block " (count(last.index)) }
            }
        }
    }
}

/// The number to a tenth: a drawing needs no more.
pub fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The lowest of 1, 2, 4, 10, 20, 40, … (and their fractions) that is not below `value`.
fn nice_above(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let nice = [1.0, 2.0, 4.0, 10.0].map(|factor| factor * power);
    nice.into_iter().find(|nice| *nice >= value).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, expected) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 4.0), (41.0, 100.0)] {
            assert_eq!(nice_above(value), expected);
        }
    }
}
