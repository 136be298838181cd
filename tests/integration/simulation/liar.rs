//! Liars: neighbours that serve wrong chains, or none, in every way that a miner must see
//! through; and chains that are right but steal ids or drop messages, which it must survive.

use std::sync::Arc;

use blockchain::api::{
    Address, Caller, Cursor, DataPage, Health, Introduction, NeighbourPage, Request, RunId, Status,
};
use blockchain::chain::testing::{Maker, NOW, network};
use blockchain::chain::{Block, Data, DataId, Hash, Head, Message, Proof, check_block};
use blockchain::miner::Miner;
use parking_lot::Mutex;

use super::chance::Chance;
use super::node::address;
use super::world::World;

/// Microseconds in an hour.
const HOUR: u64 = 60 * 60 * 1_000_000;

/// What is wrong with what a liar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    BadLink,
    NoWork,
    CheaperDifficulty,
    WrongSeal,
    FromTheFuture,
    IdTwice,
    /// Every block keeps the rules, but an id belongs to somebody else's message.
    StolenId,
    /// Every block keeps the rules; what others mined is dropped.
    OtherHistory,
    LongerThanClaimed,
    ShorterThanClaimed,
    HalfOfIt,
    Changing,
    OtherNetwork,
    Garbage,
}

const LIES: [(Lie, &str); 14] = [
    (Lie::BadLink, "lie: bad link"),
    (Lie::NoWork, "lie: no work"),
    (Lie::CheaperDifficulty, "lie: cheaper difficulty"),
    (Lie::WrongSeal, "lie: wrong seal"),
    (Lie::FromTheFuture, "lie: from the future"),
    (Lie::IdTwice, "lie: id twice"),
    (Lie::StolenId, "lie: stolen id"),
    (Lie::OtherHistory, "lie: other history"),
    (Lie::LongerThanClaimed, "lie: longer than claimed"),
    (Lie::ShorterThanClaimed, "lie: shorter than claimed"),
    (Lie::HalfOfIt, "lie: half of it"),
    (Lie::Changing, "lie: changing"),
    (Lie::OtherNetwork, "lie: other network"),
    (Lie::Garbage, "lie: garbage"),
];

impl Lie {
    pub fn by_chance(chance: &Chance) -> Self {
        LIES[chance.below(LIES.len())].0
    }

    fn name(self) -> &'static str {
        LIES.iter().find(|(lie, _)| *lie == self).expect("all are listed").1
    }

    /// All names under which lies are counted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        LIES.iter().map(|(_, name)| *name)
    }
}

/// A liar.
pub struct Liar {
    pub address: Address,
    id: RunId,
    lie: Lie,
    forged: Mutex<Vec<Arc<str>>>,
    told: Mutex<u64>,
}

impl Liar {
    pub fn new(address: Address, id: [u8; 16], lie: Lie) -> Self {
        let id = RunId::from_random(id);
        Self { address, id, lie, forged: Mutex::default(), told: Mutex::default() }
    }

    /// What it says to `asker`.
    pub fn answer(&self, world: &World, asker: &Miner, request: &Request) -> (u16, Vec<u8>) {
        if self.lie == Lie::Garbage && world.chance.percent(70) {
            world.tally.count(self.lie.name());
            return self.garbage(world);
        }
        match request {
            Request::Health => {
                *self.forged.lock() = self.forge(world, asker);
                ok(&self.health(world, asker))
            }
            Request::Chain { from, limit } => {
                world.tally.count(self.lie.name());
                if self.lie == Lie::Changing {
                    *self.forged.lock() = self.forge(world, asker);
                }
                (200, self.page(*from, limit.unwrap_or(u64::MAX)))
            }
            Request::Data { .. } => {
                let some = world.chance.percent(10);
                let data: Vec<_> = some.then(|| self.message(world)).into_iter().collect();
                let cursor = Some(Cursor { run: self.id, arrivals: world.micros() });
                ok(&DataPage { length: data.len() as u64, data, cursor })
            }
            Request::Neighbours { .. } => {
                let neighbours: Vec<_> = (0..4).map(|_| address(world.chance.below(120))).collect();
                ok(&NeighbourPage { length: 4, neighbours, details: Vec::new() })
            }
            _ => (200, b"{}".to_vec()),
        }
    }

    /// What it asks of itself: so it becomes known.
    pub fn calls(&self, world: &World) -> (Request, Caller) {
        let introduction = Introduction { id: self.id, host: None, port: self.address.port() };
        let caller = Caller { ip: self.address.ip(), miner: Some(introduction), token: None };
        let request = match world.chance.percent(50) {
            true => Request::Health,
            false => self.push(world),
        };
        (request, caller)
    }

    /// Blocks and messages that it pushes: some follow nothing, some are wrong.
    fn push(&self, world: &World) -> Request {
        if world.chance.percent(20) {
            return Request::PushData { data: vec![self.message(world)], span: None };
        }
        let forged = self.forged.lock();
        let from = world.chance.below(forged.len().max(1));
        let mut lines: Vec<String> =
            forged[from.min(forged.len())..].iter().map(|line| line.to_string()).collect();
        if lines.is_empty() || world.chance.percent(20) {
            let hash = Hash::of("none");
            lines = vec![format!("{{\"index\":9,\"previous_hash\":\"{hash}\"}}"); 8];
        }
        Request::PushBlocks { lines }
    }

    fn garbage(&self, world: &World) -> (u16, Vec<u8>) {
        match world.chance.below(4) {
            0 => (200, b"<html>hello</html>".to_vec()),
            1 => (500, Vec::new()),
            2 => (200, b"{\"chain\":7,\"length\":\"x\"}".to_vec()),
            _ => (200, "[".repeat(100_000).into_bytes()),
        }
    }

