//! A disk that lets other things happen while it works, as they do beside a slow one.

use std::io;
use std::sync::{Arc, Weak};

use blockchain::store::{Around, Disk, Operation};

use super::world::World;
use crate::support::sim_disk::SimDisk;

/// The disk of one run of a miner.
pub fn watched(disk: Arc<SimDisk>, world: Weak<World>, node: usize, run: u64) -> Arc<dyn Disk> {
    let around = {
        let disk = Arc::clone(&disk);
        move |_: &dyn Disk, operation: Operation<'_>| operate(&disk, &world, node, run, operation)
    };
    Arc::new(Around { disk, around })
}

/// Lets something happen before the operation, and tells what came of it.
fn operate(
    disk: &SimDisk,
    world: &Weak<World>,
    node: usize,
    run: u64,
    operation: Operation<'_>,
) -> io::Result<()> {
    let Some(world) = world.upgrade() else { return disk.operate(operation) };
    world.at_disk(node, run);
    let before = match operation {
        Operation::Rename(_, to) => disk.contents(to),
        _ => None,
    };
    let done = disk.operate(operation);
    match operation {
        // The host still shows what will never be on disk, and the next process could not know.
        // Such a host loses its power before the next start, and all of it is as it will be.
        Operation::Sync(_) | Operation::SyncFolder if done.is_err() && !disk.is_down() => {
            world.nodes[node].write_failed();
        }
        Operation::Rename(_, to) if done.is_ok() => {
            world.file_was_replaced(node, run, to, before.map_or(0, |it| it.len()));
        }
        _ => {}
    }
    done
}
