//! The simulated network: who reaches whom, and what becomes of a request on its way.

use std::sync::{Arc, Weak};

use blockchain::api::client::{Exchanged, Transport};
use blockchain::api::routes::{self, Decoded};
use blockchain::api::{Address, Caller, Reply, Request, RunId};
use blockchain::miner::answer;
use parking_lot::Mutex;

use super::locks::Held;
use super::world::World;

/// Which ways are cut: from host to host, each direction of its own.
#[derive(Debug, Default)]
pub struct Links(Mutex<Vec<(usize, usize)>>);

impl Links {
    pub fn are_cut(&self, from: usize, to: usize) -> bool {
        self.0.lock().contains(&(from, to))
    }

    pub fn cut(&self, ways: impl IntoIterator<Item = (usize, usize)>) {
        self.0.lock().extend(ways);
    }

    pub fn heal(&self) {
        self.0.lock().clear();
    }
}

/// A request that was given up by who sent it, but arrives.
#[derive(Debug)]
pub struct Late {
    pub caller: Caller,
    pub to: usize,
    pub request: Request,
}

/// One run of a miner's way to the others.
pub struct Wire {
    world: Weak<World>,
    from: usize,
    run: u64,
    id: RunId,
}

impl Wire {
    pub fn new(world: Weak<World>, from: usize, run: u64, id: RunId) -> Self {
        Self { world, from, run, id }
    }

    fn try_exchange(
        &self,
        world: &Arc<World>,
        to: usize,
        request: &Request,
    ) -> Result<(u16, Vec<u8>), String> {
        let caller = world.nodes[self.from].caller(self.id);
        world.passes_for_a_request();
        self.way_to(world, to)?;
        if world.fault(2) {
            world.tally.count("requests lost");
            return Err(world.time_is_up());
        }
        if world.fault(1) {
            world.tally.count("requests delayed");
            world.late.lock().push(Late { caller, to, request: request.clone() });
            return Err(world.time_is_up());
        }
        world.at_exchange(self.from);
        let mut reply = world.deliver(to, request, &caller)?;
        if world.fault(2) {
            world.tally.count("requests doubled");
            world.at_exchange(self.from);
            let again = world.deliver(to, request, &caller)?;
            if world.chance.percent(50) {
                reply = again;
            }
        }
        world.at_exchange(self.from);
        if world.fault(2) {
            world.tally.count("answers lost");
            return Err(world.time_is_up());
        }
        self.way_to(world, to)?;
        Ok((reply.status, reply.body))
    }

    fn way_to(&self, world: &World, to: usize) -> Result<(), String> {
        if !world.nodes[self.from].is_run(self.run) {
            return Err("this miner has ended".to_owned());
        }
        if world.links.are_cut(self.from, to) {
            world.tally.count("requests stopped by a partition");
            return Err(world.time_is_up());
        }
        Ok(())
    }
}

impl Transport for Wire {
    fn exchange(&self, address: &Address, request: &Request, bytes_max: u64) -> Exchanged {
        let world = self.world.upgrade().ok_or("the world has ended")?;
        world.tally.count("requests");
        let (status, body) = match world.party(address) {
            Some(Party::Miner(to)) => self.try_exchange(&world, to, request)?,
            Some(Party::Liar(liar)) => {
                world.passes_for_a_request();
                let asker = world.nodes[self.from].running().ok_or("this miner has ended")?;
                if world.is_calm() {
                    return Err("connection refused".into());
                }
                world.quietly(|| world.liars[liar].answer(&world, &asker.miner, request))
            }
            None => return Err("no such host".into()),
        };
        if body.len() as u64 > bytes_max {
            return Err("the answer is too long".into());
        }
        Ok((status, body))
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

/// Who is at an address.
#[derive(Clone, Copy, Debug)]
pub enum Party {
    Miner(usize),
    Liar(usize),
}

impl World {
    /// Lets the miner on host `to` answer, if one runs there, by way of the HTTP spelling.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn deliver(&self, to: usize, request: &Request, caller: &Caller) -> Result<Reply, String> {
        let running = self.nodes[to].running().ok_or("connection refused")?;
        let writes = matches!(request, Request::Add { .. } | Request::PushData { .. });
        if writes && self.locks.held(&running.miner) == Held::Keeper {
            // It would wait for a job that waits for this.
            return Err(self.time_is_up());
        }
        let (method, target, body) = routes::encode(request);
        let mut reply = match routes::decode(method, &target, &body) {
            Decoded::Answer(reply) => panic!("our own request is refused: {reply:?}"),
            Decoded::Ask(request) => {
                running.miner.hear_from(caller);
                answer(&running.miner, request, caller)
            }
        };
        while let Some(rest) = reply.rest.take() {
            let part = answer(&running.miner, rest, caller);
            if part.status != 200 {
                return Err("connection reset".to_owned());
            }
            reply.body.extend(part.body);
            reply.rest = part.rest;
        }
        self.bury_the_dead();
        if self.nodes[to].is_run(running.run) { Ok(reply) } else { Err("connection reset".into()) }
    }
}
