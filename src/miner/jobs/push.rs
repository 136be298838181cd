//! Push: what is new here goes to every neighbour that may lack it, at once.
//!
//! For each neighbour a connection stands, over which pushes follow each other without waiting
//! for answers. A push carries what that neighbour lacks and no more; what comes while as many
//! are under way as may be goes together with the next. What a push does not reach is repaired
//! by the rounds of `sync_chain` and `sync_data`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;

use super::{Stop, note_fault};
use crate::api::client::Line;
use crate::api::{Address, BlocksTaken, Cursor, DataTaken, PUSH_BLOCKS, PUSH_BYTES, Request, Span};
use crate::chain::{ChainView, Data};
use crate::miner::{End, Fault, Miner};

/// Pushes of blocks to one neighbour under way at once: at 100 ms there and back, blocks every
/// 13 ms still go out alone.
const BLOCKS_UNDER_WAY: usize = 8;

/// Pushes of messages to one neighbour under way at once.
const DATA_UNDER_WAY: usize = 2;

/// Bytes of messages in a push, but for a single one: a block behind it waits no longer.
const DATA_BYTES: usize = 16 << 10;

/// Longest time of a push without an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that lasted less is begun anew only when there is something to push.
const LASTS: Duration = Duration::from_secs(5);

const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Exchanges of one round without a connection.
const ROUND_PUSHES_MAX: usize = 8;

/// A push under way, kept for its answer.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// Blocks up to `head`.
    Blocks {
        head: End,
        /// As many as are ever pushed at once.
        is_all: bool,
    },
    Data,
}

/// Whom news is pushed to.
pub fn whom(miner: &Miner) -> Vec<Address> {
    miner.shared.with_neighbours(|all| all.answering())
}

/// The next push to a neighbour, when so many are under way; none if it lacks nothing or has
/// to answer first. Blocks go before messages.
pub fn next(miner: &Miner, address: &Address, under_way: &[Sent]) -> Option<(Request, Sent)> {
    let is_blocks = |sent: &&Sent| matches!(sent, Sent::Blocks { .. });
    let blocks = under_way.iter().filter(is_blocks).count();
    if blocks < BLOCKS_UNDER_WAY
        && let Some(push) = next_blocks(miner, address)
    {
        return Some(push);
    }
    if under_way.len() - blocks < DATA_UNDER_WAY { next_data(miner, address) } else { None }
}

fn next_blocks(miner: &Miner, address: &Address) -> Option<(Request, Sent)> {
    let view = miner.shared.chain();
    let (index, hash) = (view.head().index, view.head().hash);
    let has = miner.shared.with_neighbours(|all| all.has(address));
    let base = has.filter(|has| is_in(&view, *has));
    let from = base.map_or(0, |(base, _)| base + 1);
    let from = from.max((index + 1).saturating_sub(PUSH_BLOCKS)).max(1);
    if from > index {
        return None;
    }
    let (mut lines, mut bytes) = (VecDeque::new(), 0);
    for height in (from..=index).rev() {
        // What can't be read can't be pushed; those who read it next say so.
        let line = view.line(height).ok()??;
        bytes += line.len();
        if bytes > PUSH_BYTES && !lines.is_empty() {
            break;
        }
        lines.push_front(line.to_string());
    }
    let count = lines.len() as u64;
    let sent = Sent::Blocks {
        head: (index, hash),
        is_all: count >= PUSH_BLOCKS || bytes > PUSH_BYTES || count == index,
    };
    miner.shared.with_neighbours(|all| all.set_has(address, Some((index, hash))));
    Some((Request::PushBlocks { lines: lines.into() }, sent))
}

fn next_data(miner: &Miner, address: &Address) -> Option<(Request, Sent)> {
    loop {
        let after = miner.shared.with_neighbours(|all| all.pushed(address))?;
        let (page, next) = miner.shared.data_since(after, DATA_BYTES);
        if next == after {
            return None;
        }
        let data: Vec<Data> = miner.shared.with_neighbours(|all| {
            all.set_pushed(address, next);
            page.data.into_iter().filter(|data| !all.has_given(address, &data.id)).collect()
        });
        if !data.is_empty() {
            let cursor = |arrivals| Cursor { run: miner.id, arrivals };
            let span = Span { after: cursor(after), cursor: cursor(next) };
            let span = Some(Box::new(span));
            return Some((Request::PushData { data, span }, Sent::Data));
        }
    }
}

