//! The jobs: each a plain function of one round, so that tests can drive many miners in one
//! thread; and the one small loop that runs them.

pub mod backup;
pub mod communication;
pub mod gossip;
pub mod mine;
pub mod push;
pub mod sync_chain;
pub mod sync_data;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, never, select, tick};
use parking_lot::Mutex;

use super::neighbours::Fate;
use super::thread_group::Group;
pub use super::thread_group::Stop;
use super::{Fault, Miner};
use crate::api::client::ClientError;
use crate::api::{Address, Happening, Health};
use crate::escape::words;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The interval is over.
    Tick,
    /// Somebody rang, or something is due that has no interval.
    Bell,
}

/// Time between a round that a bell began and the next one: whatever rings, and however
/// often, comes to so many rounds a second at most.
const RING_GAP: Duration = Duration::from_millis(50);

/// Runs `round` of `job` at once, at every tick of `interval`, at every ring of `bell` and at
/// the time that `soonest` tells, until `stop`, and keeps the diary.
pub fn repeat(
    miner: &Miner,
    job: &'static str,
    interval: Duration,
    bell: &Receiver<()>,
    stop: &Stop,
    soonest: fn(&Miner) -> Option<Duration>,
    mut round: impl FnMut(Wake),
) {
    miner.metrics.job_begins(job);
    let ticks = tick(interval);
    let mut next_tick = Duration::ZERO;
    let mut wake = Wake::Tick;
    loop {
        if wake == Wake::Tick {
            // Ticks that come while the round goes on are dropped.
            next_tick = miner.now().steady + interval;
        }
        miner.observe(job, Some(next_tick), || round(wake));
        if wake == Wake::Bell && stop.within(RING_GAP) {
            return;
        }
        let soonest = soonest(miner).map(|at| after(at.saturating_sub(miner.now().steady)));
        wake = select! {
            recv(stop.0) -> _ => return,
            recv(bell) -> _ => Wake::Bell,
            recv(ticks) -> _ => Wake::Tick,
            recv(soonest.unwrap_or_else(never)) -> _ => Wake::Bell,
        };
    }
}

impl Miner {
    /// Runs a round of `job` and keeps diary and metrics of it. The next one is due at `next`.
    fn observe(&self, job: &'static str, next: Option<Duration>, round: impl FnOnce()) {
        let began = self.now();
        self.diary.job_begins(job, began.wall);
        round();
        let now = self.now();
        self.metrics.job_ran(job, now.steady.saturating_sub(began.steady));
        let next = next.map(|next| next.saturating_sub(now.steady));
        self.diary.job_ended(job, now.wall, next);
    }
}

/// Asks neighbours side by side, so that a slow one delays nobody but itself: one thread
/// for each neighbour that is being asked, and never two for the same.
pub struct SideBySide {
    job: &'static str,
    /// Who is being asked, and whether there was a hint meanwhile, so that it is asked again.
    asking: Arc<Mutex<HashMap<Address, bool>>>,
    /// Of threads that go by themselves: one whose end is to be collected keeps its stack until
    /// then, and all of a round together were a fifth of a miner with eleven neighbours.
    threads: Group,
    ended: fn(&Miner),
}

impl SideBySide {
    /// Asks for `job`, and calls `ended` when one that was asked is free again.
    pub fn new(job: &'static str, ended: fn(&Miner)) -> Self {
        Self { job, asking: Arc::default(), threads: Group::new(), ended }
    }

    pub fn count(&self) -> usize {
        self.asking.lock().len()
    }

    /// Starts `ask` with each of `addresses` that is not being asked already. At a
    /// [`Wake::Bell`], one that is will be asked once more.
    pub fn ask(
        &mut self,
        miner: &Arc<Miner>,
        wake: Wake,
        addresses: Vec<Address>,
        ask: fn(&Miner, &Address),
    ) {
        for address in addresses {
            if let Some(again) = self.asking.lock().get_mut(&address) {
                *again |= wake == Wake::Bell;
                continue;
            }
            let mut asking = Asking::begin(&self.asking, address);
            let (miner, ended, held) = (Arc::clone(miner), self.ended, self.threads.held.clone());
            let work = move || {
                let _held = held;
                loop {
                    ask(&miner, &asking.whom);
                    if asking.ends() {
                        break;
                    }
                }
                ended(&miner);
            };
            if let Err(error) = Builder::new().name(format!("{} asks", self.job)).spawn(work) {
                log::warn!("{}: cannot start a thread: {error}", self.job);
            }
        }
    }

