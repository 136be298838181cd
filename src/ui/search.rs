//! Finding by one box: a height, a hash, a data id, a date, or words of a message.

use std::time::{Duration, Instant};

use time::{Date, Month};

use super::source::{At, Sent, Source};
use crate::api::Fork;
use crate::api::client::ClientError;
use crate::chain::{DataId, Hash, Micros};

/// Longest time of one look through the chain, and its farthest block, so that there is soon a page
/// to see; it can be continued.
const LOOK_TIME_MAX: Duration = Duration::from_millis(150);
const LOOK_BLOCKS_MAX: u64 = 10_000;

/// Blocks that are asked for at once.
const ASKED_BLOCKS: u64 = 2_000;

/// Most blocks that one look finds.
const HITS_MAX: usize = 50;

/// Shortest piece of a hash that is taken for one, in digits.
const HASH_DIGITS_MIN: usize = 6;

/// A thing to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The block of this height.
    Height(u64),
    /// The message with this id.
    Id(DataId),
    /// The block with this hash, or with this seal.
    Hash(Hash),
    /// The first block at or after this moment.
    Moment(Micros),
    /// Blocks with all these words in their message, or whose hash, seal or data id begins with it.
    Words(Vec<String>),
}

/// Result of a look through the chain.
pub struct Found {
    /// Newest first.
    pub blocks: Vec<Sent>,
    /// Height of the lowest block that was looked at.
    pub down_to: u64,
}

/// Reads `text` as a thing to look for in a chain of `length` blocks. A date that names no zone is of `zone`.
pub fn read(text: &str, zone: &str, length: u64) -> Option<Wanted> {
    let text = text.trim();
    let plain = text.strip_prefix('#').unwrap_or(text).replace(',', "");
    if let Ok(height) = plain.parse::<u64>()
        && plain.len() < 20
        && height < length
    {
        return Some(Wanted::Height(height));
    }
    if let Ok(id) = text.replace('-', "").to_lowercase().parse() {
        return Some(Wanted::Id(id));
    }
    if let Ok(hash) = text.to_lowercase().parse() {
        return Some(Wanted::Hash(hash));
    }
    if let Some(moment) = moment(text, zone) {
        return Some(Wanted::Moment(moment));
    }
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    (!words.is_empty()).then_some(Wanted::Words(words))
}

/// Microseconds since the epoch of a date, with or without a time of day, as pages show it:
/// `2026-09-21 16:13:20 GMT+2`. Without a zone it is of `zone`.
fn moment(text: &str, zone: &str) -> Option<Micros> {
    let (text, zone) = match text.rsplit_once(' ') {
        Some((text, zone)) if offset(zone).is_some() => (text, zone),
        _ => text.strip_suffix('Z').map_or((text, zone), |text| (text, "UTC")),
    };
    let text = text.replacen('T', " ", 1);
    let full = match text.len() {
        10 => format!("{text} 00:00:00"),
        16 => format!("{text}:00"),
        _ => text,
    };
    let (date, time) = full.split_once(' ')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let narrow = |number: u16| u8::try_from(number).ok();
    let month = Month::try_from(narrow(month)?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, narrow(day)?).ok()?;
    let moment = date.with_hms(narrow(hour)?, narrow(minute)?, narrow(second)?).ok()?;
    let seconds = moment.assume_utc().unix_timestamp() - offset(zone)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000)
}

/// Seconds by which a zone is ahead of UTC: `UTC`, `GMT`, `GMT+2`, `GMT-3:30`.
fn offset(zone: &str) -> Option<i64> {
    let ahead = zone.strip_prefix("GMT").or_else(|| zone.strip_prefix("UTC"))?;
    let sign = match ahead.chars().next() {
        None => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return None,
    };
    let (hours, minutes) = ahead[1..].split_once(':').unwrap_or((&ahead[1..], "0"));
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60)
}

/// Three numbers with this character between them.
fn numbers(text: &str, between: char) -> Option<[u16; 3]> {
    let numbers: Option<Vec<_>> = text.split(between).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// The first block at or after `moment`: timestamps rise, so halving finds it.
pub fn first_at(source: &Source, at: &At, moment: Micros) -> Result<Option<Sent>, ClientError> {
    let (mut low, mut high) = (0, at.health.length);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(seen) = source.blocks(&at.address, middle, 1)?.0.pop() else { break };
        if seen.block.timestamp >= moment {
            (high, found) = (middle, Some(seen));
        } else {
            low = middle + 1;
        }
    }
    Ok(found)
}

