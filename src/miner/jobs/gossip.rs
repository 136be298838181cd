//! Gossip: learns of the neighbours of neighbours, and of newcomers.
//!
//! Candidates are looked at in random order, those first that know this miner; where there is
//! no room a learned neighbour makes place, that which does not know this miner before others.
//! So the network stays in one piece, news finds its way, and newcomers find a place.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{ask_health, note_answer, note_fault};
use crate::api::{Address, Happening};
use crate::escape::words;
use crate::miner::neighbours::{may_be_looked_at, may_be_told};
use crate::miner::{Fault, Miner};

const CANDIDATES_PER_ROUND: usize = 4;

/// Candidates looked at at a time: whoever asks this miner names whatever host it likes as
/// its own, and one that is silent takes a thread for as long as an exchange may take.
pub const LOOKS_MAX: usize = 16;

/// Addresses taken from one neighbour in one round.
const ADDRESSES_MAX: usize = 100;

/// Looks names up again: one with several addresses names several neighbours.
pub fn resolve(miner: &Miner) {
    for name in miner.shared.with_neighbours(|all| all.given_names()) {
        let addresses = miner.client().resolve(&name);
        miner.shared.with_neighbours(|all| all.resolved(&name, &addresses));
    }
}

/// Remembers over a restart which neighbours have proved themselves.
pub fn remember(miner: &Miner) {
    let Some(files) = &miner.files else { return };
    let now = miner.now();
    let trusted = miner.shared.with_neighbours(|all| all.trusted(now));
    let mut remembered = miner.remembered.lock();
    if trusted.is_empty() || *remembered == trusted {
        return;
    }
    let lines: Vec<_> = trusted.iter().map(Remembered::of).collect();
    match files.remember(&lines) {
        Ok(()) => *remembered = trusted,
        Err(error) => log::debug!("gossip: cannot remember neighbours: {error}"),
    }
}

/// Looks first at those that are remembered.
pub fn recall(miner: &Miner) {
    let Some(files) = &miner.files else { return };
    let now = miner.now();
    let all: Vec<Remembered> = files.remembered();
    miner.shared.with_neighbours(|neighbours| {
        for Remembered { neighbour } in all {
            let ip = neighbour.ip().map(|ip| ip.to_canonical());
            neighbours.called(neighbour, ip, now);
        }
    });
}

/// A line of `test.neighbours`.
#[derive(Serialize, Deserialize)]
struct Remembered {
    neighbour: Address,
}

impl Remembered {
    fn of(neighbour: &Address) -> Self {
        Self { neighbour: neighbour.clone() }
    }
}

pub fn whom(miner: &Miner) -> Vec<Address> {
    let now = miner.now();
    miner.shared.with_neighbours(|all| all.due(now))
}

/// Asks one neighbour for its neighbours, and keeps them in mind.
pub fn round(miner: &Miner, address: &Address) {
    let outcome = ask_health(miner, address).and_then(|health| {
        note_answer(miner, "gossip", address, &health);
        Ok(miner.client().neighbours(address, false)?)
    });
    let now = miner.now();
    match outcome {
        Ok(page) => miner.shared.with_neighbours(|all| {
            let told = page.neighbours.into_iter().take(ADDRESSES_MAX);
            for address in told.filter(|told| may_be_told(told, teller(address))) {
                all.suggest(address, now);
            }
        }),
        Err(fault) => note_fault(miner, "gossip", address, &fault),
    }
}

/// Where a neighbour is, as far as its address tells.
fn teller(neighbour: &Address) -> Option<IpAddr> {
    let here = (neighbour.host() == "localhost").then_some(Ipv4Addr::LOCALHOST.into());
    neighbour.ip().or(here)
}

/// The candidates to look at now, when so many are being looked at already.
pub fn candidates(miner: &Miner, looks: usize) -> Vec<Address> {
    let now = miner.now();
    let take = || {
        let random = miner.random();
        miner.shared.with_neighbours(|all| all.candidate(random, now))
    };
    let room = LOOKS_MAX.saturating_sub(looks);
    (0..CANDIDATES_PER_ROUND.min(room)).map_while(|_| take()).collect()
}

/// Sees to it that callers who were not looked at yet need not wait for the next round.
pub fn ring_for_callers(miner: &Miner) {
    if miner.shared.with_neighbours(|all| all.has_callers()) {
        miner.shared.bells.gossip.ring();
    }
}

/// Looks at a candidate: one that answers and belongs to this network becomes a neighbour.
pub fn look_at(miner: &Miner, address: &Address) {
    let is_name = address.ip().is_none();
    let found = if is_name { miner.client().resolve(address) } else { Vec::new() };
    let ip = address.ip().or(found.first().and_then(Address::ip));
    if is_name && !may_be_looked_at(address, &found)
        || miner.shared.with_neighbours(|all| all.is_group_full(ip))
    {
        log::debug!("gossip: candidate={address} is near this host, or to enough neighbours");
        let now = miner.now();
        return miner.shared.with_neighbours(|all| all.turn_down(address, now));
    }
    match ask_health(miner, address) {
        Ok(health) => {
            let (random, now) = (miner.random(), miner.now());
            let is_new = miner
                .shared
                .with_neighbours(|all| all.learn(address.clone(), &health, random, now));
            if is_new {
                miner.shared.bells.push.ring();
                log::info!("gossip: new neighbour={address} id={}", health.id);
                miner.tell(Happening::NeighbourCame { neighbour: address.clone() });
                miner.ask_soon(address);
            }
        }
        Err(fault) => {
            let now = miner.now();
            miner.shared.with_neighbours(|all| match fault {
                Fault::Ourselves => all.note_own(address),
                _ => all.turn_down(address, now),
            });
            let why = words(&fault.to_string());
            log::debug!("gossip: candidate={address} is no neighbour: {why}");
        }
    }
}
