//! The clients: what they add, with which ids, what they are promised, and what of it has
//! to be where.

use std::net::{IpAddr, Ipv4Addr};

use blockchain::api::{Added, Caller, Request};
use blockchain::chain::{Data, DataId, Message};
use parking_lot::Mutex;

use crate::world::World;

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

    fn text(&self) -> Message {
        let mut texts = self.texts.lock();
        *texts += 1;
        Message::new(&format!("message {texts} \"ä\"")).expect("it is short")
    }

    /// What somebody sends now: something new, or the same again, or something else under
    /// an id that was used.
    fn choose(&self, world: &World) -> Sent {
        let fresh = |id| Sent { id, message: self.text() };
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
        let Sent { id, message } = self.clients.choose(self);
        self.clients.sent.lock().push(Sent { id, message: message.clone() });
        let ip = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let request = Request::Add { id, message: message.clone() };
        let reply = self.deliver(node, &request, &Caller { ip, miner: None });
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        self.say(|| format!("{node} add {:?} {id:?}: {status}", message.as_str()));
        match reply {
            Err(_) => self.tally.count("adds without an answer"),
            Ok(_) if self.fault(3) => self.tally.count("acknowledgements lost"),
            Ok(reply) if reply.status == 200 => {
                let added: Added = serde_json::from_slice(&reply.body).expect("an answer is JSON");
                assert_eq!(added.data.message, message, "another message was acknowledged");
                assert!(id.is_none_or(|id| id == added.data.id), "another id was acknowledged");
                self.tally.count("acknowledged");
                self.clients.promises.lock().push(Promise { node, data: added.data });
            }
            Ok(reply) if reply.status == 409 => self.tally.count("ids refused"),
            Ok(reply) if reply.status == 503 => self.tally.count("adds refused"),
            Ok(reply) => panic!("an add is answered {}", reply.status),
        }
    }
}