/// Looks through the chain from height `below` downwards, as far as there is time.
pub fn scan(source: &Source, at: &At, words: &[String], below: u64) -> Result<Found, ClientError> {
    let began = Instant::now();
    let mut found = Found { blocks: Vec::new(), down_to: below };
    let end = below.saturating_sub(LOOK_BLOCKS_MAX);
    while found.down_to > end && found.blocks.len() < HITS_MAX && began.elapsed() < LOOK_TIME_MAX {
        let from = found.down_to.saturating_sub(ASKED_BLOCKS).max(end);
        let (blocks, _) = source.blocks(&at.address, from, found.down_to - from)?;
        if blocks.is_empty() {
            break;
        }
        for seen in blocks.into_iter().rev() {
            if found.blocks.len() == HITS_MAX {
                return Ok(found);
            }
            found.down_to = seen.block.index;
            if fits(&seen, words) {
                found.blocks.push(seen);
            }
        }
    }
    Ok(found)
}

/// The dropped blocks whose hash begins with the only word, as far as they fit on a page.
pub fn dropped(source: &Source, at: &At, words: &[String]) -> Result<Vec<Sent>, ClientError> {
    let [word] = words else { return Ok(Vec::new()) };
    if !is_hex(word) {
        return Ok(Vec::new());
    }
    let forks: Vec<Fork> = source.forks(&at.address);
    let blocks = forks.iter().flat_map(|fork| &fork.blocks);
    let hashes = blocks.map(|block| block.hash).filter(|hash| hash.to_string().starts_with(word));
    let kept = hashes.take(HITS_MAX).map(|hash| source.block(&at.address, hash));
    kept.filter_map(|kept| kept.map(|kept| kept.map(|kept| kept.seen)).transpose()).collect()
}

fn is_hex(word: &str) -> bool {
    word.len() >= HASH_DIGITS_MIN && word.bytes().all(|b| b.is_ascii_hexdigit())
}

fn fits(seen: &Sent, words: &[String]) -> bool {
    let message = seen.block.data.message.as_str().to_lowercase();
    if words.iter().all(|word| message.contains(word)) {
        return true;
    }
    let [word] = words else { return false };
    let proof = seen.block.proof.map(|proof| proof.seal.to_string()).unwrap_or_default();
    is_hex(word)
        && [seen.hash.to_string(), proof, seen.block.data.id.to_string()]
            .iter()
            .any(|text| text.starts_with(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_box_takes_heights_ids_dates_and_words() {
        let id = "0123456789abcdef0123456789abcdef";
        let words = |text: &str| Some(Wanted::Words(text.split(' ').map(str::to_owned).collect()));
        for (text, expected) in [
            ("17", Some(Wanted::Height(17))),
            ("#17", Some(Wanted::Height(17))),
            ("1,017", Some(Wanted::Height(1_017))),
            (&"a1".repeat(32), Some(Wanted::Hash("a1".repeat(32).parse().unwrap()))),
            ("99999", words("99999")),
            (id, Some(Wanted::Id(id.parse().unwrap()))),
            ("01234567-89ab-cdef-0123-456789abcdef", Some(Wanted::Id(id.parse().unwrap()))),
            ("2026-09-21", Some(Wanted::Moment(1_789_948_800_000_000))),
            ("2026-09-21 14:13:20", Some(Wanted::Moment(1_790_000_000_000_000))),
            ("2026-09-21T14:13Z", Some(Wanted::Moment(1_789_999_980_000_000))),
            ("Hello World", words("hello world")),
            ("2026-09-21 16:13:20 GMT+2", Some(Wanted::Moment(1_790_000_000_000_000))),
            ("2026-09-21 10:43:20 GMT-3:30", Some(Wanted::Moment(1_790_000_000_000_000))),
            ("2026-09-21 14:13:20 UTC", Some(Wanted::Moment(1_790_000_000_000_000))),
            ("2026-13-01", words("2026-13-01")),
            ("2026-09-21 GMT+x", words("2026-09-21 gmt+x")),
            (" ", None),
        ] {
            assert_eq!(read(text, "UTC", 2_000), expected, "{text:?}");
        }
        let midnight = Some(Wanted::Moment(1_789_941_600_000_000));
        assert_eq!(read("2026-09-21", "GMT+2", 2_000), midnight, "in the reader's zone");
    }
}
