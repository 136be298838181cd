//! The connections over which news is pushed: one to each neighbour that answers.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;

use super::{Sent, answered, next, whom};
use crate::api::Address;
use crate::api::client::{Connection, Received};
use crate::miner::jobs::{Stop, note_fault};
use crate::miner::{Fault, Miner};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that lasted less is begun anew only when there is something to push.
const LASTS: Duration = Duration::from_secs(5);

/// Keeps a connection to every neighbour that answers, and pushes until `stop`.
pub fn run(miner: &Arc<Miner>, stop: &Stop) {
    miner.metrics.job_begins("push");
    let mut pushers: HashMap<Address, Pusher> = HashMap::new();
    loop {
        miner.observe("push", None, || look(miner, stop, &mut pushers));
        select! {
            recv(stop.0) -> _ => return,
            recv(miner.shared.bells.push.heard()) -> _ => {}
        }
    }
}

/// Rings every pusher, ends those of neighbours that answer no more, and starts those of new ones.
fn look(miner: &Arc<Miner>, stop: &Stop, pushers: &mut HashMap<Address, Pusher>) {
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
}

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
struct PushesUnderWay {
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
            let (why, has_answered) = match self.miner.client().connect(&self.address) {
                Ok(line) => match self.over(&line) {
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

    fn over(&self, line: &Connection) -> Ended {
        let peer = line.peer();
        self.miner.shared.with_neighbours(|all| all.push_begins(&self.address, peer));
        let under_way = Mutex::new(PushesUnderWay::default());
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
        line: &Connection,
        under_way: &Mutex<PushesUnderWay>,
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

    fn read(&self, line: &Connection, under_way: &Mutex<PushesUnderWay>, answers: &Sender<()>) {
        let why = loop {
            match line.receive(ANSWER_TIMEOUT) {
                Ok(Some(Received { status, body, .. })) => {
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
