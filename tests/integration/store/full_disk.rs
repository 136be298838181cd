//! A disk without room, for real: adds are refused with the reason, nothing acknowledged is
//! touched, reads go on, and all of it ends by itself when there is room again.
//!
//! The disk is a small file system in memory, which only root can mount.

use std::path::Path;
use std::process::Command;

use crate::support::miner::{Logs, TestMiner};
use serde_json::Value;
use tempfile::tempdir;

/// A file system of its own, unmounted when it is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounts = ["-t", "tmpfs", "-o", &options, "blockchain-test"];
        let mounted = Command::new("mount").args(mounts).arg(path).output().ok()?;
        mounted.status.success().then_some(Self(path))
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_adds_and_recovers_by_itself() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let Some(disk) = SmallDisk::mount(folder.path(), "1m") else {
        println!("not run: a file system can be mounted by root alone");
        return;
    };
    // So difficult that nothing is mined: every message stays in the journal.
    let flags = ["--difficulty", "32", "--log-level", "info"];
    let miner = TestMiner::start(folder.path(), &logs, &flags);
    let mut acknowledged = Vec::new();
    let refused = loop {
        let message = format!("{} {}", acknowledged.len(), "x".repeat(20_000));
        let (status, body) = miner.send("PUT", "/add", message.as_bytes());
        if status != 200 {
            break (status, body);
        }
        acknowledged.push(body["data"]["id"].as_str().unwrap().to_owned());
        assert!(acknowledged.len() < 100, "the disk never got full");
    };
    assert_eq!(refused.0, 503);
    let reason = refused.1["more_information"].as_str().unwrap();
    assert!(reason.contains("journal") && reason.contains("No space left"), "{reason}");
    let (status, health) = miner.send("GET", "/health", b"");
    assert_eq!((status, &health["status"]), (503, &"failing".into()));
    let reasons = health["reasons"].as_array().unwrap();
    let is_told = |reason: &Value| reason.as_str().unwrap().contains("No space left");
    assert!(reasons.iter().any(is_told), "{health}");
    assert!(!acknowledged.is_empty());
    let waiting = miner.get("/data");
    assert_eq!(waiting["length"], acknowledged.len());
    disk.resize("16m");
    logs.wait_until("recovery", || miner.send("GET", "/health", b"").0 == 200);
    acknowledged.push(miner.add("there is room again"));
    miner.kill();
    let miner = TestMiner::start(folder.path(), &logs, &flags);
    for id in &acknowledged {
        assert_eq!(miner.get(&format!("/data/{id}"))["state"], "unprocessed");
    }
}

/// The first that anybody heard of a full disk was a message that was refused.
#[test]
fn a_disk_that_is_nearly_full_is_told_while_messages_are_still_taken() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let Some(_disk) = SmallDisk::mount(folder.path(), "16m") else {
        println!("not run: a file system can be mounted by root alone");
        return;
    };
    let miner = TestMiner::start(folder.path(), &logs, &["--backup-interval", "0.1"]);
    assert_eq!(miner.send("GET", "/health", b"").0, 200);
    // A part in twenty is 0.8 MiB.
    let somebody = folder.path().join("somebody");
    std::fs::write(&somebody, vec![1; 16_200_000]).unwrap();
    logs.wait_until("trouble", || miner.send("GET", "/health", b"").0 == 503);
    let (_, health) = miner.send("GET", "/health", b"");
    let reason = health["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("disk: only ") && reason.contains(" MiB are free"), "{health}");
    miner.add("there is room for this one");
    std::fs::remove_file(&somebody).unwrap();
    logs.wait_until("recovery", || miner.send("GET", "/health", b"").0 == 200);
}
