//! The words of a line of an experiment, taken one by one.

use std::str::FromStr;
use std::time::Duration;

use super::name::Name;

/// Longest time that a line may take, in seconds.
const SECONDS_MAX: f64 = 3_600.0;

#[derive(Debug, PartialEq)]
enum Word<'a> {
    Plain(&'a str),
    Text(&'a str),
}

fn words(line: &str) -> Result<Vec<Word<'_>>, String> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() && !rest.starts_with('#') {
        let end = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').ok_or("a text ends with a double quote")?;
                words.push(Word::Text(&quoted[..end]));
                end + 2
            }
            None => {
                let end = rest.find([' ', '\t', '"']).unwrap_or(rest.len());
                words.push(Word::Plain(&rest[..end]));
                end
            }
        };
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

/// Takes the words of a line one by one.
pub struct Reader<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<Word<'a>>>,
}

impl<'a> Reader<'a> {
    pub fn new(line: &'a str) -> Result<Self, String> {
        Ok(Self { words: words(line)?.into_iter().peekable() })
    }

    pub fn is_empty(&mut self) -> bool {
        self.words.peek().is_none()
    }

    /// The next word; `what` says what it is to be.
    pub fn plain(&mut self, what: &str) -> Result<&'a str, String> {
        match self.words.next() {
            Some(Word::Plain(word)) => Ok(word),
            Some(Word::Text(text)) => Err(format!("{what} is missing before \"{text}\"")),
            None => Err(format!("{what} is missing")),
        }
    }

    pub fn read<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.plain(what)?;
        word.parse().map_err(|_| format!("{word:?} is no {what}"))
    }

    pub fn name(&mut self) -> Result<Name, String> {
        self.plain("a miner's name")?.parse()
    }

    /// Names up to the end or to a word that is none.
    pub fn names(&mut self) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some(Word::Plain(word)) = self.words.peek() {
            let Ok(name) = word.parse() else { break };
            names.push(name);
            self.words.next();
        }
        names
    }

    pub fn text(&mut self) -> Result<String, String> {
        match self.words.next() {
            Some(Word::Text(text)) => Ok(text.to_owned()),
            _ => Err("a text in double quotes is missing".into()),
        }
    }

    /// Takes a certain word, if it comes next.
    pub fn takes(&mut self, word: &str) -> bool {
        self.words.next_if(|next| *next == Word::Plain(word)).is_some()
    }

    pub fn seconds(&mut self) -> Result<Duration, String> {
        let seconds: f64 = self.read("number of seconds")?;
        let is_fine = (0.0..=SECONDS_MAX).contains(&seconds);
        is_fine.then(|| Duration::from_secs_f64(seconds)).ok_or_else(|| {
            format!("{seconds} is no time; a line takes at most {SECONDS_MAX} seconds")
        })
    }

    /// The miner behind `to`, or the first.
    pub fn recipient(&mut self) -> Result<Name, String> {
        if self.takes("to") { self.name() } else { Ok(Name::first()) }
    }

    /// `value`, where nothing follows.
    pub fn end<T>(&mut self, value: T) -> Result<T, String> {
        match self.words.next() {
            None => Ok(value),
            Some(Word::Plain(word) | Word::Text(word)) => Err(format!("{word:?} is too much")),
        }
    }
}
