//! A chain file that is damaged under a running miner: no wrong block is ever served, /health
//! tells, and what neighbours have is taken from them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use crate::support::miner::{Logs, TestMiner, agree, sha256sum_agrees};
use tempfile::{TempDir, tempdir};

/// Blocks whose lines fill several pages of 64 KiB.
const BLOCKS: u64 = 60;

/// Quick saves, and nothing else that would wait.
const FLAGS: [&str; 6] =
    ["--difficulty", "1", "--backup-interval", "0.2", "--chain-sync-interval", "0.2"];

fn grow(miner: &TestMiner, logs: &Logs) {
    for number in 1..BLOCKS {
        miner.add(&format!("{number} {}", "x".repeat(5_000)));
    }
    logs.wait_until("all blocks", || miner.health().length == BLOCKS);
}

/// Waits until all blocks are in the chain file, and its hash beside it; the file.
fn saved(folder: &TempDir, logs: &Logs) -> String {
    let text = || fs::read_to_string(folder.path().join("test.chain")).unwrap();
    let all = || text().lines().count() as u64 == BLOCKS && sha256sum_agrees(folder.path());
    logs.wait_until("all on disk", all);
    text()
}

/// Changes one byte of block 20, which is in no memory any more.
fn damage(folder: &TempDir) {
    let path = folder.path().join("test.chain");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.lines().take(20).map(|line| line.len() + 1).sum::<usize>() + 200;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"Y", at as u64).unwrap();
}

#[test]
fn a_damaged_block_is_never_served_and_told() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &FLAGS);
    grow(&miner, &logs);
    let good = saved(&folder, &logs);
    damage(&folder);
    logs.wait_until("a failing health", || miner.send("GET", "/health", b"").0 == 503);
    let (_, health) = miner.send("GET", "/health", b"");
    assert!(health["reasons"].to_string().contains("test.chain"), "{health}");
    let mut refused = Vec::new();
    for (from, line) in good.lines().enumerate() {
        let (status, answer) = miner.send("GET", &format!("/chain?from={from}&limit=1"), b"");
        let is_right = status == 200 && answer["chain"][0].to_string().len() == line.len();
        assert!(status == 503 || is_right, "{from}: {status}");
        refused.extend((status == 503).then_some(from));
    }
    // The page of 64 KiB that holds it, and no other.
    assert!(refused.contains(&20) && refused.len() <= 14, "{refused:?}");
}

#[test]
fn a_damaged_file_is_mended_with_a_neighbours_blocks() {
    let (folder, other, logs) = (tempdir().unwrap(), tempdir().unwrap(), Logs::new());
    let neighbour = TestMiner::start(other.path(), &logs, &FLAGS);
    let named = neighbour.address.to_string();
    let flags = [&FLAGS[..], &["--neighbours", &named]].concat();
    let miner = TestMiner::start(folder.path(), &logs, &flags);
    grow(&miner, &logs);
    agree(&logs, &[&miner, &neighbour], BLOCKS);
    let good = saved(&folder, &logs);
    damage(&folder);
    assert!(!sha256sum_agrees(folder.path()));
    logs.wait_until("a mended file", || sha256sum_agrees(folder.path()));
    logs.wait_until("a good health", || miner.send("GET", "/health", b"").0 == 200);
    assert!(fs::read_to_string(folder.path().join("test.chain")).unwrap() == good);
}
