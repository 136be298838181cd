//! Finality: a branch that would drop a block deeper than the owner allows is refused and told,
//! and taken only when the owner accepts it by hand.
//!
//! An exception of one miner to the fork choice, off unless asked for: two miners that refuse
//! each other's branch stay apart until somebody decides.

use std::num::NonZeroU64;

use parking_lot::Mutex;

use super::Adopted;
use super::Miner;
use crate::api::{Address, Happening, RETURNED_IDS_MAX, RefusedBranch};
use crate::chain::{Branch, Hash, Refused};

/// How deep a reorganisation may go, and what was refused.
#[derive(Debug, Default)]
pub struct Finality(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    depth: Option<NonZeroU64>,
    refused: Option<(RefusedBranch, Option<Address>)>,
    accepted: Option<Hash>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdopted {
    /// By the rules of every miner.
    Refused(Refused),
    /// It would drop so many blocks, more than this miner allows.
    TooDeep(u64),
}

impl Finality {
    pub fn set_depth(&self, depth: Option<NonZeroU64>) {
        self.0.lock().depth = depth;
    }

    /// The branch that was refused last, until it is accepted.
    pub fn refused(&self) -> Option<RefusedBranch> {
        self.0.lock().refused.as_ref().map(|(refused, _)| refused.clone())
    }

    /// Lets the refused branch that ends in `head` be taken; who has it, if it was refused.
    pub fn accept(&self, head: Hash) -> Option<Option<Address>> {
        let mut state = self.0.lock();
        let from = state.refused.as_ref().filter(|(refused, _)| refused.head == head)?.1.clone();
        state.accepted = Some(head);
        Some(from)
    }
}

impl Miner {
    /// Takes in a branch as [`super::Shared::adopt`] does, unless it goes too deep, and tells of it.
    ///
    /// # Errors
    /// [`NotAdopted`], with nothing changed.
    pub fn adopt(&self, branch: &Branch, from: Option<&Address>) -> Result<(), NotAdopted> {
        let head = self.shared.head();
        let depth = head.index.saturating_sub(branch.fork().index);
        let is_too_deep = {
            let state = self.finality.0.lock();
            let is_accepted = state.accepted.is_some_and(|hash| branch.has(&hash));
            state.depth.is_some_and(|most| depth > most.get()) && !is_accepted
        };
        if is_too_deep && *branch.head() > head {
            self.tell_refused(branch, depth, from);
            return Err(NotAdopted::TooDeep(depth));
        }
        let adopted = self.shared.adopt(branch, self.wall()).map_err(NotAdopted::Refused)?;
        let mut state = self.finality.0.lock();
        if state.accepted.take_if(|hash| branch.has(hash)).is_some() {
            state.refused = None;
        }
        drop(state);
        self.tell_adopted(branch, &adopted, from);
        Ok(())
    }

    fn tell_adopted(&self, branch: &Branch, adopted: &Adopted, from: Option<&Address>) {
        let (head, blocks, dropped) = (branch.head(), adopted.blocks, adopted.depth);
        match from {
            Some(from) => {
                self.shared.with_neighbours(|all| all.note(from, |it| it.brought = true));
                self.new_blocks.adopted(from, blocks, dropped, head, self.now().steady);
            }
            None => log::info!(
                "push: adopted a branch that was handed in blocks={blocks} length={} head={} \
                 dropped={dropped}",
                head.length(),
                head.hash
            ),
        }
        self.tell_dropped(branch.fork().index, head.hash, adopted, from);
        if let Ok(Some(last)) = branch.blocks().block(head.index) {
            let (index, hash, id) = (head.index, head.hash, last.data.id);
            self.tell(Happening::Block { index, hash, id, from: from.cloned() });
        }
    }

    /// Tells of the blocks that were dropped above the block `fork`, if some were.
    pub(super) fn tell_dropped(
        &self,
        fork: u64,
        head: Hash,
        adopted: &Adopted,
        from: Option<&Address>,
    ) {
        let Some((dropped_head, why)) = adopted.dropped else { return };
        let returned = adopted.returned.iter().map(|data| data.id).take(RETURNED_IDS_MAX);
        self.tell(Happening::Reorganisation {
            fork,
            dropped: adopted.depth,
            dropped_head,
            adopted: adopted.blocks,
            head,
            why,
            returned: returned.collect(),
            returned_count: adopted.returned.len() as u64,
            from: from.cloned(),
        });
    }

    /// Tells of a refused branch, once for each fork: it is offered in every round.
    fn tell_refused(&self, branch: &Branch, dropped: u64, from: Option<&Address>) {
        let (fork, head) = (branch.fork().index, branch.head().hash);
        let length = branch.head().length();
        let refused = RefusedBranch { fork, dropped, head, length, at: self.wall() };
        let before = self.finality.0.lock().refused.replace((refused, from.cloned()));
        if before.is_some_and(|(before, _)| before.fork == fork) {
            return;
        }
        let neighbour = from.map_or("none".into(), Address::to_string);
        log::error!(
            "finality: refused a branch that would drop {dropped} blocks; \"blockchain accept \
             {head}\" takes it fork={fork} length={length} neighbour={neighbour}"
        );
        self.metrics.refused_branch();
        self.tell(Happening::BranchRefused { fork, dropped, head, from: from.cloned() });
    }
}
