//! The miners of a class: where they are, how they are started, and what is done to them.
//!
//! All is done by public means: requests that the command line makes, too, signals to own
//! children, files of miners that do not run. Each method returns the commands that do the same.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use super::name::Name;
use super::order::{Manner, Power};
use super::plan::Plan;
use super::process::{self, Process, Starter};
use super::slow::HEARS;
use super::{Commands, LabError};
use crate::api::client::MinerClient;
use crate::api::{Address, Request};

mod lines;
mod rewind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was never started.
    Absent,
    Running,
    /// It is frozen.
    Paused,
    /// It has ended, or was killed.
    Dead,
}

#[derive(Default)]
struct Place {
    process: Option<Process>,
    was_started: bool,
    folder: PathBuf,
    manner: Manner,
}

pub struct Class {
    pub plan: Plan,
    pub client: MinerClient,
    starter: Starter,
    places: [Mutex<Place>; Name::COUNT],
    /// Lines that are cut, lower name first. They stay cut when a miner is started again.
    cuts: Mutex<BTreeSet<(Name, Name)>>,
}

impl Class {
    /// A class of `plan`, none of whose miners runs yet.
    pub fn new(plan: Plan) -> Result<Self, LabError> {
        let starter = Starter::begin().map_err(|error| LabError(error.to_string()))?;
        let client = MinerClient::http(None);
        Ok(Self { plan, client, starter, places: Default::default(), cuts: Mutex::default() })
    }

