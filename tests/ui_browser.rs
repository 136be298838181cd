//! The UI in a real browser: Debian's Chromium.
//!
//! With `SCREENSHOTS=folder` the pages are also written there as pictures.

mod ui_support;

use std::fs;
use std::path::Path;

use blockchain::chain::Hash;
use blockchain::chain::testing::data;
use serde_json::{Value, json};
use ui_support::TestUi;
use ui_support::browser::Browser;
use ui_support::miner::{FakeMiner, now};
use ui_support::town::town;

/// What has the focus, of how many elements that should get it; and what is wrong with that.
const FOCUS: &str = include_str!("ui_support/focus.js");

/// The key Tab, as WebDriver spells it.
const TAB: &str = "\u{e004}";

fn keep_picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("SCREENSHOTS") else { return };
    fs::create_dir_all(&folder).unwrap();
    let png = decode_base64(&browser.picture());
    fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<_> = text.bytes().filter(|&c| c != b'=').map(value).collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn every_page_reads_well_in_light_and_dark_on_phone_and_desk() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let browser = Browser::start();
    let life = format!("/?life={}", data("Lunch at noon").id);
    let pages = [
        ("chain", "/"),
        ("life", &life),
        ("block", "/block/69"),
        ("genesis", "/block/0"),
        ("find", "/find"),
        ("found", "/find?q=euros"),
        ("check", "/check"),
        ("network", "/network"),
        ("miner", "/miner"),
    ];
    for (device, width, height, dots) in [("desk", 1280, 900, 1.0), ("phone", 390, 844, 2.0)] {
        for scheme in ["light", "dark"] {
            browser.become_device(width, height, dots, scheme);
            for (name, path) in pages {
                browser.open(&format!("{}{path}", ui.url));
                let what = format!("{name}-{device}-{scheme}");
                keep_picture(&browser, &what);
                browser.inspect(&ui.url, &what);
            }
            check_and_tamper(&browser, &ui);
            keep_picture(&browser, &format!("tampered-{device}-{scheme}"));
            browser.inspect(&ui.url, "tampered");
        }
    }
    drop(town.home);
    assert_eq!(town.others.len(), 4);
    browser.open(&ui.url);
    browser.await_text("h1", "does not answer");
    keep_picture(&browser, "dead-phone-dark");
}

/// Checks the chain, takes a copy, and changes its second block.
fn check_and_tamper(browser: &Browser, ui: &TestUi) {
    browser.open(&format!("{}/check", ui.url));
    browser.click("#start");
    browser.await_text(
        "#verdict",
        "✓ 71 blocks, no fault, checked by your browser, not by the miner.",
    );
    let figures = browser.text("#figures");
    let rate = figures.strip_suffix(" blocks a second").map(|rate| rate.replace(',', ""));
    assert!(rate.is_some_and(|rate| rate.parse::<u64>().unwrap() > 0), "{figures}");
    let ticked = "return [document.querySelectorAll('#cells i').length, document.querySelectorAll('#cells .ticked').length]";
    assert_eq!(browser.run(ticked, json!([])), json!([71, 71]));
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
    browser.write(".copy:nth-child(2) textarea", "!");
    browser.await_text("#tamper-verdict", "breaks a rule");
}

#[test]
fn the_keyboard_reaches_everything_in_order_and_shows_where_it_is() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let browser = Browser::start();
    for (scheme, width) in [("light", 1280), ("dark", 320)] {
        browser.become_device(width, 900, 1.0, scheme);
        for path in ["/", "/block/69", "/find?q=euros", "/check", "/network", "/miner"] {
            browser.open(&format!("{}{path}", ui.url));
            browser.inspect(&ui.url, &format!("{path} at {width}"));
            let mut place = 0;
            loop {
                browser.press(TAB);
                let focus = browser.run(FOCUS, json!([]));
                assert_eq!(focus["faults"], json!([]), "{path} {scheme}");
                assert_eq!(focus["place"], json!(place), "{path} {scheme}: {focus}");
                place += 1;
                if json!(place) == focus["all"] {
                    break;
                }
            }
            assert!(place > 10, "{path} has {place} places only");
        }
    }
}