    fn health(&self, world: &World, asker: &Miner) -> Health {
        let forged = self.forged.lock();
        let (length, head) = (forged.len() as u64, forged.last().map_or("", |line| line));
        let claims = match self.lie {
            Lie::ShorterThanClaimed | Lie::HalfOfIt => length + 3,
            Lie::LongerThanClaimed => asker.shared.head().length(),
            _ => length,
        };
        let lower = Hash::of("").as_bytes().map(|_| 0);
        let lowest = lower.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let head = match self.lie {
            Lie::LongerThanClaimed => lowest.parse().expect("64 digits"),
            _ => Hash::of(head),
        };
        let genesis = match self.lie {
            Lie::OtherNetwork => {
                world.tally.count(self.lie.name());
                Hash::of(Block::genesis(&network(7)).line())
            }
            _ => asker.genesis,
        };
        Health {
            status: Status::Ok,
            id: self.id,
            name: None,
            version: "0".to_owned(),
            network: asker.network.name.clone(),
            difficulty: asker.network.difficulty,
            genesis,
            length: claims,
            head,
            unprocessed: 1,
            neighbours: 1,
            kernel: "portable".into(),
            uptime_seconds: 1,
            syncing: None,
            reorganised: None,
            refused: None,
            reasons: Vec::new(),
        }
    }

    fn page(&self, from: u64, limit: u64) -> Vec<u8> {
        let forged = self.forged.lock();
        let length = forged.len() as u64;
        let (length, until) = match self.lie {
            Lie::HalfOfIt => (length + 3, length),
            _ => (length, length),
        };
        let lines = (from..until.min(from.saturating_add(limit)))
            .map(|index| &*forged[usize::try_from(index).expect("it is short")])
            .collect::<Vec<_>>();
        format!("{{\"chain\":[{}],\"length\":{length}}}", lines.join(",")).into_bytes()
    }

    /// A message that nobody sent, often under an id that somebody used.
    fn message(&self, world: &World) -> Data {
        let mut told = self.told.lock();
        *told += 1;
        let text = format!("{} says {told}", self.address);
        let message = Message::new(&text).expect("it is short");
        let stolen = world.clients.any_sent(world).filter(|_| world.chance.percent(50));
        let id = stolen.map_or_else(|| DataId::from_random(world.chance.bytes()), |data| data.id);
        Data { id, message }
    }

    /// A chain that is longer than the asker's and branches off from it anywhere.
    fn forge(&self, world: &World, asker: &Miner) -> Vec<Arc<str>> {
        let view = asker.shared.chain();
        let chance = &world.chance;
        let back = chance.between(1, 6).min(view.length() as usize) as u64;
        let fork = view.length() - back;
        let lines = view.lines_from(0).take(fork as usize + 1);
        let mut lines: Vec<Arc<str>> =
            lines.map(|line| line.expect("it can be read").to_string().into()).collect();
        let mut head = view.head_at(fork).expect("it can be read").expect("it is in the chain");
        let more = match self.lie {
            Lie::ShorterThanClaimed | Lie::HalfOfIt => 0,
            _ => back as usize + chance.below(3),
        };
        let wrong = chance.below(more.max(1));
        for number in 0..more {
            let line = self.block(world, &head, &lines, number == wrong);
            let Ok(block) = Block::read(&line, head.index + 1) else { break };
            head = Head::of(&block, &line);
            lines.push(line.into());
        }
        lines
    }

    fn block(&self, world: &World, head: &Head, before: &[Arc<str>], wrong: bool) -> String {
        let now = NOW + world.micros();
        let mut block = Block {
            index: head.index + 1,
            timestamp: now.max(head.timestamp + 1),
            data: self.message(world),
            previous_hash: Some(head.hash),
            proof: None,
        };
        if self.lie != Lie::StolenId {
            block.data.id = DataId::from_random(world.chance.bytes());
        }
        let maker = Maker::at(world.network.clone(), *head);
        if !wrong {
            return maker.mine(block);
        }
        match self.lie {
            Lie::BadLink => block.previous_hash = Some(Hash::of("another")),
            Lie::FromTheFuture => block.timestamp += HOUR * world.chance.between(3, 30) as u64,
            Lie::IdTwice => {
                let line = &before[world.chance.below(before.len())];
                let index = before.iter().position(|other| other == line).unwrap_or(0);
                block.data = Block::read(line, index as u64).expect("it is a block").data;
            }
            Lie::NoWork | Lie::CheaperDifficulty => return self.cheap(world, head, block),
            Lie::WrongSeal => return maker.mine(block).replacen("says", "said", 1),
            _ => {}
        }
        maker.mine(block)
    }

    /// A block with too little work, or none.
    fn cheap(&self, world: &World, head: &Head, mut block: Block) -> String {
        let maker = Maker::at(network(1), *head);
        let seal = Hash::of(block.unsealed_line());
        for nonce in 0.. {
            block.proof = Some(Proof { seal, nonce });
            let mut line = block.line();
            if self.lie == Lie::CheaperDifficulty && nonce == 0 {
                line = maker.mine(block.clone());
            }
            if check_block(head, line.as_str(), u64::MAX, &world.network).is_err() {
                return line;
            }
        }
        unreachable!("hardly any nonce works")
    }
}

fn ok(body: &impl serde::Serialize) -> (u16, Vec<u8>) {
    (200, serde_json::to_vec(body).expect("our own types are JSON"))
}
