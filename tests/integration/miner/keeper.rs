//! The keeper: what it keeps, and what it says when pool or disk take nothing more.

use std::sync::Arc;

use blockchain::chain::testing::{data, network};
use blockchain::chain::{Chain, Data, Forks, Message, Pool, PoolLimits, Source};
use blockchain::miner::{Keeper, Kept, Neighbours, Sender, Shared};
use blockchain::store::Journal;

use super::answers::files;
use crate::support::sim_disk::SimDisk;

fn keeper(limits: PoolLimits) -> (Keeper, Shared, Arc<SimDisk>) {
    let disk = Arc::new(SimDisk::default());
    let (journal, _) = Journal::open(files(&disk)).unwrap();
    let chain = Chain::new(&network(1));
    let shared = Shared::new(chain, Forks::default(), Pool::new(limits), Neighbours::new([], 8));
    (Keeper::new(journal), shared, disk)
}

/// Keeps what a client adds.
fn keep(keeper: &mut Keeper, shared: &Shared, batch: &[Data]) -> Vec<Kept> {
    let batch: Vec<_> =
        batch.iter().map(|data| (data.clone(), Sender::Client(Source::Own))).collect();
    keeper.keep(shared, &batch)
}

fn other_message(text: &str) -> Data {
    Data { message: Message::new("another").unwrap(), ..data(text) }
}

#[test]
fn a_message_is_kept_once_and_an_id_belongs_to_one_message() {
    let (mut keeper, shared, _) = keeper(PoolLimits::default());
    let batch = [data("a"), data("a"), other_message("a"), data("b")];
    let kept = keep(&mut keeper, &shared, &batch);
    assert_eq!(kept, [Kept::Added, Kept::Again, Kept::Conflict, Kept::Added]);
    assert_eq!(
        keep(&mut keeper, &shared, &[data("b"), other_message("b")]),
        [Kept::Again, Kept::Conflict]
    );
    assert_eq!(shared.with_pool(Pool::len), 2);
}

#[test]
fn a_full_pool_takes_no_more_and_loses_nothing() {
    let (mut keeper, shared, disk) = keeper(PoolLimits { count: 2, bytes: 1_000 });
    let kept = keep(&mut keeper, &shared, &[data("a"), data("b"), data("c"), data("a")]);
    assert_eq!(kept, [Kept::Added, Kept::Added, Kept::Full, Kept::Again]);
    let (_, on_disk) = Journal::open(files(&disk)).unwrap();
    assert_eq!(on_disk, [data("a"), data("b")]);
}

#[test]
fn a_full_disk_is_told_and_works_again_when_there_is_room() {
    let (mut keeper, shared, disk) = keeper(PoolLimits::default());
    assert_eq!(keep(&mut keeper, &shared, &[data("a")]), [Kept::Added]);
    disk.set_full(true);
    assert!(matches!(&keep(&mut keeper, &shared, &[data("b")])[..], [Kept::Failing(_)]));
    assert!(keeper.failing().is_some());
    assert_eq!(shared.with_pool(Pool::len), 1);
    disk.set_full(false);
    keeper.tidy(&shared);
    assert_eq!(keeper.failing(), None);
    assert_eq!(keep(&mut keeper, &shared, &[data("b")]), [Kept::Added]);
    let (_, on_disk) = Journal::open(files(&disk)).unwrap();
    assert_eq!(on_disk, [data("a"), data("b")]);
}
