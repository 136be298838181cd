//! Numbers, times and strangers' text as people read them.
//!
//! [`Shown`] is the only way a stranger's text gets onto a page.

use maud::{Markup, Render, html};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::api::Address;
use crate::chain::{Hash, Micros};
use crate::escape::is_harmless;

const SHORT_HASH_CHARACTERS: usize = 10;

/// A number with commas: `18,204`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 block`, `2 blocks`.
pub fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// A length of time with the precision people want: `0.3 s`, `12 s`, `3 min`, `2 h 5 min`.
pub fn duration(micros: Micros) -> String {
    let seconds = micros / 1_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0 if micros == 0 => "0 s".into(),
        0 if micros < 1_000 => format!("{micros} µs"),
        0 if micros < 100_000 => format!("{} ms", micros / 1_000),
        1..10 if micros.is_multiple_of(1_000_000) => format!("{seconds} s"),
        0..10 => format!("{:.1} s", micros as f64 / 1e6),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} days", count(days)),
    }
}

/// The same for a number of seconds that may be huge or no number.
pub fn seconds(seconds: f64) -> String {
    const YEAR: f64 = 31_557_600.0;
    match seconds {
        s if !s.is_finite() => "for ever".into(),
        s if s > 1e6 * YEAR => "over a million years".into(),
        s if s > 2.0 * YEAR => format!("{} years", count((s / YEAR) as u64)),
        s => duration((s.max(0.0) * 1e6) as u64),
    }
}

/// A size: `812 bytes`, `12.3 KB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => plural(bytes, "byte"),
        1_000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A rate or count of guesses: `940`, `12.5 k`, `38 M`.
pub fn short_count(number: f64) -> String {
    match number {
        n if n < 10.0 => hundredths(n),
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{} k", tenths(n / 1e3)),
        n if n < 1e9 => format!("{} M", tenths(n / 1e6)),
        n => format!("{} G", tenths(n / 1e9)),
    }
}

fn hundredths(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn tenths(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

pub fn short_hash(hash: &Hash) -> String {
    format!("{}…", &hash.to_string()[..SHORT_HASH_CHARACTERS])
}

/// Characters of an address that are shown where it has a line; few are longer.
pub const ADDRESS_CHARACTERS: usize = 60;

/// An address in at most so many characters, its port among them.
pub fn short_address(address: &Address, characters: usize) -> String {
    let (whole, port) = (address.to_string(), format!(":{}", address.port()));
    if whole.len() <= characters {
        return whole;
    }
    let room = characters.saturating_sub(port.len() + 1);
    whole.chars().take(room).collect::<String>() + "…" + &port
}

/// The class of the colour that stands for a hash: its first digit's.
pub fn hue(hash: &Hash) -> String {
    format!("h{:x}", hash.as_bytes()[0] >> 4)
}

/// A moment of a chain's or miner's clock.
#[derive(Clone, Copy)]
pub struct Moment(pub Micros);

impl Moment {
    fn utc(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000).ok()
    }

    /// Date and time to the second: `2026-09-21 14:13:20 UTC`.
    pub fn text(self) -> String {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
        self.formatted(format)
    }

    fn formatted(self, format: &[time::format_description::FormatItem<'_>]) -> String {
        let text = self.utc().and_then(|utc| utc.format(format).ok());
        text.unwrap_or_else(|| format!("{} µs", self.0))
    }

    fn exact(self) -> String {
        let format = format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6] UTC"
        );
        self.formatted(format)
    }

    fn machine(self) -> String {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        self.formatted(format)
    }

    /// The moment as such; the script puts it into the reader's zone.
    pub fn show(self) -> Markup {
        html! { time datetime=(self.machine()) title=(self.exact()) data-as="moment" { (self.text()) } }
    }

    /// Time from it to `now`; the script keeps it true.
    pub fn age(self, now: Micros) -> Markup {
        if self.0 == 0 {
            return html! { span title="The first block has no time: it is the same on every miner." { "genesis" } };
        }
        let text = match now.checked_sub(self.0) {
            Some(age) => format!("{} ago", duration(whole_seconds(age))),
            None => format!("in {}", duration(whole_seconds(self.0 - now))),
        };
        self.changing("age", &text)
    }

    /// Time from `now` to it; `due` if it has come.
    pub fn ahead(self, now: Micros) -> Markup {
        match self.0.checked_sub(now).filter(|ahead| *ahead > 0) {
            Some(ahead) => {
                self.changing("ahead", &format!("in {}", duration(whole_seconds(ahead))))
            }
            None => self.changing("ahead", "due"),
        }
    }

    fn changing(self, kind: &str, text: &str) -> Markup {
        html! { time datetime=(self.machine()) title=(self.exact()) data-as=(kind) { (text) } }
    }
}

