//! The lines between the miners of a class: cut by bans, mended by taking these back.

use std::collections::BTreeSet;

use super::{Class, State, is_paused};
use crate::api::Request;
use crate::api::client::ClientError;
use crate::lab::name::Name;
use crate::lab::{Commands, LabError};

impl Class {
    pub(super) fn cut_off_from(&self, name: Name) -> BTreeSet<Name> {
        let cuts = self.cuts.lock();
        let other = |(one, other): &(Name, Name)| match (*one == name, *other == name) {
            (true, _) => Some(*other),
            (_, true) => Some(*one),
            _ => None,
        };
        cuts.iter().filter_map(other).collect()
    }

    /// Neither of the two talks to the other from now on.
    pub fn cut(&self, one: Name, other: Name) -> Commands {
        if one == other {
            return Err(LabError(format!("there is no line from {one} to itself")));
        }
        self.both_hear(one, other)?;
        self.cuts.lock().insert((one.min(other), one.max(other)));
        Ok([self.ban(one, other)?, self.ban(other, one)?].concat())
    }

    /// Both talk to each other again.
    pub fn mend(&self, one: Name, other: Name) -> Commands {
        let mut commands = Vec::new();
        self.both_hear(one, other)?;
        self.cuts.lock().remove(&(one.min(other), one.max(other)));
        for (at, whom) in [(one, other), (other, one)] {
            self.ask(at, &Request::Unban(self.plan.known_as(whom)))?;
            if self.state(whom) == State::Absent {
                continue;
            }
            self.ask(at, &Request::AddNeighbour(self.plan.known_as(whom)))?;
            if self.state(at) == State::Running {
                let (whom, at) = (self.plan.known_as(whom), self.plan.address(at));
                commands.push(format!("blockchain unban {whom} -m {at}"));
                commands.push(format!("blockchain neighbours add {whom} -m {at}"));
            }
        }
        Ok(commands)
    }

    /// A line of which neither end was ever started is none.
    ///
    /// # Errors
    /// That of these two is such a line.
    pub fn has_line(&self, one: Name, other: Name) -> Result<(), LabError> {
        match [one, other].into_iter().all(|name| self.state(name) == State::Absent) {
            true => Err(LabError(format!("neither {one} nor {other} was started"))),
            false => Ok(()),
        }
    }

    /// A line has two ends: one that is paused would keep half of it as it is.
    fn both_hear(&self, one: Name, other: Name) -> Result<(), LabError> {
        let paused = [one, other].into_iter().find(|name| self.state(*name) == State::Paused);
        paused.map_or(Ok(()), |name| Err(is_paused(name)))
    }

    pub(super) fn ban(&self, at: Name, whom: Name) -> Commands {
        self.ask(at, &Request::Ban(self.plan.known_as(whom)))?;
        let is_done = self.state(at) == State::Running;
        let (whom, at) = (self.plan.known_as(whom), self.plan.address(at));
        Ok(is_done.then(|| format!("blockchain ban {whom} -m {at}")).into_iter().collect())
    }

    /// Asks a miner for a change of its neighbours; one that does not run has none.
    pub(super) fn ask(&self, at: Name, request: &Request) -> Result<(), LabError> {
        match self.state(at) {
            State::Paused => Err(is_paused(at)),
            State::Absent | State::Dead => Ok(()),
            State::Running => {
                let asked: Result<serde_json::Value, ClientError> =
                    self.client.call(&self.plan.address(at), request, "confirmation");
                match asked {
                    // There was no such ban.
                    Err(ClientError::Refused { status: 404, .. })
                        if matches!(request, Request::Unban(_)) =>
                    {
                        Ok(())
                    }
                    asked => asked.map(drop).map_err(LabError::from),
                }
            }
        }
    }
}
