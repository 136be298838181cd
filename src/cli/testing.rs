//! What tests of several commands need: a miner of prepared answers.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::miner::Miner;
use crate::api::client::{Delivery, Exchanged, MinerClient, NoAnswer, Transport};
use crate::api::{Address, Health, Request, RunId, Status, routes};
use crate::chain::Hash;

type Answer = Result<(u16, Vec<u8>), String>;

/// Gives its answers in turn, and remembers what was asked.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<Script>>);

type Script = (VecDeque<Answer>, Vec<Request>);

impl Fake {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self(Arc::new(Mutex::new((answers.into_iter().collect(), Vec::new()))))
    }

    pub fn miner(&self) -> Miner {
        let address = "fake:1".parse().unwrap();
        Miner { client: MinerClient::new(Box::new(self.clone())), address, token: None }
    }

    /// The requests as HTTP has them: methods and targets.
    pub fn asked_plainly(&self) -> Vec<String> {
        let plain = |(method, target, _)| format!("{method} {target}");
        self.asked().iter().map(routes::encode).map(plain).collect()
    }

    fn next(&self) -> Answer {
        let next = self.0.lock().0.pop_front();
        next.unwrap_or_else(|| Err("nothing more was prepared".into()))
    }

    pub fn asked(&self) -> Vec<Request> {
        self.0.lock().1.clone()
    }
}

impl Transport for Fake {
    fn exchange(&self, _: &Address, request: &Request, _: u64) -> Exchanged {
        self.0.lock().1.push(request.clone());
        let not_sent = |why: &String| why.contains("refused");
        self.next().map_err(|why| NoAnswer {
            sent: if not_sent(&why) { Delivery::NotSent } else { Delivery::Uncertain },
            why,
        })
    }

    fn resolve(&self, _: &Address) -> Vec<Address> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

/// The body of a good /health.
pub fn health(length: u64, unprocessed: u64) -> Vec<u8> {
    let health = Health {
        status: Status::Ok,
        id: RunId::from_random([1; 16]),
        name: None,
        version: "1.0.0".into(),
        network: "test".parse().unwrap(),
        difficulty: crate::chain::Difficulty::DEFAULT,
        genesis: Hash::of("genesis"),
        length,
        head: Hash::of(length.to_string()),
        unprocessed,
        neighbours: 0,
        kernel: "portable".into(),
        uptime_seconds: 5,
        syncing: None,
        reorganised: None,
        refused: None,
        reasons: Vec::new(),
    };
    serde_json::to_vec(&health).unwrap()
}

/// The body of a page of a chain.
pub fn page(lines: &[String], length: u64) -> Vec<u8> {
    format!("{{\"chain\":[{}],\"length\":{length}}}", lines.join(",")).into_bytes()
}