    pub fn begin(&self) -> Result<(), LabError> {
        let begun: Vec<_> = std::thread::scope(|scope| {
            let start = |name| scope.spawn(move || self.start_miner(name, Manner::default()));
            let threads: Vec<_> = Name::all().take(self.plan.miners).map(start).collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let gone = |_| Err(LabError("a thread that starts a miner panicked".into()));
        begun.into_iter().try_for_each(|done| done.unwrap_or_else(gone).map(drop))
    }

    /// Ends all of them, also those that are about to start.
    pub fn end(&self) {
        self.starter.end();
        let all = self.places.iter().filter_map(|place| place.lock().process.take());
        process::end(all.collect());
    }

    /// Those that were started, in order.
    pub fn members(&self) -> Vec<Name> {
        Name::all().filter(|name| self.places[name.number()].lock().was_started).collect()
    }

    /// Those that run and are not frozen.
    pub fn running(&self) -> Vec<Name> {
        Name::all().filter(|name| self.state(*name) == State::Running).collect()
    }

    pub fn state(&self, name: Name) -> State {
        let mut place = self.places[name.number()].lock();
        if place.process.as_mut().is_some_and(Process::has_ended) {
            place.process = None;
        }
        match &place.process {
            Some(process) if process.is_paused => State::Paused,
            Some(_) => State::Running,
            None if place.was_started => State::Dead,
            None => State::Absent,
        }
    }

    pub fn cuts(&self) -> Vec<(Name, Name)> {
        self.cuts.lock().iter().copied().collect()
    }

    /// Starts a miner that does not run.
    pub fn start_miner(&self, name: Name, manner: Manner) -> Commands {
        if matches!(self.state(name), State::Running | State::Paused) {
            return Err(LabError(format!("{name} runs already")));
        }
        let folder = match &*self.places[name.number()].lock() {
            place if place.was_started => place.folder.clone(),
            _ => self.plan.folder_of(name),
        };
        let known = self.known_to(name, &manner);
        let arguments = self.plan.arguments(name, &folder, &known, manner.finality);
        let shown = arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let begin = || {
            fs::create_dir_all(&folder).map_err(|error| within(&folder, &error))?;
            let bound = format!("--end-with={}", std::process::id());
            let arguments: Vec<_> = arguments.iter().cloned().chain([bound]).collect();
            self.starter.start(&arguments, &folder.join("stderr"))
        };
        let cannot = |error: io::Error| LabError(format!("{name} cannot start: {error}"));
        let process = begin().map_err(cannot)?;
        let mut place = self.places[name.number()].lock();
        if self.starter.has_ended() {
            process.kill();
            return Err(LabError("the class ends".into()));
        }
        *place = Place { process: Some(process), was_started: true, folder, manner };
        drop(place);
        let mut commands = vec![format!("blockchain {shown}")];
        for other in self.cut_off_from(name) {
            commands.extend(self.ban(name, other)?);
        }
        Ok(commands)
    }

    /// The neighbours that a miner is given.
    fn known_to(&self, name: Name, manner: &Manner) -> BTreeSet<Name> {
        if !manner.knows.is_empty() {
            return manner.knows.iter().copied().collect();
        }
        let cut = self.cut_off_from(name);
        let is_new = name.number() >= self.plan.miners;
        let running = self.running().into_iter().filter(|_| is_new);
        let class = Name::all().take(self.plan.miners).chain(running);
        class.filter(|other| *other != name && !cut.contains(other)).collect()
    }

    /// Where to ask a miner; an error unless it runs and is not paused.
    pub fn reach(&self, name: Name) -> Result<Address, LabError> {
        match self.state(name) {
            State::Running => Ok(self.plan.address(name)),
            State::Paused => Err(is_paused(name)),
            State::Absent | State::Dead => Err(not_running(name)),
        }
    }

    pub fn limit(&self, name: Name, power: Power) -> Commands {
        let limit = match power {
            Power::Usual => Some(self.plan.pace()),
            Power::AtMost(limit) => limit,
        };
        let at = self.reach(name)?;
        self.ask(name, &Request::LimitMining(limit))?;
        Ok(vec![match limit {
            None => format!("blockchain mining resume -m {at}"),
            Some(0) => format!("blockchain mining pause -m {at}"),
            Some(limit) => format!("blockchain mining limit {limit} -m {at}"),
        }])
    }

    /// Lets what is sent to a miner arrive so late, or at once again.
    pub fn slow(&self, name: Name, delay: Option<Duration>) -> Commands {
        let mut place = self.places[name.number()].lock();
        let process = place.process.as_mut().ok_or_else(|| not_running(name))?;
        process.slow_down(delay).map_err(|error| LabError(format!("{name}: {error}")))?;
        let server = process.server().map_or(0, |pid| pid.as_raw_nonzero().get());
        Ok(vec![match delay {
            None => format!("kill -CONT {server}"),
            Some(delay) => format!(
                "while kill -STOP {server}; do sleep {}; kill -CONT {server}; sleep {}; done",
                delay.as_secs_f64(),
                HEARS.as_secs_f64(),
            ),
        }])
    }

    pub fn delay(&self, name: Name) -> Option<Duration> {
        self.places[name.number()].lock().process.as_ref().and_then(|process| process.delay)
    }

    /// Freezes a miner, or lets it go on.
    pub fn set_paused(&self, name: Name, is_paused: bool) -> Commands {
        let mut place = self.places[name.number()].lock();
        let process = place.process.as_mut().ok_or_else(|| not_running(name))?;
        process.set_paused(is_paused).map_err(|error| LabError(format!("{name}: {error}")))?;
        let signal = if is_paused { "STOP" } else { "CONT" };
        Ok(vec![format!("kill -{signal} -- -{}", process.pid())])
    }

    /// Ends a miner without any warning.
    pub fn kill(&self, name: Name) -> Commands {
        let process = self.places[name.number()].lock().process.take();
        let process = process.ok_or_else(|| not_running(name))?;
        let command = format!("kill -9 {}", process.pid());
        process.kill();
        Ok(vec![command])
    }

    /// Lets a miner run as it did at the beginning; a newcomer ends.
    pub fn restore(&self, name: Name) -> Commands {
        let mut commands = Vec::new();
        if self.state(name) == State::Paused {
            commands.extend(self.set_paused(name, false)?);
        }
        if self.delay(name).is_some() {
            commands.extend(self.slow(name, None)?);
        }
        let is_newcomer = name.number() >= self.plan.miners;
        let is_changed = self.places[name.number()].lock().manner != Manner::default();
        if is_newcomer || is_changed {
            commands.extend(self.stop(name).unwrap_or_default());
        }
        if is_newcomer {
            self.places[name.number()].lock().was_started = false;
        } else if self.state(name) == State::Dead {
            commands.extend(self.start_miner(name, Manner::default())?);
        }
        Ok(commands)
    }

    /// Ends a miner in order, so that its file has all of its blocks.
    pub fn stop(&self, name: Name) -> Commands {
        let process = self.places[name.number()].lock().process.take();
        let process = process.ok_or_else(|| not_running(name))?;
        let pid = process.pid();
        let commands =
            vec![format!("kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done")];
        process::end(vec![process]);
        Ok(commands)
    }
}

/// An error of a folder with its path and what can be done.
pub fn within(folder: &Path, error: &io::Error) -> io::Error {
    let hint = "name another folder with --dir";
    io::Error::new(error.kind(), format!("{}: {error}; {hint}", folder.display()))
}

fn is_paused(name: Name) -> LabError {
    LabError(format!("{name} is paused and answers nobody"))
}

fn not_running(name: Name) -> LabError {
    LabError(format!("{name} does not run"))
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
