//! What a chain on disk costs: memory that does not depend on the length of messages, and bytes
//! that are written when a block is replaced.

use std::fs;

use blockchain::chain::Branch;
use blockchain::chain::testing::{Maker, NOW, network};
use blockchain::miner::jobs::backup;

use crate::Outcome;
use crate::chains;
use crate::growth::Bench;
use crate::program;
use crate::table::{Asked, Table};

/// A chain of 1.2 GB in a few blocks.
const LONG_MESSAGES: (u64, usize) = (20_000, 60_000);

/// Blocks of 100 bytes that come to 100 MB.
const HUNDRED_MEGABYTES: u64 = 270_000;

/// Bytes that the kernel was given by this process to write, so far.
const WRITTEN: &str = "/proc/self/io";

pub fn measure(table: &mut Table) -> Outcome<()> {
    long_messages(table)?;
    reorganisation(table)
}

fn long_messages(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (blocks, bytes) = LONG_MESSAGES;
    let chain = chains::make_of(folder.path(), blocks, &|number| format!("{number:0>bytes$}"))?;
    let miner = program::Miner::start(&chain.file, "1", "1")?;
    let name = format!("resident, {blocks} blocks of {bytes} B");
    let limit = ("the limit", 25.0);
    table.row(name, "MB", miner.resident_bytes()? / 1e6, limit, Some(Asked::AtMost(1.0)));
    Ok(())
}

fn reorganisation(table: &mut Table) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let made = chains::make(folder.path(), HUNDRED_MEGABYTES)?;
    let loaded = chains::load(&made.file)?;
    let fork = loaded.chain.view().head_at(made.blocks - 2)?.expect("it has a last but one");
    let (mut rival, mut branch) = (Maker::at(network(1), fork), Branch::new(fork));
    for text in ["another", "and one more"] {
        branch.push(rival.add(text), NOW, &network(1))?;
    }
    let (bench, mut file) = (Bench::new(None, loaded.chain)?, loaded.file);
    bench.miner.shared.adopt(&branch, NOW)?;
    let before = written()?;
    assert!(backup::round(&bench.miner, &mut file), "the disk takes it");
    let kilobytes = (written()? - before) as f64 / 1e3;
    let name = format!("written when one block of {} MB is replaced", made.bytes / 1_000_000);
    table.row(name, "kB", kilobytes, ("the limit", 100.0), Some(Asked::AtMost(1.0)));
    Ok(())
}

fn written() -> Outcome<u64> {
    let io = fs::read_to_string(WRITTEN)?;
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(written.ok_or("no count of what was written")?.parse()?)
}