#[test]
fn keys_lead_to_find_and_from_block_to_block() {
    let miner = FakeMiner::start(1);
    for text in ["a", "b"] {
        miner.state().extend(data(text), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/block/1", ui.url));
    for (key, heading) in [("\u{e014}", "Block 2"), ("\u{e012}", "Block 1"), ("/", "Find")] {
        browser.press(key);
        browser.await_text("h1", heading);
    }
    browser.write("#q", "a/b");
    assert_eq!(browser.run("return document.getElementById('q').value", json!([])), "a/b");
}

#[test]
fn a_changed_message_breaks_everything_after_it_and_mining_mends_only_its_block() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let browser = Browser::start();
    check_and_tamper(&browser, &ui);
    let rules = || {
        let script =
            "return [...document.querySelectorAll('.copy')].map((copy) => copy.dataset.rule)";
        browser.run(script, json!([]))
    };
    assert_eq!(rules(), json!(["", "seal", "previous_hash", "chain", "chain", "chain"]));
    let red = "return [...document.querySelectorAll('.copy')].map((copy) => {
        const [r, g, b] = getComputedStyle(copy).borderLeftColor.match(/[0-9]+/g).map(Number);
        return r > 2 * g && r > 2 * b;
    })";
    assert_eq!(browser.run(red, json!([])), json!([false, true, true, true, true, true]));
    for (at, expected) in [
        (2, json!(["", "", "previous_hash", "chain", "chain", "chain"])),
        (3, json!(["", "", "", "previous_hash", "chain", "chain"])),
        (4, json!(["", "", "", "", "previous_hash", "chain"])),
        (5, json!(["", "", "", "", "", "previous_hash"])),
        (6, json!(["", "", "", "", "", ""])),
    ] {
        browser.click(&format!(".copy:nth-child({at}) button"));
        browser.await_text(&format!(".copy:nth-child({at}) .hint"), "Found after");
        browser.await_script(
            "return document.querySelector(`.copy:nth-child(${arguments[0]}).sound`) !== null",
            json!([at]),
        );
        assert_eq!(rules(), expected);
    }
    browser.await_text("#tamper-verdict", "A valid chain again");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_search_can_be_stopped() {
    let miner = FakeMiner::start(3);
    miner.state().extend(data("a"), now());
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/check", ui.url));
    // So hard that it never ends.
    browser.run("place.difficulty = 40", json!([]));
    browser.click("#copy-blocks");
    browser.await_text("#copies .state", "work");
    browser.click(".copy button");
    browser.await_text(".copy .hint", "years on average");
    browser.click(".copy button:nth-of-type(2)");
    browser.await_text(".copy .hint", "Stopped.");
}