fn is_in(view: &ChainView, (index, hash): End) -> bool {
    view.hash(index) == Ok(Some(hash))
}

/// Takes a neighbour's answer to a push: what it lacks now is seen by the next.
pub fn answered(miner: &Miner, address: &Address, sent: Sent, status: u16, body: &[u8]) {
    match (sent, status) {
        (Sent::Blocks { head, is_all }, 200 | 409) => {
            let Ok(answer) = serde_json::from_slice::<BlocksTaken>(body) else { return };
            let its = (answer.length.saturating_sub(1), answer.head);
            let view = miner.shared.chain();
            let ours = view.length();
            let is_ours = is_in(&view, its);
            let is_near = answer.length + PUSH_BLOCKS > ours;
            miner.shared.with_neighbours(|all| {
                all.set_head(address, answer.length, answer.head);
                // A later push may have gone out meanwhile.
                let later = all.has(address).filter(|has| has.0 > head.0 && is_in(&view, *has));
                let has = match (status, is_ours) {
                    (200, true) => Some(later.filter(|it| it.0 > its.0).unwrap_or(its)),
                    // It remembers them, though they don't win yet.
                    (200, false) => return,
                    (_, true) if is_near => Some(its),
                    (_, false) if is_near && !is_all => None,
                    // It asks for what is missing.
                    _ => return,
                };
                all.set_has(address, has);
            });
        }
        (Sent::Blocks { .. }, 400) => {
            let body: String = String::from_utf8_lossy(body).chars().take(300).collect();
            let why = format!("it refuses blocks that keep every rule here: {body}");
            note_fault(miner, "push", address, &Fault::Odd(why));
        }
        (Sent::Data, 200) => {
            let Ok(answer) = serde_json::from_slice::<DataTaken>(body) else { return };
            if let Some(span) = answer.span {
                miner.shared.with_neighbours(|all| all.told(address, span));
            }
        }
        _ => log::debug!("push: neighbour={address} does not take it status={status}"),
    }
}

/// Pushes to a neighbour until it lacks nothing, each push after the answer to the one before:
/// for where no connections stand.
pub fn round(miner: &Miner, address: &Address) {
    for _ in 0..ROUND_PUSHES_MAX {
        let Some((request, sent)) = next(miner, address, &[]) else { return };
        match miner.client().send(address, &request, ANSWER_BYTES_MAX) {
            Ok((status, body)) => answered(miner, address, sent, status, &body),
            Err(error) => {
                miner.shared.with_neighbours(|all| all.set_has(address, None));
                return note_fault(miner, "push", address, &error.into());
            }
        }
    }
}

/// Keeps a connection to every neighbour that answers, and pushes until `stop`.
pub fn run(miner: &Arc<Miner>, stop: &Stop) {
    miner.metrics.job_begins("push");
    let mut pushers: HashMap<Address, Pusher> = HashMap::new();
    loop {
        let began = miner.now();
        miner.diary.job_begins("push", began.wall);
        let whom = whom(miner);
        pushers.retain(|address, pusher| {
            whom.contains(address) && !pusher.thread.as_ref().is_none_or(JoinHandle::is_finished)
        });
        for pusher in pushers.values() {
            // A full queue means that it rings already.
            let _ = pusher.bell.as_ref().map(|bell| bell.try_send(()));
        }
        for address in whom {
            let Entry::Vacant(place) = pushers.entry(address) else { continue };
            match Pusher::start(miner, place.key(), stop) {
                Ok(pusher) => drop(place.insert(pusher)),
                Err(error) => log::warn!("push: cannot start a thread: {error}"),
            }
        }
        let now = miner.now();
        miner.metrics.job_ran("push", now.steady.saturating_sub(began.steady));
        miner.diary.job_ended("push", now.wall, None);
        select! {
            recv(stop.0) -> _ => return,
            recv(miner.shared.bells.push.heard()) -> _ => {}
        }
    }
}

