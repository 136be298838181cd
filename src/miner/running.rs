//! A miner on a host: its files, its socket, and what it is made of. Its threads are `threads`'.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::UNIX_EPOCH;

use crossbeam_channel::bounded;

use super::service_manager::{self, ServiceState};
use super::threads::Threads;
use super::{HostClock, Keeper, Miner, Neighbours, Shared, Surroundings};
use crate::api::client::{MinerClient, Token};
use crate::api::{Address, FileReport, Introduction, RunId, Setting};
use crate::chain::{Chain, Micros, Pool, PoolLimits};
use crate::pow::{Kernel, KernelError};
use crate::random;
use crate::settings::Settings;
use crate::signals::StopSignals;
use crate::store::{ChainFile, Disk, Files, Folder, Journal, Loaded, Lock, Names, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// Files that are not as they should be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its address is not to be had.
    #[error("cannot listen on {address}: {source}; {}", how_to_listen(source))]
    Listen { address: String, source: io::Error },
    /// A kernel that there is not, or not on this CPU.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// An address that leads nowhere, or to whoever asks.
    #[error(
        "cannot advertise {0}: it leads other miners nowhere; name an address at which they \
         reach this host, or leave --advertise out"
    )]
    Advertise(Address),
    #[error("{0}")]
    Token(String),
    #[error("cannot {what}: {source}")]
    Host { what: &'static str, source: io::Error },
    /// A thread ended that never should, or the server process can't be started.
    #[error("{0}")]
    Died(String),
}

/// Advice on an address that can't be listened on.
pub fn how_to_listen(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "something else answers there; choose another port, or 0 for a free one"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 take root; choose another",
        _ => "--host takes a name or an address of this host, as 127.0.0.1 or 0.0.0.0",
    }
}

