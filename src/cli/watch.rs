//! `watch`: new messages and blocks as they arrive, one line each.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Write as _};
use std::time::Instant;

use crossbeam_channel::{Receiver, tick};
use serde::Serialize;
use serde_json::value::RawValue;

use super::args::Watch;
use super::error::CliError;
use super::miner::{Miner, Sent};
use super::output::{Look, Output, count, seconds_utc, short};
use crate::api::client::ClientError;
use crate::api::{Cursor, RunId};
use crate::chain::{Data, DataId, Hash};

/// Blocks that are remembered, to find where a longer chain left ours.
const REMEMBERED: usize = 1_000;

/// Runs `watch`, until it is interrupted.
pub fn run(watch: &Watch, output: &mut Output<'_>) -> Result<(), CliError> {
    let miner = Miner::at(&watch.target)?;
    let mut watcher = Watcher::start(&miner, watch.json)?;
    let head = watcher.blocks.back().map_or(0, |(index, _)| *index);
    _ = writeln!(io::stderr(), "watching {} from block {head} on; Ctrl-C stops", miner.address);
    watcher.follow(&tick(watch.interval), output)
}

/// What is printed as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Block { index: u64, hash: Hash, block: &'a RawValue },
    Message { data: &'a Data },
    Reorganisation { fork: u64, dropped: u64 },
}

/// What was seen of a miner so far.
struct Watcher<'a> {
    miner: &'a Miner,
    json: bool,
    /// The newest blocks, each by height and hash.
    blocks: VecDeque<(u64, Hash)>,
    cursor: Cursor,
    /// Messages that were told and are in no block yet.
    told: HashSet<DataId>,
}

impl<'a> Watcher<'a> {
    /// Looks at what is there, so that only what comes later is new.
    fn start(miner: &'a Miner, json: bool) -> Result<Self, CliError> {
        let run = RunId::from_random([0; 16]);
        let cursor = Cursor { run, arrivals: 0 };
        let mut watcher =
            Self { miner, json, blocks: VecDeque::new(), cursor, told: HashSet::new() };
        let length = miner.health()?.length;
        for sent in miner.blocks(length.saturating_sub(REMEMBERED as u64), length) {
            watcher.remember(&sent?);
        }
        watcher.told = watcher.new_messages()?.into_iter().map(|data| data.id).collect();
        Ok(watcher)
    }

    /// Prints what is new after every tick. A miner that does not answer is told once, on
    /// stderr, and asked again.
    fn follow(
        &mut self,
        ticks: &Receiver<Instant>,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        let mut away = false;
        for _ in ticks {
            match self.round(output) {
                Err(CliError::Client(error)) if is_passing(&error) => {
                    if !std::mem::replace(&mut away, true) {
                        _ = writeln!(io::stderr(), "{error}; asking again");
                    }
                }
                result => {
                    result?;
                    away = false;
                }
            }
            output.flush()?;
        }
        Ok(())
    }

    fn round(&mut self, output: &mut Output<'_>) -> Result<(), CliError> {
        for data in self.new_messages()? {
            if self.told.insert(data.id) {
                self.message(&data, output)?;
            }
        }
        let length = self.miner.health()?.length;
        let fork = self.fork(length)?;
        let dropped = self.blocks.iter().filter(|(index, _)| *index > fork).count() as u64;
        if dropped > 0 {
            self.blocks.retain(|(index, _)| *index <= fork);
            self.reorganisation(fork, dropped, output)?;
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
    fn fork(&self, length: u64) -> Result<u64, CliError> {
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

    /// The messages that came since the last time.
    fn new_messages(&mut self) -> Result<Vec<Data>, CliError> {
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

    fn message(&self, data: &Data, output: &mut Output<'_>) -> Result<(), CliError> {
        if self.json {
            return Ok(output.json_line(&Event::Message { data })?);
        }
        let label = output.look(Look::Yellow, "message");
        let message = output.cut(data.message.as_str(), 7 + 2 + 32 + 2);
        Ok(output.line(format_args!("{label}  {}  {message}", data.id))?)
    }

    fn block(&self, sent: &Sent, output: &mut Output<'_>) -> Result<(), CliError> {
        let Sent { line, block, hash } = sent;
        let (index, hash) = (block.index, *hash);
        if self.json {
            return Ok(output.json_line(&Event::Block { index, hash, block: line })?);
        }
        let label = output.look(Look::Green, "block  ");
        let start = format!("{index}  {}  {}", seconds_utc(block.timestamp), short(&hash));
        let message = output.cut(block.data.message.as_str(), 7 + 2 + start.len() + 2);
        Ok(output.line(format_args!("{label}  {start}  {message}"))?)
    }

    fn reorganisation(
        &self,
        fork: u64,
        dropped: u64,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        if self.json {
            return Ok(output.json_line(&Event::Reorganisation { fork, dropped })?);
        }
        let label = output.look(Look::Red, "reorganisation");
        let blocks = count(dropped, "block");
        Ok(output.line(format_args!("{label}  {blocks} above block {fork} dropped"))?)
    }

    fn remember(&mut self, sent: &Sent) {
        if self.blocks.len() == REMEMBERED {
            self.blocks.pop_front();
        }
        self.blocks.push_back((sent.block.index, sent.hash));
    }
}

/// Whether it may come right by itself.
fn is_passing(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. } | ClientError::Refused { status: 503, .. })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, health, page};
    use super::*;
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

    /// What two rounds print after a start at a chain of genesis, `a` and `b`: nothing new,
    /// and then a longer chain of genesis, `a`, `c` and `d`, and a message `e`.
    fn watched(json: bool) -> String {
        let genesis = Block::genesis(&network(1)).line();
        let mut maker = Maker::new(network(1));
        let a = maker.add("a");
        let mut other = maker.clone();
        let (b, c, d) = (maker.add("b"), other.add("c"), other.add("d"));
        let (before, after) = ([genesis.clone(), a.clone(), b.clone()], [genesis, a, c, d]);
        let e = crate::chain::testing::data("e");
        let fake = Fake::new([
            answer(health(3, 0)),
            answer(page(&before, 3)),
            data(0, &[]),
            data(0, &[]),
            answer(health(3, 0)),
            answer(page(&before[2..], 3)),
            data(1, &[e]),
            data(1, &[]),
            answer(health(4, 0)),
            answer(page(&after[2..3], 4)),
            answer(page(&after[..3], 4)),
            answer(page(&after[2..], 4)),
        ]);
        let miner = fake.miner();
        let mut bytes = Vec::new();
        let mut output = Output::plain(&mut bytes);
        let mut watcher = Watcher::start(&miner, json).unwrap();
        watcher.round(&mut output).unwrap();
        watcher.round(&mut output).unwrap();
        assert_eq!(watcher.blocks.len(), 4);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn only_what_is_new_is_told_and_a_longer_chain_says_what_it_dropped() {
        let text = watched(false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines[0].starts_with("message  ") && lines[0].ends_with("  e"));
        assert_eq!(lines[1], "reorganisation  1 block above block 1 dropped");
        // Messages that were never seen pending were not told at all.
        assert!(lines[2].starts_with("message  ") && lines[2].ends_with("  c"), "{text}");
        assert!(lines[3].starts_with("block    2  ") && lines[3].ends_with("  c"), "{text}");
        assert!(lines[5].starts_with("block    3  ") && lines[5].ends_with("  d"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let events: Vec<serde_json::Value> =
            watched(true).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["message", "reorganisation", "message", "block", "message", "block"]);
        assert_eq!(events[1]["fork"], 1);
        assert_eq!(events[3]["block"]["data"]["message"], "c");
    }
}
