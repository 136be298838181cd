//! Who asks: which neighbour it is, and what it may.

use super::Miner;
use super::group::source_of;
use super::neighbours::may_be_told;
use crate::api::{Address, Caller, Reply, Request};
use crate::chain::Source;

impl Miner {
    /// Learns of a miner by being asked by it. A known one is asked again at the next
    /// round, however often it failed; an unknown one may become a neighbour.
    pub fn hear_from(&self, caller: &Caller) {
        let Some(introduction) = &caller.miner else { return };
        if introduction.id == self.id {
            return;
        }
        let address = claimed_address(caller).filter(|it| may_be_told(it, caller.ip));
        let Some(address) = address else { return };
        let now = self.now();
        let id = &introduction.id;
        let (known, is_new) = self.shared.with_neighbours(|all| {
            let known = all.caller(&address, id, caller.ip);
            let was_silent = known.as_ref().is_some_and(|known| all.hear_from(known, now));
            let is_new =
                known.is_none() && all.called(address, caller.ip.map(|ip| ip.to_canonical()), now);
            (known.filter(|_| was_silent), is_new)
        });
        if let Some(back) = known {
            self.ask_soon(&back);
        }
        if is_new {
            self.shared.bells.gossip.ring();
        }
    }

    /// True if the miner that asks was banned by hand.
    pub(super) fn is_shunned(&self, caller: &Caller) -> bool {
        let Some(claimed) = claimed_address(caller) else { return false };
        let is_at = caller.ip.map(|ip| Address::from_ip(ip.to_canonical(), claimed.port()));
        self.shared.with_neighbours(|all| {
            all.is_shunned(&claimed) || is_at.is_some_and(|address| all.is_shunned(&address))
        })
    }

    pub(super) fn caller(&self, caller: &Caller) -> Option<Address> {
        let introduction = caller.miner.as_ref()?;
        let address = claimed_address(caller)?;
        self.shared.with_neighbours(|all| all.caller(&address, &introduction.id, caller.ip))
    }

    /// True if the caller shows the token that this miner was given.
    pub(super) fn is_allowed(&self, caller: &Caller) -> bool {
        self.token.as_ref().zip(caller.token.as_ref()).is_some_and(|(ours, its)| ours.is(its))
    }

    /// The answer to a request for which a token is missing. Neighbours push what they were
    /// asked to keep without one; others can't add a message that way either.
    pub(super) fn refusal(&self, request: &Request, caller: &Caller) -> Option<Reply> {
        let is_write = match request {
            Request::Add { .. } | Request::AddNeighbour(_) | Request::DeleteNeighbour(_) => true,
            Request::PushData { .. } => self.caller(caller).is_none(),
            _ => false,
        };
        let is_free = self.token.is_none() || is_local(caller) || self.is_allowed(caller);
        (is_write && !is_free).then(|| {
            let more = "this miner wants its token for this: \"Authorization: Bearer TOKEN\", or \
                        --token-file of the command line";
            Reply::problem(401, "Unauthorized", more)
        })
    }

    /// The source of what a neighbour is asked for or pushes.
    pub(super) fn source_of(&self, neighbour: &Address) -> Source {
        let ip = self.shared.with_neighbours(|all| all.ip_of(neighbour));
        source_of(ip, Some(neighbour.port()))
    }

    /// The source of messages that come by a request.
    pub(super) fn source(&self, caller: &Caller) -> Source {
        match self.caller(caller) {
            Some(neighbour) => self.source_of(&neighbour),
            None => source_of(caller.ip, caller.miner.as_ref().map(|miner| miner.port)),
        }
    }
}

pub(super) fn is_local(caller: &Caller) -> bool {
    caller.ip.is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// Where a miner that asks says to be reached: at the address it comes from, unless it names
/// another host.
fn claimed_address(caller: &Caller) -> Option<Address> {
    let introduction = caller.miner.as_ref()?;
    let port = introduction.port;
    match introduction.host.as_ref().map(|host| (host, host.parse())) {
        Some((_, Ok(ip))) => Some(Address::from_ip(ip, port)),
        Some((host, Err(_))) => format!("{host}:{port}").parse().ok(),
        None => Some(Address::from_ip(caller.ip?, port)),
    }
}
