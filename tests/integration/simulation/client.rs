//! The clients: what they add, with which ids, what they are promised, and what of it has
//! to be where.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use blockchain::api::{Added, Caller, Request};
use blockchain::chain::{Data, DataId, Message};
use parking_lot::Mutex;

use super::locks::Held;
use super::world::World;

/// How the text of a message begins, before its number.
const NUMBERED: &str = "message ";

/// What all clients did.
#[derive(Debug, Default)]
pub struct Clients {
    sent: Mutex<Vec<Sent>>,
    promises: Mutex<Vec<Promise>>,
    texts: Mutex<usize>,
}

/// A message that was sent at least once.
#[derive(Clone, Debug)]
struct Sent {
    id: Option<DataId>,
    message: Message,
}

/// A message that was acknowledged with 200.
#[derive(Clone, Debug)]
pub struct Promise {
    pub node: usize,
    pub data: Data,
    /// That of the message's text.
    pub number: usize,
}

impl Promise {
    /// The beginning of its text.
    pub fn name(&self) -> String {
        format!("{NUMBERED}{}", self.number)
    }
}

impl Clients {
    pub fn promises(&self) -> Vec<Promise> {
        self.promises.lock().clone()
    }

    /// A message that was sent under an id.
    pub fn any_sent(&self, world: &World) -> Option<Data> {
        let sent = self.sent.lock();
        let sent = world.chance.pick(&sent)?;
        Some(Data { id: sent.id?, message: sent.message.clone() })
    }

    /// A message of its own, of any length that this world has.
    fn text(&self, world: &World) -> Message {
        let mut texts = self.texts.lock();
        *texts += 1;
        let mut text = format!("{NUMBERED}{texts} \"ä\"");
        let bytes = world.chance.between(1, world.message_bytes_max);
        text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
        Message::new(&text).expect("it is short enough")
    }

    /// What somebody sends now: something new, or the same again, or something else under
    /// an id that was used.
    fn choose(&self, world: &World) -> Sent {
        let fresh = |id| Sent { id, message: self.text(world) };
        let earlier = self.any_sent(world);
        match (world.chance.below(10), earlier) {
            (0..3, _) => fresh(None),
            (3..7, _) | (_, None) => fresh(Some(DataId::from_random(world.chance.bytes()))),
            (7..9, Some(Data { id, message })) => {
                world.tally.count("adds repeated");
                Sent { id: Some(id), message }
            }
            (_, Some(Data { id, .. })) => {
                world.tally.count("ids used for two messages");
                fresh(Some(id))
            }
        }
    }
}

impl World {
    /// Somebody adds a message to a miner.
    pub fn add_somewhere(&self, node: usize) {
        let Some(running) = self.nodes[node].running() else { return };
        if self.locks.held(&running.miner) == Held::Keeper {
            // It would wait for a job that waits for this.
            return;
        }
        drop(running);
        let Sent { id, message } = self.clients.choose(self);
        self.clients.sent.lock().push(Sent { id, message: message.clone() });
        let ip = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let request = Request::Add { id, message: message.clone() };
        let reply = self.deliver(node, &request, &Caller { ip, miner: None, token: None });
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        self.say(|| {
            let (text, bytes) = (message.as_str(), message.as_str().len());
            let start: String = text.chars().take(20).collect();
            format!("{node} add {start:?} of {bytes} bytes {id:?}: {status}")
        });
        match reply {
            Err(_) => self.tally.count("adds without an answer"),
            Ok(_) if self.fault(3) => self.tally.count("acknowledgements lost"),
            Ok(reply) if reply.status == 200 => {
                let added: Added = serde_json::from_slice(&reply.body).expect("an answer is JSON");
                assert_eq!(added.data.message, message, "another message was acknowledged");
                assert!(id.is_none_or(|id| id == added.data.id), "another id was acknowledged");
                self.tally.count("acknowledged");
                let number = message_numbers(message.as_str().as_bytes()).next();
                let number = number.expect("it has one");
                self.clients.promises.lock().push(Promise { node, data: added.data, number });
            }
            Ok(reply) if reply.status == 409 => self.tally.count("ids refused"),
            Ok(reply) if reply.status == 503 => self.tally.count("adds refused"),
            Ok(reply) => panic!("an add is answered {}", reply.status),
        }
    }
}

/// The numbers of the clients' messages in a text or file.
pub fn message_numbers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let text = std::str::from_utf8(bytes).map(Cow::Borrowed);
    let text = text.unwrap_or_else(|_| String::from_utf8_lossy(bytes));
    let numbers = text.match_indices(NUMBERED).filter_map(|(at, _)| {
        let digits = text[at + NUMBERED.len()..].split(|c: char| !c.is_ascii_digit()).next();
        digits?.parse().ok()
    });
    numbers.collect::<Vec<_>>().into_iter()
}
