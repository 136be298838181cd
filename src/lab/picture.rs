//! What is seen of a network, as the wall draws it.

use serde::Serialize;

use crate::api::{Address, Health, MiningPace, RunId};
use crate::chain::{Hash, Micros};
use crate::escape::words;

/// A miner of the network, as it was when it was asked last.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    pub address: Address,
    /// Its own name for people.
    pub name: Option<String>,
    /// True if it answered the last time.
    pub answers: bool,
    /// True of a place in the list that no miner has now.
    pub is_free: bool,
    pub length: u64,
    pub head: Option<Hash>,
    pub unprocessed: u64,
    /// Most guesses a second.
    pub limit: Option<u64>,
    /// Guesses a second, measured.
    pub rate: f64,
    /// Its neighbours, by their place in the list of miners.
    pub neighbours: Vec<usize>,
    /// Miners that it has banned, by their place in the list.
    pub bans: Vec<usize>,
    /// Last branch that it refused: number of blocks that would have been dropped.
    pub refused: Option<u64>,
    /// Its run, by which two addresses are known to be one miner.
    #[serde(skip)]
    pub id: Option<RunId>,
}

/// A block that some chain had.
#[derive(Clone, Debug, Serialize)]
pub struct Known {
    pub hash: Hash,
    pub index: u64,
    pub previous: Option<Hash>,
    /// Beginning of its message.
    pub message: String,
    /// The miner that found it, by its place in the list.
    pub finder: Option<usize>,
    /// The person in whose browser it was found.
    pub by: Option<String>,
}

/// The arrival of a block at a miner.
#[derive(Clone, Debug, Serialize)]
pub struct Travel {
    /// Rises with every arrival.
    pub number: u64,
    pub hash: Hash,
    pub index: u64,
    /// Where it arrived, by its place in the list of miners.
    pub to: usize,
    /// Who brought it; nobody where it was found.
    pub from: Option<usize>,
    /// Microseconds since the Unix epoch, by the clock of the miner where it arrived.
    pub at: Micros,
    /// Blocks that were dropped for it.
    pub dropped: u64,
    /// Messages that went back to the pending ones.
    pub returned: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Picture {
    /// The miners; others name them by their place here.
    pub miners: Vec<Seen>,
    /// Blocks of the last heights.
    pub blocks: Vec<Known>,
    /// The newest arrivals, oldest first.
    pub travels: Vec<Travel>,
}

impl Seen {
    pub fn unknown(address: Address) -> Self {
        Self {
            address,
            name: None,
            answers: false,
            is_free: false,
            length: 0,
            head: None,
            unprocessed: 0,
            limit: None,
            rate: 0.0,
            neighbours: Vec::new(),
            bans: Vec::new(),
            refused: None,
            id: None,
        }
    }

    pub fn tell(&mut self, health: &Health, pace: Option<MiningPace>) {
        self.name = health.name.as_deref().map(words);
        self.answers = true;
        (self.length, self.head, self.unprocessed) =
            (health.length, Some(health.head), health.unprocessed);
        self.id = Some(health.id);
        self.refused = health.refused.as_ref().map(|refused| refused.dropped);
        if let Some(pace) = pace {
            (self.limit, self.rate) = (pace.hash_rate_limit, pace.guesses_per_second);
        }
    }
}
