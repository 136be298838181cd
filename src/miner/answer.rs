//! What a miner answers to a request.

use serde_json::value::RawValue;

use super::keeper::{Kept, Sender};
use super::{DEEP, FoundBlock, Miner, pushed};
use crate::api::{
    Added, BanPage, BlockAnswer, BlockName, Caller, Cursor, Departure, EventPage, FORK_BLOCKS_MAX,
    FORKS_MAX, Fork, ForkBlock, ForksAnswer, Health, Media, MiningPace, PAGE_BLOCKS_MAX,
    PAGE_BYTES, Reply, Request, Status, StatusReport, json_bytes,
};
use crate::chain::{ChainView, Data, Hash, ReadError};

/// Seconds after which to try again what the pool or the disk did not take.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Bytes of a part of an answer that is sent in parts: a thousand strangers who ask for the
/// whole chain at once don't keep others waiting for a thousand longer ones.
const PART_BYTES: usize = 256 << 10;

/// Answers `request`. An [`Request::Add`] is written to disk first; whoever has several of
/// them writes them together and answers with `added` instead.
pub fn answer(miner: &Miner, request: Request, caller: &Caller) -> Reply {
    if miner.is_shunned(caller) {
        return Reply::problem(403, "Forbidden", "this miner was told to leave yours alone");
    }
    if let Some(refusal) = miner.refusal(&request, caller) {
        return refusal;
    }
    match request {
        Request::Add { id, message } => {
            let data = Data { id: id.unwrap_or_else(|| miner.random_id()), message };
            let kept =
                miner.keep(std::slice::from_ref(&data), Sender::Client(miner.source(caller)));
            added(data, kept.into_iter().next().expect("one outcome for one message"))
        }
        Request::Chain { from, limit: Some(limit) } => {
            let view = miner.shared.chain();
            let limit = limit.min(PAGE_BLOCKS_MAX);
            let until = view.length().min(from.saturating_add(limit));
            let mut body = b"{\"chain\":[".to_vec();
            match push_lines(&mut body, PAGE_BYTES, &view, from, until) {
                Ok(_) => {
                    end_chain(&mut body, view.length());
                    json(body)
                }
                Err(error) => unreadable(miner, &error),
            }
        }
        Request::Chain { from, limit: None } => {
            let view = miner.shared.chain();
            let until = view.length();
            let part = chain_part(b"{\"chain\":[".to_vec(), &view, from.min(until), until);
            part.unwrap_or_else(|error| unreadable(miner, &error))
        }
        Request::ChainRest { from, until, after } => {
            chain_rest(miner, from, until, after).unwrap_or_else(|error| unreadable(miner, &error))
        }
        Request::Neighbours { details } => {
            let now = miner.now();
            Reply::json(200, &miner.shared.with_neighbours(|all| all.page(details, now)))
        }
        Request::AddNeighbour(_) | Request::DeleteNeighbour(_)
            if !is_local(caller) && !miner.is_allowed(caller) =>
        {
            let more = "neighbours are changed from the miner's own host (loopback), or with the \
                        token of its --write-token-file";
            Reply::problem(403, "Forbidden", more)
        }
        Request::Accept(_) | Request::Ban(_) | Request::Unban(_) | Request::LimitMining(_)
            if !is_local(caller) =>
        {
            let more = "this is changed from the miner's own host alone (loopback)";
            Reply::problem(403, "Forbidden", more)
        }
        Request::Accept(hash) => match miner.finality.accept(hash) {
            Some(from) => {
                log::warn!("finality: a refused branch was accepted by hand head={hash}");
                from.iter().for_each(|neighbour| miner.ask_soon(neighbour));
                Reply::done("Accepted!", "it is taken as soon as a miner that has it is asked")
            }
            None => {
                let more = "no branch that ends in this block was refused; GET /health names it";
                Reply::problem(404, "Not found", more)
            }
        },
        Request::Bans => {
            let bans = miner.shared.with_neighbours(|all| all.shunned());
            Reply::json(200, &BanPage { length: bans.len() as u64, bans })
        }
        Request::Ban(address) => {
            if !miner.shared.with_neighbours(|all| all.shun(address.clone())) {
                return Reply::problem(409, "Conflict", "too many are banned; unban some");
            }
            miner.shared.bells.push.ring();
            log::info!("neighbours: banned by hand neighbour={address}");
            Reply::done("Banned!", format!("{address} is neither asked nor answered any more"))
        }
        Request::Unban(address) => {
            if miner.shared.with_neighbours(|all| all.unshun(&address)) {
                log::info!("neighbours: unbanned by hand neighbour={address}");
                Reply::done("Unbanned!", format!("{address} may become a neighbour again"))
            } else {
                Reply::problem(404, "Not found", format!("{address} is not banned by hand"))
            }
        }
        Request::LimitMining(limit) => {
            miner.limit_hash_rate(limit);
            let limit = limit.map_or("none".into(), |limit| limit.to_string());
            log::info!("mine: limited by hand hash_rate_limit={limit}");
            mining(miner)
        }
        Request::Mining => mining(miner),
        Request::AddNeighbour(address) => {
            miner.shared.with_neighbours(|all| all.give(address.clone()));
            miner.ask_soon(&address);
            log::info!("neighbours: added by hand neighbour={address}");
            Reply::done("Neighbour added!", format!("{address} is asked from now on"))
        }
        Request::DeleteNeighbour(address) => {
            if miner.shared.with_neighbours(|all| all.delete(&address)) {
                miner.shared.bells.push.ring();
                log::info!("neighbours: deleted by hand neighbour={address}");
                Reply::done("Neighbour deleted!", format!("{address} is not asked any more"))
            } else {
                Reply::problem(404, "Not found", format!("{address} is no neighbour"))
            }
        }
        Request::Data { after: Some(cursor) } => data_since(miner, cursor),
        Request::Data { after: None } => data_part(miner, b"{\"data\":[".to_vec(), None, 0),
        Request::DataRest { after, sent } => data_part(miner, Vec::new(), Some(after), sent),
        Request::DataState { id, sha256 } => match miner.shared.state_of(&id, sha256.as_ref()) {
            Ok(Some(state)) => Reply::json(200, &state),
            Ok(None) => Reply::problem(404, "Not found", format!("no message has the id {id}")),
            Err(error) => unreadable(miner, &error),
        },
        Request::Block(which) => {
            block(miner, which).unwrap_or_else(|error| unreadable(miner, &error))
        }
        Request::Forks => forks(miner).unwrap_or_else(|error| unreadable(miner, &error)),
        Request::Health => health(miner),
        Request::Events { after, .. } => events(miner, after),
        Request::Status => Reply::json(200, &status(miner)),
        Request::Metrics => Reply::new(200, Media::Metrics, miner.metrics.scrape(miner)),
        Request::PushBlocks { lines } => pushed::blocks(miner, &lines, caller),
        Request::PushData { data, span } => {
            pushed::note_data(miner, &data, caller);
            let arrivals = || miner.shared.with_pool(|pool| pool.cursor());
            let before = arrivals();
            let kept = miner.keep(&data, Sender::Neighbour(miner.source(caller)));
            pushed::data(miner, span, caller, &kept, before..arrivals())
        }
    }
}

