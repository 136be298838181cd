//! What is printed on stdout, for people or for programs.
//!
//! Strangers' text goes through [`Escaped`]; on a terminal it is cut or wrapped as well, so
//! that it can't fill lines up and begin one that looks like ours.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use time::OffsetDateTime;
use time::macros::format_description;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::chain::{Hash, Micros};
use crate::escape::{Escaped, EscapedJson};

/// Digits of a hash that are shown in a table: enough to tell blocks apart.
const SHORT_HASH_DIGITS: usize = 12;

/// Columns that strangers' text gets at least, however narrow the terminal.
const TEXT_COLUMNS_MIN: usize = 20;

pub struct Output<'a> {
    writer: &'a mut dyn Write,
    /// Columns of the terminal, if it is one.
    columns: Option<usize>,
    coloured: bool,
}

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    Bold,
    /// Less important than the rest.
    Dim,
    /// All is well.
    Green,
    /// It is not.
    Red,
    /// It may come right by itself.
    Yellow,
}

impl<'a> Output<'a> {
    /// Prints to `writer`, as to a file.
    pub fn plain(writer: &'a mut dyn Write) -> Self {
        Self { writer, columns: None, coloured: false }
    }

    /// Prints to `writer`, which ends in stdout.
    pub fn stdout(writer: &'a mut dyn Write) -> Self {
        if !io::stdout().is_terminal() {
            return Self::plain(writer);
        }
        let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let columns = terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into());
        Self { writer, columns: Some(columns), coloured }
    }

    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.writer, "{line}")
    }

    /// Prints a part of a JSON document.
    pub fn json(&mut self, json: &str) -> io::Result<()> {
        match self.columns {
            Some(_) => write!(self.writer, "{}", EscapedJson(json)),
            None => self.writer.write_all(json.as_bytes()),
        }
    }

    pub fn json_line(&mut self, document: &impl serde::Serialize) -> io::Result<()> {
        self.json(&serde_json::to_string(document).expect("our own types are always JSON"))?;
        self.line("")
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// `text` with this look, where that can be shown.
    pub fn look(&self, look: Look, text: impl Display) -> String {
        if !self.coloured {
            return text.to_string();
        }
        let code = match look {
            Look::Bold => 1,
            Look::Dim => 2,
            Look::Red => 31,
            Look::Green => 32,
            Look::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub fn is_terminal(&self) -> bool {
        self.columns.is_some()
    }

    /// A stranger's text as the last column of a table, behind `used` columns: cut where
    /// the terminal ends.
    pub fn cut(&self, text: &str, used: usize) -> String {
        self.cut_escaped(&Escaped(text).to_string(), used)
    }

    /// The same for text that is harmless already.
    pub fn cut_escaped(&self, text: &str, used: usize) -> String {
        let Some(room) = self.room(used) else { return text.to_owned() };
        match head_within(text, room) {
            head if head.len() == text.len() => text.to_owned(),
            _ => format!("{}…", head_within(text, room - 1)),
        }
    }

    /// Prints a field and its value, a stranger's perhaps; on a terminal a long one is
    /// wrapped below itself.
    pub fn field(&mut self, name: &str, value: &str) -> io::Result<()> {
        let label = self.look(Look::Dim, format_args!("{name:<FIELD_COLUMNS$}"));
        let value = Escaped(value).to_string();
        let Some(room) = self.room(FIELD_COLUMNS) else {
            return self.line(format_args!("{label}{value}"));
        };
        let mut rest = value.as_str();
        let mut before = label;
        loop {
            let head = head_within(rest, room);
            self.line(format_args!("{before}{head}"))?;
            rest = &rest[head.len()..];
            if rest.is_empty() {
                return Ok(());
            }
            before = " ".repeat(FIELD_COLUMNS);
        }
    }

    fn room(&self, used: usize) -> Option<usize> {
        Some(self.columns?.saturating_sub(used).max(TEXT_COLUMNS_MIN))
    }
}

/// Columns of a field's name and the space behind it.
const FIELD_COLUMNS: usize = 16;

/// The beginning of `text` that fits in `columns` of a terminal; no letter loses its accents.
fn head_within(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.grapheme_indices(true).find(|(_, grapheme)| {
        used += grapheme.width();
        used > columns
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// `text` with spaces behind it, up to so many columns.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Columns of `text` on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

pub fn short(hash: &Hash) -> String {
    hash.to_string().chars().take(SHORT_HASH_DIGITS).collect()
}

/// A time as `2026-11-22 07:30:00`, UTC; without meaning where it is no time at all.
pub fn seconds_utc(at: Micros) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    time_of(at).and_then(|time| time.format(format).ok()).unwrap_or_else(|| format!("{at} µs"))
}

/// A time as `2026-11-22 07:30:00.123456 UTC`.
pub fn micros_utc(at: Micros) -> String {
    format!("{}.{:06} UTC", seconds_utc(at), at % 1_000_000)
}

fn time_of(at: Micros) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1000).ok()
}

/// A bar on stderr, if that is a terminal, that shows how much of a file has been read. Goes
/// away when the file has been read or the bar is dropped.
pub struct ReadBar(ProgressBar);

impl Default for ReadBar {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
        Self(ProgressBar::no_length().with_style(style.expect("the template is right")))
    }
}

impl ReadBar {
    /// Shows how far a reader is, and never stops it.
    pub fn progress(&self) -> impl FnMut(u64, u64) -> ControlFlow<()> {
        |read, of| {
            self.show(read, of);
            ControlFlow::Continue(())
        }
    }

    pub fn show(&self, read: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(read);
        if read >= of {
            self.0.finish_and_clear();
        }
    }
}

impl Drop for ReadBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A number with its noun: `1 block`, `2 blocks`, `3 guesses`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if noun.ends_with('s') || noun.ends_with("ch") { "es" } else { "s" };
    format!("{number} {noun}{}", if number == 1 { "" } else { plural })
}

