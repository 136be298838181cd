//! The UI in a real browser: Debian's Chromium.
//!
//! With `SCREENSHOTS=folder` the pages are also written there as pictures.

mod ui_support;

use std::fs;
use std::path::Path;

use blockchain::api::{
    Event, FileReport, Happening, JobReport, MiningReport, NeighbourDetail, NeighbourState,
    Setting, StatusReport,
};
use blockchain::chain::testing::data;
use blockchain::chain::{Difficulty, Hash};
use serde_json::{Value, json};
use ui_support::TestUi;
use ui_support::browser::Browser;
use ui_support::miner::{FakeMiner, now};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Checks that a page keeps what people with other eyes and hands need; its faults.
const ACCESSIBILITY: &str = include_str!("ui_support/accessibility.js");

/// What people write.
const MESSAGES: [&str; 12] = [
    "Good morning, network!",
    "Ada lent Grace 20 euros.",
    "Grace gave back 20 euros.",
    "The sensor in the garden reads 14.2 °C.",
    "Minutes of the meeting: we will meet again.",
    "Die Mühle mahlt, der Müller schläft.",
    "Il pleut sur la ville.",
    "Backup of the photos done, sha256 9f86d081884c7d65.",
    "If you read this, somebody mined it.",
    "Water the plants on Thursday.",
    "<script>alert('no')</script>",
    "Temperature fell to 9.8 °C, frost is possible.",
];

/// A network with a neighbour of each kind.
struct Town {
    home: FakeMiner,
    others: Vec<FakeMiner>,
}

fn town() -> Town {
    let home = FakeMiner::start(2);
    let start = now() - 90 * MINUTE;
    for n in 0..70 {
        let text = format!("{}{}", MESSAGES[n % MESSAGES.len()], " ".repeat(n / MESSAGES.len()));
        let jitter = u64::from(Hash::of(n.to_string()).as_bytes()[0]);
        let at = start + 70 * n as u64 * SECOND + jitter * SECOND / 2;
        home.state().extend(data(&text), at);
    }
    let others: Vec<_> = (0..4).map(|_| FakeMiner::start(2)).collect();
    others[0].copy(&home, 71);
    others[1].copy(&home, 69);
    others[2].copy(&home, 70);
    others[2].state().extend(data("another branch"), now() - MINUTE);
    others[3].copy(&home, 71);
    for text in ["Who lost a blue glove?", "The train is late again.", "Lunch at noon"] {
        home.state().pool.push(data(text));
    }
    let gone = "127.0.0.1:9".parse().unwrap();
    let mut neighbours: Vec<_> = others[..3].iter().map(|other| other.address.clone()).collect();
    neighbours.push(gone);
    others[0].state().neighbours =
        vec![home.address.clone(), others[1].address.clone(), others[3].address.clone()];
    others[1].state().neighbours = vec![home.address.clone()];
    others[2].state().neighbours = vec![home.address.clone(), others[0].address.clone()];
    let head = home.state().head();
    let detail = |(at, address): (usize, &blockchain::api::Address)| {
        let lost = at == 3;
        NeighbourDetail {
            neighbour: address.clone(),
            state: if lost { NeighbourState::Failing } else { NeighbourState::Ok },
            permanent: true,
            last_answer: Some(now() - if lost { 25 * MINUTE } else { SECOND }),
            failures: if lost { 12 } else { 0 },
            reason: lost.then(|| "connection refused".into()),
            until: None,
            length: (!lost).then_some(71),
            head: (!lost).then_some(if at == 0 { head } else { Hash::of("x") }),
        }
    };
    let details = neighbours.iter().enumerate().map(detail).collect();
    let mut state = home.state();
    state.details = details;
    state.events = Some(events(&neighbours));
    state.status = Some(status());
    state.neighbours = neighbours;
    drop(state);
    Town { home, others }
}