/// Events of the last hour or after an event, without waiting for more.
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

/// The answer to who added `data`.
pub fn added(data: Data, kept: Kept) -> Reply {
    let more_information = match kept {
        Kept::Added => "It is on disk and will be in the chain exactly once.",
        Kept::Again => "It was added before; nothing is added twice.",
        Kept::Conflict => {
            let more = format!("the id {} belongs to another message", data.id);
            return Reply::problem(409, "No Message added!", more);
        }
        Kept::Full => {
            let more = "too many messages wait to be mined; try again later";
            return Reply::problem(503, "No Message added!", more).retry_after(RETRY_AFTER_SECONDS);
        }
        Kept::Failing(why) => {
            return Reply::problem(503, "No Message added!", why).retry_after(RETRY_AFTER_SECONDS);
        }
    };
    let message = "Message added!".to_owned();
    Reply::json(200, &Added { message, more_information: more_information.to_owned(), data })
}

pub(super) fn is_local(caller: &Caller) -> bool {
    caller.ip.is_some_and(|ip| ip.to_canonical().is_loopback())
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

/// Writes the lines of the blocks from `from` on, up to `until` or until there are so many
/// `bytes`, and returns the height of the first that is not in it.
fn push_lines(
    body: &mut Vec<u8>,
    bytes: usize,
    view: &ChainView,
    from: u64,
    until: u64,
) -> Result<u64, ReadError> {
    let mut next = from;
    for line in view.lines_from(from) {
        if next >= until || body.len() >= bytes {
            break;
        }
        if next > from {
            body.push(b',');
        }
        body.extend_from_slice(line?.as_bytes());
        next += 1;
    }
    Ok(next)
}

fn end_chain(body: &mut Vec<u8>, length: u64) {
    body.extend_from_slice(format!("],\"length\":{length}}}").as_bytes());
}

/// A part of the answer with a whole chain: what was begun in `body`, and the blocks from
/// `from` on.
fn chain_part(
    mut body: Vec<u8>,
    view: &ChainView,
    from: u64,
    until: u64,
) -> Result<Reply, ReadError> {
    let next = push_lines(&mut body, PART_BYTES, view, from, until)?;
    if next >= until {
        end_chain(&mut body, until);
        return Ok(json(body));
    }
    let after = view.hash(next - 1)?.expect("it was sent just now");
    Ok(Reply { rest: Some(Request::ChainRest { from: next, until, after }), ..json(body) })
}

/// Goes on with a chain of which everything below `from` was sent. The head may have moved
/// since, and the end with it; what was sent must still be in the chain.
fn chain_rest(miner: &Miner, from: u64, until: u64, after: Hash) -> Result<Reply, ReadError> {
    let view = miner.shared.chain();
    if from == 0 || view.hash(from - 1)? != Some(after) {
        return Ok(Reply::problem(409, "Conflict", "the chain has changed while it was sent"));
    }
    let until = until.min(view.length());
    let start = if from < until { b",".to_vec() } else { Vec::new() };
    chain_part(start, &view, from, until)
}

/// The answer to [`Request::Block`].
fn block(miner: &Miner, which: BlockName) -> Result<Reply, ReadError> {
    let found = match which {
        BlockName::Height(height) => {
            let view = miner.shared.chain();
            view.line(height)?.map(|line| {
                let (hash, confirmations) = (Hash::of(&*line), view.length() - height);
                FoundBlock { height, line, hash, confirmations, dropped: None }
            })
        }
        BlockName::Hash(hash) => miner.shared.block_with(&hash)?,
    };
    let Some(FoundBlock { line, hash, confirmations, dropped, .. }) = found else {
        let more = format!("there is no block {which}, neither in the chain nor in a kept branch");
        return Ok(Reply::problem(404, "Not found", more));
    };
    let block = RawValue::from_string(line.to_string()).expect("a line is JSON");
    let dropped = dropped.map(|dropped| Departure::of(&dropped));
    let in_chain = dropped.is_none();
    Ok(Reply::json(200, &BlockAnswer { block, hash, in_chain, confirmations, dropped }))
}

/// The answer to [`Request::Forks`]. A branch whose blocks are in the chain again is left out.
fn forks(miner: &Miner) -> Result<Reply, ReadError> {
    let (forks, view) = miner.shared.forks();
    let mut answer = ForksAnswer { forks: Vec::new(), length: 0 };
    for dropped in forks.all() {
        let head = dropped.blocks.head();
        if view.hash(head.index)? == Some(head.hash) {
            continue;
        }
        answer.length += 1;
        if answer.forks.len() == FORKS_MAX {
            continue;
        }
        let mut blocks = Vec::new();
        for (line, height) in dropped.blocks.lines_from(0).zip(dropped.fork + 1..) {
            if blocks.len() == FORK_BLOCKS_MAX {
                break;
            }
            blocks.push(ForkBlock { index: height, hash: Hash::of(&*line?) });
        }
        answer.forks.push(Fork {
            fork: dropped.fork,
            depth: dropped.depth(),
            head: head.hash,
            blocks,
            dropped: Departure::of(dropped),
        });
    }
    Ok(Reply::json(200, &answer))
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
        settings: miner.diary.settings(),
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
