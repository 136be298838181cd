//! Lines of the log, whole and one event each, whatever a stranger wrote into them.

use std::time::{SystemTime, UNIX_EPOCH};

use log::Level;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::escape::{Escaped, EscapedJson};
use crate::settings::LogFormat;

/// Longest text of a line, in bytes; what is above is cut off.
pub const TEXT_BYTES_MAX: usize = 4096;

#[derive(Clone, Copy)]
pub struct Style {
    pub format: LogFormat,
    pub is_journal: bool,
}

impl Style {
    /// A line for the file: with its end.
    pub fn line(self, level: Level, text: &str) -> String {
        let time = now();
        match self.format {
            LogFormat::Text => format!("{time} {level} {}\n", shortened(Escaped(text))),
            LogFormat::Json => json_line(&time, level, text),
        }
    }

    pub fn line_for_stderr(self, level: Level, text: &str, line: String) -> String {
        if !self.is_journal {
            return line;
        }
        // sd-daemon(3)
        let priority = match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
        match self.format {
            LogFormat::Text => format!("<{priority}>{}\n", shortened(Escaped(text))),
            LogFormat::Json => format!("<{priority}>{line}"),
        }
    }
}

/// `text` without what is above [`TEXT_BYTES_MAX`].
pub fn shortened(text: impl ToString) -> String {
    let mut text = text.to_string();
    if text.len() > TEXT_BYTES_MAX {
        let is_whole = |at: &usize| text.is_char_boundary(*at);
        let cut = (0..=TEXT_BYTES_MAX).rev().find(is_whole);
        text.truncate(cut.unwrap_or_default());
        text.push('…');
    }
    text
}

/// The time, as `2026-11-22T07:30:00Z`; a clock beyond the year 9999 shows seconds alone.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| format!("@{seconds}"))
}

#[derive(Serialize)]
pub struct JsonLine<'a> {
    time: &'a str,
    level: &'a str,
    /// The job or other part of the program that says it.
    part: &'a str,
    message: &'a str,
    #[serde(serialize_with = "as_map")]
    fields: Vec<(&'a str, &'a str)>,
}

pub fn as_map<S: Serializer>(fields: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().copied())
}

pub fn json_line(time: &str, level: Level, text: &str) -> String {
    let text = shortened(text);
    let (part, rest) = match text.split_once(": ") {
        Some((part, rest)) if is_word(part) => (part, rest),
        _ => ("", text.as_str()),
    };
    let (message, fields) = fields(rest);
    let level = level.as_str().to_ascii_lowercase();
    let line = JsonLine { time, level: &level, part, message, fields };
    let json = serde_json::to_string(&line).expect("text is always JSON");
    format!("{}\n", EscapedJson(&json))
}

/// A message and the `name=value` behind it. A value goes on to the next name; of two with one
/// name the first counts, so that text of others at the end of a line changes none before it.
pub fn fields(text: &str) -> (&str, Vec<(&str, &str)>) {
    let mut starts: Vec<(usize, &str)> = Vec::new();
    for (at, _) in text.match_indices('=') {
        let start = text[..at].rfind(' ').map_or(0, |space| space + 1);
        let name = &text[start..at];
        if is_word(name) && starts.iter().all(|(_, known)| *known != name) {
            starts.push((start, name));
        }
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let values = starts.iter().zip(ends).map(|((start, name), end)| {
        let value = text[start + name.len() + 1..end].trim_end();
        (*name, value)
    });
    let message = text[..starts.first().map_or(text.len(), |(start, _)| *start)].trim_end();
    (if message.is_empty() { text } else { message }, values.collect())
}

pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