fn events(neighbours: &[blockchain::api::Address]) -> Vec<Event> {
    let block = |index: u64, from: Option<usize>| Happening::Block {
        index,
        hash: Hash::of(index.to_string()),
        id: data("x").id,
        from: from.map(|at| neighbours[at].clone()),
    };
    let what = [
        (41, Happening::NeighbourCame { neighbour: neighbours[0].clone() }),
        (30, block(65, None)),
        (
            25,
            Happening::NeighbourGone {
                neighbour: neighbours[3].clone(),
                reason: "no answer from 127.0.0.1:9: connection refused".into(),
            },
        ),
        (12, block(66, Some(0))),
        (
            9,
            Happening::Reorganisation {
                fork: 64,
                dropped: 2,
                adopted: 3,
                returned: vec![data("a").id, data("b").id],
                returned_count: 2,
                from: Some(neighbours[2].clone()),
            },
        ),
        (5, block(69, None)),
        (1, block(70, Some(1))),
    ];
    what.map(|(minutes, what)| Event { at: now() - minutes * MINUTE, what }).to_vec()
}

fn status() -> StatusReport {
    let now = now();
    let setting = |(name, value): (&str, &str)| Setting { name: name.into(), value: value.into() };
    let file = |(name, kind, bytes, minutes): (&str, &str, u64, u64)| FileReport {
        name: name.into(),
        kind: kind.into(),
        bytes,
        changed: Some(now - minutes * MINUTE),
    };
    let job = |(job, last, took, next): (&str, u64, u64, Option<u64>)| JobReport {
        job: job.into(),
        last_run: Some(now - last * SECOND),
        took: Some(took),
        next_run: next.map(|next| now + next * SECOND),
        error: (job == "gossip").then(|| "no answer from 127.0.0.1:9: connection refused".into()),
    };
    StatusReport {
        now,
        settings: [
            ("host", "127.0.0.1"),
            ("port", "12345"),
            ("difficulty", "2"),
            ("gossip-interval", "20"),
            ("keep-versions", "10"),
        ]
        .map(setting)
        .to_vec(),
        files: [
            ("test.chain", "chain", 25_312, 1),
            ("test.hash", "hash", 77, 1),
            ("test_2026-11-22_07-12-40.chain", "version", 20_120, 42),
            ("test.data", "journal", 512, 1),
            ("miner.log", "log", 88_231, 0),
        ]
        .map(file)
        .to_vec(),
        jobs: [
            ("gossip", 14, 4_200, Some(6)),
            ("sync_chain", 3, 900, Some(7)),
            ("sync_data", 1, 650, Some(4)),
            ("backup", 12, 3_100, Some(18)),
            ("mine", 2, 1_900_000, None),
        ]
        .map(job)
        .to_vec(),
        mining: Some(MiningReport {
            index: 71,
            id: data("Who lost a blue glove?").id,
            difficulty: Difficulty::new(2).unwrap(),
            since: now - 2 * SECOND,
            guesses_per_second: 38_400_000.0,
            expected_seconds: 14.2,
        }),
    }
}

/// Looks at the whole of a page: nothing wider than the window, nothing in the console,
/// nobody asked but us, readable for all.
fn inspect(browser: &Browser, ui: &TestUi, what: &str) {
    let overflow =
        browser.run("return document.documentElement.scrollWidth - innerWidth", json!([]));
    assert!(overflow.as_i64().unwrap() <= 0, "{what} is {overflow} too wide");
    let faults = browser.run(ACCESSIBILITY, json!([]));
    assert_eq!(faults, json!([]), "{what}");
    assert_eq!(browser.console(), Vec::<String>::new(), "{what}");
    for url in browser.requests() {
        assert!(url.starts_with(&ui.url) || url.starts_with("data:"), "{what} asks {url}");
    }
}

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
                inspect(&browser, &ui, &what);
            }
            check_and_tamper(&browser, &ui);
            keep_picture(&browser, &format!("tampered-{device}-{scheme}"));
            inspect(&browser, &ui, "tampered");
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
    browser.await_text("#verdict", "71 blocks, no fault, checked by your browser");
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
    browser.write(".copy:nth-child(2) textarea", "!");
    browser.await_text("#tamper-verdict", "breaks a rule");
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
fn a_message_is_followed_from_the_disc_to_its_confirmations() {
    let miner = FakeMiner::start(1);
    let ui = TestUi::start(&miner.address);
    let browser = Browser::start();
    browser.open(&ui.url);
    browser.write("#message", "Hello from the browser");
    browser.press("\u{e009}");
    browser.click(".add button");
    browser.await_text("#life .done", "on disc");
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
    assert!(browser.text("#life").contains("on disc"), "{}", browser.text("main"));
    assert_eq!(miner.state().pool[0].message.as_str(), "by hand");
}
