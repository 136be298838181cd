//! Blocks that came in while our clock ran ahead, which the other miners refuse.

use super::{Broken, FetchedPage};
use crate::api::{Address, Health, PAGE_BYTES_MAX, Request};
use crate::chain::{Hash, Head, ReadError};
use crate::miner::{Miner, Neighbours};

/// A clock before this (2026-01-01) was never set: no block of any network is as old.
const CLOCK_SET: u64 = 1_767_225_600_000_000;

/// Drops blocks that came in while our clock ran ahead, once half of the neighbours that answer said
/// that they do not have them, or refuse what is built on them. A clock that was set back by
/// mistake drops nothing: the others have the same blocks, and take more.
///
/// Having them is not enough: two miners whose clocks ran ahead together share the first of
/// these blocks, and each refuses the other's later ones until the time comes.
pub fn check_time(miner: &Miner, address: &Address, health: &Health) -> Result<(), Broken> {
    let wall = miner.wall();
    let Some(first) = miner.shared.first_ahead(wall)?.filter(|_| wall >= CLOCK_SET) else {
        return Ok(());
    };
    let has = health.length > first.index && {
        let page = FetchedPage::ask(miner, address, first.index, 1)?;
        Hash::of(page.lines[0].get()) == first.hash && !refuses(miner, address, health, &first)?
    };
    let half_deny = |all: &mut Neighbours| all.denied(address, first.hash, !has);
    if miner.shared.with_neighbours(half_deny) {
        let dropped = miner.shared.drop_ahead(&first, wall)?;
        log::error!(
            "sync_chain: dropped blocks that are over two hours ahead of the clock and that half \
             the neighbours lack or refuse; their messages wait again blocks={} from={}",
            dropped.depth,
            first.index
        );
        miner.tell_dropped(first.index - 1, miner.shared.head().hash, &dropped, None);
    }
    Ok(())
}

/// Blocks that a neighbour is asked to take, around the place where its chain may leave ours.
const OFFERED: u64 = 64;

/// True if a neighbour that has our first block ahead of time refuses what we have around its head.
/// Of all rules the clock's alone can differ between honest miners.
fn refuses(
    miner: &Miner,
    address: &Address,
    health: &Health,
    first: &Head,
) -> Result<bool, ReadError> {
    let from = health.length.saturating_sub(OFFERED / 2).max(first.index + 1);
    let view = miner.shared.chain();
    let lines = view.lines_from(from).take(OFFERED as usize);
    let lines = lines.map(|line| Ok(line?.to_string())).collect::<Result<Vec<_>, ReadError>>()?;
    if lines.is_empty() {
        return Ok(false);
    }
    let offer = Request::PushBlocks { lines };
    let answer = miner.client().send(address, &offer, PAGE_BYTES_MAX);
    Ok(answer.is_ok_and(|(status, _)| status == 400))
}
