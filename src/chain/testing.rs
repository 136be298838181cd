//! What tests of several rooms need: a maker of valid blocks.

use super::block::{Block, Hash, Proof};
use super::data::{Data, DataId, Message};
use super::network::{Difficulty, Network};
use super::rules::{Head, Micros};

/// The time it is in tests: 2026-09-21.
pub const NOW: Micros = 1_790_000_000_000_000;

pub fn network(difficulty: u8) -> Network {
    let difficulty = Difficulty::new(difficulty).expect("tests give 1 to 64");
    Network { name: "test".parse().expect("it is short"), difficulty }
}

/// A message whose id follows from its text.
pub fn data(text: &str) -> Data {
    let id = Hash::of(text).as_bytes()[..16].try_into().expect("16 bytes");
    let message = Message::new(text).expect("tests keep the limits");
    Data { id: DataId::from_bytes(id), message }
}

/// Makes chains of valid blocks, one second apart.
#[derive(Clone, Debug)]
pub struct Maker {
    network: Network,
    head: Head,
}

impl Maker {
    pub fn new(network: Network) -> Self {
        let genesis = Block::genesis(&network);
        let head = Head::of(&genesis, &genesis.line());
        Self { network, head }
    }

    /// A maker that goes on from `head`.
    pub fn at(network: Network, head: Head) -> Self {
        Self { network, head }
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next block, with this message, without its proof.
    pub fn candidate(&self, text: &str) -> Block {
        Block {
            index: self.head.index + 1,
            timestamp: self.head.timestamp.max(NOW - 1_000_000) + 1,
            data: data(text),
            previous_hash: Some(self.head.hash),
            proof: None,
        }
    }

    /// Seals `block` and searches its proof behind the head; its line.
    pub fn mine(&self, mut block: Block) -> String {
        let seal = Hash::of(block.unsealed_line());
        let prefix = self.head.search_prefix(&seal);
        let works = |nonce: &u64| {
            let hash = Hash::of(format!("{prefix}{nonce}"));
            self.network.difficulty.is_met_by(hash.as_bytes())
        };
        let nonce = (0..).find(works).expect("there is one");
        block.proof = Some(Proof { seal, nonce });
        block.line()
    }

    /// Mines a block with this message and moves on to it; its line.
    pub fn add(&mut self, text: &str) -> String {
        let line = self.mine(self.candidate(text));
        let block = Block::read(&line, self.head.index + 1).expect("it was written just now");
        self.head = Head::of(&block, &line);
        line
    }
}
