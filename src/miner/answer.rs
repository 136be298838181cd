//! What a miner answers to a request.

use super::{DEEP, Miner, pushed};
use crate::api::{
    BanPage, Caller, Cursor, EventPage, Health, Media, MiningPace, PAGE_BYTES, Reply, Request,
    Status, StatusReport, json_bytes,
};
use crate::chain::{Data, DataId, Hash, ReadError};

mod blocks;
mod brought;
mod changes;

pub use brought::{Brought, keep_all};

/// Seconds after which to try again what the pool or the disk did not take.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Bytes of a part of an answer that is sent in parts: a thousand strangers who ask for the
/// whole chain at once don't keep others waiting for a thousand longer ones.
const PART_BYTES: usize = 256 << 10;

/// Answers `request`. Messages are written to disk first; whoever has several requests that bring
/// some writes them together, with `keep_all`.
pub fn answer(miner: &Miner, request: Request, caller: &Caller) -> Reply {
    if miner.is_shunned(caller) {
        return Reply::problem(403, "Forbidden", "this miner was told to leave yours alone");
    }
    let refusal = miner.refusal(&request, caller);
    if let Some(refusal) = refusal.or_else(|| changes::forbidden(miner, &request, caller)) {
        return refusal;
    }
    match Brought::of(miner, request, caller) {
        Ok(brought) => keep_all(miner, vec![brought]).pop().expect("one answer for one request"),
        Err(request) => {
            let answer = read_or_change(miner, request, caller);
            answer.unwrap_or_else(|error| unreadable(miner, &error))
        }
    }
}

fn read_or_change(miner: &Miner, request: Request, caller: &Caller) -> Result<Reply, ReadError> {
    Ok(match request {
        Request::Accept(hash) => changes::accept(miner, hash),
        Request::AddNeighbour(address) => changes::add_neighbour(miner, &address),
        Request::Ban(address) => changes::ban(miner, &address),
        Request::Bans => bans(miner),
        Request::Block(which) => blocks::block(miner, which)?,
        Request::Chain { from, limit } => blocks::chain(miner, from, limit)?,
        Request::ChainRest { from, until, after } => blocks::rest(miner, from, until, after)?,
        Request::Data { after: Some(cursor) } => data_since(miner, cursor),
        Request::Data { after: None } => data_part(miner, b"{\"data\":[".to_vec(), None, 0),
        Request::DataRest { after, sent } => data_part(miner, Vec::new(), Some(after), sent),
        Request::DataState { id, sha256 } => data_state(miner, id, sha256)?,
        Request::DeleteNeighbour(address) => changes::delete_neighbour(miner, &address),
        Request::Events { after, .. } => events(miner, after),
        Request::Forks => blocks::forks(miner)?,
        Request::Health => health(miner),
        Request::LimitMining(limit) => changes::limit_mining(miner, limit),
        Request::Metrics => Reply::new(200, Media::Metrics, miner.metrics.scrape(miner)),
        Request::Mining => mining(miner),
        Request::Neighbours { details } => neighbours(miner, details),
        Request::PushBlocks { lines } => pushed::blocks(miner, &lines, caller),
        Request::Add { .. } | Request::PushData { .. } => unreachable!("they bring messages"),
        Request::Status => Reply::json(200, &status(miner)),
        Request::Unban(address) => changes::unban(miner, &address),
    })
}

fn bans(miner: &Miner) -> Reply {
    let bans = miner.shared.with_neighbours(|all| all.shunned());
    Reply::json(200, &BanPage { length: bans.len() as u64, bans })
}

fn neighbours(miner: &Miner, details: bool) -> Reply {
    let now = miner.now();
    Reply::json(200, &miner.shared.with_neighbours(|all| all.page(details, now)))
}

pub(super) fn events(miner: &Miner, after: Option<u64>) -> Reply {
    let page = match after {
        None => miner.diary.events(miner.now().wall),
        Some(after) => miner.diary.events_after(after).unwrap_or_else(|| {
            let last = miner.diary.last_event();
            EventPage { last, ..EventPage::default() }
        }),
    };
    Reply::json(200, &page)
}

