//! The jobs of a simulated miner, as the real loop in `miner::running` calls them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use blockchain::api::Address;
use blockchain::miner::Miner;
use blockchain::miner::jobs::{Wake, backup, gossip, mine, push, sync_chain, sync_data};

use crate::node::Running;
use crate::world::World;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    Backup,
    Gossip,
    GossipLook,
    Mine,
    Push,
    SyncChain,
    SyncData,
}

/// The jobs that have a bell, in the order in which bells are heard.
pub const BELLS: [Job; 6] =
    [Job::Push, Job::SyncChain, Job::SyncData, Job::Gossip, Job::Mine, Job::Backup];

impl World {
    /// Runs one round of a job, if a miner runs there.
    pub fn run(&self, node: usize, job: Job, wake: Wake) {
        let Some(running) = self.nodes[node].running() else { return };
        let miner = &running.miner;
        match job {
            Job::Backup => {
                let saved = self.back_up(&running);
                self.say(|| format!("{node} backs up: {saved}"));
            }
            Job::Gossip => {
                gossip::resolve(miner);
                self.ask(node, &running, (job, wake), gossip::whom(miner), gossip::round);
                let look = (Job::GossipLook, wake);
                self.ask(node, &running, look, gossip::candidates(miner, 0), gossip::look_at);
            }
            Job::GossipLook => {}
            Job::Mine => self.mine(node, &running),
            Job::Push => {
                self.ask(node, &running, (job, wake), push::whom(miner), push::round);
            }
            Job::SyncChain => {
                sync_chain::drop_ahead(miner);
                let whom = sync_chain::whom(miner, wake);
                self.ask(node, &running, (job, wake), whom, sync_chain::round);
            }
            Job::SyncData => {
                let whom = sync_data::whom(miner, wake);
                self.ask(node, &running, (job, wake), whom, sync_data::round);
            }
        }
    }

    /// Hears the bell of a job; whether it rang.
    pub fn hear(&self, node: usize, job: Job) -> bool {
        let Some(running) = self.nodes[node].running() else { return false };
        let bells = &running.miner.shared.bells;
        let bell = match job {
            Job::Backup => &bells.backup,
            Job::Gossip | Job::GossipLook => &bells.gossip,
            Job::Mine => &bells.mine,
            Job::Push => &bells.push,
            Job::SyncChain => &bells.sync_chain,
            Job::SyncData => &bells.sync_data,
        };
        let rang = bell.heard().try_recv().is_ok();
        if rang {
            self.run(node, job, Wake::Bell);
        }
        rang
    }

    /// Asks those of `whom` that this job is not asking already; at a bell, those are asked
    /// once more then.
    fn ask(
        &self,
        node: usize,
        running: &Arc<Running>,
        (job, wake): (Job, Wake),
        mut whom: Vec<Address>,
        ask: fn(&Miner, &Address),
    ) {
        self.chance.shuffle(&mut whom);
        for address in whom {
            let key = (node, job, address);
            if let Some(again) = self.busy.lock().get_mut(&key) {
                *again |= wake == Wake::Bell;
                continue;
            }
            let mut again = true;
            while again && self.nodes[node].is_run(running.run) {
                self.busy.lock().insert(key.clone(), false);
                self.say(|| format!("{node} {job:?} asks {}", key.2));
                if job == Job::SyncChain {
                    self.open_clocks.lock().push(node);
                }
                ask(&running.miner, &key.2);
                if job == Job::SyncChain {
                    self.open_clocks.lock().pop();
                }
                again = self.busy.lock().remove(&key).unwrap_or(false);
            }
        }
        self.bury_the_dead();
    }

    fn mine(&self, node: usize, running: &Running) {
        let key = (node, Job::Mine, self.nodes[node].address.clone());
        if self.busy.lock().contains_key(&key) {
            return;
        }
        self.busy.lock().insert(key.clone(), false);
        self.open_clocks.lock().push(node);
        let mined = mine::round(&running.miner, NonZeroUsize::MIN);
        self.open_clocks.lock().pop();
        self.busy.lock().remove(&key);
        let length = running.miner.shared.head().length();
        self.say(|| format!("{node} mines: {mined:?}, length {length}"));
        match mined {
            mine::Mined::Block => self.tally.count("blocks mined"),
            mine::Mined::TooLate => self.tally.count("blocks mined too late"),
            mine::Mined::Nothing => {}
        }
    }

    /// Saves the chain; whether it is on disk now.
    pub fn back_up(&self, running: &Running) -> bool {
        let Some(mut file) = running.file.lock().take() else { return false };
        let saved = backup::round(&running.miner, &mut file);
        *running.file.lock() = Some(file);
        self.bury_the_dead();
        saved
    }
}
