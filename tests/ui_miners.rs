//! The UI in a real browser, about three real miners.

mod ui_support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use ui_support::browser::Browser;

/// A process of the real program; killed when dropped.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    /// Starts `blockchain` and reads the address on its first line.
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_blockchain"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        Self { child, url }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let name = format!("blockchain-ui-{}", const_hex::encode(random));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn miner(&self, name: &str, neighbours: &[&Process]) -> Process {
        let chain = self.0.join(name).join("test.chain");
        let neighbours: Vec<_> = neighbours.iter().map(|other| other.address()).collect();
        let neighbours = neighbours.join(",");
        let mut arguments = vec!["miner", "start", chain.to_str().unwrap(), "--port", "0"];
        arguments.extend(["--difficulty", "3", "--network", "test", "--threads", "1"]);
        arguments.extend(["--gossip-interval", "0.2", "--chain-sync-interval", "0.2"]);
        arguments.extend(["--data-sync-interval", "0.2", "--backup-interval", "0.5"]);
        if !neighbours.is_empty() {
            arguments.extend(["--neighbours", &neighbours]);
        }
        Process::start(&arguments)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn three_miners_are_seen_at_work_and_a_killed_one_is_named() {
    let folder = Folder::new();
    let first = folder.miner("first", &[]);
    let second = folder.miner("second", &[&first]);
    let third = folder.miner("third", &[&first, &second]);
    let ui = Process::start(&["ui", "--port", "0", "--miner", first.address()]);
    let browser = Browser::start();
    let add = |text: &str| {
        browser.write("#message", text);
        browser.click(".add button");
        browser.await_text("#life .done", "on disc");
    };
    browser.open(&ui.url);
    add("Hello from the browser");
    let life = browser.run("return location.href", json!([]));
    browser.await_text("#life", "mined in block 1");
    add("second");
    add("third");
    browser.open(life.as_str().unwrap());
    browser.await_text("#life", "3 confirmations");
    browser.await_text("#facts", "2 of 2 agree");

    browser.open(&format!("{}/check", ui.url));
    browser.click("#start");
    browser.await_text("#verdict", "✓ 4 blocks, no fault");
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
    browser.write(".copy textarea", "!");
    browser.await_text("#tamper-verdict", "Block 1 breaks a rule");

    browser.open(&format!("{}/find?q=hello+browser", ui.url));
    browser.await_text("main", "1 block found in 4 blocks");
    browser.open(&format!("{}/block/3", ui.url));
    browser.await_text("main", "ends with 3 zeros");
    browser.open(&format!("{}/miner", ui.url));
    browser.await_text("main", "All is well");
    browser.await_text("#files", "test.chain");
    browser.await_text("#jobs", "gossip");

    browser.open(&format!("{}/network", ui.url));
    browser.await_text("#summary", "2 of 2 neighbours on the same head");
    browser.await_text("#events", "new block 3");
    let lost = third.address().to_owned();
    drop(third);
    browser.await_text("#summary", &format!("unreachable: {lost}"));
    let second_page = format!("{}/?at={}", ui.url, second.address());
    browser.open(&second_page);
    browser.await_text(".mined", "Hello from the browser");
    drop(first);
    browser.await_text("#lost", "The miner does not answer");
    for url in browser.requests() {
        assert!(url.starts_with(&ui.url) || url.starts_with("data:"), "asks {url}");
    }
}