#[test]
fn the_browser_names_the_block_and_the_rule_that_is_broken() {
    let miner = FakeMiner::start(1);
    for n in 0..1_200 {
        miner.state().extend(data(&format!("message {n}")), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    let verdict = |expected: &str| {
        browser.open(&format!("{}/check", ui.url));
        browser.click("#start");
        browser.await_text("#verdict", expected);
    };
    verdict("✓ 1,201 blocks, no fault, checked by your browser, not by the miner.");
    let good = miner.state().lines[700].clone();
    for (from, to, expected) in [
        ("message 699", "message 69g", "Block 700 breaks a rule: seal"),
        ("\"index\":700", "\"index\":701", "Block 700 breaks a rule: index"),
        ("{\"index\"", "{ \"index\"", "Block 700 breaks a rule: line"),
        ("message 699", "\\u006dessage 699", "Block 700 breaks a rule: line"),
    ] {
        miner.state().lines[700] = good.replace(from, to);
        verdict(expected);
        let cells = "const cells = [...document.querySelectorAll('#cells i')];
            return ['ticked', 'broken'].map((state) => cells.map((cell) => cell.matches(`.${state}`)).lastIndexOf(true))
                .concat(cells.findIndex((cell) => cell.matches('.broken')))";
        // Of 120 cells, each is for ten blocks: the block is in the seventieth.
        assert_eq!(browser.run(cells, json!([])), json!([68, 119, 69]), "{expected}");
    }
    miner.state().lines[700] = good;
    let genesis = miner.state().lines[0].replace("test", "tess");
    miner.state().lines[0] = genesis;
    verdict("Block 0 breaks a rule: line");
}

#[test]
fn the_workers_sha_256_gives_the_known_answers() {
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/check", ui.url));
    let answer = |task: Value| {
        let script = "const [task, done] = arguments; answerOf(task).then(done, (error) => done({ error: error.message }))";
        browser.run_async(script, json!([task]))
    };
    let mut texts =
        vec![String::new(), "abc".into(), "ä😀\u{2028}\0".into(), "a".repeat(1_000_000)];
    texts.extend((50..70).chain(110..130).map(|length| "x".repeat(length)));
    for text in texts {
        let found = answer(json!({"task": "hash", "data": text}));
        assert_eq!(found["hash"], json!(Hash::of(&text).to_string()), "{} bytes", text.len());
    }
    for (prefix, zeros, nonce) in [
        ("None", 1, 1),
        ("None", 2, 350),
        ("None", 3, 3_969),
        ("None", 4, 15_558),
        ("None", 5, 1_406_000),
    ] {
        let found = answer(json!({"task": "search", "prefix": prefix, "zeros": zeros}));
        assert_eq!(found["nonce"], json!(nonce));
    }
}

#[test]
fn browser_and_miner_spell_and_judge_every_character_alike() {
    let miner = FakeMiner::start(1);
    let escapes: String =
        (0..0x20u8).map(char::from).chain("\"\\/'\u{80}\u{2028}\u{fffd}😀{}[],".chars()).collect();
    for text in [&escapes, "]}\",{", "\\", "\u{feff}x", "\u{202e}"] {
        miner.state().extend(data(text), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/check", ui.url));
    browser.click("#start");
    browser.await_text("#verdict", "✓ 6 blocks, no fault");
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
}

#[test]
fn a_search_goes_on_by_itself_until_something_is_found() {
    let miner = FakeMiner::start(1);
    miner.state().extend(data("the needle"), now());
    for n in 0..24_000 {
        miner.state().extend(data(&format!("hay {n}")), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/find?q=needle", ui.url));
    browser.await_text("#result", "1 block found in 24,002 blocks looked through.");
    browser.await_text(".found", "the needle");
    browser.open(&format!("{}/find?q=pin", ui.url));
    browser.await_text("#result", "Nothing found in 24,002 blocks looked through.");
    let is_busy = "return document.querySelector('[aria-busy], [data-go-on]') !== null";
    assert_eq!(browser.run(is_busy, json!([])), json!(false));
    browser.inspect_traffic(&ui.url, "find");
    browser.allow_scripts(false);
    browser.open(&format!("{}/find?q=needle", ui.url));
    loop {
        browser.click("#result [data-go-on]");
        browser.allow_scripts(true);
        let result = browser.text("#result");
        if result.contains("1 block found in 24,002 blocks") {
            break;
        }
        assert!(result.contains("Nothing found in "), "{result}");
        browser.allow_scripts(false);
    }
}

#[test]
fn a_message_is_followed_from_the_disk_to_its_confirmations() {
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&ui.url);
    browser.write("#message", "Hello from the browser");
    browser.press("\u{e009}");
    browser.click(".add button");
    browser.await_text("#life .done", "on disk");
    browser.await_text(".searching", "Hello from the browser");
    browser.run("window.kept = true; document.querySelector('#message').focus()", json!([]));
    miner.state().mine();
    browser.await_text("#life", "mined in block 1");
    browser.await_text(".mined li:first-child", "Hello from the browser");
    for text in ["second", "third"] {
        miner.state().extend(data(text), now());
    }
    browser.await_text("#life", "3 confirmations");
    let kept = "return window.kept && document.activeElement.id === 'message'";
    assert_eq!(browser.run(kept, json!([])), json!(true), "neither reloaded nor lost the focus");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn the_page_tells_of_a_miner_that_dies_and_keeps_the_last_picture() {
    let miner = FakeMiner::start(1);
    miner.state().extend(data("still to be read"), now());
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&ui.url);
    drop(miner);
    browser.await_text("#lost", "The miner does not answer");
    browser.await_text(".mined", "still to be read");
}

#[test]
fn a_page_about_a_dead_miner_comes_back_by_itself() {
    let miner = FakeMiner::start(1);
    let address = miner.address.to_string();
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    drop(miner);
    browser.open(&ui.url);
    browser.await_text("h1", "does not answer");
    let miner = FakeMiner::start_at(&address, 1);
    browser.await_text(".strip", "Nothing waits");
    browser.await_text("#health", "well");
    drop(miner);
    browser.await_text("#lost", "The miner does not answer");
    let miner = FakeMiner::start_at(&address, 1);
    miner.state().extend(data("back again"), now());
    browser.await_text(".mined", "back again");
    let is_told = "return document.getElementById('lost').checkVisibility()";
    assert_eq!(browser.run(is_told, json!([])), json!(false));
}

#[test]
fn without_scripts_one_can_look_and_add() {
    let miner = FakeMiner::start(1);
    miner.state().extend(data("no scripts needed"), now());
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.allow_scripts(false);
    browser.open(&ui.url);
    browser.write("#message", "by hand");
    browser.click(".add button");
    browser.allow_scripts(true);
    assert!(browser.text("#life").contains("on disk"), "{}", browser.text("main"));
    assert_eq!(miner.state().pool[0].message.as_str(), "by hand");
}