/// A number of things a second: `38.4 M`.
pub fn rate(number: f64) -> String {
    match number {
        0.0..1e3 => format!("{number:.0}"),
        1e3..1e6 => format!("{:.1} k", number / 1e3),
        1e6..1e9 => format!("{:.1} M", number / 1e6),
        _ => format!("{:.1} G", number / 1e9),
    }
}

/// A span in its largest unit that fits and the one below: `2 h 5 min`.
pub struct Span(pub u64);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..60 => write!(f, "{seconds} s"),
            seconds @ 60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            seconds @ 3600..86_400 => {
                write!(f, "{} h {} min", seconds / 3600, seconds / 60 % 60)
            }
            seconds => write!(f, "{} d {} h", seconds / 86_400, seconds / 3600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_terminal(columns: usize, print: impl Fn(&mut Output<'_>)) -> String {
        let mut bytes = Vec::new();
        print(&mut Output { writer: &mut bytes, columns: Some(columns), coloured: false });
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_message_cannot_wrap_into_a_line_of_its_own() {
        let message = format!("hello{}   1  forged", " ".repeat(100));
        let text = on_terminal(60, |output| {
            output.line(output.cut(&message, 20)).unwrap();
            output.field("message", &message).unwrap();
        });
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.lines().next().unwrap().ends_with('…'));
        assert!(text.lines().skip(2).all(|line| line.starts_with("                ")), "{text}");
    }

    #[test]
    fn off_a_terminal_nothing_is_cut_or_coloured() {
        let mut bytes = Vec::new();
        let mut output = Output::plain(&mut bytes);
        let long = "x".repeat(500);
        assert_eq!(output.cut(&long, 20), long);
        assert_eq!(output.look(Look::Red, "x"), "x");
        output.json("\"\u{9b}\"").unwrap();
        assert_eq!(bytes, "\"\u{9b}\"".as_bytes());
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(head_within("日本語", 5), "日本");
        assert_eq!(head_within("abc", 3), "abc");
        assert_eq!(head_within("äöü", 2), "äö");
        // An accent of its own character, and a family: one grapheme each.
        assert_eq!(head_within("a\u{308}b", 1), "a\u{308}");
        assert_eq!(head_within("👩\u{200d}👩\u{200d}👧x", 2), "👩\u{200d}👩\u{200d}👧");
        assert_eq!((padded("日", 4), width("日本")), ("日  ".into(), 4));
    }

    #[test]
    fn times_and_spans_read_well() {
        assert_eq!(micros_utc(1_790_000_000_123_456), "2026-09-21 14:13:20.123456 UTC");
        assert_eq!(seconds_utc(u64::MAX), "18446744073709551615 µs");
        for (seconds, expected) in
            [(5, "5 s"), (65, "1 min 5 s"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(Span(seconds).to_string(), expected);
        }
        assert_eq!((count(1, "block"), count(2, "block")), ("1 block".into(), "2 blocks".into()));
        assert_eq!(
            (count(2, "guess"), count(0, "branch")),
            ("2 guesses".into(), "0 branches".into())
        );
        assert_eq!((rate(38.44e6), rate(900.0)), ("38.4 M".into(), "900".into()));
    }
}
