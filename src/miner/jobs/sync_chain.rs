//! Sync of the longest valid chain: asks a neighbour for what lies above our head.
//!
//! Only what is new travels. If it does not fit, the fork is looked for backwards in growing
//! steps. A branch is checked outside every lock, as it arrives, given up at its first wrong
//! block, and adopted as soon as it wins; it then goes on page by page.

mod ahead;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{Wake, ask_health, note_answer, note_fault};
use crate::api::{Address, ChainPage, Health};
use crate::chain::{Block, BlockError, Branch, ChainView, Head, Rank, ReadError, Refused, Rule};
use crate::miner::fetching::FetchTurn;
use crate::miner::{Fault, Miner, NotAdopted};
use crate::store::Spill;

/// Bytes of a branch that stay in memory; more move to the disk.
const BRANCH_BYTES_IN_MEMORY: usize = 4 << 20;

/// Limit of the wait for what came in to be saved, before more is asked for.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// Blocks of a page that are worth a thread which asks for the next page meanwhile.
const ASKED_AHEAD_LINES_MIN: usize = 100;

/// How far back the first step looks for the fork: one round trip finds nearly every fork that
/// pushes leave. At 100 ms there and back and blocks every 13 ms, steps of 1, 4 and 16 took half a
/// second, in which the better branch grew by ten blocks.
const FIRST_STEP: u64 = 16;

/// How much further back each step looks than the one before.
const STEP_GROWTH: u64 = 4;

/// Whom a round asks: at a tick all that are due, in between those that have
/// more, and those that failed and may be asked again.
pub fn whom(miner: &Miner, wake: Wake) -> Vec<Address> {
    let now = miner.now();
    miner.shared.with_neighbours(|all| {
        let at_once = std::mem::take(&mut all.ask_chain);
        match wake {
            Wake::Tick => all.due(now),
            Wake::Bell => {
                let retried = all.to_retry(now);
                at_once.into_iter().chain(retried).collect::<BTreeSet<_>>().into_iter().collect()
            }
        }
    })
}

/// Asks one neighbour, and takes its chain if that is better.
pub fn round(miner: &Miner, address: &Address) {
    let outcome = ask_health(miner, address).and_then(|health| {
        note_answer(miner, "sync_chain", address, &health);
        let fetched = ahead::check_time(miner, address, &health).and_then(|()| {
            let turn = is_better(miner, &health).then(|| FetchTurn::begin(miner, address, &health));
            turn.flatten().map_or(Ok(()), |turn| fetch(miner, address, &health, &turn))
        });
        match fetched {
            Ok(()) => Ok(()),
            Err(Broken::Fault(fault)) => Err(fault),
            Err(Broken::Short(why)) => Err(short(miner, address, &health, why)),
            Err(Broken::Ours(error)) => {
                miner.unreadable(&error);
                Ok(())
            }
        }
    });
    match outcome {
        Ok(()) => miner.shared.with_neighbours(|all| all.note(address, |it| it.changed = 0)),
        Err(fault) => note_fault(miner, "sync_chain", address, &fault),
    }
}

fn is_better(miner: &Miner, health: &Health) -> bool {
    let head = miner.shared.head();
    Rank::new(health.length, health.head) > head.rank()
}

