//! What a request brings beside its path: parameters, lines of a body; and how they are spelled.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::api::{Address, Cursor, EVENT_WAIT_MAX};
use crate::chain::{DataId, Hash};

pub struct Asked<'a> {
    /// The end of the path, where it names something.
    pub name: &'a str,
    /// Parameters of the query, each known and there once.
    parameters: HashMap<&'a str, String>,
    pub body: &'a [u8],
}

impl<'a> Asked<'a> {
    /// Decodes the parameters. An unknown one is refused: it is most often the rest of a
    /// message with an `&` in it that was not percent-encoded, and would be lost.
    pub fn read(
        name: &'a str,
        query: &'a str,
        known: &[&str],
        body: &'a [u8],
    ) -> Result<Self, String> {
        let mut parameters = HashMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let shown: String = name.chars().take(40).collect();
            if !known.contains(&name) {
                let known = if known.is_empty() { "none" } else { &known.join(", ") };
                let hint = "write & within a value as %26";
                return Err(format!("unknown parameter {shown:?}; known here: {known}; {hint}"));
            }
            let spaced = value.replace('+', " ");
            let decoded = percent_decode_str(&spaced).decode_utf8();
            let value = decoded.map_err(|_| format!("{shown} is not UTF-8"))?.into_owned();
            if parameters.insert(name, value).is_some() {
                return Err(format!("{shown} is given twice"));
            }
        }
        Ok(Self { name, parameters, body })
    }

    /// The text of a parameter, if it is there.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub fn optional<T: Parameter>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let shown: String = text.chars().take(80).collect();
        let refuse = || format!("{name} is {}, not {shown:?}", T::EXPECTED);
        T::read(text).map(Some).ok_or_else(refuse)
    }

    pub fn required<T: Parameter>(&self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| format!("{name} is missing: {}", T::EXPECTED))
    }

    pub fn body_text(&self) -> Result<&'a str, String> {
        std::str::from_utf8(self.body).map_err(|_| "the body is not UTF-8".to_owned())
    }

    /// The lines of the body, without line breaks; at least one.
    ///
    /// No line of JSON holds a control character, and one that does would grow sixfold on its way
    /// to the miner.
    pub fn lines(&self) -> Result<impl Iterator<Item = &'a str> + Clone, String> {
        let lines = self.body_text()?.lines().filter(|line| !line.is_empty());
        if lines.clone().next().is_none() {
            return Err("the body is empty; it takes one block or message a line, as JSON".into());
        }
        if lines.clone().any(|line| line.bytes().any(|byte| byte < b' ')) {
            return Err("a line of the body holds a control character".into());
        }
        Ok(lines)
    }
}

#[derive(Default)]
pub struct Spelled {
    /// The end of the path.
    pub name: String,
    pub query: Vec<String>,
    pub body: Vec<u8>,
}

impl Spelled {
    pub fn name(name: impl fmt::Display) -> Self {
        Self { name: name.to_string(), ..Self::default() }
    }

    pub fn query(name: &str, value: impl fmt::Display) -> Self {
        Self::default().and(name, Some(value))
    }

    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// With this parameter, too, if it has a value.
    pub fn and(mut self, name: &str, value: Option<impl fmt::Display>) -> Self {
        self.query.extend(value.map(|value| format!("{name}={value}")));
        self
    }
}

/// A type that a query's parameter can have.
pub trait Parameter: Sized {
    const EXPECTED: &'static str;

    fn read(text: &str) -> Option<Self>;
}

macro_rules! parameter {
    ($type:ty, $expected:literal) => {
        impl Parameter for $type {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str) -> Option<Self> {
                Self::from_str(text).ok()
            }
        }
    };
}

parameter!(Hash, "64 lower-case hex digits");
parameter!(DataId, "32 lower-case hex digits");
parameter!(Address, "host:port");
parameter!(bool, "true or false");

impl Parameter for u64 {
    const EXPECTED: &'static str = "a whole number from 0 to 2^64-1";

    fn read(text: &str) -> Option<Self> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
    }
}

/// Seconds to wait for an event.
pub struct WaitSeconds(pub u64);

impl Parameter for WaitSeconds {
    const EXPECTED: &'static str = "whole seconds from 0 to 30";

    fn read(text: &str) -> Option<Self> {
        u64::read(text).filter(|wait| *wait <= EVENT_WAIT_MAX).map(Self)
    }
}

/// A limit of guesses a second as it is written.
pub struct HashRate(pub Option<u64>);

impl Parameter for HashRate {
    const EXPECTED: &'static str = "guesses a second (0 pauses), or none";

    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(Self(None)) } else { u64::read(text).map(Some).map(Self) }
    }
}

impl fmt::Display for HashRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => limit.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl Parameter for Cursor {
    const EXPECTED: &'static str = "what an earlier answer gave as its cursor";

    fn read(text: &str) -> Option<Self> {
        Cursor::try_from(text.to_owned()).ok()
    }
}