    /// Waits for all, who end soon after the client was shut down.
    pub fn join(self) {
        self.threads.join();
    }
}

/// One that is being asked. It can be asked anew when this is dropped: also by a panic, or
/// with a thread that could not be started.
struct Asking {
    all: Arc<Mutex<HashMap<Address, bool>>>,
    whom: Address,
    is_over: bool,
}

impl Asking {
    fn begin(all: &Arc<Mutex<HashMap<Address, bool>>>, whom: Address) -> Self {
        all.lock().insert(whom.clone(), false);
        Self { all: Arc::clone(all), whom, is_over: false }
    }

    /// Ends it, unless there was a hint meanwhile; whether it did.
    fn ends(&mut self) -> bool {
        let mut all = self.all.lock();
        let again = all.get_mut(&self.whom).is_some_and(std::mem::take);
        if !again {
            all.remove(&self.whom);
            self.is_over = true;
        }
        !again
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.is_over {
            self.all.lock().remove(&self.whom);
        }
    }
}

impl From<ClientError> for Fault {
    /// Silence and refusals can happen to anybody; an answer that is none is a lie.
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Malformed { .. } => Self::Lying(error.to_string()),
            _ => Self::Failing(error.to_string()),
        }
    }
}

/// Asks a neighbour how it is, and whether it may be one.
pub(super) fn ask_health(miner: &Miner, address: &Address) -> Result<Health, Fault> {
    let health = miner.client().health(address)?;
    if health.id == miner.id {
        return Err(Fault::Ourselves);
    }
    if health.genesis != miner.genesis {
        let reason = format!(
            "it is of another network: {} with difficulty {} and genesis {}, not {} with \
             difficulty {} and genesis {}",
            health.network,
            health.difficulty,
            health.genesis,
            miner.network.name,
            miner.network.difficulty,
            miner.genesis
        );
        return Err(Fault::Stranger(reason));
    }
    Ok(health)
}

pub(super) fn note_answer(miner: &Miner, job: &str, address: &Address, health: &Health) {
    let now = miner.now();
    let came = miner.shared.with_neighbours(|all| all.answered(address, health, now));
    // What it lacks by what it says is pushed.
    miner.shared.bells.push.ring();
    if came {
        log::info!("{job}: neighbour={address} answers length={}", health.length);
        miner.tell(Happening::NeighbourCame { neighbour: address.clone() });
    }
}

/// Notes what is wrong with a neighbour, and tells what is done about it.
pub(in crate::miner) fn note_fault(miner: &Miner, job: &str, address: &Address, fault: &Fault) {
    let now = miner.now();
    let fate = miner.shared.with_neighbours(|all| all.failed(address, fault, now));
    let fault_words = words(&fault.to_string());
    if matches!(fate, Fate::Gone | Fate::Failing) {
        // It looks when to try again.
        miner.shared.bells.sync_chain.ring();
    }
    miner.metrics.job_failed(job);
    match (fault, fate) {
        (Fault::Failing(_) | Fault::Ourselves, Fate::Failing) => {
            log::debug!("{job}: neighbour={address} {fault_words}");
        }
        (Fault::Odd(_) | Fault::Changed(_), Fate::Kept) => {
            log::warn!("{job}: neighbour={address} {fault_words}")
        }
        _ => log::warn!("{job}: neighbour={address} is {fate}: {fault_words}"),
    }
    if matches!(fate, Fate::Gone | Fate::Banned | Fate::Forgotten) {
        // Nothing is pushed to it any more.
        miner.shared.bells.push.ring();
        miner.tell(Happening::NeighbourGone { neighbour: address.clone(), reason: fault_words });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_not_asked_after_all_can_be_asked_again() {
        // Where no thread could be started, a neighbour counted as being asked for ever.
        let (all, whom) = (Arc::default(), "a:1".parse::<Address>().unwrap());
        drop(Asking::begin(&all, whom.clone()));
        assert!(all.lock().is_empty());
        let mut asking = Asking::begin(&all, whom.clone());
        all.lock().insert(whom, true);
        assert!(!asking.ends(), "a hint was lost");
        assert!(asking.ends());
        assert!(all.lock().is_empty());
    }
}