/// Why a neighbour's chain could not be read to the end that it claimed.
enum Broken {
    /// Something that speaks for itself.
    Fault(Fault),
    /// It has fewer or worse blocks than it claimed.
    Short(String),
    /// Our own chain can't be read: no fault of the neighbour's.
    Ours(ReadError),
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Self {
        Self::Ours(error)
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Fault of the sender of a chain that ends too early: an honest miner drops blocks when its clock
/// is set back, and then claims them no longer.
fn short(miner: &Miner, address: &Address, claimed: &Health, why: String) -> Fault {
    match ask_health(miner, address) {
        Ok(now) if (now.length, now.head) == (claimed.length, claimed.head) => Fault::Lying(why),
        Ok(_) => Fault::Changed(why),
        Err(fault) => fault,
    }
}

/// Some of a neighbour's blocks, as they were sent.
struct FetchedPage {
    from: u64,
    lines: Vec<Box<RawValue>>,
    length: u64,
}

impl FetchedPage {
    fn ask(miner: &Miner, address: &Address, from: u64, limit: u64) -> Result<Self, Broken> {
        let page = miner.client().chain(address, from, limit).map_err(Fault::from)?;
        let ChainPage { chain: lines, length } = page;
        if lines.is_empty() {
            let why = format!("it sends no block at height {from} of the {length} it has");
            return Err(Broken::Short(why));
        }
        Ok(Self { from, lines, length })
    }

    /// The same for as many blocks as the line bears.
    fn next(
        miner: &Miner,
        address: &Address,
        from: u64,
        turn: &FetchTurn<'_>,
    ) -> Result<Self, Broken> {
        let began = miner.now().steady;
        let page = Self::ask(miner, address, from, turn.page_blocks());
        match &page {
            Ok(page) => turn.page_took(page.lines.len() as u64, miner.now().steady - began),
            Err(Broken::Fault(Fault::Failing(_))) => turn.page_failed(),
            Err(_) => {}
        }
        page
    }

    fn end(&self) -> u64 {
        self.from + self.lines.len() as u64
    }

    /// True if there is a next page, and checking this one takes long enough to ask for it
    /// meanwhile.
    fn is_worth_asking_ahead(&self) -> bool {
        self.lines.len() >= ASKED_AHEAD_LINES_MIN && self.end() < self.length
    }

    /// Leaves out the first blocks, as far as they are those of `view`.
    fn leave_out_shared(&mut self, view: &ChainView) -> Result<(), ReadError> {
        let mut shared = 0;
        for (raw, line) in self.lines.iter().zip(view.lines_from(self.from)) {
            if raw.get() != &*line? {
                break;
            }
            shared += 1;
        }
        self.lines.drain(..shared);
        self.from += shared as u64;
        Ok(())
    }
}

/// Fetches what the neighbour has and we have not, and adopts it as soon as it wins.
fn fetch(
    miner: &Miner,
    address: &Address,
    health: &Health,
    turn: &FetchTurn<'_>,
) -> Result<(), Broken> {
    let view = miner.shared.chain();
    let mut page = find_fork(miner, address, &view, health.length, turn)?;
    page.leave_out_shared(&view)?;
    while page.lines.is_empty() && page.from < page.length {
        page = FetchedPage::next(miner, address, page.from, turn)?;
        page.leave_out_shared(&view)?;
    }
    let fork = view.head_at(page.from.saturating_sub(1))?;
    drop(view);
    let branch = Branch::new(fork.expect("the page fits on our chain"));
    let mut fetched = Fetched { miner, address, turn, branch, spill: None };
    loop {
        if !miner.shared.wait_for_room(ROOM_PATIENCE) {
            log::info!("sync_chain: waits for the disk to take what came neighbour={address}");
            return Ok(());
        }
        let (taken, next) = thread::scope(|scope| {
            let ask = || FetchedPage::next(miner, address, page.end(), turn);
            let next = page.is_worth_asking_ahead().then(|| scope.spawn(ask));
            let taken = fetched.take(&page);
            (taken, next.map(|next| next.join().expect("asking does not panic")))
        });
        let head = taken?;
        turn.checked(head.length(), page.length);
        if head.length() >= page.length {
            return reaches(&head, health);
        }
        page = match next {
            Some(next) => next?,
            None => FetchedPage::next(miner, address, head.length(), turn)?,
        };
    }
}

/// Blocks that were fetched and not adopted yet.
struct Fetched<'a> {
    miner: &'a Miner,
    address: &'a Address,
    turn: &'a FetchTurn<'a>,
    branch: Branch,
    spill: Option<Spill>,
}

impl Fetched<'_> {
    /// Takes a page into the branch, and the branch into our chain once it wins; the branch's
    /// head.
    fn take(&mut self, page: &FetchedPage) -> Result<Head, Broken> {
        push(self.miner, &mut self.branch, page)?;
        let head = *self.branch.head();
        if head > self.miner.shared.head() {
            adopt(self.miner, self.address, &self.branch)?;
            self.turn.adopted();
            (self.branch, self.spill) = (Branch::new(head), None);
        } else if self.branch.bytes_in_memory() > BRANCH_BYTES_IN_MEMORY {
            self.store()?;
        }
        Ok(head)
    }

