//! A miner on a host: its files, its threads, its server process, and how all of it ends.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::jobs::{
    SideBySide, Stop, Wake, announce, backup, communication, gossip, mine, repeat, sync_chain,
    sync_data,
};
use super::server_process::ServerProcess;
use super::{HostClock, Keeper, Miner, Neighbours, Shared, Surroundings};
use crate::api::client::MinerClient;
use crate::api::{Address, FileReport, Introduction, RunId};
use crate::chain::{Network, Pool, PoolLimits};
use crate::pow::{Kernel, KernelError};
use crate::settings::{self, Settings};
use crate::store::{ChainFile, Folder, Journal, Lock, Names, StoreError};

/// How long new blocks wait to be saved together: a block that loses a tie within this never
/// touches the disc, nor leaves an older version behind.
const BACKUP_SETTLES: Duration = Duration::from_secs(1);

/// Between two questions to our own server process whether it answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Unanswered questions after which the server process is replaced.
const PROBES_MISSED_MAX: u32 = 2;

/// How much the mining threads stand back for those that serve (`nice`).
const MINING_NICENESS: i32 = 10;

/// Why a miner could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// Files that are not as they should be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its address is not to be had.
    #[error(
        "cannot listen on {address}: {source}; is another miner running there? choose another --port, or 0 for a free one"
    )]
    Listen {
        /// What was asked for.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// A kernel that there is not, or not on this CPU.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The host refuses something that every miner needs.
    #[error("cannot {what}: {source}")]
    Host {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A thread ended that never should.
    #[error("the {0} thread died; this is a fault of the program, miner.log says more")]
    Died(String),
}

/// What the caller of [`run`] wants to hear.
pub struct Listener<'a> {
    /// How much of the chain file has been read: bytes, of how many.
    pub progress: &'a mut dyn FnMut(u64, u64),
    /// It answers at this address.
    pub ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Runs a miner until SIGTERM or SIGINT.
///
/// # Errors
/// [`MinerError`], in one line that says what to do.
pub fn run(settings: &Settings, listener: Listener<'_>) -> Result<(), MinerError> {
    let signals = Signals::new([SIGTERM, SIGINT]).map_err(host("listen for signals"))?;
    let (miner, files, socket) = prepare(settings, listener.progress)?;
    let address = socket.local_addr().map_err(host("read our own address"))?;
    let (kernel, threads) = (miner.kernel, settings.threads);
    log::info!(
        "miner: started version={} id={} network={} difficulty={} chain={} length={} head={} \
         unprocessed={} address={address} kernel={kernel} threads={threads} neighbours={}",
        env!("CARGO_PKG_VERSION"),
        miner.id,
        settings.network.name,
        settings.network.difficulty,
        settings.chain_path.display(),
        miner.shared.tip().length(),
        miner.shared.tip().hash,
        miner.shared.with_pool(Pool::len),
        settings.neighbours.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
    );
    let threads = Threads::start(settings, &miner, files, socket, listener.ready)?;
    let outcome = threads.wait(signals);
    log::info!(
        "miner: finished version={} id={} length={} head={} unprocessed={}",
        env!("CARGO_PKG_VERSION"),
        miner.id,
        miner.shared.tip().length(),
        miner.shared.tip().hash,
        miner.shared.with_pool(Pool::len)
    );
    outcome
}

/// What a running miner owns on disc.
struct Files {
    chain: ChainFile,
    names: Names,
    /// Held as long as the miner runs.
    _lock: Lock,
}

/// Opens files and socket; nothing runs yet.
fn prepare(
    settings: &Settings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Arc<Miner>, Files, TcpListener), MinerError> {
    let clock = Arc::new(HostClock::start());
    let kernel =
        settings.kernel.as_deref().map(str::parse).transpose()?.unwrap_or_else(Kernel::best);
    let names = Names::of(&settings.chain_path)?;
    let disc = Arc::new(Folder::make(names.folder()).map_err(host("make the chain's folder"))?);
    let lock = Lock::take(&names)?;
    let start = match settings.start {
        settings::Start::Continue => crate::store::Start::Keep,
        settings::Start::ForceNewChain => crate::store::Start::ForceNew,
    };
    let now = super::Clock::now(&*clock).wall;
    let (chain_file, chain) = ChainFile::load(
        disc.clone(),
        names.clone(),
        &settings.network,
        start,
        settings.versions_kept,
        now,
        progress,
    )?;
    let (journal, kept) = Journal::open(disc, names.clone())?;
    let mut pool = Pool::new(PoolLimits::default());
    for data in kept.into_iter().filter_map(|data| chain.unless_mined(data)) {
        pool.add(data);
    }
    let socket = listen(settings)?;
    let port = socket.local_addr().map_err(host("read our own address"))?.port();
    let id = RunId::from_random(random());
    let introduction = Introduction {
        id,
        host: settings.advertise.as_ref().map(|address| address.host().to_owned()),
        port: settings.advertise.as_ref().map_or(port, Address::port),
    };
    let neighbours = Neighbours::new(settings.neighbours.iter().cloned(), settings.neighbours_max);
    let surroundings = Surroundings {
        clock,
        client: MinerClient::http(Some(introduction)),
        random: Box::new(random),
    };
    let shared = Shared::new(chain, pool, neighbours);
    let network: Network = settings.network.clone();
    let miner = Miner::new(id, network, shared, Keeper::new(journal), surroundings);
    let miner = Arc::new(miner.with_kernel(kernel));
    miner.diary.set_settings(settings);
    Ok((miner, Files { chain: chain_file, names, _lock: lock }, socket))
}

/// What lies in the chain's folder of this miner, for people who look.
fn list_files(names: &Names) -> Vec<FileReport> {
    let folder =
        if names.folder().as_os_str().is_empty() { Path::new(".") } else { names.folder() };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let report = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let kind = names.kind_of(&name)?.to_owned();
        let metadata = entry.metadata().ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_micros();
        let changed = u64::try_from(changed).ok();
        Some(FileReport { name, kind, bytes: metadata.len(), changed })
    };
    let mut files: Vec<FileReport> = entries.filter_map(report).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn listen(settings: &Settings) -> Result<TcpListener, MinerError> {
    let Settings { host, port, .. } = settings;
    let addresses = (host.as_str(), *port).to_socket_addrs();
    let mut outcome = Err(io::Error::other("the name has no address"));
    for address in addresses.map_err(|source| cannot_listen(host, *port, source))? {
        outcome = crate::api::bind(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|source| cannot_listen(host, *port, source))
}

fn cannot_listen(host: &str, port: u16, source: io::Error) -> MinerError {
    MinerError::Listen { address: format!("{host}:{port}"), source }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

fn host(what: &'static str) -> impl Fn(io::Error) -> MinerError {
    move |source| MinerError::Host { what, source }
}

/// The threads of a miner. They end in the order of the data: the server process, the jobs,
/// mining, and a last backup.
struct Threads {
    miner: Arc<Miner>,
    server: Arc<ServerProcess>,
    /// Ends the jobs when it is dropped.
    stop: Option<Sender<std::convert::Infallible>>,
    died: (Sender<String>, Receiver<String>),
    jobs: Vec<JoinHandle<()>>,
    backup: Option<JoinHandle<()>>,
    stop_backup: Option<Sender<std::convert::Infallible>>,
}

impl Threads {
    fn start(
        settings: &Settings,
        miner: &Arc<Miner>,
        mut files: Files,
        socket: TcpListener,
        ready: Box<dyn FnOnce(SocketAddr) + Send>,
    ) -> Result<Self, MinerError> {
        let (stop, stopped) = bounded(0);
        let (stop_backup, backup_stopped) = bounded(0);
        let address = socket.local_addr().map_err(host("read our own address"))?;
        let mut threads = Self {
            miner: Arc::clone(miner),
            server: Arc::new(ServerProcess::new(socket)),
            stop: Some(stop),
            died: bounded(1),
            jobs: Vec::new(),
            backup: None,
            stop_backup: Some(stop_backup),
        };
        let stop = Stop(stopped);
        let (questions, asked) = bounded(communication::QUESTIONS_MAX);
        let (adds, to_keep) = bounded(communication::ADDS_MAX);

        threads.job("communication", move |miner| {
            for question in asked {
                communication::round(miner, question, &adds);
            }
        })?;
        threads.job("journal", move |miner| communication::keep_data(miner, &to_keep))?;
        let (server, server_stop) = (Arc::clone(&threads.server), stop.clone());
        threads.job("server", move |_| {
            let mut ready = Some(ready);
            let mut tell = || {
                if let Some(ready) = ready.take() {
                    ready(address);
                }
            };
            if let Err(error) = server.run(&questions, &server_stop, &mut tell) {
                panic!("cannot start the server process: {error}");
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
                backup::round(miner, &mut files.chain);
                miner.diary.set_files(list_files(&files.names));
            };
            save();
            let bell = miner.shared.bells.backup.heard();
            repeat(miner, "backup", interval, bell, &backup_stop, |wake| {
                if wake == Wake::Tick || !backup_stop.within(settles) {
                    save();
                }
            });
            save();
        })?;
        threads.backup = Some(backup);
        Ok(threads)
    }

    /// The jobs that ask neighbours.
    fn asking_jobs(&mut self, settings: &Settings, stop: &Stop) -> Result<(), MinerError> {
        let (interval, until) = (settings.chain_sync_interval, stop.clone());
        self.job("sync_chain", move |miner| {
            let mut asks = SideBySide::new("sync_chain");
            let bell = miner.shared.bells.sync_chain.heard();
            repeat(miner, "sync_chain", interval, bell, &until, |wake| {
                sync_chain::drop_ahead(miner);
                let busy = asks.ask(miner, sync_chain::whom(miner, wake), sync_chain::round);
                miner.shared.with_neighbours(|all| all.hinted_chain.extend(busy));
            });
            asks.join();
        })?;
        let (interval, until) = (settings.data_sync_interval, stop.clone());
        self.job("sync_data", move |miner| {
            let mut asks = SideBySide::new("sync_data");
            let bell = miner.shared.bells.sync_data.heard();
            repeat(miner, "sync_data", interval, bell, &until, |wake| {
                let busy = asks.ask(miner, sync_data::whom(miner, wake), sync_data::round);
                miner.shared.with_neighbours(|all| all.hinted_data.extend(busy));
            });
            asks.join();
        })?;
        let (interval, until) = (settings.gossip_interval, stop.clone());
        self.job("gossip", move |miner| {
            let mut asks = SideBySide::new("gossip");
            let mut looks = SideBySide::new("gossip");
            miner.shared.bells.gossip.ring();
            repeat(miner, "gossip", interval, miner.shared.bells.gossip.heard(), &until, |_| {
                gossip::resolve(miner);
                asks.ask(miner, gossip::whom(miner), gossip::round);
                looks.ask(miner, gossip::candidates(miner), gossip::look_at);
            });
            asks.join();
            looks.join();
        })?;
        let until = stop.clone();
        self.job("announce", move |miner| {
            let mut asks = SideBySide::new("announce");
            let never = Duration::from_secs(60 * 60);
            let bell = miner.shared.bells.announce.heard();
            repeat(miner, "announce", never, bell, &until, |wake| {
                if wake == Wake::Bell {
                    let busy = asks.ask(miner, announce::whom(miner), announce::round);
                    until.within(announce::GAP);
                    if !busy.is_empty() {
                        miner.shared.bells.announce.ring();
                    }
                }
            });
            asks.join();
        })
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
        self.job("probe", move |miner| {
            let mut missed = 0;
            while !stop.within(PROBE_INTERVAL) {
                missed = if miner.client().health(&own).is_ok() { 0 } else { missed + 1 };
                if missed >= PROBES_MISSED_MAX {
                    log::error!("probe: the server process does not answer and is replaced");
                    server.replace();
                    missed = 0;
                }
            }
        })
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
    fn wait(mut self, signals: Signals) -> Result<(), MinerError> {
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
        self.stop = None;
        self.server.stop();
        self.miner.client().shut_down();
        self.miner.shared.end_searches();
        for thread in self.jobs.drain(..) {
            let _ = thread.join();
        }
        self.stop_backup = None;
        if let Some(backup) = self.backup.take() {
            let _ = backup.join();
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
            let _ = self.died.try_send(self.name.to_owned());
        }
    }
}
