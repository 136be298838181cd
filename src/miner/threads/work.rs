//! The work of each thread.

use std::cell::Cell;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{after, never, select};

use super::Threads;
use crate::api::Address;
use crate::miner::Miner;
use crate::miner::jobs::{
    SideBySide, Wake, backup, communication, gossip, mine, repeat, sync_chain, sync_data,
};
use crate::miner::running::{MinerError, folder_of, list_files};
use crate::miner::service_manager::{self, ServiceState};
use crate::store::ChainFile;

/// Time that new blocks wait to be saved together: a block that loses a tie within this never
/// touches the disk, nor leaves an older version behind.
const BACKUP_SETTLES: Duration = Duration::from_secs(1);

/// Between two questions to our own server process whether it answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Unanswered questions after which the server process is replaced: within 30 s, less than
/// after what a service manager replaces the whole miner (`WatchdogSec=` of our unit).
const PROBES_MISSED_MAX: u32 = 2;

/// How much the mining threads stand back for those that serve (`nice`).
const MINING_NICENESS: i32 = 19;

pub type Ready = Box<dyn FnOnce(SocketAddr) + Send>;

impl Threads {
    /// Keeps a server process running, and answers what it asks.
    pub fn serve(&self, at: SocketAddr, ready: Ready) -> Result<(), MinerError> {
        let (server, died) = (Arc::clone(&self.server), self.died.0.clone());
        self.spawn("server", &self.jobs, move |miner, stop| {
            let ready = Cell::new(Some(ready));
            let serve = |link, is_ready: &mut dyn FnMut()| {
                communication::serve(miner, link, &mut || {
                    is_ready();
                    miner.metrics.served_by(server.number());
                    if let Some(ready) = ready.take() {
                        ready(at);
                        service_manager::tell(ServiceState::Ready);
                    }
                })
            };
            if let Err(error) = server.run(&serve, stop) {
                let _ = died.try_send(format!("cannot start the server process: {error}"));
            }
        })
    }

    pub fn mine(&self, threads: NonZeroUsize) -> Result<(), MinerError> {
        self.spawn("mine", &self.jobs, move |miner, stop| {
            // First, or a stop would wait for it as long as other processes leave it no time.
            mine::estimate(miner, threads);
            let _ = rustix::process::nice(MINING_NICENESS);
            while !stop.within(Duration::ZERO) {
                let rest = match mine::round(miner, threads) {
                    mine::Mined::Nothing => never(),
                    mine::Mined::Rests(rest) => after(rest),
                    mine::Mined::Block | mine::Mined::TooLate => continue,
                };
                select! {
                    recv(stop.0) -> _ => {}
                    recv(miner.shared.bells.mine.heard()) -> _ => {}
                    recv(rest) -> _ => {}
                }
            }
        })
    }

    pub fn sync_chain(&self, interval: Duration) -> Result<(), MinerError> {
        self.spawn("sync_chain", &self.asking, move |miner, stop| {
            let mut asks = SideBySide::new("sync_chain", |_| ());
            let bell = miner.shared.bells.sync_chain.heard();
            let soonest = |miner: &Miner| miner.shared.with_neighbours(|all| all.retry_at());
            repeat(miner, "sync_chain", interval, bell, stop, soonest, |wake| {
                asks.ask(miner, wake, sync_chain::whom(miner, wake), sync_chain::round);
            });
            asks.join();
        })
    }

    pub fn sync_data(&self, interval: Duration) -> Result<(), MinerError> {
        self.spawn("sync_data", &self.asking, move |miner, stop| {
            let mut asks = SideBySide::new("sync_data", |_| ());
            let bell = miner.shared.bells.sync_data.heard();
            let round = |wake| {
                asks.ask(miner, wake, sync_data::whom(miner, wake), sync_data::round);
            };
            repeat(miner, "sync_data", interval, bell, stop, |_| None, round);
            asks.join();
        })
    }

    /// Asks neighbours for theirs, and looks at newcomers.
    pub fn gossip(&self, interval: Duration) -> Result<(), MinerError> {
        self.spawn("gossip", &self.asking, move |miner, stop| {
            let mut asks = SideBySide::new("gossip", |_| ());
            gossip::recall(miner);
            let mut looks = SideBySide::new("gossip", gossip::ring_for_callers);
            let bell = miner.shared.bells.gossip.heard();
            let round = |wake| {
                if wake == Wake::Tick {
                    gossip::resolve(miner);
                    gossip::remember(miner);
                    asks.ask(miner, Wake::Tick, gossip::whom(miner), gossip::round);
                }
                let candidates = gossip::candidates(miner, looks.count());
                looks.ask(miner, Wake::Tick, candidates, gossip::look_at);
                if looks.count() < gossip::LOOKS_MAX {
                    gossip::ring_for_callers(miner);
                }
            };
            repeat(miner, "gossip", interval, bell, stop, |_| None, round);
            gossip::remember(miner);
            asks.join();
            looks.join();
        })
    }

    /// Saves the chain, at last once more, behind all who change it.
    pub fn backup(&self, interval: Duration, mut chain: ChainFile) -> Result<(), MinerError> {
        let settles = interval.min(BACKUP_SETTLES);
        let note_files = |miner: &Miner| {
            if let Some(files) = &miner.files {
                miner.diary.set_files(list_files(&files.names));
                miner.look_at_room(folder_of(&files.names));
            }
        };
        // For those who look before the first backup has ended.
        note_files(&self.miner);
        self.spawn("backup", &self.backup, move |miner, stop| {
            let mut save = || {
                backup::round(miner, &mut chain);
                note_files(miner);
            };
            let bell = miner.shared.bells.backup.heard();
            repeat(
                miner,
                "backup",
                interval,
                bell,
                stop,
                |_| None,
                |wake| {
                    if wake == Wake::Tick || backup::settle(miner, stop, settles) {
                        save();
                    }
                },
            );
            save();
            miner.with_keeper(|keeper, shared| keeper.finish(shared));
        })
    }

    /// Asks our own server process whether it answers, and replaces it if it does not.
    pub fn probe(&self, address: SocketAddr) -> Result<(), MinerError> {
        let server = Arc::clone(&self.server);
        let ip = match address.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => std::net::Ipv4Addr::LOCALHOST.into(),
            ip if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let own = Address::from_ip(ip, address.port());
        let client = Arc::clone(&self.probe_client);
        let watchdog = service_manager::watchdog_interval();
        let interval = watchdog.map_or(PROBE_INTERVAL, |often| often.min(PROBE_INTERVAL));
        // With a server process that is frozen, its question waits as long as others' do.
        self.spawn("probe", &self.asking, move |miner, stop| {
            let mut missed = 0;
            // Where an answer is missed, the next question follows at once.
            while !stop.within(if missed == 0 { interval } else { Duration::ZERO }) {
                miner.new_blocks.tell(miner.now().steady, false);
                missed = match client.health(&own) {
                    Ok(_) => {
                        service_manager::tell(ServiceState::Alive);
                        0
                    }
                    Err(_) => missed + 1,
                };
                if missed >= PROBES_MISSED_MAX {
                    log::error!("probe: the server process does not answer and is replaced");
                    server.replace();
                    missed = 0;
                }
            }
        })
    }
}
