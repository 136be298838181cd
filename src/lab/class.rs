//! The miners of a class: where they are, how they are started, and what is done to them.
//!
//! All is done by public means: requests that the command line makes, too, signals to own
//! children, files of miners that do not run. Each method returns the commands that do the same.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Serialize;

use super::LabError;
use super::name::Name;
use super::order::{Manner, Power};
use super::process::{self, Process, Starter};
use crate::api::client::{ClientError, MinerClient};
use crate::api::{Address, Request};
use crate::chain::Network;

/// Neighbours that a miner takes in beyond the class: other laptops.
const GUESTS_MAX: usize = 20;

/// Settings of a class.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Miners that are started at the beginning.
    pub miners: usize,
    /// The network that they belong to.
    pub network: Network,
    /// Folder of their folders.
    pub folder: PathBuf,
    /// Port of the first; the others take the next ones.
    pub first_port: u16,
    /// Address under which other hosts reach this one, if they may.
    pub public: Option<String>,
    /// Average seconds between blocks, while all mine.
    pub block_time: f64,
}

impl Plan {
    /// Guesses a second of one miner.
    pub fn pace(&self) -> u64 {
        let expected = 16f64.powi(i32::from(self.network.difficulty.zeros()));
        (expected / self.block_time / self.miners as f64).ceil() as u64
    }

    /// Where the first miner is.
    pub fn first(&self) -> Address {
        self.address(Name::first())
    }

    fn port(&self, name: Name) -> u16 {
        self.first_port + name.number() as u16
    }

    /// Where the lab, and people on this host, reach a miner.
    pub fn address(&self, name: Name) -> Address {
        Address::from_ip([127, 0, 0, 1].into(), self.port(name))
    }

    /// Where the miners reach each other.
    pub fn known_as(&self, name: Name) -> Address {
        let public = self.public.as_ref().map(|host| format!("{host}:{}", self.port(name)));
        public.and_then(|text| text.parse().ok()).unwrap_or_else(|| self.address(name))
    }

    /// The folder of a miner: for one that the class begins with, always the same; for a newcomer
    /// one that nobody had, as it shall know nothing.
    fn folder_of(&self, name: Name) -> PathBuf {
        let plain = name.as_str().to_lowercase();
        let first = self.folder.join(&plain);
        let others = (2..).map(|number: u32| self.folder.join(format!("{plain}-{number}")));
        let is_free = |folder: &PathBuf| name.number() < self.miners || !folder.exists();
        iter::once(first).chain(others).find(is_free).expect("numbers do not end")
    }
}

/// State of a miner of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was never started.
    Absent,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It has ended, or was killed.
    Dead,
}

/// A place of the class.
#[derive(Default)]
struct Place {
    process: Option<Process>,
    was_started: bool,
    folder: PathBuf,
    manner: Manner,
}

/// The miners of a class.
pub struct Class {
    /// Their settings.
    pub plan: Plan,
    /// Asks them.
    pub client: MinerClient,
    starter: Starter,
    places: [Mutex<Place>; Name::COUNT],
    /// Lines that are cut, lower name first. They stay cut when a miner is started again.
    cuts: Mutex<BTreeSet<(Name, Name)>>,
}

