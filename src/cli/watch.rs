//! `watch`: new messages and blocks as they arrive, one line each. It waits for the miner's
//! events: these say when to look, and what was dropped; the look itself is at the chain, so
//! that no block is missed, also where only the last of many is told.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;

use super::args::Watch;
use super::error::{CliError, Result};
use super::miner::Miner;
use super::output::{Look, Output, count, seconds_utc, short};
use crate::api::client::{ClientError, Sent};
use crate::api::{Cursor, EVENT_WAIT_MAX, EventPage, Happening};
use crate::chain::{Data, DataId, Hash, Why};

/// Blocks that are remembered, to find where a longer chain left ours.
const REMEMBERED: usize = 1_000;

pub fn run(watch: &Watch, output: &mut Output<'_>) -> Result {
    let miner = Miner::at(&watch.target)?;
    let mut watcher = Watcher::start(&miner, watch.json)?;
    let head = watcher.blocks.back().map_or(0, |(index, _)| *index);
    _ = writeln!(io::stderr(), "watching {} from block {head} on; Ctrl-C stops", miner.address);
    watcher.follow(watch.interval, output)
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told<'a> {
    Block { index: u64, hash: Hash, block: &'a RawValue },
    Message { data: &'a Data },
    Reorganisation(&'a Dropped),
}

/// Blocks that left the chain; what the miner itself told of it, if it did.
#[derive(Serialize)]
struct Dropped {
    fork: u64,
    dropped: u64,
    dropped_head: Option<Hash>,
    head: Option<Hash>,
    why: Option<Why>,
}

impl Dropped {
    fn told(what: &Happening) -> Option<Self> {
        let Happening::Reorganisation { fork, dropped, dropped_head, head, why, .. } = what else {
            return None;
        };
        let (dropped_head, head, why) = (Some(*dropped_head), Some(*head), Some(*why));
        Some(Self { fork: *fork, dropped: *dropped, dropped_head, head, why })
    }
}

/// The part of a miner that was seen so far.
struct Watcher<'a> {
    miner: &'a Miner,
    json: bool,
    /// The newest blocks, each by height and hash.
    blocks: VecDeque<(u64, Hash)>,
    cursor: Cursor,
    /// Id of the last event.
    last: u64,
    /// Messages that were told and are in no block yet.
    told: HashSet<DataId>,
}

impl<'a> Watcher<'a> {
    /// Looks at what is there, so that only what comes later is new.
    fn start(miner: &'a Miner, json: bool) -> Result<Self> {
        let last = miner.client.events(&miner.address)?.last;
        let (blocks, told) = (VecDeque::new(), HashSet::new());
        let mut watcher = Self { miner, json, blocks, cursor: Cursor::beginning(), last, told };
        let length = miner.health()?.length;
        for sent in miner.blocks(length.saturating_sub(REMEMBERED as u64), length) {
            watcher.remember(&sent?);
        }
        watcher.told = watcher.new_messages()?.into_iter().map(|data| data.id).collect();
        Ok(watcher)
    }

    /// Prints what is new whenever something happened. A miner that does not answer is told
    /// once, on stderr, and asked again after `pause`; so is one that has no place for another
    /// who waits.
    fn follow(&mut self, pause: Duration, output: &mut Output<'_>) -> Result {
        let mut away = false;
        loop {
            let asked = Instant::now();
            let told = match self.round(output) {
                Err(CliError::Client(error)) if is_passing(&error) => {
                    if !std::mem::replace(&mut away, true) {
                        _ = writeln!(io::stderr(), "{error}; asking again");
                    }
                    false
                }
                result => {
                    away = false;
                    result?
                }
            };
            output.flush()?;
            if !told && asked.elapsed() < pause {
                thread::sleep(pause);
            }
        }
    }

    /// Waits until something has happened, for as long as the miner lets it, and prints it;
    /// whether there was anything.
    fn round(&mut self, output: &mut Output<'_>) -> Result<bool> {
        let page =
            self.miner.client.events_after(&self.miner.address, self.last, EVENT_WAIT_MAX)?;
        let is_news = page.missed || !page.events.is_empty();
        if is_news {
            self.look(&page, output)?;
        }
        self.last = page.last;
        Ok(is_news)
    }

    fn look(&mut self, page: &EventPage, output: &mut Output<'_>) -> Result {
        for data in self.new_messages()? {
            if self.told.insert(data.id) {
                self.message(&data, output)?;
            }
        }
        for told in page.events.iter().filter_map(|event| Dropped::told(&event.what)) {
            self.reorganisation(&told, output)?;
        }
        let length = self.miner.health()?.length;
        let fork = self.fork(length)?;
        let dropped = self.blocks.iter().filter(|(index, _)| *index > fork).count() as u64;
        self.blocks.retain(|(index, _)| *index <= fork);
        if dropped > 0 && page.missed {
            let (dropped_head, head, why) = (None, None, None);
            self.reorganisation(&Dropped { fork, dropped, dropped_head, head, why }, output)?;
        }
        for sent in self.miner.blocks(fork + 1, length) {
            let sent = sent?;
            // A message that was mined before anybody could see it pending is told all the same.
            if !self.told.remove(&sent.block.data.id) {
                self.message(&sent.block.data, output)?;
            }
            self.block(&sent, output)?;
            self.remember(&sent);
        }
        Ok(())
    }

    /// Height of the newest block that was seen and is still in the miner's chain.
    fn fork(&self, length: u64) -> Result<u64> {
        let Some((last, hash)) = self.blocks.back() else { return Ok(0) };
        if *last < length {
            let same = self.miner.blocks(*last, *last + 1).next().transpose()?;
            if same.is_some_and(|sent| sent.hash == *hash) {
                return Ok(*last);
            }
        }
        let first = self.blocks.front().map_or(0, |(index, _)| *index);
        let mut fork = first.saturating_sub(1);
        let theirs = self.miner.blocks(first, length.min(*last + 1));
        for (sent, (index, hash)) in theirs.zip(&self.blocks) {
            if sent?.hash != *hash {
                break;
            }
            fork = *index;
        }
        Ok(fork)
    }

    fn new_messages(&mut self) -> Result<Vec<Data>> {
        let mut all = Vec::new();
        loop {
            let page = self.miner.client.data(&self.miner.address, self.cursor)?;
            let end = page.data.is_empty() || page.cursor.is_none();
            all.extend(page.data);
            self.cursor = page.cursor.unwrap_or(self.cursor);
            if end {
                return Ok(all);
            }
        }
    }

    fn message(&self, data: &Data, output: &mut Output<'_>) -> Result {
        if self.json {
            return Ok(output.json_line(&Told::Message { data })?);
        }
        let label = output.look(Look::Yellow, "message");
        let message = output.cut(data.message.as_str(), 7 + 2 + 32 + 2);
        Ok(output.line(format_args!("{label}  {}  {message}", data.id))?)
    }

    fn block(&self, sent: &Sent, output: &mut Output<'_>) -> Result {
        let Sent { line, block, hash } = sent;
        let (index, hash) = (block.index, *hash);
        if self.json {
            return Ok(output.json_line(&Told::Block { index, hash, block: line })?);
        }
        let label = output.look(Look::Green, "block  ");
        let start = format!("{index}  {}  {}", seconds_utc(block.timestamp), short(&hash));
        let message = output.cut(block.data.message.as_str(), 7 + 2 + start.len() + 2);
        Ok(output.line(format_args!("{label}  {start}  {message}"))?)
    }

    fn reorganisation(&self, told: &Dropped, output: &mut Output<'_>) -> Result {
        if self.json {
            return Ok(output.json_line(&Told::Reorganisation(told))?);
        }
        let label = output.look(Look::Red, "reorganisation");
        let blocks = count(told.dropped, "block");
        let why = match told.why {
            Some(Why::Longer) => ": the other branch is longer",
            Some(Why::LowerHash) => ": the other branch is as long, and its last hash is lower",
            Some(Why::Clock) => ": ahead of time, and neighbours lack them",
            Some(Why::Accepted) => ": the other branch was accepted by hand",
            None => "",
        };
        Ok(output.line(format_args!("{label}  {blocks} above block {} dropped{why}", told.fork))?)
    }

    fn remember(&mut self, sent: &Sent) {
        if self.blocks.len() == REMEMBERED {
            self.blocks.pop_front();
        }
        self.blocks.push_back((sent.block.index, sent.hash));
    }
}

/// True if it may come right by itself.
fn is_passing(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. } | ClientError::Refused { status: 503, .. })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, health, page};
    use super::*;
    use crate::api::{self, Request};
    use crate::chain::Block;
    use crate::chain::testing::{Maker, network};

    fn data(arrivals: u64, messages: &[Data]) -> Result<(u16, Vec<u8>), String> {
        let (data, cursor) = (messages, format!("{}-{arrivals}", "0".repeat(32)));
        let length = data.len();
        let page = serde_json::json!({ "data": data, "length": length, "cursor": cursor });
        Ok((200, page.to_string().into_bytes()))
    }

    fn answer(body: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
        Ok((200, body))
    }

    fn events(last: u64, what: &[Happening], missed: bool) -> Result<(u16, Vec<u8>), String> {
        let event = |(id, what): (u64, &Happening)| api::Event { id, at: id, what: what.clone() };
        let events: Vec<_> = (1..).zip(what).map(event).collect();
        let page = EventPage { length: events.len() as u64, events, last, missed };
        Ok((200, serde_json::to_vec(&page).unwrap()))
    }

    /// Output of two rounds after a start at a chain of genesis, `a` and `b`: nothing new, and then
    /// a longer chain of genesis, `a`, `c` and `d`, and a message `e`.
    fn watched(json: bool, missed: bool) -> String {
        let genesis = Block::genesis(&network(1)).line();
        let mut maker = Maker::new(network(1));
        let a = maker.add("a");
        let mut other = maker.clone();
        let (b, c, d) = (maker.add("b"), other.add("c"), other.add("d"));
        let (before, after) = ([genesis.clone(), a.clone(), b.clone()], [genesis, a, c, d]);
        let e = crate::chain::testing::data("e");
        let what = Happening::Reorganisation {
            fork: 1,
            dropped: 1,
            dropped_head: Hash::of("b"),
            adopted: 2,
            head: Hash::of("d"),
            why: Why::Longer,
            returned: Vec::new(),
            returned_count: 0,
            from: None,
        };
        let fake = Fake::new([
            events(5, &[], false),
            answer(health(3, 0)),
            answer(page(&before, 3)),
            data(0, &[]),
            events(5, &[], false),
            events(9, if missed { &[] } else { std::slice::from_ref(&what) }, missed),
            data(1, &[e]),
            data(1, &[]),
            answer(health(4, 0)),
            answer(page(&after[2..3], 4)),
            answer(page(&after[..3], 4)),
            answer(page(&after[2..], 4)),
            events(9, &[], false),
        ]);
        let miner = fake.miner();
        let mut bytes = Vec::new();
        let mut output = Output::plain(&mut bytes);
        let mut watcher = Watcher::start(&miner, json).unwrap();
        let rounds: Vec<_> = (0..3).map(|_| watcher.round(&mut output).unwrap()).collect();
        assert_eq!(rounds, [false, true, false]);
        assert_eq!(watcher.blocks.len(), 4);
        let asked = fake.asked().into_iter().filter_map(|request| match request {
            Request::Events { after, wait } => Some((after, wait)),
            _ => None,
        });
        let waits = |after| (Some(after), EVENT_WAIT_MAX);
        assert_eq!(asked.collect::<Vec<_>>(), [(None, 0), waits(5), waits(5), waits(9)]);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn only_what_is_new_is_told_and_a_longer_chain_says_what_it_dropped() {
        let text = watched(false, false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines[0].starts_with("message  ") && lines[0].ends_with("  e"));
        let dropped = "reorganisation  1 block above block 1 dropped";
        assert_eq!(lines[1], format!("{dropped}: the other branch is longer"));
        // One that the miner has forgotten is seen all the same.
        assert!(watched(false, true).lines().any(|line| line == dropped));
        // Messages that were never seen pending were not told at all.
        assert!(lines[2].starts_with("message  ") && lines[2].ends_with("  c"), "{text}");
        assert!(lines[3].starts_with("block    2  ") && lines[3].ends_with("  c"), "{text}");
        assert!(lines[5].starts_with("block    3  ") && lines[5].ends_with("  d"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let events: Vec<serde_json::Value> =
            watched(true, false).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["message", "reorganisation", "message", "block", "message", "block"]);
        assert_eq!(events[1]["fork"], 1);
        assert_eq!((&events[1]["why"], &events[1]["dropped"]), (&"longer".into(), &1.into()));
        assert_eq!(events[3]["block"]["data"]["message"], "c");
    }
}