fn whole_seconds(micros: Micros) -> Micros {
    micros / 1_000_000 * 1_000_000
}

/// Text from a stranger, at most so many characters of it: escaped, with what would be
/// invisible or change the direction of reading made visible.
pub struct Shown<'a>(pub &'a str, pub usize);

/// Bytes that fit in one line of a phone.
const LINE_BYTES_ON_A_PHONE: usize = 25;

/// As how many characters one counts that can't be seen: its name is long.
const UNSEEN_CHARACTERS: usize = 8;

impl<'a> Shown<'a> {
    pub fn is_cut(&self) -> bool {
        self.part().len() < self.0.len()
    }

    /// True if it may need more lines than these, on a phone.
    pub fn may_fill(&self, lines: usize) -> bool {
        let needed = self.part().split('\n').map(|line| 1 + line.len() / LINE_BYTES_ON_A_PHONE);
        needed.sum::<usize>() > lines
    }

    fn part(&self) -> &'a str {
        let mut room = self.1;
        let fits = |(_, c): &(usize, char)| {
            let size = if is_unseen(*c) { UNSEEN_CHARACTERS } else { 1 };
            let fits = size <= room;
            room = room.saturating_sub(size);
            !fits
        };
        let end = self.0.char_indices().find(fits);
        &self.0[..end.map_or(self.0.len(), |(at, _)| at)]
    }
}

impl Render for Shown<'_> {
    fn render(&self) -> Markup {
        let mut rest = self.part();
        html! {
            bdi {
                @while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unseen(*c)) {
                    (rest[..at])
                    span.unseen { (format!("U+{:04X}", u32::from(c))) }
                    ({ rest = &rest[at + c.len_utf8()..]; "" })
                }
                (rest)
                @if self.is_cut() { "…" }
            }
        }
    }
}

/// True for a character that can't be seen, or turns or hides others.
fn is_unseen(c: char) -> bool {
    !is_harmless(c) && !matches!(c, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(
            [0, 999, 1_000, 18_204, 1_234_567].map(count).join(" "),
            "0 999 1,000 18,204 1,234,567"
        );
        for (micros, expected) in [
            (0, "0 s"),
            (900, "900 µs"),
            (23_000, "23 ms"),
            (340_000, "0.3 s"),
            (3_000_000, "3 s"),
            (3_400_000, "3.4 s"),
            (12_000_000, "12 s"),
            (180_000_000, "3 min"),
            (7_500_000_000, "2 h 5 min"),
            (400_000_000_000, "4 days"),
        ] {
            assert_eq!(duration(micros), expected);
        }
        assert_eq!(
            [0.0, 0.25, 2.5, 7.0, 1_500.0, 2e6, 38.4e6, 16e9].map(short_count).join(" "),
            "0 0.25 2.5 7 1.5 k 2 M 38.4 M 16 G"
        );
        assert_eq!(seconds(f64::INFINITY), "for ever");
        assert_eq!(seconds(1e300), "over a million years");
        assert_eq!(seconds(31_557_600.0 * 5.5), "5 years");
        assert_eq!(Moment(1_790_000_000_123_456).text(), "2026-09-21 14:13:20 UTC");
        assert!(Moment(u64::MAX).text().ends_with("µs"));
    }

    #[test]
    fn a_long_address_keeps_its_port() {
        for (text, expected) in [
            ("miner2:12345", "miner2:12345"),
            ("a-rather-long-name.example:1", "a-rather-long-n…:1"),
            ("[2001:db8::1234:5678:9abc]:12345", "[2001:db8::…:12345"),
        ] {
            assert_eq!(short_address(&text.parse().unwrap(), 18), expected);
        }
    }

    #[test]
    fn strangers_text_is_escaped_and_seen() {
        let shown = |text: &str, most| Shown(text, most).render().into_string();
        assert_eq!(shown("<b>&\"", 99), "<bdi>&lt;b&gt;&amp;&quot;</bdi>");
        assert_eq!(shown("</bdi>x", 99), "<bdi>&lt;/bdi&gt;x</bdi>");
        assert_eq!(shown("abcdef", 3), "<bdi>abc…</bdi>");
        assert_eq!(shown("ab\0", 9), "<bdi>ab…</bdi>");
        let turned = shown("a\u{202e}b\0", 19);
        assert!(turned.contains(">U+202E</span>b") && turned.contains("U+0000"), "{turned}");
        assert!(!turned.contains('\u{202e}'));
    }
}
