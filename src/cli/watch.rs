//! `watch`: new blocks and messages as they come, one line each.

use std::collections::VecDeque;
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
use crate::chain::{Data, Hash};

/// Blocks that are remembered, to find where a longer chain left ours.
const REMEMBERED: usize = 1_000;

/// Runs `watch`, until it is interrupted.
pub fn run(watch: &Watch, output: &mut Output<'_>) -> Result<(), CliError> {
    let miner = Miner::at(&watch.target)?;
    let mut watcher = Watcher::start(&miner, watch.json)?;
    let head = watcher.blocks.back().map_or(0, |(index, _)| *index);
    _ = writeln!(io::stderr(), "watching {} from block {head} on; Ctrl-C ends", miner.address);
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
}

impl<'a> Watcher<'a> {
    /// Looks at what is there, so that only what comes later is new.
    fn start(miner: &'a Miner, json: bool) -> Result<Self, CliError> {
        let run = RunId::from_random([0; 16]);
        let cursor = Cursor { run, arrivals: 0 };
        let mut watcher = Self { miner, json, blocks: VecDeque::new(), cursor };
        let length = miner.health()?.length;
        for sent in miner.blocks(length.saturating_sub(REMEMBERED as u64), length) {
            watcher.remember(&sent?);
        }
        watcher.messages(&mut |_, _| Ok(()))?;
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
        let json = self.json;
        self.messages(&mut |data, cut| {
            if json {
                return Ok(output.json_line(&Event::Message { data })?);
            }
            let label = output.look(Look::Yellow, "message");
            let message = output.cut(data.message.as_str(), cut);
            Ok(output.line(format_args!("{label}  {}  {message}", data.id))?)
        })?;
        let length = self.miner.health()?.length;
        let fork = self.fork(length)?;
        let dropped = self.blocks.iter().filter(|(index, _)| *index > fork).count() as u64;
        if dropped > 0 {
            self.blocks.retain(|(index, _)| *index <= fork);
            self.reorganisation(fork, dropped, output)?;
        }
        for sent in self.miner.blocks(fork + 1, length) {
            let sent = sent?;
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

    /// Tells `each` the messages that came since the last time, and the columns it has
    /// used before a message's text.
    fn messages(
        &mut self,
        each: &mut dyn FnMut(&Data, usize) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        loop {
            let page = self.miner.client.data(&self.miner.address, self.cursor)?;
            let end = page.data.is_empty() || page.cursor.is_none();
            page.data.iter().try_for_each(|data| each(data, 7 + 2 + 32 + 2))?;
            self.cursor = page.cursor.unwrap_or(self.cursor);
            if end {
                return Ok(());
            }
        }
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