pub struct Listener {
    /// How much of the chain file has been read: bytes, of how many.
    pub progress: Box<dyn FnMut(u64, u64) + Send>,
    pub ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Runs a miner until it is told to stop. The process ends then: threads that the disk or the
/// look-up of a name holds up are left behind, and so is what the miner has in memory.
pub fn run(settings: &Settings, listener: Listener, stop: &StopSignals) -> Result<(), MinerError> {
    let Some(prepared) = prepare_until(stop, settings, listener.progress)? else { return Ok(()) };
    let (miner, owned, socket) = prepared;
    let address = socket.local_addr().map_err(host("read our own address"))?;
    let head = miner.shared.head();
    log::info!(
        "miner: started version={} id={} chain={} length={} head={} unprocessed={} \
         address={address} kernel={} {}",
        env!("CARGO_PKG_VERSION"),
        miner.id,
        settings.chain_path.display(),
        head.length(),
        head.hash,
        miner.shared.with_pool(Pool::len),
        miner.kernel,
        shown(&miner.settings)
    );
    let threads = Threads::start(settings, &miner, owned, socket, listener.ready)?;
    let outcome = threads.wait(stop);
    let head = miner.shared.head();
    log::info!(
        "miner: finished version={} id={} length={} head={} unprocessed={} {}",
        env!("CARGO_PKG_VERSION"),
        miner.id,
        head.length(),
        head.hash,
        miner.shared.with_pool(Pool::len),
        shown(&miner.settings)
    );
    // A long chain takes longer to be freed piece by piece than with the process.
    std::mem::forget(miner);
    outcome
}

type Prepared = (Arc<Miner>, Owned, TcpListener);

/// Opens files and socket, or returns `None` at a stop. That is heard meanwhile, whatever takes
/// its time: a long chain, a slow disk, the look-up of a name. All of it survives a kill, so
/// that the thread that does it may be left behind.
fn prepare_until(
    stop: &StopSignals,
    settings: &Settings,
    mut progress: Box<dyn FnMut(u64, u64) + Send>,
) -> Result<Option<Prepared>, MinerError> {
    let (done, outcome) = bounded(1);
    let (settings, read) = (settings.clone(), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
    let seen = Arc::clone(&read);
    let load = move || {
        let mut progress = |read, of| {
            seen[0].store(read, Ordering::Relaxed);
            seen[1].store(of, Ordering::Relaxed);
            progress(read, of);
        };
        let _ = done.send(prepare(&settings, &mut progress));
    };
    Builder::new().name("load".into()).spawn(load).map_err(host("start a thread"))?;
    crossbeam_channel::select! {
        recv(stop.told()) -> _ => {
            service_manager::tell(ServiceState::Stopping);
            let [read, of] = [0, 1].map(|at| read[at].load(Ordering::Relaxed));
            let signal = stop.first();
            log::info!(
                "miner: stops before it answered signal={signal} chain_bytes_read={read} of={of}"
            );
            Ok(None)
        }
        recv(outcome) -> prepared => match prepared {
            Ok(prepared) => prepared.map(Some),
            Err(_) => {
                let why = "this is a fault of the program, miner.log says more";
                Err(MinerError::Died(format!("the load thread died; {why}")))
            }
        }
    }
}

/// Settings as a log line shows them.
fn shown(settings: &[Setting]) -> String {
    let pairs = settings.iter().map(|Setting { name, value }| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

/// Parts of a running miner that one thread each owns.
pub(super) struct Owned {
    pub(super) chain: ChainFile,
    /// Held as long as anything of the miner runs.
    pub(super) lock: Arc<Lock>,
}

fn prepare(
    settings: &Settings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, MinerError> {
    if let Some(address) = settings.advertise.as_ref().filter(|address| leads_nowhere(address)) {
        return Err(MinerError::Advertise(address.clone()));
    }
    let clock = Arc::new(HostClock::start());
    let kernel =
        settings.kernel.as_deref().map(str::parse).transpose()?.unwrap_or_else(Kernel::best);
    let names = Names::resolve(&settings.chain_path)?;
    let (files, lock) = take(names)?;
    let now = super::Clock::now(&*clock).wall;
    let Loaded { file, chain, forks } = load(settings, &files, now, progress)?;
    lock.hold()?;
    let (journal, pool) = pending(&files, &chain)?;
    let token = settings.write_token_file.as_deref().map(Token::read).transpose();
    let token = token.map_err(MinerError::Token)?;
    let socket = listen(settings)?;
    let introduction = introduction(settings, &socket)?;
    let id = introduction.id;
    let surroundings = Surroundings {
        clock,
        client: MinerClient::http(Some(introduction)),
        random: Box::new(random::bytes),
    };
    let shared = Shared::new(chain, forks, pool, neighbours(settings));
    let mut miner = Miner::new(id, settings.network(), shared, Keeper::new(journal), surroundings);
    (miner.kernel, miner.settings) = (kernel, settings.told());
    (miner.files, miner.token) = (Some(files), token);
    miner.name = settings.name.as_ref().map(|name| name.as_str().to_owned());
    miner.finality.set_depth(settings.finality_depth);
    miner.pace.set_limit(settings.hash_rate_limit);
    Ok((Arc::new(miner), Owned { chain: file, lock }, socket))
}

/// The folder of the chain file, made if it is missing, for this miner alone.
fn take(names: Names) -> Result<(Files, Arc<Lock>), MinerError> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", names.folder().display()))
    };
    let folder = Folder::make(names.folder()).map_err(named).map_err(host("make the folder"))?;
    let lock = Arc::new(Lock::take(&names)?);
    let disk: Arc<dyn Disk> = Arc::new(folder.locked(Arc::clone(&lock)));
    #[cfg(debug_assertions)]
    let disk = crate::store::crash_point::arm(disk);
    Ok((Files::new(disk, names), lock))
}

fn load(
    settings: &Settings,
    files: &Files,
    now: Micros,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, MinerError> {
    let start = match settings.force_new_chain {
        false => crate::store::Start::Keep,
        true => crate::store::Start::ForceNew,
    };
    let mut progress = |read, of| {
        progress(read, of);
        ControlFlow::Continue(())
    };
    let (network, kept) = (settings.network(), settings.keep_versions);
    Ok(ChainFile::load(files, &network, start, kept, now, &mut progress)?)
}

/// The journal, and the messages in it that are in no block.
fn pending(files: &Files, chain: &Chain) -> Result<(Journal, Pool), MinerError> {
    let (journal, kept) = Journal::open(files.clone())?;
    let mut pool = Pool::new(PoolLimits::default());
    for data in kept {
        if chain.height_of(&data).map_err(StoreError::from)?.is_none() {
            pool.add(data);
        }
    }
    Ok((journal, pool))
}

fn introduction(settings: &Settings, socket: &TcpListener) -> Result<Introduction, MinerError> {
    let port = socket.local_addr().map_err(host("read our own address"))?.port();
    Ok(Introduction {
        id: RunId::from_random(random::bytes()),
        host: settings.advertise.as_ref().map(|address| address.host().to_owned()),
        port: settings.advertise.as_ref().map_or(port, Address::port),
    })
}

fn neighbours(settings: &Settings) -> Neighbours {
    let given = settings.neighbours.iter().cloned();
    let mut neighbours = Neighbours::new(given, settings.max_neighbours);
    neighbours.only_given = settings.only_given_neighbours;
    neighbours
}

pub(super) fn folder_of(names: &Names) -> &Path {
    if names.folder().as_os_str().is_empty() { Path::new(".") } else { names.folder() }
}

/// Files of this miner in the chain's folder, for people who look.
pub(super) fn list_files(names: &Names) -> Vec<FileReport> {
    let entries = std::fs::read_dir(folder_of(names)).into_iter().flatten().flatten();
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

/// True if no miner is reached at `address` from anywhere.
fn leads_nowhere(address: &Address) -> bool {
    address.ip().is_some_and(|ip| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    })
}

fn listen(settings: &Settings) -> Result<TcpListener, MinerError> {
    let Settings { host, port, .. } = settings;
    let addresses = (host.as_str(), *port).to_socket_addrs();
    let mut outcome = Err(io::Error::other("the name has no address"));
    for address in addresses.map_err(|source| cannot_listen(host, *port, source))? {
        outcome = crate::http::bind(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|source| cannot_listen(host, *port, source))
}

fn cannot_listen(host: &str, port: u16, source: io::Error) -> MinerError {
    MinerError::Listen { address: format!("{host}:{port}"), source }
}

pub(super) fn host(what: &'static str) -> impl Fn(io::Error) -> MinerError {
    move |source| MinerError::Host { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_leads_nowhere_is_not_advertised() {
        let leads_nowhere = |text: &str| leads_nowhere(&text.parse().unwrap());
        for text in
            ["0.0.0.0:1", "[::]:1", "[::ffff:0.0.0.0]:1", "255.255.255.255:1", "224.0.0.1:1"]
        {
            assert!(leads_nowhere(text), "{text}");
        }
        for text in ["miner2:1", "127.0.0.1:1", "10.0.0.1:1", "[::1]:1"] {
            assert!(!leads_nowhere(text), "{text}");
        }
    }
}
