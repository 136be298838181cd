//! The jobs: each a plain function of one round, so that tests can drive many miners in one
//! thread; and the one small loop that runs them.

pub mod announce;
pub mod backup;
pub mod communication;
pub mod gossip;
pub mod mine;
pub mod sync_chain;
pub mod sync_data;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, select, tick};

use super::{Fault, Miner};
use crate::api::client::ClientError;
use crate::api::{Address, Happening, Health};

/// A channel on which nothing is ever sent: it ends when the miner stops.
#[derive(Clone, Debug)]
pub struct Stop(pub Receiver<std::convert::Infallible>);

impl Stop {
    /// Waits for `duration`; whether the miner stops meanwhile.
    pub fn within(&self, duration: Duration) -> bool {
        self.0.recv_timeout(duration) != Err(crossbeam_channel::RecvTimeoutError::Timeout)
    }
}

/// What made a round begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The interval is over.
    Tick,
    /// Somebody rang.
    Bell,
}

/// Runs `round` of `job` at every tick of `interval` and at every ring of `bell`, until
/// `stop`, and keeps the diary.
pub fn repeat(
    miner: &Miner,
    job: &'static str,
    interval: Duration,
    bell: &Receiver<()>,
    stop: &Stop,
    mut round: impl FnMut(Wake),
) {
    let ticks = tick(interval);
    let mut next_tick = miner.now().steady + interval;
    miner.diary.job_waits(job, miner.now().wall, interval);
    loop {
        let wake = select! {
            recv(stop.0) -> _ => return,
            recv(bell) -> _ => Wake::Bell,
            recv(ticks) -> _ => Wake::Tick,
        };
        miner.diary.job_begins(job, miner.now().wall);
        round(wake);
        let now = miner.now();
        if wake == Wake::Tick {
            next_tick += interval;
        }
        miner.diary.job_ended(job, now.wall, next_tick.saturating_sub(now.steady));
    }
}

/// Asks neighbours side by side, so that a slow one delays nobody but itself: one thread
/// for each neighbour that is being asked, and never two for the same.
pub struct SideBySide {
    job: &'static str,
    asking: HashMap<Address, JoinHandle<()>>,
}

impl SideBySide {
    /// Asks for the job of this name.
    pub fn new(job: &'static str) -> Self {
        Self { job, asking: HashMap::new() }
    }

    /// Starts `ask` with each of `addresses` that is not being asked already; those that
    /// still are, are returned.
    pub fn ask(
        &mut self,
        miner: &Arc<Miner>,
        addresses: Vec<Address>,
        ask: fn(&Miner, &Address),
    ) -> Vec<Address> {
        self.asking.retain(|_, thread| !thread.is_finished());
        let (busy, free): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| self.asking.contains_key(address));
        for address in free {
            let (miner, asked) = (Arc::clone(miner), address.clone());
            let name = format!("{} asks", self.job);
            match Builder::new().name(name).spawn(move || ask(&miner, &asked)) {
                Ok(thread) => drop(self.asking.insert(address, thread)),
                Err(error) => log::warn!("{}: cannot start a thread: {error}", self.job),
            }
        }
        busy
    }

    /// Waits for all, who end soon after the client was shut down.
    pub fn join(self) {
        for thread in self.asking.into_values() {
            let _ = thread.join();
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
        return Err(Fault::Stranger("it is this miner itself".to_owned()));
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

/// Notes what came of asking a neighbour.
pub(super) fn note(miner: &Miner, job: &str, address: &Address, outcome: Result<&Health, &Fault>) {
    let now = miner.now();
    match outcome {
        Ok(health) => {
            let came = miner.shared.with_neighbours(|all| all.answered(address, health, now));
            if came {
                log::info!("{job}: neighbour={address} answers length={}", health.length);
                miner.tell(Happening::NeighbourCame { neighbour: address.clone() });
            }
        }
        Err(Fault::Stranger(reason)) if reason == "it is this miner itself" => {
            miner.shared.with_neighbours(|all| all.is_own(address));
        }
        Err(fault) => {
            let (gone, forgotten) = miner.shared.with_neighbours(|all| {
                let answered = all.answering().contains(address);
                (answered, all.failed(address, fault, now))
            });
            let reason = match fault {
                Fault::Failing(why)
                | Fault::Odd(why)
                | Fault::Lying(why)
                | Fault::Stranger(why) => why,
            };
            if gone && !matches!(fault, Fault::Odd(_)) || forgotten {
                let (neighbour, reason) = (address.clone(), reason.clone());
                miner.tell(Happening::NeighbourGone { neighbour, reason });
            }
            let fate = if forgotten { " and is forgotten" } else { "" };
            match fault {
                Fault::Failing(_) if !forgotten => log::debug!("{job}: {address} fails: {reason}"),
                _ => log::warn!("{job}: {address} is not to be used{fate}: {reason}"),
            }
        }
    }
}
