//! The threads of a running miner: which there are, what wakes them, and the order in which
//! they end.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::iterator::Signals;

use super::Miner;
use super::jobs::{
    SideBySide, Stop, Wake, backup, communication, gossip, mine, push, repeat, sync_chain,
    sync_data,
};
use super::running::{Files, MinerError, host, list_files};
use super::server_process::ServerProcess;
use super::service_manager::{self, State};
use crate::api::Address;
use crate::api::client::MinerClient;
use crate::settings::Settings;
use crate::store::Lock;

/// How long new blocks wait to be saved together: a block that loses a tie within this never
/// touches the disk, nor leaves an older version behind.
const BACKUP_SETTLES: Duration = Duration::from_secs(1);

/// Between two questions to our own server process whether it answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Unanswered questions after which the server process is replaced: within 30 s, less than
/// after what a service manager replaces the whole miner (`WatchdogSec=` of our unit).
const PROBES_MISSED_MAX: u32 = 2;

/// How long jobs that ask others may take to end. Their calls end at once, but nothing ends the
/// look-up of a name: with a DNS server that is silent it takes 20 s. Whoever is left behind
/// finds that no call may begin any more, and what it could still do survives a kill, too.
const ASKING_ENDS: Duration = Duration::from_millis(500);

/// How much the mining threads stand back for those that serve (`nice`).
const MINING_NICENESS: i32 = 19;

/// The threads of a miner. They end in the order of the data: the server process, the jobs,
/// mining, and a last backup.
pub(super) struct Threads {
    miner: Arc<Miner>,
    server: Arc<ServerProcess>,
    /// Ends the jobs when it is dropped.
    stop: Option<Sender<std::convert::Infallible>>,
    died: (Sender<String>, Receiver<String>),
    jobs: Vec<JoinHandle<()>>,
    /// A sender in each job that asks others, and here: without any, all have ended.
    asking: (Option<Sender<std::convert::Infallible>>, Receiver<std::convert::Infallible>),
    /// Asks our own server process. It does not introduce itself as a miner does, so that what
    /// is counted of neighbours is of others alone.
    probe_client: Arc<MinerClient>,
    backup: Option<JoinHandle<()>>,
    stop_backup: Option<Sender<std::convert::Infallible>>,
    /// Let go of when all of them have ended.
    _lock: Lock,
}

impl Threads {
    pub(super) fn start(
        settings: &Settings,
        miner: &Arc<Miner>,
        files: Files,
        socket: TcpListener,
        ready: Box<dyn FnOnce(SocketAddr) + Send>,
    ) -> Result<Self, MinerError> {
        let (stop, stopped) = bounded(0);
        let (stop_backup, backup_stopped) = bounded(0);
        let (asks, asking) = bounded(0);
        let address = socket.local_addr().map_err(host("read our own address"))?;
        let Files { mut chain, names, lock } = files;
        let mut threads = Self {
            miner: Arc::clone(miner),
            server: Arc::new(ServerProcess::new(socket)),
            stop: Some(stop),
            died: bounded(1),
            jobs: Vec::new(),
            asking: (Some(asks), asking),
            probe_client: Arc::new(MinerClient::http(None)),
            backup: None,
            stop_backup: Some(stop_backup),
            _lock: lock,
        };
        let stop = Stop(stopped);
        let (server, server_stop) = (Arc::clone(&threads.server), stop.clone());
        let server_died = threads.died.0.clone();
        threads.job("server", move |miner| {
            let ready = Cell::new(Some(ready));
            let serve = |link, is_ready: &mut dyn FnMut()| {
                communication::serve(miner, link, &mut || {
                    is_ready();
                    if let Some(ready) = ready.take() {
                        ready(address);
                        service_manager::tell(State::Ready);
                    }
                })
            };
            if let Err(error) = server.run(&serve, &server_stop) {
                let _ = server_died.try_send(format!("cannot start the server process: {error}"));
            }
        })?;
        let mining = settings.threads;
        let mining_stop = stop.clone();
        threads.job("mine", move |miner| {
            let _ = rustix::process::nice(MINING_NICENESS);
            while !mining_stop.within(Duration::ZERO) {
                if mine::round(miner, mining) == mine::Mined::Nothing {
                    crossbeam_channel::select! {
                        recv(mining_stop.0) -> _ => {}
                        recv(miner.shared.bells.mine.heard()) -> _ => {}
                    }
                }
            }
        })?;
        threads.asking_jobs(settings, &stop)?;
        threads.probe(address, stop.clone())?;
        let backup_stop = Stop(backup_stopped);
        let (interval, settles) =
            (settings.backup_interval, settings.backup_interval.min(BACKUP_SETTLES));
        let backup = threads.spawn("backup", move |miner| {
            let mut save = || {
                backup::round(miner, &mut chain);
                miner.diary.set_files(list_files(&names));
            };
            let bell = miner.shared.bells.backup.heard();
            repeat(
                miner,
                "backup",
                interval,
                bell,
                &backup_stop,
                |_| None,
                |wake| {
                    if wake == Wake::Tick || !backup_stop.within(settles) {
                        save();
                    }
                },
            );
            save();
        })?;
        threads.backup = Some(backup);
        Ok(threads)
    }

