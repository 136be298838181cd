//! A miner in the hands of a test: it answers as one does, and changes only when told.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use blockchain::api::routes::{self, Decoded};
use blockchain::api::{
    Added, Address, BlockAnswer, BlockName, BlocksTaken, ChainPage, DataPage, DataState, Departure,
    Event, EventPage, Fork, ForkBlock, ForksAnswer, Health, MiningPace, NeighbourDetail,
    NeighbourPage, Reply, Request, RunId, Status, StatusReport,
};
use blockchain::chain::testing::{Maker, network};
use blockchain::chain::{Block, Data, Hash, Head, Network, Why};
use serde_json::value::RawValue;
use tiny_http::{Response, Server};

/// Most blocks in one answer: few, so that whoever asks has to page.
const PAGE_BLOCKS: usize = 500;

pub struct State {
    pub network: Network,
    pub lines: Vec<String>,
    pub pool: Vec<Data>,
    pub neighbours: Vec<Address>,
    pub details: Vec<NeighbourDetail>,
    pub events: Option<Vec<Event>>,
    pub status: Option<StatusReport>,
    pub reasons: Vec<String>,
    /// What it says of its length and age, if that is a lie.
    pub lie: Option<u64>,
    /// Whether it takes blocks from elsewhere.
    pub takes_blocks: bool,
    /// Branches that left its chain, newest first.
    pub kept: Vec<Kept>,
    /// Most guesses a second.
    pub pace: Option<u64>,
    /// Requests so far.
    pub asked: usize,
    id: RunId,
}

/// A branch that left the chain.
pub struct Kept {
    fork: u64,
    lines: Vec<String>,
    dropped: Departure,
}

pub struct FakeMiner {
    pub address: Address,
    state: Arc<Mutex<State>>,
    server: Arc<Server>,
    workers: Vec<JoinHandle<()>>,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

impl State {
    fn last(&self) -> Head {
        let line = self.lines.last().unwrap();
        Head::of(&Block::read(line, self.lines.len() as u64 - 1).unwrap(), line)
    }

    /// Mines a block with this message, made at `timestamp`.
    pub fn extend(&mut self, data: Data, timestamp: u64) {
        let last = self.last();
        let maker = Maker::at(self.network.clone(), last);
        let timestamp = timestamp.max(last.timestamp + 1);
        let block = Block { timestamp, data, ..maker.candidate("x") };
        self.lines.push(maker.mine(block));
    }

    /// Mines the oldest waiting message.
    pub fn mine(&mut self) {
        let data = self.pool.remove(0);
        self.extend(data, now());
    }

    /// Takes a branch of these messages above height `fork`, `ago` microseconds before now. What
    /// it drops is kept, and the messages of that wait again.
    pub fn reorganise(&mut self, fork: u64, messages: &[Data], ago: u64) {
        let lines = self.lines.split_off(fork as usize + 1);
        let depth = lines.len();
        for (index, line) in (fork + 1..).zip(&lines) {
            let data = Block::read(line, index).unwrap().data;
            if !messages.contains(&data) {
                self.pool.push(data);
            }
        }
        messages.iter().for_each(|data| self.extend(data.clone(), now() - ago));
        let why = if messages.len() > depth { Why::Longer } else { Why::LowerHash };
        let dropped = Departure { at: now() - ago, why, winner: self.head(), file: None };
        self.kept.insert(0, Kept { fork, lines, dropped });
    }

    pub fn head(&self) -> Hash {
        self.last().hash
    }
}

impl FakeMiner {
    /// A miner with a chain of the genesis block alone.
    pub fn start(difficulty: u8) -> Self {
        Self::start_at("127.0.0.1:0", difficulty)
    }

