//! The UI in a real browser: Debian's Chromium.
//!
//! With `SCREENSHOTS=folder` the pages are also written there as pictures.

use std::fs;
use std::path::Path;

use crate::support::browser::{Browser, decode_base64};
use crate::support::fake_miner::{FakeMiner, now};
use crate::support::town::town;
use crate::support::ui::TestUi;
use blockchain::api::{Event, Happening};
use blockchain::chain::testing::data;
use blockchain::chain::{Data, Hash, Message, Why};
use serde_json::{Value, json};

/// What has the focus, of how many elements that should get it; and what is wrong with that.
const FOCUS: &str = include_str!("focus.js");

/// The key Tab, as WebDriver spells it.
const TAB: &str = "\u{e004}";

fn keep_picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("SCREENSHOTS") else { return };
    fs::create_dir_all(&folder).unwrap();
    let png = decode_base64(&browser.picture());
    fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
}

#[test]
fn every_page_reads_well_in_light_and_dark_on_phone_and_desk() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let browser = Browser::start();
    let life = format!("/?life={}", data("Lunch at noon").id);
    let kept = blockchain::chain::Block::read(&town.home.state().lines[66], 66).unwrap();
    let alarm = format!("/data/{}?sha256={}", kept.data.id, Hash::of("another text"));
    let heist = heist();
    let robbed = TestUi::start(&heist.0.address);
    let rewritten = format!("/data/{}?sha256={}", heist.1.id, Hash::of(heist.1.message.as_str()));
    let dropped = format!("/block/{}", heist.2);
    let pages = [
        ("chain", "/"),
        ("life", &life),
        ("block", "/block/69"),
        ("genesis", "/block/0"),
        ("find", "/find"),
        ("found", "/find?q=euros"),
        ("check", "/check"),
        ("workbench", "/workbench"),
        ("alarm", &alarm),
        ("network", "/network"),
        ("miner", "/miner"),
    ];
    let robbed_pages = [
        ("heist-chain", "/"),
        ("heist-forks", "/forks"),
        ("heist-message", &rewritten),
        ("heist-block", &dropped),
    ];
    // The last is the desk at 200 % zoom.
    let devices = [("desk", 1280, 900, 1.0), ("phone", 375, 812, 2.0), ("zoomed", 640, 450, 2.0)];
    for (device, width, height, dots) in devices {
        for scheme in ["light", "dark"] {
            browser.become_device(width, height, dots, scheme);
            let of = |ui, (name, path)| (ui, name, path);
            let pages = pages.map(|page| of(&ui, page)).into_iter();
            for (ui, name, path) in pages.chain(robbed_pages.map(|page| of(&robbed, page))) {
                browser.leave();
                browser.open(&format!("{}{path}", ui.url));
                let what = format!("{name}-{device}-{scheme}");
                keep_picture(&browser, &what);
                browser.inspect(&ui.url, &what);
            }
            browser.leave();
            check_and_tamper(&browser, &ui);
            keep_picture(&browser, &format!("tampered-{device}-{scheme}"));
            browser.inspect(&ui.url, "tampered");
        }
    }
    browser.open(&format!("{}/block/999", ui.url));
    keep_picture(&browser, "missing-zoomed-dark");
    drop(town.home);
    assert_eq!(town.others.len(), 4);
    browser.open(&ui.url);
    browser.await_text("h1", "does not answer");
    keep_picture(&browser, "dead-zoomed-dark");
}

