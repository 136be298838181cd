//! FLOOR 2: the lab: real miners on this host for a class, what is done to them, and what can
//! be seen of their network.
//!
//! An experiment is a list of orders (`order`), whether they come from a file (`script`) or from
//! the buttons of a page. The miners are processes of this program (`process`, `class`). The
//! watch (`watch`) follows the events of all miners that it finds.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod class;
mod folder;
mod lanes;
mod name;
mod order;
mod picture;
mod plan;
mod process;
pub mod script;
mod slow;
mod watch;
mod witness;
mod words;

pub use class::{Class, State};
pub use folder::Folder;
pub use name::Name;
pub use order::{Condition, Order, Power};
pub use picture::Picture;
pub use plan::Plan;
pub use watch::{NAME_CHARACTERS, Watch};

use crate::api::client::ClientError;
use crate::api::{PAGE_BYTES_MAX, Problem, Request};
use crate::chain::{Data, DataId, Message};
use crate::escape::words;
use crate::random;

/// Pause of an expectation before it looks again.
const LOOK: Duration = Duration::from_millis(50);

/// Why an order could not be carried out, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LabError(pub String);

impl From<ClientError> for LabError {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

/// The commands that do the same as what was done.
pub type Commands = Result<Vec<String>, LabError>;

/// A class at work, and the watch over its network.
pub struct Lab {
    pub class: Class,
    pub watch: Arc<Watch>,
}

impl Lab {
    pub fn new(plan: Plan) -> Result<Self, LabError> {
        let watch = Watch::new(Name::all().map(|name| (plan.known_as(name), plan.address(name))));
        Ok(Self { class: Class::new(plan)?, watch })
    }

    /// Starts its miners and watches them.
    pub fn begin(&self) -> Result<(), LabError> {
        self.class.begin()?;
        let members = self.class.members().into_iter();
        members.for_each(|name| self.watch.follow(self.class.plan.address(name)));
        Ok(())
    }

    /// Carries out an order; the commands that do the same, or what came of it.
    pub fn carry_out(&self, order: &Order) -> Commands {
        match order {
            Order::Cut(one, other) => {
                self.class.has_line(*one, *other).and_then(|()| self.class.cut(*one, *other))
            }
            Order::Mend(Some((one, other))) => {
                self.class.has_line(*one, *other).and_then(|()| self.class.mend(*one, *other))
            }
            Order::Mend(None) => self.each(self.class.cuts(), Class::mend),
            Order::Split(ones, others) => {
                let pairs = ones.iter().flat_map(|one| others.iter().map(|other| (*one, *other)));
                self.each(pairs.collect(), Class::cut)
            }
            Order::Isolate(name) => {
                if self.class.state(*name) == State::Absent {
                    return Err(LabError(format!("{name} was not started")));
                }
                let others = self.class.members().into_iter().filter(|other| other != name);
                self.each(others.map(|other| (*name, other)).collect(), Class::cut)
            }
            Order::Limit(name, power) => self.class.limit(*name, *power),
            Order::Slow(name, delay) => self.class.slow(*name, *delay),
            Order::Pause(name) => self.class.set_paused(*name, true),
            Order::Resume(name) => self.class.set_paused(*name, false),
            Order::Stop(name) => self.class.stop(*name),
            Order::Kill(name) => self.class.kill(*name),
            Order::Start(name, manner) => {
                let commands = self.class.start_miner(*name, manner.clone())?;
                self.watch.follow(self.class.plan.address(*name));
                Ok(commands)
            }
            Order::Rewind(name, height) => self.class.rewind(*name, *height),
            Order::Add(text, name) => self.add(text, *name),
            Order::Forge(text, name) => self.forge(text, *name),
            Order::Reset => self.reset(),
            Order::Wait(time) => {
                std::thread::sleep(*time);
                Ok(Vec::new())
            }
            Order::Expect(condition, patience) => self.expect(condition, *patience),
        }
    }

    fn each(
        &self,
        pairs: Vec<(Name, Name)>,
        act: impl Fn(&Class, Name, Name) -> Commands,
    ) -> Commands {
        let mut commands = Vec::new();
        for (one, other) in pairs {
            commands.extend(act(&self.class, one, other)?);
        }
        Ok(commands)
    }

    fn reset(&self) -> Commands {
        let class = &self.class;
        let mut commands = Vec::new();
        for name in class.members() {
            commands.extend(class.restore(name)?);
        }
        commands.extend(self.each(class.cuts(), Class::mend)?);
        for name in class.running() {
            commands.extend(class.limit(name, Power::Usual)?);
        }
        Ok(commands)
    }

    fn add(&self, text: &str, name: Name) -> Commands {
        let message = Message::new(text).map_err(|error| LabError(error.to_string()))?;
        let at = self.class.reach(name)?;
        self.class.client.add(&at, Data { id: DataId::from_bytes(random::bytes()), message })?;
        Ok(vec![format!("blockchain add -m {at} -- {}", class::quoted(text))])
    }

    /// Hands in the newest block of a miner with another message; the rule by which it is refused.
    fn forge(&self, text: &str, name: Name) -> Commands {
        let at = self.class.reach(name)?;
        let health = self.class.client.health(&at)?;
        let (mut blocks, _) = self.class.client.blocks(&at, health.length - 1, 1)?;
        let newest = blocks.pop().ok_or_else(|| LabError(format!("{name} sends no block")))?;
        let mut block = newest.block;
        block.data.message = Message::new(text).map_err(|error| LabError(error.to_string()))?;
        let request = Request::PushBlocks { lines: vec![block.line()] };
        let (status, body) = self.class.client.send(&at, &request, PAGE_BYTES_MAX)?;
        let said = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => format!("{}: {}", problem.message, problem.more_information),
            Err(_) => words(&String::from_utf8_lossy(&body)),
        };
        if status == 200 {
            return Err(LabError(format!("{name} took a forged block: {said}")));
        }
        let shown = class::quoted(&block.line());
        Ok(vec![
            format!("curl -X PUT {at}/blocks --data-binary {shown}"),
            format!("# {status}: {said}"),
        ])
    }

    fn expect(&self, condition: &Condition, patience: Duration) -> Commands {
        let deadline = Instant::now() + patience;
        loop {
            let why = match witness::look(&self.class, condition) {
                Ok(Ok(())) => return Ok(Vec::new()),
                Ok(Err(why)) | Err(LabError(why)) => why,
            };
            if Instant::now() >= deadline {
                return Err(LabError(format!("expected {condition}, but {why}")));
            }
            std::thread::sleep(LOOK);
        }
    }
}
