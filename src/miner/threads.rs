//! The threads of a running miner: which there are, what wakes them, and the order in which
//! they end.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Miner;
use super::jobs::{Stop, push};
use super::running::{MinerError, Owned, host};
use super::server_process::ServerProcess;
use super::service_manager::{self, ServiceState};
use super::thread_group::{Group, Obituary};
use crate::api::client::MinerClient;
use crate::settings::Settings;
use crate::signals::StopSignals;
use crate::store::Lock;
use work::Ready;

mod work;

/// Longest end of jobs that ask others. Their calls end at once, but nothing ends the look-up of a
/// name (20 s with a DNS server that is silent) or a connection that is being made (2 s). A thread
/// that is left behind finds that no call may begin any more, and what it could still do survives a
/// kill, too.
const ASKING_ENDS: Duration = Duration::from_millis(100);

/// Longest end of all threads: a stop is promised within a second. Only a disk that hangs takes
/// longer; what it has not taken yet is in the journal, or was promised to nobody.
const ALL_END: Duration = Duration::from_millis(600);

/// The threads of a miner. They end in the order of the data: the server process, the jobs,
/// mining, and a last backup.
pub(super) struct Threads {
    miner: Arc<Miner>,
    server: Arc<ServerProcess>,
    died: (Sender<String>, Receiver<String>),
    jobs: Group,
    /// The jobs that ask others.
    asking: Group,
    /// Asks our own server process. It does not introduce itself as a miner does, so that what
    /// is counted of neighbours is of others alone.
    probe_client: Arc<MinerClient>,
    backup: Group,
    /// Let go of when all of them have ended.
    lock: Arc<Lock>,
}

impl Threads {
    pub(super) fn start(
        settings: &Settings,
        miner: &Arc<Miner>,
        owned: Owned,
        socket: TcpListener,
        ready: Ready,
    ) -> Result<Self, MinerError> {
        let address = socket.local_addr().map_err(host("read our own address"))?;
        let Owned { chain, lock } = owned;
        let threads = Self {
            miner: Arc::clone(miner),
            server: Arc::new(ServerProcess::new(socket, own_names(settings))),
            died: bounded(1),
            jobs: Group::new(),
            asking: Group::new(),
            probe_client: Arc::new(MinerClient::http(None)),
            backup: Group::new(),
            lock,
        };
        threads.serve(address, ready)?;
        threads.mine(settings.threads)?;
        threads.sync_chain(settings.chain_sync_interval)?;
        threads.sync_data(settings.data_sync_interval)?;
        threads.gossip(settings.gossip_interval)?;
        threads.spawn("push", &threads.asking, push::run)?;
        threads.probe(address)?;
        threads.backup(settings.backup_interval, chain)?;
        Ok(threads)
    }

    fn spawn(
        &self,
        name: &'static str,
        group: &Group,
        work: impl FnOnce(&Arc<Miner>, &Stop) + Send + 'static,
    ) -> Result<(), MinerError> {
        let (miner, died) = (Arc::clone(&self.miner), self.died.0.clone());
        let (held, stop) = (group.held.clone(), group.stopped.clone());
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let _held = held;
            let _obituary = Obituary { name, died };
            work(&miner, &stop);
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
        service_manager::tell(ServiceState::Stopping);
        self.jobs.stop();
        self.asking.stop();
        self.server.stop();
        self.miner.client().shut_down();
        self.probe_client.shut_down();
        self.miner.shared.end_searches();
        if !self.asking.end(began + ASKING_ENDS) {
            log::debug!("miner: ends while a name is looked up or a connection is made");
        }
        let jobs_ended = self.jobs.end(began + ALL_END);
        self.miner.new_blocks.tell(self.miner.now().steady, true);
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

/// Names by which clients on this host may know its miner.
fn own_names(settings: &Settings) -> Vec<String> {
    let advertised = settings.advertise.as_ref().map(|address| address.host().to_owned());
    let of_host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let of_host = of_host.map(|name| name.trim().to_owned());
    [Some(settings.host.clone()), advertised, of_host].into_iter().flatten().collect()
}