    /// Moves the branch to the disk.
    fn store(&mut self) -> Result<(), Broken> {
        let Some(files) = &self.miner.files else { return Ok(()) };
        if self.spill.is_none() {
            let first = self.branch.fork().length();
            let spill = Spill::new(&*files.disk, first).map_err(|error| {
                Fault::Odd(format!("its branch is too long for memory, and the disk says: {error}"))
            })?;
            self.spill = Some(spill);
        }
        let spill = self.spill.as_ref().expect("it was made just now");
        Ok(self.branch.store(|lines| spill.append(lines))?)
    }
}

/// True if the neighbour's chain ends as well as it claimed: its head may have moved on
/// since, but never to something worse.
fn reaches(head: &Head, health: &Health) -> Result<(), Broken> {
    let length = head.length();
    if head.rank() >= Rank::new(health.length, health.head) {
        return Ok(());
    }
    let claimed = format!("it claims {} blocks with head {}", health.length, health.head);
    Err(Broken::Short(format!("{claimed}, and sends {length} with head {}", head.hash)))
}

/// The first page that begins with a block that fits on ours.
fn find_fork(
    miner: &Miner,
    address: &Address,
    view: &ChainView,
    claimed: u64,
    turn: &FetchTurn<'_>,
) -> Result<FetchedPage, Broken> {
    let from = view.length().min(claimed.saturating_sub(1)).max(1);
    let mut page = FetchedPage::next(miner, address, from, turn)?;
    let mut step = FIRST_STEP;
    loop {
        let block = Block::read(page.lines[0].get(), page.from);
        let block = block.map_err(|error| Fault::Lying(error.to_string()))?;
        if block.previous_hash.is_some() && block.previous_hash == view.hash(page.from - 1)? {
            return Ok(page);
        }
        if page.from == 1 {
            let why = "its block 1 does not follow our genesis block".to_owned();
            return Err(Fault::Lying(why).into());
        }
        let from = page.from.saturating_sub(step).max(1);
        // Twice the step: a shallow fork comes with what lies above it.
        page = FetchedPage::ask(miner, address, from, (2 * step).min(turn.page_blocks()))?;
        step = step.saturating_mul(STEP_GROWTH);
    }
}

fn push(miner: &Miner, branch: &mut Branch, page: &FetchedPage) -> Result<(), Fault> {
    let now = miner.wall();
    for (number, raw) in page.lines.iter().enumerate() {
        let pushed = branch.push(raw.get(), now, &miner.network);
        pushed.map_err(|error| fault_of(error, number))?;
    }
    Ok(())
}

/// Fault of the sender of a wrong block. Between two pages its chain may have changed, and one of
/// two clocks may be wrong: both happen to honest miners.
fn fault_of(error: BlockError, number: usize) -> Fault {
    match error.rule {
        Rule::Link if number == 0 => Fault::Changed(error.to_string()),
        Rule::Clock => Fault::Odd(error.to_string()),
        _ => Fault::Lying(error.to_string()),
    }
}

fn adopt(miner: &Miner, address: &Address, branch: &Branch) -> Result<(), Broken> {
    match miner.adopt(branch, Some(address)) {
        Ok(()) | Err(NotAdopted::Refused(Refused::Moved | Refused::NotBetter)) => Ok(()),
        Err(NotAdopted::TooDeep(depth)) => {
            let why = format!("its branch would drop {depth} blocks, more than is allowed");
            Err(Fault::Odd(why).into())
        }
        Err(NotAdopted::Refused(Refused::Invalid(error))) => {
            Err(Fault::Lying(error.to_string()).into())
        }
        Err(NotAdopted::Refused(Refused::Unreadable(error))) => Err(error.into()),
    }
}
