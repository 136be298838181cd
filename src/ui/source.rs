//! Questions of pages to miners, and the wall that keeps them to one miner and its neighbours.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::api::client::Result;
pub use crate::api::client::Sent;
use crate::api::client::{ClientError, MinerClient};
use crate::api::{
    Address, BlockAnswer, BlockName, Cursor, DataPage, DataState, Departure, Fork, ForksAnswer,
    Health, NeighbourDetail, Request, StatusReport,
};
use crate::chain::{DataId, Hash, Micros};
use crate::lab::Lab;

/// The miner that this UI was started for, and the way to ask it and its neighbours.
pub struct Source {
    pub client: Arc<MinerClient>,
    pub home: Address,
    pub lab: Option<Arc<Lab>>,
    /// The home miner and those looked at lately, and the neighbours of each: who may be
    /// followed is known without asking.
    met: Mutex<HashMap<Address, Vec<Address>>>,
}

/// The miner that a page looks at, as it was when it was asked.
pub struct At<'a> {
    pub source: &'a Source,
    pub address: Address,
    /// True for the miner this UI was started for.
    pub is_home: bool,
    pub health: Health,
    pub neighbours: Vec<Address>,
    /// How these behave, if it tells.
    pub details: Vec<NeighbourDetail>,
    pub is_lab: bool,
    /// Who else can be looked at: the home miner and its neighbours.
    pub choices: Vec<Address>,
    /// This host's clock.
    pub now: Micros,
}

pub enum NoPage {
    /// The miner gives no proper answer.
    Dead(ClientError),
    /// There is no such thing; what is missing, in words.
    Missing(String),
    /// The request makes no sense; why.
    Bad(String),
}

/// A block that was asked for by its hash.
pub struct Kept {
    pub seen: Sent,
    /// Blocks from it to the head, itself included; 0 outside of the chain.
    pub confirmations: u64,
    pub dropped: Option<Departure>,
}

/// Microseconds since the Unix epoch, by this host's clock.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as Micros
}

impl Source {
    pub fn new(client: Arc<MinerClient>, home: Address, lab: Option<Arc<Lab>>) -> Self {
        Self { client, home, lab, met: Mutex::default() }
    }

    /// The miner that `at` names, if pages may look at it, and so many of its neighbours at most,
    /// without asking anybody.
    pub fn met(&self, at: Option<&str>, neighbours: usize) -> Result<Vec<Address>, String> {
        let home = &self.home;
        let address = at.map_or_else(|| Some(home.clone()), |at| at.parse().ok());
        let met = self.met.lock();
        let is_near = |other: &Address| met.get(home).is_some_and(|near| near.contains(other));
        let address = address.filter(|address| address == home || is_near(address));
        let address = address.ok_or_else(|| format!("no such neighbour of {home} is known"))?;
        let own = met.get(&address).into_iter().flatten().take(neighbours).cloned();
        let own: Vec<_> = own.collect();
        Ok([vec![address], own].concat())
    }

    pub fn choices(&self) -> Vec<Address> {
        self.met(None, usize::MAX).unwrap_or_default()
    }

    /// Remembers whom the home miner knows, and nobody whom it does not.
    fn meet_home(&self, choices: &[Address]) {
        let mut met = self.met.lock();
        met.retain(|other, _| choices.contains(other));
        met.insert(self.home.clone(), choices[1..].to_vec());
    }

    /// Meets the miner that `at` names, or the home miner.
    pub fn look(&self, at: Option<&str>) -> Result<At<'_>, NoPage> {
        let home = &self.home;
        let page = self.client.neighbours(home, true)?;
        let mut choices = vec![home.clone()];
        choices.extend(page.neighbours.iter().filter(|other| *other != home).cloned());
        self.meet_home(&choices);
        let address = match at.map(str::parse::<Address>) {
            None => home.clone(),
            Some(Ok(address)) if choices.contains(&address) => address,
            Some(_) => return Err(NoPage::Missing(format!("no such neighbour of {home}"))),
        };
        let health = self.client.health(&address)?;
        let is_home = address == *home;
        let page = if is_home { page } else { self.client.neighbours(&address, true)? };
        let (neighbours, details) = (page.neighbours, page.details);
        if !is_home {
            self.met.lock().insert(address.clone(), neighbours.clone());
        }
        let (source, is_lab, now) = (self, self.lab.is_some(), now());
        Ok(At { source, address, is_home, health, neighbours, details, is_lab, choices, now })
    }

    /// The blocks from height `from`, `limit` of them if there are so many, and the length
    /// of the whole chain.
    pub fn blocks(&self, address: &Address, from: u64, limit: u64) -> Result<(Vec<Sent>, u64)> {
        let (mut blocks, mut length) = (Vec::new(), 0);
        while (blocks.len() as u64) < limit {
            let next = from + blocks.len() as u64;
            let (page, all) = self.client.blocks(address, next, limit - blocks.len() as u64)?;
            length = all;
            if page.is_empty() {
                break;
            }
            blocks.extend(page);
        }
        Ok((blocks, length))
    }

    /// The block with this hash, in the chain or in a kept branch; `None` if the miner has none.
    pub fn block(&self, address: &Address, hash: Hash) -> Result<Option<Kept>> {
        let found = if_there(self.client.block(address, BlockName::Hash(hash)))?;
        Ok(found.map(|(answer, block)| {
            let BlockAnswer { block: line, confirmations, dropped, .. } = answer;
            Kept { seen: Sent { line, hash, block }, confirmations, dropped }
        }))
    }

    /// The branches that left the chain, newest first; none if the miner tells none.
    pub fn forks(&self, address: &Address) -> Vec<Fork> {
        let request = Request::Forks;
        let answer: Result<ForksAnswer, _> = self.client.call(address, &request, "list of forks");
        let mut forks = answer.map(|answer| answer.forks).unwrap_or_default();
        forks.retain(|fork| !fork.blocks.is_empty());
        forks
    }
}

