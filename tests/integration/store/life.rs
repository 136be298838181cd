//! A miner as small as it can be, over a simulated disk: it takes messages, mines them,
//! saves its chain, and remembers beside the disk what it has promised to whom.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use blockchain::chain::testing::{Maker, NOW, data, network};
use blockchain::chain::{Branch, Chain, ChainView, Change, Data, Dropped, Forks};
use blockchain::store::{
    ChainFile, Disk, Files, Journal, Loaded, Names, Start, StoreError, verify,
};

use crate::support::sim_disk::SimDisk;

pub const KEEP_VERSIONS: usize = 2;

/// What was promised, to be held against the disk after a crash.
#[derive(Clone, Default)]
pub struct Promises {
    /// Messages that were answered with 200.
    pub acknowledged: Vec<Data>,
    /// The chain that was reported as saved.
    pub saved: Option<ChainView>,
    /// Chains that the store was asked to save since.
    pub asked: Vec<ChainView>,
}

/// A running miner.
pub struct Miner {
    pub chain: Chain,
    pub forks: Forks,
    pub file: ChainFile,
    pub journal: Journal,
    pub pool: Vec<Data>,
    pub seconds: u64,
}

pub fn files(disk: &Arc<SimDisk>) -> Files {
    Files::new(Arc::clone(disk) as _, Names::of(Path::new("test.chain")).unwrap())
}

/// One thing that happens in a miner's life.
#[derive(Clone, Debug)]
pub enum Event {
    /// These messages arrive together.
    Add(Vec<String>),
    /// So many blocks are mined.
    Mine(usize),
    /// The chain is saved.
    Save,
    /// A longer branch without messages of ours replaces so many blocks.
    Reorganise(u64),
    /// The journal is written anew.
    Compact,
}

impl Miner {
    pub fn start(disk: &Arc<SimDisk>) -> Result<Self, StoreError> {
        let (mut progress, network) = (|_, _| ControlFlow::Continue(()), network(1));
        let (files, start) = (files(disk), Start::Keep);
        let Loaded { file, chain, forks } =
            ChainFile::load(&files, &network, start, KEEP_VERSIONS, NOW, &mut progress)?;
        let (journal, mut pool) = Journal::open(files)?;
        pool.retain(|data| chain.height_of(data).unwrap().is_none());
        Ok(Self { chain, forks, file, journal, pool, seconds: 0 })
    }

    /// Lets one thing happen. What fails is not promised, and may be tried again.
    pub fn live(&mut self, event: &Event, promises: &mut Promises) -> Result<(), StoreError> {
        self.seconds += 1;
        match event {
            Event::Add(texts) => self.add(texts, promises),
            Event::Mine(count) => {
                let fork = *self.chain.head();
                let count = (*count).min(self.pool.len());
                let texts: Vec<Data> = self.pool.drain(..count).collect();
                let texts: Vec<&str> = texts.iter().map(|data| data.message.as_str()).collect();
                self.adopt(fork, &texts);
                Ok(())
            }
            Event::Reorganise(depth) => {
                let head = self.chain.head().index;
                let depth = (*depth).min(head);
                let fork = self.chain.view().head_at(head - depth).unwrap().unwrap();
                let foreign = |i| format!("foreign {} {head} {i}", self.seconds);
                let texts: Vec<String> = (0..=depth).map(foreign).collect();
                self.adopt(fork, &texts.iter().map(String::as_str).collect::<Vec<_>>());
                Ok(())
            }
            Event::Save => self.save(promises),
            Event::Compact => self.journal.rewrite(&self.live_data()),
        }
    }

    fn add(&mut self, texts: &[String], promises: &mut Promises) -> Result<(), StoreError> {
        if self.journal.is_poisoned() {
            self.journal.rewrite(&self.live_data())?;
        }
        let mut batch: Vec<Data> = texts.iter().map(|text| data(text)).collect();
        batch.retain(|data| {
            self.chain.height_of(data).unwrap().is_none() && !self.pool.contains(data)
        });
        self.journal.append(&batch)?;
        promises.acknowledged.extend(batch.iter().cloned());
        self.pool.extend(batch);
        Ok(())
    }