    /// The jobs that ask neighbours.
    fn asking_jobs(&mut self, settings: &Settings, stop: &Stop) -> Result<(), MinerError> {
        let (interval, until) = (settings.chain_sync_interval, stop.clone());
        self.asking_job("sync_chain", move |miner| {
            let mut asks = SideBySide::new("sync_chain");
            let bell = miner.shared.bells.sync_chain.heard();
            let soonest = |miner: &Miner| miner.shared.with_neighbours(|all| all.retry_at());
            repeat(miner, "sync_chain", interval, bell, &until, soonest, |wake| {
                sync_chain::drop_ahead(miner);
                asks.ask(miner, wake, sync_chain::whom(miner, wake), sync_chain::round);
            });
            asks.join();
        })?;
        let (interval, until) = (settings.data_sync_interval, stop.clone());
        self.asking_job("sync_data", move |miner| {
            let mut asks = SideBySide::new("sync_data");
            let bell = miner.shared.bells.sync_data.heard();
            repeat(
                miner,
                "sync_data",
                interval,
                bell,
                &until,
                |_| None,
                |wake| {
                    asks.ask(miner, wake, sync_data::whom(miner, wake), sync_data::round);
                },
            );
            asks.join();
        })?;
        let (interval, until) = (settings.gossip_interval, stop.clone());
        self.asking_job("gossip", move |miner| {
            let mut asks = SideBySide::new("gossip");
            let mut looks = SideBySide::telling("gossip", gossip::ring_for_callers);
            let bell = miner.shared.bells.gossip.heard();
            repeat(
                miner,
                "gossip",
                interval,
                bell,
                &until,
                |_| None,
                |wake| {
                    if wake == Wake::Tick {
                        gossip::resolve(miner);
                        asks.ask(miner, Wake::Tick, gossip::whom(miner), gossip::round);
                    }
                    let candidates = gossip::candidates(miner, looks.count());
                    looks.ask(miner, Wake::Tick, candidates, gossip::look_at);
                    if looks.count() < gossip::LOOKS_MAX {
                        gossip::ring_for_callers(miner);
                    }
                },
            );
            asks.join();
            looks.join();
        })?;
        let until = stop.clone();
        self.asking_job("push", move |miner| push::run(miner, &until))
    }

    /// Asks our own server process whether it answers, and replaces it if it does not.
    fn probe(&mut self, address: SocketAddr, stop: Stop) -> Result<(), MinerError> {
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
        self.job("probe", move |_| {
            let mut missed = 0;
            // Where an answer is missed, the next question follows at once.
            while !stop.within(if missed == 0 { interval } else { Duration::ZERO }) {
                missed = match client.health(&own) {
                    Ok(_) => {
                        service_manager::tell(State::Alive);
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

    /// A job that asks others, for which the end waits only a moment.
    fn asking_job(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Arc<Miner>) + Send + 'static,
    ) -> Result<(), MinerError> {
        let asks = self.asking.0.clone();
        self.spawn(name, move |miner| {
            work(miner);
            drop(asks);
        })?;
        Ok(())
    }

    fn job(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Arc<Miner>) + Send + 'static,
    ) -> Result<(), MinerError> {
        let thread = self.spawn(name, work)?;
        self.jobs.push(thread);
        Ok(())
    }

    fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce(&Arc<Miner>) + Send + 'static,
    ) -> Result<JoinHandle<()>, MinerError> {
        let (miner, died) = (Arc::clone(&self.miner), self.died.0.clone());
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let _obituary = Obituary { name, died };
            work(&miner);
        });
        thread.map_err(host("start a thread"))
    }

    /// Waits for a signal, or for the death of a thread, and ends everything.
    pub(super) fn wait(mut self, signals: Signals) -> Result<(), MinerError> {
        let (signalled, signal) = bounded(1);
        let handle = signals.handle();
        let listens = Builder::new().name("signals".to_owned()).spawn(move || {
            let mut signals = signals;
            if let Some(signal) = signals.forever().next() {
                let _ = signalled.send(signal);
            }
        });
        let listens = listens.map_err(host("start a thread"))?;
        let outcome = crossbeam_channel::select! {
            recv(signal) -> signal => {
                log::info!("miner: stops signal={}", signal.unwrap_or_default());
                Ok(())
            }
            recv(self.died.1) -> name => Err(MinerError::Died(name.unwrap_or_default())),
        };
        self.end();
        handle.close();
        let _ = listens.join();
        outcome
    }

    fn end(&mut self) {
        service_manager::tell(State::Stopping);
        self.stop = None;
        self.server.stop();
        self.miner.client().shut_down();
        self.probe_client.shut_down();
        self.miner.shared.end_searches();
        for thread in self.jobs.drain(..) {
            let _ = thread.join();
        }
        self.asking.0 = None;
        if self.asking.1.recv_timeout(ASKING_ENDS).is_err_and(|it| it.is_timeout()) {
            log::warn!("miner: ends while the name of a neighbour is still looked up");
        }
        self.stop_backup = None;
        if let Some(backup) = self.backup.take() {
            let _ = backup.join();
        }
        self.miner.with_keeper(|keeper, shared| keeper.finish(shared));
    }
}

/// Tells of the death of the thread that holds it.
struct Obituary {
    name: &'static str,
    died: Sender<String>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why = "this is a fault of the program, miner.log says more";
            let _ = self.died.try_send(format!("the {} thread died; {why}", self.name));
        }
    }
}