impl Class {
    /// Starts the miners of `plan`, all at once.
    pub fn start(plan: Plan) -> Result<Self, LabError> {
        let starter = Starter::begin().map_err(|error| LabError(error.to_string()))?;
        let client = MinerClient::http(None);
        let class =
            Self { plan, client, starter, places: Default::default(), cuts: Mutex::default() };
        let begun: Vec<_> = std::thread::scope(|scope| {
            let start = |name| {
                scope.spawn({
                    let class = &class;
                    move || class.start_miner(name, Manner::default())
                })
            };
            let threads: Vec<_> = Name::all().take(class.plan.miners).map(start).collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let gone = |_| Err(LabError("a thread that starts a miner panicked".into()));
        match begun.into_iter().try_for_each(|done| done.unwrap_or_else(gone).map(drop)) {
            Ok(()) => Ok(class),
            Err(error) => {
                class.end();
                Err(error)
            }
        }
    }

    /// Ends all of them.
    pub fn end(&self) {
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

    /// State of a miner.
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

    /// Lines that are cut.
    pub fn cuts(&self) -> Vec<(Name, Name)> {
        self.cuts.lock().iter().copied().collect()
    }

    /// Starts a miner that does not run.
    pub fn start_miner(&self, name: Name, manner: Manner) -> Result<Vec<String>, LabError> {
        if matches!(self.state(name), State::Running | State::Paused) {
            return Err(LabError(format!("{name} runs already")));
        }
        let folder = match &*self.places[name.number()].lock() {
            place if place.was_started => place.folder.clone(),
            _ => self.plan.folder_of(name),
        };
        let arguments = self.arguments(name, &folder, &manner);
        let shown = arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let begin = || {
            fs::create_dir_all(&folder)?;
            let bound = format!("--end-with={}", std::process::id());
            let arguments: Vec<_> = arguments.iter().cloned().chain([bound]).collect();
            self.starter.start(&arguments, &folder.join("stderr"))
        };
        let cannot = |error: io::Error| LabError(format!("{name} cannot start: {error}"));
        let process = begin().map_err(cannot)?;
        *self.places[name.number()].lock() =
            Place { process: Some(process), was_started: true, folder, manner };
        let mut commands = vec![format!("blockchain {shown}")];
        for other in self.cut_off_from(name) {
            self.ban(name, other, &mut commands)?;
        }
        Ok(commands)
    }

    fn arguments(&self, name: Name, folder: &Path, manner: &Manner) -> Vec<String> {
        let plan = &self.plan;
        let cut = self.cut_off_from(name);
        let is_new = name.number() >= plan.miners;
        let class =
            Name::all().take(plan.miners).chain(self.running().into_iter().filter(|_| is_new));
        let known: BTreeSet<Name> = match manner.knows.is_empty() {
            true => class.filter(|other| *other != name && !cut.contains(other)).collect(),
            false => manner.knows.iter().copied().collect(),
        };
        let known: Vec<_> = known.iter().map(|other| plan.known_as(*other).to_string()).collect();
        let mut flags = vec![
            ("--port", plan.port(name).to_string()),
            ("--name", name.to_string()),
            ("--network", plan.network.name.to_string()),
            ("--difficulty", plan.network.difficulty.to_string()),
            ("--hash-rate-limit", plan.pace().to_string()),
            ("--max-neighbours", (Name::COUNT + GUESTS_MAX).to_string()),
            ("--threads", "1".into()),
            ("--gossip-interval", "10".into()),
            ("--chain-sync-interval", "4".into()),
            ("--backup-interval", "5".into()),
            ("--log-level", "warn".into()),
        ];
        if !known.is_empty() {
            flags.push(("--neighbours", known.join(",")));
        }
        if let Some(depth) = manner.finality {
            flags.push(("--finality-depth", depth.to_string()));
        }
        if let Some(host) = &plan.public {
            let any = if host.starts_with('[') { "::" } else { "0.0.0.0" };
            flags.push(("--host", any.into()));
            flags.push(("--advertise", plan.known_as(name).to_string()));
        }
        let chain = folder.join("test.chain").display().to_string();
        let mut words = vec!["miner".to_owned(), "start".to_owned(), chain];
        words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        words
    }

    fn cut_off_from(&self, name: Name) -> BTreeSet<Name> {
        let cuts = self.cuts.lock();
        let other = |(one, other): &(Name, Name)| match (*one == name, *other == name) {
            (true, _) => Some(*other),
            (_, true) => Some(*one),
            _ => None,
        };
        cuts.iter().filter_map(other).collect()
    }

    /// Neither of the two talks to the other from now on.
    pub fn cut(&self, one: Name, other: Name) -> Result<Vec<String>, LabError> {
        let mut commands = Vec::new();
        if one == other {
            return Err(LabError(format!("there is no line from {one} to itself")));
        }
        self.both_hear(one, other)?;
        self.cuts.lock().insert((one.min(other), one.max(other)));
        self.ban(one, other, &mut commands)?;
        self.ban(other, one, &mut commands)?;
        Ok(commands)
    }

    /// Both talk to each other again.
    pub fn mend(&self, one: Name, other: Name) -> Result<Vec<String>, LabError> {
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

    /// A line has two ends: one that is paused would keep half of it as it is.
    fn both_hear(&self, one: Name, other: Name) -> Result<(), LabError> {
        let paused = [one, other].into_iter().find(|name| self.state(*name) == State::Paused);
        paused.map_or(Ok(()), |name| Err(is_paused(name)))
    }

    fn ban(&self, at: Name, whom: Name, commands: &mut Vec<String>) -> Result<(), LabError> {
        self.ask(at, &Request::Ban(self.plan.known_as(whom)))?;
        if self.state(at) == State::Running {
            let (whom, at) = (self.plan.known_as(whom), self.plan.address(at));
            commands.push(format!("blockchain ban {whom} -m {at}"));
        }
        Ok(())
    }

    /// Asks a miner for a change; one that does not run has nothing to change.
    fn ask(&self, at: Name, request: &Request) -> Result<(), LabError> {
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

    /// Turns the dial of a miner.
    pub fn limit(&self, name: Name, power: Power) -> Result<Vec<String>, LabError> {
        let limit = match power {
            Power::Usual => Some(self.plan.pace()),
            Power::AtMost(limit) => limit,
        };
        self.ask(name, &Request::LimitMining(limit))?;
        let at = self.plan.address(name);
        Ok(vec![match limit {
            None => format!("blockchain mining resume -m {at}"),
            Some(0) => format!("blockchain mining pause -m {at}"),
            Some(limit) => format!("blockchain mining limit {limit} -m {at}"),
        }])
    }

    /// Freezes a miner, or lets it go on.
    pub fn pause(&self, name: Name, is_paused: bool) -> Result<Vec<String>, LabError> {
        let mut place = self.places[name.number()].lock();
        let process = place.process.as_mut().ok_or_else(|| not_running(name))?;
        process.pause(is_paused).map_err(|error| LabError(format!("{name}: {error}")))?;
        let signal = if is_paused { "STOP" } else { "CONT" };
        Ok(vec![format!("kill -{signal} -- -{}", process.pid())])
    }

    /// Ends a miner without any warning.
    pub fn kill(&self, name: Name) -> Result<Vec<String>, LabError> {
        let process = self.places[name.number()].lock().process.take();
        let process = process.ok_or_else(|| not_running(name))?;
        let command = format!("kill -9 {}", process.pid());
        process.kill();
        Ok(vec![command])
    }

    /// Lets a miner run as it did at the beginning; a newcomer ends.
    pub fn restore(&self, name: Name) -> Result<Vec<String>, LabError> {
        let mut commands = Vec::new();
        if self.state(name) == State::Paused {
            commands.extend(self.pause(name, false)?);
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
    pub fn stop(&self, name: Name) -> Result<Vec<String>, LabError> {
        let process = self.places[name.number()].lock().process.take();
        let process = process.ok_or_else(|| not_running(name))?;
        let commands = vec![format!("kill {}", process.pid())];
        process::end(vec![process]);
        Ok(commands)
    }

    /// Cuts a miner off and takes its blocks above `height` out of its chain file.
    pub fn rewind(&self, name: Name, height: u64) -> Result<Vec<String>, LabError> {
        let length = self.client.health(&self.plan.address(name))?.length;
        if height >= length {
            return Err(LabError(format!("{name} has {length} blocks only")));
        }
        let mut commands = Vec::new();
        for other in self.members().into_iter().filter(|other| *other != name) {
            commands.extend(self.cut(name, other)?);
        }
        commands.extend(self.stop(name)?);
        let file = self.places[name.number()].lock().folder.join("test.chain");
        let lines = height + 1;
        shorten(&file, lines).map_err(|error| LabError(format!("{}: {error}", file.display())))?;
        let shown = quoted(&file.display().to_string());
        let hash = quoted(&file.with_extension("hash").display().to_string());
        commands.push(format!("sed -i {lines}q {shown}; rm {hash}"));
        let manner = self.places[name.number()].lock().manner.clone();
        commands.extend(self.start_miner(name, manner)?);
        Ok(commands)
    }
}

fn is_paused(name: Name) -> LabError {
    LabError(format!("{name} is paused and answers nobody"))
}

fn not_running(name: Name) -> LabError {
    LabError(format!("{name} does not run"))
}

/// Keeps the first `lines` of a chain file whose miner does not run. Without its hash the file
/// counts as sound if every line is.
fn shorten(file: &Path, lines: u64) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let kept: Vec<_> = text.split_inclusive('\n').take(lines as usize).collect();
    if (kept.len() as u64) < lines {
        let why = format!("it has {} blocks only", kept.len());
        return Err(io::Error::other(why));
    }
    fs::write(file, kept.concat())?;
    fs::remove_file(file.with_extension("hash"))
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
