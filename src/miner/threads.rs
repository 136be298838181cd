//! The threads of a running miner: which there are, what wakes them, and the order in which
//! they end.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, after, bounded, never};

use super::Miner;
use super::jobs::{
    SideBySide, Stop, Wake, backup, communication, gossip, mine, push, repeat, sync_chain,
    sync_data,
};
use super::running::{Files, MinerError, folder_of, host, list_files};
use super::server_process::ServerProcess;
use super::service_manager::{self, State};
use crate::api::Address;
use crate::api::client::MinerClient;
use crate::settings::Settings;
use crate::signals::StopSignals;
use crate::store::Lock;

/// Time that new blocks wait to be saved together: a block that loses a tie within this never
/// touches the disk, nor leaves an older version behind.
const BACKUP_SETTLES: Duration = Duration::from_secs(1);

/// Between two questions to our own server process whether it answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Unanswered questions after which the server process is replaced: within 30 s, less than
/// after what a service manager replaces the whole miner (`WatchdogSec=` of our unit).
const PROBES_MISSED_MAX: u32 = 2;

/// Longest end of jobs that ask others. Their calls end at once, but nothing ends the look-up of a
/// name (20 s with a DNS server that is silent) or a connection that is being made (2 s). A thread
/// that is left behind finds that no call may begin any more, and what it could still do survives a
/// kill, too.
const ASKING_ENDS: Duration = Duration::from_millis(100);

/// Longest end of all threads: a stop is promised within a second. Only a disk that hangs takes
/// longer; what it has not taken yet is in the journal, or was promised to nobody.
const ALL_END: Duration = Duration::from_millis(600);

/// How much the mining threads stand back for those that serve (`nice`).
const MINING_NICENESS: i32 = 19;

/// The threads of a miner. They end in the order of the data: the server process, the jobs,
/// mining, and a last backup.
pub(super) struct Threads {
    miner: Arc<Miner>,
    server: Arc<ServerProcess>,
    /// Ends the jobs when it is dropped.
    stop: Option<Sender<Infallible>>,
    died: (Sender<String>, Receiver<String>),
    jobs: Group,
    /// The jobs that ask others.
    asking: Group,
    /// Asks our own server process. It does not introduce itself as a miner does, so that what
    /// is counted of neighbours is of others alone.
    probe_client: Arc<MinerClient>,
    backup: Group,
    stop_backup: Option<Sender<Infallible>>,
    /// Let go of when all of them have ended.
    lock: Arc<Lock>,
}

/// Threads whose end is waited for together, but not for ever.
struct Group {
    /// Cloned into each thread: when all of them are gone, so are the threads.
    held: Option<Sender<Infallible>>,
    ended: Receiver<Infallible>,
}

impl Group {
    fn new() -> Self {
        let (held, ended) = bounded(0);
        Self { held: Some(held), ended }
    }