/// A miner with branches that were dropped; a message that one of them held, and its block's hash.
fn heist() -> (FakeMiner, Data, Hash) {
    let miner = FakeMiner::start(1);
    for text in ["one", "two", "three", "four"] {
        miner.state().extend(data(text), now());
    }
    let kept = data("Ada pays Grace 20 euros");
    for data in [kept.clone(), data("five"), data("six"), data("seven")] {
        miner.state().extend(data, now());
    }
    let dropped = Hash::of(&miner.state().lines[5]);
    let message = Message::new("Ada pays Grace 2000 euros").unwrap();
    let forged = Data { id: kept.id, message };
    let branch = [forged, data("five"), data("six"), data("seven"), data("eight")];
    miner.state().reorganise(4, &branch, 0);
    miner.state().reorganise(8, &[data("eight, a bit later")], 0);
    miner.state().extend(data("nine"), now());
    (miner, kept, dropped)
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
        let pages =
            ["/", "/block/69", "/find?q=euros", "/check", "/workbench", "/network", "/miner"];
        for path in pages {
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
    let heads = "return [...document.querySelectorAll('.copy')].map((copy) => copy.querySelectorAll('.torn').length)";
    assert_eq!(browser.run(heads, json!([])), json!([0, 0, 0, 0, 0, 0]), "every link is mended");
    browser.await_text("#tamper-verdict", "Both are at block 70.");
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
    browser.run("document.querySelector('[data-worker]').dataset.difficulty = 40", json!([]));
    browser.click("#copy-blocks");
    browser.await_text("#copies .state", "work");
    browser.click(".copy button");
    browser.await_text(".copy .hint", "years on average");
    browser.click(".copy button:nth-of-type(2)");
    browser.await_text(".copy .hint", "Stopped.");
    // A fresh copy ends a search, too: nothing of it stays behind.
    browser.click(".copy button");
    browser.await_text(".copy .hint", "years on average");
    browser.run("document.querySelector('.copy').dataset.old = ''", json!([]));
    browser.click("#copy-blocks");
    browser.await_script("return document.querySelector('.copy[data-old]') === null", json!([]));
    browser.await_text(".copy .state", "work");
    browser.click(".copy button");
    browser.await_text(".copy .hint", "years on average");
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
    // A message is its id and its text: the same id with another text is no repeat.
    let mut again = data("message 3");
    again.message = blockchain::chain::Message::new("another text").unwrap();
    miner.state().extend(again, now());
    verdict("✓ 1,202 blocks, no fault");
    miner.state().extend(data("message 3"), now());
    verdict("Block 1,202 breaks a rule: data: found");
    miner.state().lines.truncate(1_201);
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
        let script = "const [task, done] = arguments;
            const tools = performance.getEntriesByType('resource').find(({ name }) => name.includes('/tools.js')).name;
            import(tools).then(({ answerOf }) => answerOf(task)).then(done, (error) => done({ error: error.message }))";
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
        assert_eq!(found, json!({"done": true, "nonce": nonce, "lanes": 4}));
    }
    // The nonce lies across words and blocks, and grows by a digit.
    for length in (50..66).chain(112..120) {
        let prefix = "x".repeat(length);
        let fits = |nonce: &u64| Hash::of(format!("{prefix}{nonce}")).to_string().ends_with("000");
        let nonce = (0..).find(fits).unwrap();
        let found = answer(json!({"task": "search", "prefix": prefix, "zeros": 3}));
        assert_eq!(found["nonce"], json!(nonce), "{length} bytes");
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
    assert_eq!(browser.text("#health .word"), "no answer");
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
    browser.await_text(".strip", "Nothing is unprocessed");
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

/// Lets a range have a value, as one who moves it.
fn slide(browser: &Browser, selector: &str, value: u32) {
    let script = "const slider = document.querySelector(arguments[0]);
        slider.value = arguments[1];
        slider.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.run(script, json!([selector, value]));
}

#[test]
fn the_verdict_of_a_cheat_comes_from_the_live_head() {
    let miner = FakeMiner::start(1);
    for text in ["a", "b", "c"] {
        miner.state().extend(data(text), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/check", ui.url));
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
    browser.write(".copy:nth-child(3) textarea", "!");
    browser.await_text("#tamper-verdict", "Your valid chain ends at block 2; the network's at 3.");
    let torn = "return [...document.querySelectorAll('.copy')].map((copy) => copy.querySelectorAll('.torn').length)";
    assert_eq!(browser.run(torn, json!([])), json!([0, 0, 0]), "nothing stands on the head");
    browser.click(".copy:nth-child(3) button");
    browser.await_text("#tamper-verdict", "Both are at block 3.");
    let told = browser.text("#tamper-verdict");
    let head = miner.state().head().to_string();
    let own = told.split_once("(yours ").unwrap().1[..6].to_owned();
    let wins = own.as_str() < &head[..6];
    assert!(told.contains(if wins { "so you would win" } else { "so you would lose" }), "{told}");

    for text in ["d", "e"] {
        miner.state().extend(data(text), now());
    }
    let told = "The network is at block 5, you at 3: 2 blocks behind and falling back.";
    browser.await_text("#tamper-verdict", told);
    browser.await_text("#lane-network", "5");
    browser.await_text("#lane-mine", "3");
    let disabled = "return document.getElementById('hand-in').disabled";
    assert_eq!(browser.run(disabled, json!([])), json!(true));
    for height in [4, 5, 6] {
        browser.click("#mine-on-top");
        browser.await_text(&format!(".copy:nth-child({height}) .hint"), "Found after");
    }
    browser.await_text("#tamper-verdict", "You would win: the network is at block 5, you at 6");
    keep_picture(&browser, "cheat-wins");
    browser.inspect(&ui.url, "a cheat that wins");
    browser.click("#hand-in");
    browser.await_text("#handed-in", "takes no blocks from elsewhere yet");
    miner.state().takes_blocks = true;
    browser.await_script("return !document.getElementById('hand-in').disabled", json!([]));
    browser.click("#hand-in");
    browser.await_text("#handed-in", "The network took your branch.");
    assert_eq!(miner.state().lines.len(), 7);
    let third = miner.state().lines[3].clone();
    assert!(third.contains("\"message\":\"c!\""), "{third}");
}

#[test]
fn every_field_of_a_copy_can_be_changed_and_links_tear() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let browser = Browser::start();
    browser.open(&format!("{}/check", ui.url));
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
    browser.run(
        "document.querySelectorAll('.copy details').forEach((more) => more.open = true)",
        json!([]),
    );
    for (field, text, rule) in [
        ("nonce", "0", "work"),
        ("seal", "0", "line"),
        ("data.id", "0", "line"),
        ("timestamp", "0", "timestamp"),
        ("index", "0", "index"),
        ("previous_hash", "0", "line"),
        ("index", "x", "line"),
    ] {
        let selector = format!(".copy:nth-child(3) [aria-label^='{field} ']");
        browser.write(&selector, text);
        let rule_of = "return document.querySelector('.copy:nth-child(3)').dataset.rule";
        assert_eq!(browser.run(rule_of, json!([])), json!(rule), "{field}");
        let torn = "return document.querySelector('.copy:nth-child(4) .torn') !== null";
        assert_eq!(browser.run(torn, json!([])), json!(true), "{field} tears the link after it");
        browser.click("#copy-blocks");
        browser.await_text("#tamper-verdict", "A true copy");
        browser.run(
            "document.querySelectorAll('.copy details').forEach((more) => more.open = true)",
            json!([]),
        );
    }
    browser.inspect(&ui.url, "all fields");
}

#[test]
fn the_chance_of_an_attacker_follows_the_slider() {
    let miner = FakeMiner::start(1);
    for n in 0..6 {
        miner.state().extend(data(&n.to_string()), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.allow_scripts(false);
    let url = format!("{}/block/2", ui.url);
    browser.open(&url);
    browser.allow_scripts(true);
    assert_eq!(browser.text(".chance output"), "18 %", "told without scripts, too");
    browser.open(&url);
    browser.await_script(
        "return document.querySelector('.chance label').checkVisibility()",
        json!([]),
    );
    for (share, chance) in
        [(30, "18 %"), (10, "0.091 %"), (1, "less than one in a million"), (50, "100 %")]
    {
        slide(&browser, ".chance input", share);
        assert_eq!(browser.text(".chance output"), chance, "{share} %");
        assert_eq!(browser.text(".chance .share"), format!("{share} %"));
    }
    // On a page that is kept up to date the choice stays, and the chance follows the chain.
    browser.open(&format!("{}/data/{}", ui.url, data("5").id));
    browser.await_text("#life", "1 confirmation");
    slide(&browser, ".chance input", 10);
    assert_eq!(browser.text(".chance output"), "20 %");
    miner.state().extend(data("6"), now());
    browser.await_text("#life", "2 confirmations");
    assert_eq!(browser.text(".chance output"), "5.1 %");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn dropped_blocks_leave_visibly_and_the_banner_says_why() {
    let miner = FakeMiner::start(1);
    for text in ["kept", "to be dropped"] {
        miner.state().extend(data(text), now());
    }
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    for motion in ["no-preference", "reduce"] {
        browser.prefer("prefers-reduced-motion", motion);
        browser.open(&ui.url);
        browser.run(
            "window.fell = [];
            new MutationObserver((changes) => {
                for (const { addedNodes } of changes) for (const node of addedNodes) if (node.classList?.contains('dropped')) fell.push(node.dataset.height);
            }).observe(document.getElementById('strip'), { childList: true })",
            json!([]),
        );
        let what = Happening::Reorganisation {
            fork: 1,
            dropped: 1,
            dropped_head: Hash::of("dropped"),
            adopted: 1,
            head: Hash::of("head"),
            why: Why::Longer,
            returned: Vec::new(),
            returned_count: 0,
            from: None,
        };
        let mut state = miner.state();
        state.lines.truncate(2);
        state.extend(data(motion), now());
        state.events = Some(vec![Event { id: 0, at: now(), what }]);
        drop(state);
        browser.await_text(".mined", motion);
        browser.await_text("#reorganised", "the hash of its head is lower");
        assert_eq!(browser.run("return fell", json!([])), json!(["2"]), "{motion}");
        keep_picture(&browser, &format!("reorganised-{motion}"));
        browser.await_script("return document.querySelector('.dropped') === null", json!([]));
    }
    browser.inspect(&ui.url, "reorganised");
    // One that only leaves by the end of the strip does not fall.
    for n in 0..14 {
        miner.state().extend(data(&format!("more {n}")), now());
    }
    browser.await_text(".mined", "more 13");
    assert_eq!(browser.run("return fell", json!([])), json!(["2"]));
}

#[test]
fn a_rewritten_message_leads_to_its_dropped_original_and_what_is_folded_stays_so() {
    let (miner, kept, dropped) = heist();
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!(
        "{}/data/{}?sha256={}",
        ui.url,
        kept.id,
        Hash::of(kept.message.as_str())
    ));
    browser.await_text(".alarm", "This is not the text that was added");
    browser.click(".alarm a");
    browser.await_text("main", "Not in the chain since");
    browser.await_text(".message", "Ada pays Grace 20 euros");
    let here = browser.run("return location.pathname", json!([]));
    assert_eq!(here, json!(format!("/block/{dropped}")));
    browser.open(&ui.url);
    let is_open = "return document.querySelector('.hanging.row-0').open";
    assert_eq!(browser.run(is_open, json!([])), json!(true));
    browser.click(".hanging.row-0 summary");
    miner.state().extend(data("ten"), now());
    browser.await_text(".mined", "ten");
    assert_eq!(browser.run(is_open, json!([])), json!(false), "it stays folded");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn the_dial_tells_its_pace_as_it_is_turned() {
    let miner = town().home;
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/miner", ui.url));
    slide(&browser, "#pace input[type=range]", 4);
    assert_eq!(
        browser.text("#pace output"),
        "at most 10 guesses a second: a block takes 25 s on average"
    );
    browser.click("#pace .primary");
    browser.await_text("#pace-now", "at most 10 guesses a second");
    assert_eq!(miner.state().pace, Some(10));
    browser.click("#pace [name=pause]");
    browser.await_text("#pace-now", "paused");
    assert_eq!(miner.state().pace, Some(0));
}

#[test]
fn a_miner_in_the_drawing_leads_to_its_events_which_stay_open() {
    let town = town();
    let from = town.home.address.clone();
    let what =
        Happening::Block { index: 70, hash: Hash::of("x"), id: data("x").id, from: Some(from) };
    town.others[0].state().events = Some(vec![Event { id: 0, at: now(), what }]);
    let ui = TestUi::start(&town.home.address);
    let browser = Browser::start();
    browser.open(&format!("{}/network", ui.url));
    browser.await_script("return document.querySelectorAll('.spark').length === 1", json!([]));
    keep_picture(&browser, "network-lit");
    let focus = "document.querySelector(`.map a[href='#n-${arguments[0]}']`).focus()";
    browser.run(focus, json!([town.others[0].address.to_string()]));
    browser.press("\u{e007}");
    browser.await_text(".nodes details[open]", "new block 70");
    // The page is asked for again meanwhile.
    let before = browser.text("#events");
    town.home.state().events.as_mut().unwrap().clear();
    browser.await_text("#events", "Nothing happened.");
    assert_ne!(before, browser.text("#events"));
    browser.await_text(".nodes details[open]", "new block 70");
    let line = "document.querySelector(`.map a[href^='#l-']`).focus()";
    browser.run(line, json!([]));
    browser.press("\u{e007}");
    browser.await_text(".lines li:target details[open]", "says: new block 70");
    keep_picture(&browser, "network-line");
    browser.inspect(&ui.url, "network with what miners say");
}

#[test]
fn a_text_and_its_hash_are_seen_as_one_types() {
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&format!("{}/workbench", ui.url));
    let text = "Ada lent Grace 20 euros.";
    browser.await_text("#text-hash", &Hash::of(text).to_string());
    browser.write("#text", "!");
    let changed = format!("{text}!");
    assert_eq!(browser.text("#text-hash"), Hash::of(&changed).to_string());
    let (one, other) = (Hash::of(text), Hash::of(&changed));
    let pairs = one.as_bytes().iter().zip(other.as_bytes());
    let bits: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(browser.text("#bits-told"), format!("{bits} bits of 256 changed."));
    let lit = "return document.querySelectorAll('#bits .lit').length";
    assert_eq!(browser.run(lit, json!([])), json!(bits));
    let told = |zeros: u32| {
        slide(&browser, "#zeros", zeros);
        browser.text("#what-if-told")
    };
    assert!(told(3).contains("about 4,096 guesses"), "{}", told(3));
    assert!(told(3).contains("256 times the work"), "{}", told(3));
}

#[test]
fn a_nonce_found_by_hand_makes_the_next_block() {
    let miner = FakeMiner::start(2);
    miner.state().extend(data("first"), now());
    miner.state().pool.push(data("waits"));
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.become_device(375, 812, 2.0, "dark");
    browser.open(&format!("{}/workbench", ui.url));
    browser.await_script(
        "return document.getElementById('bench-message').value === 'waits'",
        json!([]),
    );
    // By keyboard alone: the nonce is one further, and the guess is counted.
    browser.run("document.getElementById('more').focus()", json!([]));
    browser.press("\u{e007}");
    browser.await_text("#bench-guesses", "1 so far, about 256 are expected");
    browser.write("#nonce", "7");
    browser.await_text("#bench-guesses", "2 so far");
    // A block from elsewhere: all begins anew.
    miner.state().extend(data("faster"), now());
    browser.await_text("#bench-verdict", "Block 2 came from elsewhere.");
    browser.await_text("#bench-height", "3");
    browser.await_text("#bench-guesses", "0 so far");
    browser.click("#spin");
    browser.await_text("#bench-verdict", "This nonce fits");
    let work = browser.text("#bench-work");
    assert!(work.ends_with("00"), "{work}");
    assert_eq!(browser.text("#bench-work .zeros").replace('0', ""), "");
    keep_picture(&browser, "workbench-fits-phone-dark");
    browser.inspect(&ui.url, "a nonce that fits");
    browser.click("#give");
    browser.await_text("#bench-verdict", "takes no blocks from elsewhere yet");
    miner.state().takes_blocks = true;
    browser.click("#less");
    browser.click("#more");
    browser.await_text("#bench-verdict", "This nonce fits");
    browser.click("#give");
    browser.await_text("#bench-verdict", "block 3 is yours");
    assert!(miner.state().lines[3].contains("\"message\":\"waits\""));
    assert!(miner.state().pool.is_empty());
    browser.click("#anew");
    browser.await_text("#bench-source", "No message is unprocessed: write one of your own.");
    browser.await_text("#bench-height", "4");
    assert_eq!(browser.console().iter().filter(|line| !line.contains("404")).count(), 0);
}