fn json(body: Vec<u8>) -> Reply {
    Reply::new(200, Media::Json, body)
}

/// The answer where blocks on disk can't be read as they were written: never a wrong block.
pub(super) fn unreadable(miner: &Miner, error: &ReadError) -> Reply {
    miner.unreadable(error);
    let problem = Reply::problem(503, "Cannot read the chain", error.to_string());
    problem.retry_after(RETRY_AFTER_SECONDS)
}

fn data_state(miner: &Miner, id: DataId, sha256: Option<Hash>) -> Result<Reply, ReadError> {
    Ok(match miner.shared.state_of(&id, sha256.as_ref())? {
        Some(state) => Reply::json(200, &state),
        None => Reply::problem(404, "Not found", format!("no message has the id {id}")),
    })
}

fn data_part(miner: &Miner, mut body: Vec<u8>, after: Option<i64>, sent: u64) -> Reply {
    let (mut sent, mut rest) = (sent, None);
    let page: Vec<(i64, Data)> = miner.shared.with_pool(|pool| {
        let mut size = 0;
        let fits = |(_, data): &(i64, &Data)| {
            let fits = size < PART_BYTES;
            size += json_bytes(data);
            fits
        };
        pool.younger_than(after).take_while(fits).map(|(age, data)| (age, data.clone())).collect()
    });
    for (age, data) in page {
        if sent > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, &data).expect("a message is always JSON");
        (sent, rest) = (sent + 1, Some(Request::DataRest { after: age, sent: sent + 1 }));
    }
    if rest.is_none() {
        let end = format!("],\"length\":{sent}}}");
        body.extend_from_slice(end.as_bytes());
    }
    Reply { rest, ..json(body) }
}

fn data_since(miner: &Miner, cursor: Cursor) -> Reply {
    let arrivals = if cursor.run == miner.id { cursor.arrivals } else { 0 };
    let (mut page, next) = miner.shared.data_since(arrivals, PAGE_BYTES);
    page.cursor = Some(Cursor { run: miner.id, arrivals: next });
    Reply::json(200, &page)
}

fn mining(miner: &Miner) -> Reply {
    let (hash_rate_limit, guesses_per_second) =
        (miner.pace.limit(), miner.diary.guesses_per_second(miner.now()));
    Reply::json(200, &MiningPace { hash_rate_limit, guesses_per_second })
}

fn status(miner: &Miner) -> StatusReport {
    let troubles = miner.troubles();
    let trouble = |job: &str| {
        let of_job = |trouble: &&String| trouble.starts_with(&format!("{job}: "));
        troubles.iter().find(of_job).cloned()
    };
    StatusReport {
        now: miner.now().wall,
        settings: miner.settings.clone(),
        files: miner.diary.files(),
        jobs: miner.diary.jobs(trouble),
        mining: miner.diary.mining(miner.network.difficulty, miner.now()),
    }
}

fn health(miner: &Miner) -> Reply {
    let reasons = miner.troubles();
    let head = miner.shared.head();
    let health = Health {
        status: if reasons.is_empty() { Status::Ok } else { Status::Failing },
        id: miner.id,
        name: miner.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: miner.network.name.clone(),
        difficulty: miner.network.difficulty,
        genesis: miner.genesis,
        length: head.length(),
        head: head.hash,
        unprocessed: miner.shared.with_pool(|pool| pool.len()) as u64,
        neighbours: miner.shared.with_neighbours(|all| all.answering().len()) as u64,
        kernel: miner.kernel.to_string(),
        uptime_seconds: miner.now().steady.as_secs(),
        syncing: miner.fetching.syncing(),
        reorganised: miner.diary.deepest_reorganisation(miner.wall(), DEEP),
        refused: miner.finality.refused(),
        reasons,
    };
    Reply::json(if health.status == Status::Ok { 200 } else { 503 }, &health)
}
