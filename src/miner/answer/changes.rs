//! Answers to those who change something of a running miner, and who may.

use crate::api::{Address, Caller, Reply, Request};
use crate::chain::Hash;
use crate::miner::Miner;
use crate::miner::callers::is_local;

/// The answer to a caller who may not change this.
pub fn forbidden(miner: &Miner, request: &Request, caller: &Caller) -> Option<Reply> {
    let more = match request {
        _ if is_local(caller) => return None,
        Request::AddNeighbour(_) | Request::DeleteNeighbour(_) if !miner.is_allowed(caller) => {
            "neighbours are changed from the miner's own host (loopback), or with the token of its \
             --write-token-file"
        }
        Request::Accept(_) | Request::Ban(_) | Request::Unban(_) | Request::LimitMining(_) => {
            "this is changed from the miner's own host alone (loopback)"
        }
        _ => return None,
    };
    Some(Reply::problem(403, "Forbidden", more))
}

pub fn accept(miner: &Miner, hash: Hash) -> Reply {
    let Some(from) = miner.finality.accept(hash) else {
        let more = "no branch that ends in this block was refused; GET /health names it";
        return Reply::problem(404, "Not found", more);
    };
    log::warn!("finality: a refused branch was accepted by hand head={hash}");
    from.iter().for_each(|neighbour| miner.ask_soon(neighbour));
    Reply::done("Accepted!", "it is taken as soon as a miner that has it is asked")
}

pub fn ban(miner: &Miner, address: &Address) -> Reply {
    if !miner.shared.with_neighbours(|all| all.shun(address.clone())) {
        return Reply::problem(409, "Conflict", "too many are banned; unban some");
    }
    miner.shared.bells.push.ring();
    log::info!("neighbours: banned by hand neighbour={address}");
    Reply::done("Banned!", format!("{address} is neither asked nor answered any more"))
}

pub fn unban(miner: &Miner, address: &Address) -> Reply {
    if !miner.shared.with_neighbours(|all| all.unshun(address)) {
        return Reply::problem(404, "Not found", format!("{address} is not banned by hand"));
    }
    log::info!("neighbours: unbanned by hand neighbour={address}");
    Reply::done("Unbanned!", format!("{address} may become a neighbour again"))
}

pub fn limit_mining(miner: &Miner, limit: Option<u64>) -> Reply {
    miner.limit_hash_rate(limit);
    let limit = limit.map_or("none".into(), |limit| limit.to_string());
    log::info!("mine: limited by hand hash_rate_limit={limit}");
    super::mining(miner)
}

pub fn add_neighbour(miner: &Miner, address: &Address) -> Reply {
    miner.shared.with_neighbours(|all| all.give(address.clone()));
    miner.ask_soon(address);
    log::info!("neighbours: added by hand neighbour={address}");
    Reply::done("Neighbour added!", format!("{address} is asked from now on"))
}

pub fn delete_neighbour(miner: &Miner, address: &Address) -> Reply {
    if !miner.shared.with_neighbours(|all| all.delete(address)) {
        return Reply::problem(404, "Not found", format!("{address} is no neighbour"));
    }
    miner.shared.bells.push.ring();
    log::info!("neighbours: deleted by hand neighbour={address}");
    Reply::done("Neighbour deleted!", format!("{address} is not asked any more"))
}