/// The thread that pushes to one neighbour; it ends when this is dropped.
struct Pusher {
    /// Rings when there may be something to push.
    bell: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pusher {
    fn start(miner: &Arc<Miner>, address: &Address, stop: &Stop) -> std::io::Result<Self> {
        let (bell, rings) = bounded(1);
        let to =
            To { miner: Arc::clone(miner), address: address.clone(), stop: stop.clone(), rings };
        let thread = Builder::new().name("push to one".into()).spawn(move || to.push())?;
        Ok(Self { bell: Some(bell), thread: Some(thread) })
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One that is pushed to.
struct To {
    miner: Arc<Miner>,
    address: Address,
    stop: Stop,
    rings: Receiver<()>,
}

/// Why pushing over a connection ended.
enum Ended {
    /// The miner stops, or it is no neighbour any more.
    ForGood,
    /// The connection broke; whether there was an answer before.
    Broken { why: String, has_answered: bool },
}

/// State that a connection's two threads share.
#[derive(Default)]
struct UnderWay {
    sent: VecDeque<(Sent, Instant)>,
    has_answered: bool,
    /// Why no answer comes any more.
    broken: Option<String>,
}

impl To {
    /// Pushes over one connection after the other, until one can't be had or does not last.
    fn push(&self) {
        let arrivals = self.miner.shared.with_pool(|pool| pool.cursor());
        self.miner.shared.with_neighbours(|all| all.set_pushed(&self.address, arrivals));
        loop {
            let began = Instant::now();
            let (why, has_answered) = match self.miner.client().line(&self.address) {
                Ok(line) => match self.over(&*line) {
                    Ended::ForGood => return,
                    Ended::Broken { why, has_answered } => (
                        Fault::Failing(format!("no answer from {}: {why}", self.address)),
                        has_answered,
                    ),
                },
                Err(error) => (error.into(), false),
            };
            if self.stop.within(Duration::ZERO) {
                return;
            }
            if began.elapsed() >= LASTS {
                continue;
            }
            if !has_answered {
                return note_fault(&self.miner, "push", &self.address, &why);
            }
            // It keeps no connection open: a new one waits for news.
            select! {
                recv(self.stop.0) -> _ => return,
                recv(self.rings) -> ring => if ring.is_err() { return },
            }
        }
    }

    fn over(&self, line: &dyn Line) -> Ended {
        let peer = line.peer();
        self.miner.shared.with_neighbours(|all| all.push_begins(&self.address, peer));
        let under_way = Mutex::new(UnderWay::default());
        let (answers, answered) = bounded(1);
        thread::scope(|scope| {
            let reads = Builder::new().name("push answers".into());
            let reads = reads.spawn_scoped(scope, || self.read(line, &under_way, &answers));
            let ended = match reads {
                Ok(_) => self.write(line, &under_way, &answered),
                Err(error) => Ended::Broken { why: error.to_string(), has_answered: false },
            };
            line.close();
            ended
        })
    }

    /// Sends what is to be pushed, whenever there is something.
    fn write(
        &self,
        line: &dyn Line,
        under_way: &Mutex<UnderWay>,
        answered: &Receiver<()>,
    ) -> Ended {
        loop {
            let sent: Vec<Sent> = {
                let mut under_way = under_way.lock();
                if let Some(why) = under_way.broken.take() {
                    return Ended::Broken { why, has_answered: under_way.has_answered };
                }
                under_way.sent.iter().map(|(sent, _)| *sent).collect()
            };
            if let Some((request, sent)) = next(&self.miner, &self.address, &sent) {
                under_way.lock().sent.push_back((sent, Instant::now()));
                if let Err(why) = line.send(&request) {
                    return Ended::Broken { why, has_answered: under_way.lock().has_answered };
                }
                continue;
            }
            select! {
                recv(self.stop.0) -> _ => return Ended::ForGood,
                recv(self.rings) -> ring => if ring.is_err() { return Ended::ForGood },
                recv(answered) -> _ => {}
            }
        }
    }

    /// Reads answers until the connection ends.
    fn read(&self, line: &dyn Line, under_way: &Mutex<UnderWay>, answers: &Sender<()>) {
        let why = loop {
            match line.receive(ANSWER_TIMEOUT) {
                Ok(Some((status, body))) => {
                    let sent = {
                        let mut under_way = under_way.lock();
                        under_way.has_answered = true;
                        under_way.sent.pop_front()
                    };
                    let Some((sent, _)) = sent else {
                        break "it answers what nobody asked".to_owned();
                    };
                    answered(&self.miner, &self.address, sent, status, &body);
                    let _ = answers.try_send(());
                }
                Ok(None) => {
                    let oldest = under_way.lock().sent.front().map(|(_, since)| since.elapsed());
                    if oldest.is_some_and(|since| since >= ANSWER_TIMEOUT) {
                        break "it does not answer a push".to_owned();
                    }
                }
                Err(why) => break why,
            }
        };
        under_way.lock().broken = Some(why);
        let _ = answers.try_send(());
    }
}
