//! The UI in a real browser, about three real miners; and beside a miner, by its flag.

use std::net::TcpStream;

use crate::support::browser::Browser;
use crate::support::miner::eager_miner;
use crate::support::program::Process;
use serde_json::json;
use tempfile::tempdir;

#[test]
fn three_miners_are_seen_at_work_and_a_killed_one_is_named() {
    let folder = tempdir().unwrap();
    let first = eager_miner(&folder, "first", &[]);
    let second = eager_miner(&folder, "second", &[&first]);
    let third = eager_miner(&folder, "third", &[&first, &second]);
    let ui = Process::start(&["ui", "--port", "0", "--miner", &first.address.to_string()]);
    assert!(ui.url.starts_with("http://127.0.0.1:"), "open to this host alone: {}", ui.url);
    let browser = Browser::start();
    let add = |text: &str| {
        browser.write("#message", text);
        browser.click(".add button");
        // The message before it is on disk, too: what is on its way could overtake the next page.
        browser.await_text("#life", text);
        browser.await_text("#life .done", "on disk");
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
    browser.inspect(&ui.url, "chain");

    browser.open(&format!("{}/check", ui.url));
    browser.click("#start");
    browser.await_text("#verdict", "✓ 4 blocks, no fault");
    browser.click("#copy-blocks");
    browser.await_text("#tamper-verdict", "A true copy");
    browser.write(".copy textarea", "!");
    browser.await_text("#tamper-verdict", "Block 1 breaks a rule");
    browser.inspect(&ui.url, "check");

    browser.open(&format!("{}/find?q=hello+browser", ui.url));
    browser.await_text("main", "1 block found in 4 blocks");
    browser.inspect(&ui.url, "find");
    browser.open(&format!("{}/block/3", ui.url));
    browser.await_text("main", "ends with 3 zeros");
    browser.inspect(&ui.url, "block");
    browser.open(&format!("{}/miner", ui.url));
    browser.await_text("main", "All is well");
    browser.await_text("#files", "test.chain");
    browser.await_text("#jobs", "gossip");
    browser.inspect(&ui.url, "miner");

    browser.open(&format!("{}/network", ui.url));
    browser.await_text("#summary", "2 of 2 neighbours on the same head");
    browser.await_text("#events", "new block 3");
    browser.inspect(&ui.url, "network");
    let lost = &third.address.to_string();
    drop(third);
    browser.await_text("#summary", &format!("unreachable: {lost}"));
    browser.await_text("#events", &format!("neighbour {lost} gone: "));
    browser.await_text(".nodes", "unreachable, last answer ");
    browser.await_text(".nodes", "onnection refused");
    let second_page = format!("{}/?at={}", ui.url, second.address);
    browser.open(&second_page);
    browser.await_text(".mined", "Hello from the browser");
    browser.inspect_traffic(&ui.url, "a neighbour's chain");
    drop(first);
    browser.await_text("#lost", "The miner does not answer");
}

#[test]
fn a_reorganisation_is_told_with_its_depth_and_what_went_back() {
    let folder = tempdir().unwrap();
    let (short, long) = (eager_miner(&folder, "short", &[]), eager_miner(&folder, "long", &[]));
    let put = |miner: &Process, path: &str| {
        let answer = crate::support::ui::agent().put(format!("{}{path}", miner.url)).send_empty();
        assert_eq!(answer.unwrap().status(), 200, "{path}");
    };
    let ui = Process::start(&["ui", "--port", "0", "--miner", &short.address.to_string()]);
    let browser = Browser::start();
    let id = "00112233445566778899aabbccddeeff";
    put(&short, &format!("/add?message=lonely&id={id}"));
    browser.open(&format!("{}/data/{id}", ui.url));
    browser.await_text("#life", "mined in block 1");
    for text in ["one", "two", "three"] {
        put(&long, &format!("/add?message={text}"));
    }
    long.tell(&["wait", "--length", "4"]);
    put(&short, &format!("/neighbours?neighbour={}", long.address));
    browser.await_text("#life", "mined in block 4");
    browser.open(&format!("{}/network", ui.url));
    // Into how many steps the way to the longer chain falls is a matter of chance.
    for part in [
        format!("reorganisation to the branch of {}: ", long.address),
        "1 block above block 0 dropped for ".into(),
        format!(". 1 message went back: {}…", &id[..8]),
    ] {
        browser.await_text("#events", &part);
    }
    browser.inspect(&ui.url, "network");
}

#[test]
fn a_miner_serves_the_pages_beside_itself_and_stops_both_in_order() {
    let folder = tempdir().unwrap();
    let chain = folder.path().join("test.chain");
    let flags = ["miner", "start", chain.to_str().unwrap(), "--port", "0", "--difficulty", "1"];
    let mut miner = Process::start(&[&flags[..], &["--ui-port", "0"]].concat());
    let line = miner.line().unwrap();
    let pages = line.strip_prefix("web UI on http://").unwrap_or_else(|| panic!("{line}"));
    assert!(pages.starts_with("127.0.0.1:"), "{pages}");
    let get = |path: &str| {
        let mut answer =
            crate::support::ui::agent().get(format!("http://{pages}{path}")).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for path in ["/", "/block/0", "/find", "/check", "/network", "/miner"] {
        let (status, page) = get(path);
        assert_eq!(status, 200, "{path}: {page}");
        assert!(page.contains(&miner.address.to_string()), "{path} is about another miner: {page}");
    }
    assert!(miner.stop().success());
    for address in [&miner.address.to_string(), pages] {
        assert!(TcpStream::connect(address).is_err(), "{address} still listens");
    }

    let mut without = Process::start(&flags);
    assert!(without.stop().success());
    assert_eq!(without.line(), None, "no web UI unless it is asked for");
}