    /// Waits until all of its threads have ended; whether they have by `deadline`.
    fn end(&mut self, deadline: Instant) -> bool {
        self.held = None;
        !self.ended.recv_deadline(deadline).is_err_and(|error| error.is_timeout())
    }
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
        let address = socket.local_addr().map_err(host("read our own address"))?;
        let Files { mut chain, names, lock } = files;
        let mut threads = Self {
            miner: Arc::clone(miner),
            server: Arc::new(ServerProcess::new(socket, own_names(settings))),
            stop: Some(stop),
            died: bounded(1),
            jobs: Group::new(),
            asking: Group::new(),
            probe_client: Arc::new(MinerClient::http(None)),
            backup: Group::new(),
            stop_backup: Some(stop_backup),
            lock,
        };
        let stop = Stop(stopped);
        let (server, server_stop) = (Arc::clone(&threads.server), stop.clone());
        let server_died = threads.died.0.clone();
        threads.job("server", move |miner| {
            let ready = Cell::new(Some(ready));
            let serve = |link, is_ready: &mut dyn FnMut()| {
                communication::serve(miner, link, &mut || {
                    is_ready();
                    miner.metrics.served_by(server.number());
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
            mine::estimate(miner, mining);
            while !mining_stop.within(Duration::ZERO) {
                let rest = match mine::round(miner, mining) {
                    mine::Mined::Nothing => never(),
                    mine::Mined::Rests(rest) => after(rest),
                    mine::Mined::Block | mine::Mined::TooLate => continue,
                };
                crossbeam_channel::select! {
                    recv(mining_stop.0) -> _ => {}
                    recv(miner.shared.bells.mine.heard()) -> _ => {}
                    recv(rest) -> _ => {}
                }
            }
        })?;
        threads.asking_jobs(settings, &stop)?;
        threads.probe(address, stop.clone())?;
        let backup_stop = Stop(backup_stopped);
        let (interval, settles) =
            (settings.backup_interval, settings.backup_interval.min(BACKUP_SETTLES));
        let backups = threads.backup.held.clone();
        // For those who look before the first backup has ended.
        miner.diary.set_files(list_files(&names));
        miner.look_at_room(folder_of(&names));
        threads.spawn("backup", backups, move |miner| {
            let mut save = || {
                backup::round(miner, &mut chain);
                miner.diary.set_files(list_files(&names));
                miner.look_at_room(folder_of(&names));
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
                    if wake == Wake::Tick || backup::settle(miner, &backup_stop, settles) {
                        save();
                    }
                },
            );
            save();
            miner.with_keeper(|keeper, shared| keeper.finish(shared));
        })?;
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
            gossip::recall(miner);
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
                        gossip::remember(miner);
                        asks.ask(miner, Wake::Tick, gossip::whom(miner), gossip::round);
                    }
                    let candidates = gossip::candidates(miner, looks.count());
                    looks.ask(miner, Wake::Tick, candidates, gossip::look_at);
                    if looks.count() < gossip::LOOKS_MAX {
                        gossip::ring_for_callers(miner);
                    }
                },
            );
            gossip::remember(miner);
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
        // With a server process that is frozen, its question waits as long as others' do.
        self.asking_job("probe", move |miner| {
            let mut missed = 0;
            // Where an answer is missed, the next question follows at once.
            while !stop.within(if missed == 0 { interval } else { Duration::ZERO }) {
                miner.progress.tell(miner.now().steady, false);
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
        self.spawn(name, self.asking.held.clone(), work)
    }

    fn job(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Arc<Miner>) + Send + 'static,
    ) -> Result<(), MinerError> {
        self.spawn(name, self.jobs.held.clone(), work)
    }

    fn spawn(
        &self,
        name: &'static str,
        group: Option<Sender<Infallible>>,
        work: impl FnOnce(&Arc<Miner>) + Send + 'static,
    ) -> Result<(), MinerError> {
        let (miner, died) = (Arc::clone(&self.miner), self.died.0.clone());
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let _group = group;
            let _obituary = Obituary { name, died };
            work(&miner);
        });
        thread.map(drop).map_err(host("start a thread"))
    }

    /// Waits for a signal, or for the death of a thread, and ends everything.
    pub(super) fn wait(self, stop: &StopSignals) -> Result<(), MinerError> {
        let outcome = crossbeam_channel::select! {
            recv(stop.told()) -> _ => {
                log::info!("miner: stops signal={}", stop.first());
                Ok(())
            }
            recv(self.died.1) -> name => Err(MinerError::Died(name.unwrap_or_default())),
        };
        self.end();
        outcome
    }

    fn end(mut self) {
        let began = Instant::now();
        service_manager::tell(State::Stopping);
        self.stop = None;
        self.server.stop();
        self.miner.client().shut_down();
        self.probe_client.shut_down();
        self.miner.shared.end_searches();
        if !self.asking.end(began + ASKING_ENDS) {
            log::debug!("miner: ends while a name is looked up or a connection is made");
        }
        let jobs_ended = self.jobs.end(began + ALL_END);
        self.miner.progress.tell(self.miner.now().steady, true);
        self.stop_backup = None;
        let saved = self.backup.end(began + ALL_END);
        if !(jobs_ended && saved) {
            log::warn!(
                "miner: ends before the disk has taken the last blocks; the journal has every \
                 message that was acknowledged"
            );
            // A thread may still write: the next miner has to wait until this process is gone.
            std::mem::forget(self.lock);
        }
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

/// Names by which clients on this host may know its miner.
fn own_names(settings: &Settings) -> Vec<String> {
    let advertised = settings.advertise.as_ref().map(|address| address.host().to_owned());
    let of_host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let of_host = of_host.map(|name| name.trim().to_owned());
    [Some(settings.host.clone()), advertised, of_host].into_iter().flatten().collect()
}
