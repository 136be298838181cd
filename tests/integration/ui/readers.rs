//! The UI for readers of every kind: in other zones, with less motion, at a phone, with a
//! terminal; and with strangers who write what they like.

use std::process::Command;

use crate::support::browser::Browser;
use crate::support::fake_miner::{FakeMiner, now};
use crate::support::ui::TestUi;
use blockchain::chain::testing::data;
use serde_json::json;
use tempfile::tempdir;

/// 2026-09-21 14:13:20 UTC.
const AFTERNOON: u64 = 1_790_000_000_000_000;

#[test]
fn what_strangers_write_is_added_and_seen_as_text() {
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.become_device(360, 640, 2.0, "light");
    let long = "w".repeat(60_000);
    let texts = [
        "<script>document.title = 'taken'</script>",
        "<img src=x onerror=\"document.title = 'taken'\">",
        "\"><svg onload=\"document.title = 'taken'\">",
        "</textarea></title><h1>taken</h1>",
        "left \u{202e}thgir\u{2066} and back",
        &long,
    ];
    let see = |selector: &str, text: &str| {
        let seen = text.replace('\u{202e}', "U+202E").replace('\u{2066}', "U+2066");
        let begin: String = seen.chars().take(30).collect();
        browser.await_text(selector, &begin);
        let narrow = "return document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.run(narrow, json!([])), json!(true), "{begin} is too wide");
        let quiet = "return document.title.endsWith('blockchain') && !/[\u{202e}\u{2066}]/.test(document.body.innerText)";
        assert_eq!(browser.run(quiet, json!([])), json!(true), "{begin} is more than text");
        assert_eq!(browser.console(), Vec::<String>::new(), "{begin}");
    };
    for (index, text) in (1..).zip(texts) {
        browser.open(&ui.url);
        browser.run("document.getElementById('message').value = arguments[0]", json!([text]));
        browser.click(".add button");
        browser.await_text("#life .done", "on disk");
        see("#life blockquote", text);
        see(".searching", text);
        assert_eq!(miner.state().pool[0].message.as_str(), text);
        miner.state().mine();
        browser.await_text("#life", &format!("mined in block {index}"));
        see(".mined", text);
        see("#blocks", text);
        browser.open(&format!("{}/block/{index}", ui.url));
        see(".message", text);
    }
    browser.open(&format!("{}/find?q=taken", ui.url));
    see(".found", texts[3]);
}

#[test]
fn times_are_the_readers_and_the_exact_one_shows_on_hover() {
    let miner = FakeMiner::start(1);
    miner.state().extend(data("a"), AFTERNOON);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    for (zone, hour, name) in
        [("Asia/Tokyo", "23:13:20", "GMT+9"), ("America/Lima", "09:13:20", "GMT-5")]
    {
        browser.move_to(zone);
        browser.open(&format!("{}/block/1", ui.url));
        browser.await_text(".fields time", hour);
        // A date is found as it is shown, and without its zone, too: it is the reader's.
        let shown = browser.text(".fields time");
        assert!(shown.ends_with(name), "{shown}");
        let title = browser.run("return document.querySelector('.fields time').title", json!([]));
        let title = title.as_str().unwrap();
        assert!(title.contains(hour) && title.contains(name), "{title}");
        assert!(title.contains("2026-09-21 14:13:20.000000 UTC"), "{title}");
        for text in [&shown, shown.trim_end_matches(name).trim_end()] {
            browser.open(&format!("{}/find", ui.url));
            browser.await_text("[data-zone]", name);
            browser.write("#q", text);
            browser.press("\u{e007}");
            browser.await_text("#result", "The first block at or after");
            browser.await_text("#result", &shown);
            browser.await_text(".found", "Block 1");
        }
    }
}

#[test]
fn a_new_block_is_told_and_slides_over_the_divider_unless_motion_is_to_be_less() {
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    for (height, motion) in [(1, "no-preference"), (2, "reduce")] {
        let moves = motion == "no-preference";
        let message = data(&format!("message {height}"));
        browser.prefer("prefers-reduced-motion", motion);
        miner.state().pool.push(message);
        browser.open(&ui.url);
        let animations = "return document.getAnimations().length > 0";
        assert_eq!(browser.run(animations, json!([])), json!(moves), "{motion}");
        let watch = "window.crossed = false;
            new MutationObserver((changes) => {
                for (const { addedNodes } of changes) for (const node of addedNodes) crossed ||= node.classList?.contains('traveller');
            }).observe(document.getElementById('strip'), { childList: true })";
        browser.run(watch, json!([]));
        miner.state().mine();
        browser
            .await_text("#news", &format!("Block {height} is the head; 0 messages unprocessed."));
        browser.await_text(".mined li:first-child", &format!("message {height}"));
        assert_eq!(browser.run("return crossed", json!([])), json!(moves), "{motion}");
        let stays = "return !document.querySelector('.traveller, .crossing')";
        browser.await_script(stays, json!([]));
        let role = "return document.getElementById('news').getAttribute('role')";
        assert_eq!(browser.run(role, json!([])), json!("status"));
    }
}

#[test]
fn commands_on_the_pages_do_what_they_say() {
    let miner = FakeMiner::start(1);
    for text in ["it's \"quoted\" $HOME `id`", "b"] {
        miner.state().extend(data(text), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    let folder = tempdir().unwrap();
    let shell = |command: &str| {
        let done = Command::new("sh").arg("-c").arg(command).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{command}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    browser.open(&format!("{}/block/1", ui.url));
    let command = browser.text(".curl");
    assert_eq!(shell(&command).trim(), miner.state().lines[1]);
    for (has_clipboard, told) in [(true, "Copied"), (false, "Selected: press Ctrl+C")] {
        let clipboard = "window.copied = ''; const has = arguments[0];
            const clipboard = { writeText: async (text) => { if (!has) throw Error(); copied = text; } };
            Object.defineProperty(navigator, 'clipboard', { value: clipboard, configurable: true })";
        browser.run(clipboard, json!([has_clipboard]));
        browser.click("[data-copy]");
        browser.await_text("[data-copy]", told);
        let taken = "return copied || getSelection().toString()";
        assert_eq!(browser.run(taken, json!([])).as_str().unwrap().trim(), command);
        browser.await_text("[data-copy]", "Copy as curl");
    }
    browser.open(&format!("{}/check", ui.url));
    let told = shell(&browser.text("pre"));
    let hashes: Vec<_> = told.lines().map(|line| &line[..64]).collect();
    assert_eq!(hashes.len(), 2, "{told}");
    assert_eq!(hashes[0], hashes[1], "block 2 names the hash of block 1");
}

#[test]
fn at_another_host_of_the_local_network_one_adds_and_checks_alike() {
    // A browser trusts plain http of its own host alone: elsewhere it gives a page no
    // crypto.subtle and no clipboard, and tells a server less of where a form comes from.
    const ELSEWHERE: &str = "192.0.2.1";
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start_in_a_network(ELSEWHERE);
    let url = ui.url.replace("127.0.0.1", ELSEWHERE);
    browser.open(&url);
    let trust = "return [isSecureContext, 'subtle' in crypto]";
    assert_eq!(browser.run(trust, json!([])), json!([false, false]));
    browser.write("#message", "from my phone");
    browser.click(".add button");
    browser.await_text("#life .done", "on disk");
    miner.state().mine();
    browser.await_text("#life", "mined in block 1");
    browser.open(&format!("{url}/check"));
    browser.click("#start");
    browser.await_text("#verdict", "✓ 2 blocks, no fault");
    assert_eq!(browser.console(), Vec::<String>::new());
}
