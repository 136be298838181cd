//! The lesson of `src/ui/LESSON.md`, gone through in a browser with three real miners.

use crate::support::browser::Browser;
use crate::support::program::Process;
use serde_json::json;
use tempfile::{TempDir, tempdir};

/// Three miners as the lesson has them, but quicker, and a UI.
fn class(folder: &TempDir, more: &[&str]) -> (Vec<Process>, Process) {
    let mut miners: Vec<Process> = Vec::new();
    for number in 0..3 {
        let chain = folder.path().join(format!("miner{number}/test.chain"));
        let others: Vec<_> = miners.iter().map(|miner| miner.address.to_string()).collect();
        let others = others.join(",");
        let mut flags = vec!["miner", "start", chain.to_str().unwrap(), "--port", "0"];
        flags.extend(["--network", "lesson", "--difficulty", "3", "--threads", "1"]);
        flags.extend(["--hash-rate-limit", "1500", "--gossip-interval", "0.2"]);
        if number > 0 {
            flags.extend(["--neighbours", &others]);
        }
        flags.extend(more);
        miners.push(Process::start(&flags));
    }
    let ui = Process::start(&["ui", "--port", "0", "--miner", &miners[0].address.to_string()]);
    (miners, ui)
}

/// Adds the message that the thief is after, and four more; the page that follows it.
fn fill(browser: &Browser, miners: &[Process], ui: &Process) -> String {
    browser.open(&ui.url);
    browser.write("#message", "Ada pays Grace 20 euros.");
    browser.click(".add button");
    browser.await_text("#life", "mined in block");
    let page = browser.run("return location.href", json!([])).as_str().unwrap().to_owned();
    for (at, text) in ["Good morning", "How are you?", "It rains", "Lunch"].iter().enumerate() {
        miners[at % 3].tell(&["add", text, "--wait"]);
    }
    browser.await_text("#life", "5 confirmations");
    page
}

/// Rewrites that message and all blocks since, and hands them in.
fn rob(browser: &Browser, ui: &Process) {
    browser.open(&format!("{}/check", ui.url));
    browser.click("#start");
    browser.await_text("#verdict", "no fault, checked by your browser");
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "✓ A true copy.");
    let forge = "
        const boxes = [...document.querySelectorAll('#copies textarea')];
        const box = boxes.find(({ value }) => value.includes('20 euros'));
        box.value = box.value.replace('20', '2000');
        box.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.run(forge, json!([]));
    browser.await_text("#tamper-verdict", "breaks a rule");
    let again = "
        if (document.querySelector('#copies [aria-busy]')) return false;
        const broken = document.querySelector('#copies .copy.broken');
        broken?.querySelector('.buttons button').click();
        return !broken";
    browser.await_script(again, json!([]));
    // It may be as long as the network's, with a higher hash.
    browser.await_text("#tamper-verdict", "A valid chain");
    browser.click("#mine-on-top");
    browser.await_text("#tamper-verdict", "You would win: the network is at block");
    browser.click("#hand-in");
}

#[test]
fn the_lesson_can_be_gone_through_and_the_heist_is_seen_by_all() {
    let folder = tempdir().unwrap();
    let (miners, ui) = class(&folder, &[]);
    let browser = Browser::start();

    browser.open(&format!("{}/workbench", ui.url));
    browser.write("#text", "!");
    browser.await_text("#bits-told", "bits of 256 changed.");
    browser.await_script("return !document.getElementById('nonce').disabled", json!([]));
    browser.click("#more");
    browser.await_text("#bench-guesses", "1 so far, about 4,096 are expected");
    browser.click("#spin");
    browser.await_text("#bench-verdict", "✓ This nonce fits");
    browser.click("#give");
    browser.await_text("#bench-verdict", "✓ Taken: block 1 is yours.");

    browser.open(&format!("{}/network", ui.url));
    miners[2].tell(&["add", "On its way", "--wait"]);
    browser.await_script("return document.querySelector('.spark') !== null", json!([]));
    browser.run("document.querySelector(`.map a[href^='#l-']`).focus()", json!([]));
    browser.press("\u{e007}");
    browser.await_text(".lines li:target details[open]", "says: new block");

    browser.open(&format!("{}/miner", ui.url));
    browser.click("[name=pause]");
    browser.await_text("#mining", "Paused.");
    miners[1].tell(&["add", "The others mine", "--wait"]);
    browser.run("document.getElementById('dial').value = 11", json!([]));
    browser.click("#pace .primary");
    browser.await_text("#pace-now", "guesses a second");

    let page = fill(&browser, &miners, &ui);
    rob(&browser, &ui);
    browser.await_text("#handed-in", "The network took your branch. Blocks taken!");
    const ORIGINAL: &str = "#life .alarm p:last-child a";
    for miner in &miners {
        browser.open(&page.replace("/?", &format!("/?at={}&", miner.address)));
        browser.await_text("#life .alarm", "✗ The chain holds another text under this id, too.");
        let hash = "return document.querySelector(arguments[0]).href.match(/[0-9a-f]{64}/)[0]";
        let hash = browser.run(hash, json!([ORIGINAL]));
        browser.open(&format!("{}/forks?at={}", ui.url, miner.address));
        let is_told = "return document.querySelector(`main a[href*='${arguments[0]}']`) !== null";
        browser.await_script(is_told, json!([hash]));
    }
    browser.open(&page);
    browser.click(ORIGINAL);
    browser.await_text("main", "Not in the chain since");
    browser.await_text("main", "Ada pays Grace 20 euros.");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_miner_with_a_finality_depth_does_not_take_the_thiefs_branch_and_the_page_says_so() {
    let folder = tempdir().unwrap();
    let (miners, ui) = class(&folder, &["--finality-depth", "3"]);
    let browser = Browser::start();
    let page = fill(&browser, &miners, &ui);
    rob(&browser, &ui);
    browser.await_text("#handed-in", "Not taken. No block taken: they would drop 5 blocks");
    browser.open(&page);
    browser.await_text("#life", "Ada pays Grace 20 euros.");
}