/// `None` where the miner has no such thing.
fn if_there<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        answer => answer.map(Some),
    }
}

impl At<'_> {
    pub fn status(&self) -> Option<StatusReport> {
        self.source.client.status(&self.address).ok()
    }

    pub fn blocks(&self, from: u64, limit: u64) -> Result<(Vec<Sent>, u64)> {
        self.source.blocks(&self.address, from, limit)
    }

    pub fn kept(&self, hash: Hash) -> Result<Option<Kept>> {
        self.source.block(&self.address, hash)
    }

    pub fn forks(&self) -> Vec<Fork> {
        self.source.forks(&self.address)
    }

    /// The oldest waiting messages, and how many there are in all.
    pub fn waiting(&self) -> Result<DataPage> {
        if self.health.unprocessed == 0 {
            return Ok(DataPage { data: Vec::new(), length: 0, cursor: None });
        }
        self.source.client.data(&self.address, Cursor::beginning())
    }

    /// Where a message is; `None` if the miner knows no such message. Of several texts under one id
    /// the one with this hash, unless it is in no block and another one is in the chain.
    pub fn state(&self, id: DataId, sha256: Option<Hash>) -> Result<Option<DataState>> {
        let Some(sha256) = sha256 else { return self.told_state(id, None) };
        let own = self.told_state(id, Some(sha256))?;
        if matches!(own, Some(DataState::Mined { .. })) {
            return Ok(own);
        }
        match self.first_in_chain(id)? {
            Some(mined @ DataState::Mined { .. }) => Ok(Some(mined)),
            other => Ok(own.or(other)),
        }
    }

    /// The same for the first text in the chain under the id, whichever the miner accepted; the one
    /// that it tells of where the chain has none.
    pub fn first_in_chain(&self, id: DataId) -> Result<Option<DataState>> {
        let told = self.told_state(id, None)?;
        let Some(index) = told.as_ref().and_then(DataState::other_index) else { return Ok(told) };
        let first = if_there(self.source.client.block(&self.address, BlockName::Height(index)))?;
        let Some((answer, block)) = first else { return Ok(told) };
        let (confirmations, other_index) = (answer.confirmations, None);
        let sha256 = Hash::of(block.data.message.as_str());
        Ok(Some(DataState::Mined { index, confirmations, sha256, other_index }))
    }

    fn told_state(&self, id: DataId, sha256: Option<Hash>) -> Result<Option<DataState>> {
        if_there(self.source.client.data_state(&self.address, id, sha256))
    }

    /// A link to the page of a block, which goes by its height or its hash.
    pub fn block(&self, name: impl Display) -> String {
        self.href(&format!("/block/{name}"))
    }

    /// A link to `path` that goes on looking at the same miner.
    pub fn href(&self, path: &str) -> String {
        if self.is_home {
            return path.to_owned();
        }
        let join = if path.contains('?') { '&' } else { '?' };
        let (path, fragment) = path.split_once('#').map_or((path, None), |(p, f)| (p, Some(f)));
        let fragment = fragment.map(|f| format!("#{f}")).unwrap_or_default();
        format!("{path}{join}at={}{fragment}", self.address)
    }

    /// Number of neighbours with the same head, and of all neighbours, as far as known.
    pub fn agreeing(&self) -> Option<(usize, usize)> {
        let asked = self.details.iter().filter(|detail| detail.head.is_some());
        let same = asked.clone().filter(|detail| detail.head == Some(self.health.head)).count();
        let all = self.neighbours.len();
        (asked.count() > 0).then_some((same, all))
    }
}

impl From<ClientError> for NoPage {
    fn from(error: ClientError) -> Self {
        Self::Dead(error)
    }
}
