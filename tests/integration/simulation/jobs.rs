//! The jobs of a simulated miner, as the real loop in `miner::running` calls them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use blockchain::api::Address;
use blockchain::miner::Miner;
use blockchain::miner::jobs::{Wake, backup, gossip, mine, push, sync_chain, sync_data};

use super::locks::Held;
use super::node::Running;
use super::world::World;

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
        if !self.is_free(node, &running, job) {
            return;
        }
        let miner = &running.miner;
        match job {
            Job::Backup => {
                let saved = self.back_up(&running);
                self.say(|| format!("{node} backs up: {saved}"));
            }
            Job::Gossip => {
                let whom = self.in_turn(node, job, || {
                    gossip::resolve(miner);
                    gossip::whom(miner)
                });
                self.ask(node, &running, (job, wake), whom, gossip::round);
                let candidates = self.in_turn(node, job, || gossip::candidates(miner, 0));
                self.ask(node, &running, (Job::GossipLook, wake), candidates, gossip::look_at);
            }
            Job::GossipLook => {}
            Job::Mine => self.mine(node, &running),
            Job::Push => {
                self.ask(node, &running, (job, wake), push::whom(miner), push::round);
            }
            Job::SyncChain => {
                let whom = self.in_turn(node, job, || sync_chain::whom(miner, wake));
                self.ask(node, &running, (job, wake), whom, sync_chain::round);
            }
            Job::SyncData => {
                let whom = self.in_turn(node, job, || sync_data::whom(miner, wake));
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
        let rang = self.is_free(node, &running, job) && bell.heard().try_recv().is_ok();
        if rang {
            self.run(node, job, Wake::Bell);
        }
        rang
    }

    /// Whether the thread of this job waits for its turn, and would not wait for the journal
    /// that a job under way holds.
    fn is_free(&self, node: usize, running: &Running, job: Job) -> bool {
        let is_at_work = match job {
            Job::Backup => running.file.lock().is_none(),
            _ => self.turns.lock().contains(&(node, job)),
        };
        let writes = matches!(job, Job::Backup | Job::SyncData);
        let would_wait = writes && self.locks.held(&running.miner) == Held::Keeper;
        !(is_at_work || would_wait)
    }

    /// Does what the own thread of a job does, which runs once.
    fn in_turn<T>(&self, node: usize, job: Job, work: impl FnOnce() -> T) -> T {
        self.turns.lock().insert((node, job));
        let done = work();
        self.turns.lock().remove(&(node, job));
        done
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
                ask(&running.miner, &key.2);
                again = self.busy.lock().remove(&key).unwrap_or(false);
            }
        }
        self.bury_the_dead();
    }

    fn mine(&self, node: usize, running: &Running) {
        let mined =
            self.in_turn(node, Job::Mine, || mine::round(&running.miner, NonZeroUsize::MIN));
        let length = self.quietly(|| running.miner.shared.head().length());
        self.say(|| format!("{node} mines: {mined:?}, length {length}"));
        match mined {
            mine::Mined::Block => self.tally.count("blocks mined"),
            mine::Mined::TooLate => self.tally.count("blocks mined too late"),
            mine::Mined::Nothing => {}
            mine::Mined::Rests(_) => self.tally.count("rests of mining"),
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