    /// The same, listening on this address.
    pub fn start_at(address: &str, difficulty: u8) -> Self {
        let network = network(difficulty);
        let random = blockchain::random::bytes();
        let state = State {
            lines: vec![Block::genesis(&network).line()],
            network,
            pool: Vec::new(),
            neighbours: Vec::new(),
            details: Vec::new(),
            events: None,
            status: None,
            reasons: Vec::new(),
            lie: None,
            takes_blocks: false,
            kept: Vec::new(),
            pace: None,
            asked: 0,
            id: RunId::from_random(random),
        };
        let server = Arc::new(Server::http(address).unwrap());
        let port = server.server_addr().to_ip().unwrap().port();
        let state = Arc::new(Mutex::new(state));
        let worker = |_| {
            let (server, state) = (Arc::clone(&server), Arc::clone(&state));
            thread::spawn(move || {
                while let Ok(mut request) = server.recv() {
                    let mut body = Vec::new();
                    request.as_reader().read_to_end(&mut body).unwrap();
                    let reply = routes::decode(request.method().as_str(), request.url(), &body);
                    let reply = match reply {
                        Decoded::Ask(request) => answer(&mut state.lock().unwrap(), request),
                        Decoded::Answer(reply) => reply,
                    };
                    let response = Response::from_data(reply.body).with_status_code(reply.status);
                    let _ = request.respond(response);
                }
            })
        };
        let workers = (0..4).map(worker).collect();
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        Self { address, state, server, workers }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Takes over the first `length` blocks of another.
    pub fn copy(&self, other: &Self, length: usize) {
        let lines = other.state().lines[..length].to_vec();
        self.state().lines = lines;
    }
}

impl Drop for FakeMiner {
    fn drop(&mut self) {
        self.workers.iter().for_each(|_| self.server.unblock());
        self.workers.drain(..).for_each(|worker| worker.join().unwrap());
    }
}

/// Takes blocks in place of those of its chain from their height on, if there are more then.
fn take(state: &mut State, lines: Vec<String>) -> Reply {
    let answer = |status, message: &str, more: &str, taken: usize, state: &State| {
        let (length, head) = (state.lines.len() as u64, state.head());
        let (message, more_information) = (message.into(), more.into());
        let taken = taken as u64;
        Reply::json(status, &BlocksTaken { message, more_information, taken, length, head })
    };
    let from = (1..state.lines.len() as u64 + 1).find(|at| Block::read(&lines[0], *at).is_ok());
    let Some(from) = from.map(|from| from as usize) else {
        return Reply::problem(400, "Bad request", "the line is no block");
    };
    if from + lines.len() <= state.lines.len() {
        return answer(409, "Conflict", "the branch is not longer", 0, state);
    }
    let block = Block::read(&lines[0], from as u64).unwrap();
    if block.previous_hash != Some(Hash::of(&state.lines[from - 1])) {
        return answer(409, "Conflict", "it follows another block", 0, state);
    }
    state.lines.truncate(from);
    let taken = lines.len();
    for line in lines {
        let block = Block::read(&line, state.lines.len() as u64).unwrap();
        state.pool.retain(|data| *data != block.data);
        state.lines.push(line);
    }
    answer(200, "Blocks taken!", "They are in the chain.", taken, state)
}

/// Where a message is; of several texts under its id the one with this hash, or else the mined one.
fn state_of(state: &State, is_it: impl Fn(&Data) -> bool) -> Option<DataState> {
    let length = state.lines.len() as u64;
    let blocks = (0..).zip(&state.lines).map(|(at, line)| Block::read(line, at).unwrap());
    let sha256 = |data: &Data| Hash::of(data.message.as_str());
    let mined = blocks.filter(|block| is_it(&block.data)).map(|block| DataState::Mined {
        index: block.index,
        confirmations: length - block.index,
        sha256: sha256(&block.data),
        other_index: None,
    });
    let waits = state.pool.iter().filter(|data| is_it(data));
    let waits =
        waits.map(|data| DataState::Unprocessed { sha256: sha256(data), other_index: None });
    mined.chain(waits).next()
}

/// A block of the chain or of a kept branch.
fn block(state: &State, which: BlockName) -> Option<BlockAnswer> {
    let is_it = |index: u64, line: &str| match which {
        BlockName::Height(height) => height == index,
        BlockName::Hash(hash) => hash == Hash::of(line),
    };
    let answer = |line: &String, confirmations, dropped| BlockAnswer {
        block: RawValue::from_string(line.clone()).unwrap(),
        hash: Hash::of(line),
        in_chain: confirmations > 0,
        confirmations,
        dropped,
    };
    let length = state.lines.len() as u64;
    let mut chain = (0..).zip(&state.lines);
    if let Some((index, line)) = chain.find(|(index, line)| is_it(*index, line)) {
        return Some(answer(line, length - index, None));
    }
    let is_named = matches!(which, BlockName::Hash(_));
    let mut kept = state
        .kept
        .iter()
        .filter(|_| is_named)
        .flat_map(|kept| kept.lines.iter().map(|line| (line, kept.dropped.clone())));
    let (line, dropped) = kept.find(|(line, _)| is_it(u64::MAX, line))?;
    Some(answer(line, 0, Some(dropped)))
}

fn forks(state: &State) -> ForksAnswer {
    let fork = |kept: &Kept| {
        let blocks = (kept.fork + 1..).zip(&kept.lines);
        let blocks = blocks.map(|(index, line)| ForkBlock { index, hash: Hash::of(line) });
        Fork {
            fork: kept.fork,
            depth: kept.lines.len() as u64,
            head: Hash::of(kept.lines.last().unwrap()),
            blocks: blocks.collect(),
            dropped: kept.dropped.clone(),
        }
    };
    let forks: Vec<_> = state.kept.iter().map(fork).collect();
    ForksAnswer { length: forks.len() as u64, forks }
}

fn answer(state: &mut State, request: Request) -> Reply {
    let length = state.lines.len() as u64;
    state.asked += 1;
    match request {
        Request::Add { id, message } => {
            let data = Data { id: id.unwrap(), message };
            if state.pool.iter().any(|other| other.id == data.id && *other != data) {
                return Reply::problem(409, "Conflict", "same id, other message");
            }
            if !state.pool.contains(&data) {
                state.pool.push(data.clone());
            }
            let (message, more_information) = ("Message added!".into(), "It waits.".into());
            Reply::json(200, &Added { message, more_information, data })
        }
        Request::Chain { from, limit } => {
            let limit = (limit.unwrap_or(u64::MAX) as usize).min(PAGE_BLOCKS);
            let lines = state.lines.iter().skip(from as usize).take(limit);
            let raw = |line: &String| RawValue::from_string(line.clone()).unwrap();
            Reply::json(200, &ChainPage { chain: lines.map(raw).collect(), length })
        }
        Request::Neighbours { details } => {
            let neighbours = state.neighbours.clone();
            let details = if details { state.details.clone() } else { Vec::new() };
            Reply::json(
                200,
                &NeighbourPage { length: neighbours.len() as u64, neighbours, details },
            )
        }
        Request::Data { .. } => {
            let length = state.pool.len() as u64;
            Reply::json(200, &DataPage { data: state.pool.clone(), length, cursor: None })
        }
        Request::DataState { id, sha256 } => {
            let is_it = |data: &Data| {
                data.id == id && sha256.is_none_or(|hash| Hash::of(data.message.as_str()) == hash)
            };
            let missing = || Reply::problem(404, "Not found", "no such message");
            state_of(state, is_it).map_or_else(missing, |state| Reply::json(200, &state))
        }
        Request::Block(which) => {
            let missing = || Reply::problem(404, "Not found", "no such block");
            block(state, which).map_or_else(missing, |answer| Reply::json(200, &answer))
        }
        Request::Forks => Reply::json(200, &forks(state)),
        Request::Mining => pace(state),
        Request::LimitMining(limit) => {
            state.pace = limit;
            pace(state)
        }
        Request::PushBlocks { lines } if state.takes_blocks => take(state, lines),
        Request::Health => health(state),
        Request::Events { .. } => match state.events.clone() {
            Some(events) => Reply::json(
                200,
                &EventPage { length: events.len() as u64, events, ..EventPage::default() },
            ),
            None => Reply::problem(404, "Not found", "an old miner"),
        },
        Request::Status => match &state.status {
            Some(status) => Reply::json(200, status),
            None => Reply::problem(404, "Not found", "an old miner"),
        },
        _ => Reply::problem(404, "Not found", "not in this test"),
    }
}

fn pace(state: &State) -> Reply {
    let guesses_per_second = state.pace.map_or(1e6, |pace| pace as f64);
    Reply::json(200, &MiningPace { hash_rate_limit: state.pace, guesses_per_second })
}

fn health(state: &State) -> Reply {
    let is_ok = state.reasons.is_empty();
    let health = Health {
        status: if is_ok { Status::Ok } else { Status::Failing },
        id: state.id,
        name: None,
        version: "0.1.0".into(),
        network: state.network.name.clone(),
        difficulty: state.network.difficulty,
        genesis: Hash::of(&state.lines[0]),
        length: state.lie.unwrap_or(state.lines.len() as u64),
        head: state.head(),
        unprocessed: state.pool.len() as u64,
        neighbours: state.neighbours.len() as u64,
        kernel: "portable".into(),
        uptime_seconds: state.lie.unwrap_or(5_025),
        syncing: None,
        reorganised: None,
        refused: None,
        reasons: state.reasons.clone(),
    };
    Reply::json(if is_ok { 200 } else { 503 }, &health)
}
