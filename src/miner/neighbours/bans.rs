//! Which neighbours are left alone: for a while, since they failed or lied, or by hand.

use super::neighbour::{RETRY_MAX, retry_after};
use super::{BAN, BANNED_MAX, CHANGES_MAX, FAILURES_MAX, Fate, Fault, Neighbours, Origin};
use crate::api::{Address, NeighbourState};
use crate::escape::words;
use crate::miner::clock::Moment;

impl Neighbours {
    /// Leaves this address alone until told otherwise; whether there is room to remember it.
    pub fn shun(&mut self, address: Address) -> bool {
        if self.shunned.len() >= BANNED_MAX {
            return false;
        }
        self.delete(&address);
        self.shunned.insert(address);
        true
    }

    /// Takes a ban by hand back; whether there was one.
    pub fn unshun(&mut self, address: &Address) -> bool {
        self.shunned.remove(address)
    }

    pub fn shunned(&self) -> Vec<Address> {
        self.shunned.iter().cloned().collect()
    }

    /// True if what comes from this address is to be refused.
    pub fn is_shunned(&self, address: &Address) -> bool {
        self.shunned.contains(address)
    }

    /// Notes what went wrong with a neighbour, and what becomes of it.
    pub fn failed(&mut self, address: &Address, fault: &Fault, now: Moment) -> Fate {
        let Some(neighbour) = self.known.get_mut(address) else { return Fate::Kept };
        if neighbour.is_banned(now) {
            // What was asked before comes to nothing now, which takes no ban back.
            return Fate::Kept;
        }
        let (origin, answered) = (neighbour.origin, neighbour.state == NeighbourState::Ok);
        let again = now.steady + retry_after(neighbour.failures);
        let reason = words(&fault.to_string());
        match fault {
            Fault::Changed(_) if neighbour.changed + 1 < CHANGES_MAX => {
                neighbour.changed += 1;
                neighbour.reason = Some(reason);
                Fate::Kept
            }
            Fault::Odd(_) => {
                neighbour.reason = Some(reason);
                Fate::Kept
            }
            Fault::Ourselves if origin != Origin::Given => {
                self.note_own(address);
                Fate::Forgotten
            }
            // A given name may lead to another miner the next time: to a balancer, say.
            Fault::Ourselves => {
                neighbour.fail(&reason, again);
                Fate::Failing
            }
            Fault::Failing(_) => {
                neighbour.fail(&reason, again);
                if origin == Origin::Learned && neighbour.failures >= FAILURES_MAX {
                    self.known.remove(address);
                    return Fate::Forgotten;
                }
                if answered { Fate::Gone } else { Fate::Failing }
            }
            Fault::Changed(_) | Fault::Lying(_) | Fault::Stranger(_) => {
                self.leave_alone(address, fault, &reason, now);
                Fate::Banned
            }
        }
    }

    /// Leaves a neighbour alone for a while: a given one stays in the list meanwhile.
    fn leave_alone(&mut self, address: &Address, fault: &Fault, reason: &str, now: Moment) {
        match self.known.get_mut(address).filter(|it| it.origin != Origin::Learned) {
            None => self.ban(address.clone(), reason, now),
            Some(given) if matches!(fault, Fault::Stranger(_)) => {
                given.fail(reason, now.steady + RETRY_MAX);
            }
            Some(given) => {
                given.fail(reason, now.steady + BAN);
                given.state = NeighbourState::Banned;
            }
        }
    }

    pub(super) fn ban(&mut self, address: Address, reason: &str, now: Moment) {
        self.known.remove(&address);
        if self.banned.len() < BANNED_MAX {
            self.banned.insert(address, (now.steady + BAN, words(reason)));
        }
    }
}