    fn save(&mut self, promises: &mut Promises) -> Result<(), StoreError> {
        let view = self.chain.view();
        let dropped = self.file.dropped_by(&view)?;
        if !dropped.is_empty() {
            if self.journal.is_poisoned() {
                self.journal.rewrite(&self.live_data())?;
            }
            self.journal.append(&dropped)?;
        }
        promises.asked.push(view.clone());
        let saved = self.file.save(&view, &mut self.forks, NOW + self.seconds * 1_000_000);
        promises.saved = Some(self.file.saved().clone());
        saved?;
        let shared = self.file.saved().shared_length(&view).unwrap();
        self.chain.take_stored(self.file.saved(), shared);
        promises.asked.clear();
        Ok(())
    }

    fn adopt(&mut self, fork: blockchain::chain::Head, texts: &[&str]) {
        if texts.is_empty() {
            return;
        }
        let mut maker = Maker::at(network(1), fork);
        let mut branch = Branch::new(fork);
        for text in texts {
            branch.push(maker.add(text), NOW, &network(1)).unwrap();
        }
        let before = self.chain.view();
        let (returned, depth) = self.chain.adopt(&branch).unwrap();
        if depth > 0 {
            self.forks.add(dropped(&before, &branch, self.seconds));
        }
        self.pool.splice(0..0, returned);
    }

    /// Everything that is not in the saved chain: what waits, and what was mined since.
    pub fn live_data(&self) -> Vec<Data> {
        let saved = self.file.saved();
        let view = self.chain.view();
        let shared = saved.shared_length(&view).unwrap();
        let mined = view.messages_from(shared).map(Result::unwrap);
        let dropped = self.file.dropped_by(&view).unwrap();
        self.pool.iter().cloned().chain(mined).chain(dropped).collect()
    }
}

/// The branch that left the chain of which `before` was a picture.
fn dropped(before: &ChainView, branch: &Branch, seconds: u64) -> Dropped {
    let change = Change::plan(before, branch, &[]).unwrap();
    change.dropped(before, NOW + seconds)
}

/// A life in which everything happens that the store has to do with.
pub fn script() -> Vec<Event> {
    use Event::{Add, Compact, Mine, Reorganise, Save};
    let add = |texts: &[&str]| Add(texts.iter().map(|text| text.to_string()).collect());
    let long = |letter: &str| Add(vec![letter.repeat(700), letter.repeat(1300)]);
    vec![
        add(&["a"]),
        Mine(1),
        Save,
        add(&["b", "c"]),
        add(&["d"]),
        Mine(2),
        Save,
        long("e"),
        Mine(2),
        Compact,
        Save,
        Reorganise(2),
        Save,
        add(&["f"]),
        Mine(2),
        Save,
        Compact,
        add(&["g"]),
        Reorganise(1),
        Save,
        Reorganise(3),
        Save,
        Mine(9),
        add(&["h"]),
        Save,
        Compact,
    ]
}

/// Starts a miner from what is on `disk` and holds it against the promises.
pub fn starts_and_keeps(disk: &Arc<SimDisk>, promises: &Promises, context: &dyn Fn() -> String) {
    let miner = match Miner::start(disk) {
        Ok(miner) => miner,
        Err(error) => panic!("{}: does not start: {error}", context()),
    };
    let view = miner.chain.view();
    for data in &promises.acknowledged {
        let mined = miner.chain.height_of(data).unwrap().is_some();
        let waits = miner.pool.contains(data);
        assert!(mined || waits, "{}: lost {:?}", context(), data.message);
    }
    let begins = |whole: &ChainView| view.shared_length(whole).unwrap() == view.length();
    if let Some(saved) = &promises.saved {
        let extends_saved = saved.shared_length(&view).unwrap() == saved.length();
        let asked = promises.asked.iter().any(|asked| asked.head() == view.head());
        let partly = promises.asked.iter().any(begins) || begins(saved);
        assert!(asked || extends_saved && partly, "{}: lost saved blocks", context());
    }
    assert_eq!(miner.file.saved().head(), view.head());
    let report = verify(&files(disk), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(report.ok && report.warnings.is_empty(), "{}: {report:?}", context());
    let names = disk.list().unwrap();
    assert!(!names.iter().any(|name| name.ends_with(".tmp")), "{}: {names:?}", context());
}
