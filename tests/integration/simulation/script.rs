//! What happens in a world: by chance, one thing after the other, and things beside things.

use std::sync::Arc;

use blockchain::miner::jobs::Wake;

use super::jobs::{BELLS, Job};
use super::node::Ended;
use super::world::World;
use crate::support::sim_disk::Failure;

/// Microseconds in a day.
const DAY: usize = 24 * 60 * 60 * 1_000_000;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Add,
    Backlog,
    Bell,
    Tick(Job),
    Mine,
    Start,
    Stop,
    Crash,
    CrashSoon,
    DiskFull,
    DiskWell,
    DiskFails,
    Split,
    Heal,
    Clock,
    ClockRight,
    Late,
    LiarCalls,
    Pass,
}

const EVENTS: [(usize, Event); 23] = [
    (160, Event::Add),
    (8, Event::Backlog),
    (240, Event::Bell),
    (160, Event::Mine),
    (60, Event::Tick(Job::SyncChain)),
    (50, Event::Tick(Job::SyncData)),
    (25, Event::Tick(Job::Gossip)),
    (40, Event::Tick(Job::Backup)),
    (30, Event::Start),
    (5, Event::Stop),
    (6, Event::Crash),
    (12, Event::CrashSoon),
    (8, Event::DiskFull),
    (8, Event::DiskWell),
    (8, Event::DiskFails),
    (10, Event::Split),
    (8, Event::Heal),
    (8, Event::Clock),
    (6, Event::ClockRight),
    (20, Event::Late),
    (15, Event::LiarCalls),
    (30, Event::Pass),
    (10, Event::Tick(Job::Push)),
];

/// What may happen in a gap of a job.
const BESIDE: [(usize, Event); 10] = [
    (20, Event::Add),
    (30, Event::Bell),
    (30, Event::Mine),
    (8, Event::Tick(Job::SyncChain)),
    (5, Event::Tick(Job::SyncData)),
    (3, Event::Tick(Job::Gossip)),
    (10, Event::Tick(Job::Backup)),
    (2, Event::Crash),
    (2, Event::CrashSoon),
    (10, Event::Late),
];

impl World {
    /// Lets something happen.
    pub fn step(self: &Arc<Self>) {
        self.pass(self.chance.between(1_000, 3_000_000) as u64);
        let event = self.chance.weighted(&EVENTS);
        self.happen(event, self.chance.below(self.nodes.len()));
    }

    /// Lets something happen beside something else: at this miner, or at any.
    pub fn step_beside(self: &Arc<Self>, node: Option<usize>) {
        let event = self.chance.weighted(&BESIDE);
        self.tally.count("races");
        let number = node.unwrap_or_else(|| self.chance.below(self.nodes.len()));
        self.happen(event, number);
    }

    fn happen(self: &Arc<Self>, event: Event, number: usize) {
        let node = &self.nodes[number];
        let runs = node.running().is_some();
        match event {
            Event::Add => self.add_somewhere(number),
            Event::Backlog => {
                (0..self.chance.between(2, 12)).for_each(|_| self.add_somewhere(number));
            }
            Event::Bell => {
                let start = self.chance.below(BELLS.len());
                let mut bells = BELLS.iter().cycle().skip(start).take(BELLS.len());
                bells.find(|job| self.hear(number, **job));
            }
            Event::Mine => self.run(number, Job::Mine, Wake::Bell),
            Event::Tick(job) => self.run(number, job, Wake::Tick),
            Event::Start => {
                if let Some(node) = self.nodes.iter().find(|node| node.running().is_none()) {
                    self.start(node);
                }
            }
            Event::Stop if runs => {
                // All other jobs have ended then.
                self.quietly(|| {
                    let Some(running) = node.running() else { return };
                    self.back_up(&running);
                    running.miner.with_keeper(|keeper, shared| keeper.finish(shared));
                    self.bury_the_dead();
                });
                if node.running().is_some() {
                    self.end(node, Ended::InOrder);
                }
            }
            Event::Crash if runs => self.end(node, self.violent_end()),
            Event::CrashSoon if runs => {
                let disk = node.disk();
                disk.crash_at(disk.operations() + self.chance.below(12) as u64, self.when());
            }
            Event::DiskFull if runs => {
                self.say(|| format!("{number} disk full"));
                self.tally.count("disks full");
                node.disk().set_full(true);
            }
            Event::DiskWell => node.disk().set_full(false),
            Event::DiskFails if runs => {
                let disk = node.disk();
                let at = disk.operations() + self.chance.below(8) as u64;
                let failure = if self.chance.percent(50) { Failure::Full } else { Failure::Io };
                self.say(|| format!("{number} disk fails soon: {failure:?}"));
                disk.fail_at(at, failure);
            }
            Event::Split => self.split(),
            Event::Heal => self.links.heal(),
            Event::Clock => self.set_clock(number),
            Event::ClockRight => {
                if node.clock_off() > 0 {
                    self.tally.count("clocks set back");
                }
                node.set_clock(0);
            }
            Event::Late => self.deliver_late(),
            Event::LiarCalls => self.liar_calls(number),
            Event::Pass => self.pass(self.chance.between(1, 120_000_000) as u64),
            Event::Stop | Event::Crash | Event::CrashSoon | Event::DiskFull | Event::DiskFails => {}
        }
        self.bury_the_dead();
        self.look_at_all();
    }

    fn set_clock(&self, number: usize) {
        let off = self.chance.below(2 * DAY) as i64 - DAY as i64;
        self.say(|| format!("{number} clock off by {}s", off / 1_000_000));
        self.tally.count("clocks wrong");
        if off < self.nodes[number].clock_off() {
            self.tally.count("clocks set back");
        }
        self.nodes[number].set_clock(off);
    }

    /// Cuts the network in some shape.
    fn split(&self) {
        self.links.heal();
        let count = self.nodes.len();
        let all = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
        let shape = self.chance.below(5);
        let groups: Vec<usize> = (0..count).map(|_| self.chance.below(2 + shape)).collect();
        let alone = self.chance.below(count);
        self.say(|| format!("partition of shape {shape} {groups:?}, alone {alone}"));
        match shape {
            // Groups that hear nothing of each other.
            0 | 1 => self.links.cut(all.filter(|(a, b)| groups[*a] != groups[*b])),
            // One miner alone.
            2 => self.links.cut(all.filter(|(a, b)| *a == alone || *b == alone)),
            // One that can't ask, but is asked.
            3 => self.links.cut(all.filter(|(a, _)| *a == alone)),
            // Any ways, each in one direction.
            _ => self.links.cut(all.filter(|_| self.chance.percent(40))),
        }
        self.tally.count("partitions");
    }

    /// A request arrives that was given up by its sender.
    pub fn deliver_late(&self) {
        let late = self.late.lock().pop();
        if let Some(late) = late
            && self.deliver(late.to, &late.request, &late.caller).is_ok()
        {
            self.tally.count("requests that came late");
        }
    }

    fn liar_calls(&self, to: usize) {
        let Some(liar) = self.chance.pick(&self.liars) else { return };
        let (request, caller) = liar.calls(self);
        let _ = self.deliver(to, &request, &caller);
    }
}
