//! The pages of a class in a real browser, beside real miners: every experiment is done.
//!
//! With `SCREENSHOTS=folder` the pages are also written there as pictures.

use std::fs;
use std::path::Path;

use crate::support::browser::{Browser, decode_base64};
use crate::support::free_ports::free_ports;
use crate::support::program::Process;
use serde_json::json;
use tempfile::{TempDir, tempdir};

/// A class of miners that find a block in half a second, and the folder of their files.
fn class(miners: &str) -> (Process, TempDir) {
    class_with(miners, &[])
}

fn class_with(miners: &str, more: &[&str]) -> (Process, TempDir) {
    let folder = tempdir().unwrap();
    let first = free_ports().to_string();
    let mut flags = vec!["lab", miners, "--port", "0", "--block-time", "0.5"];
    flags.extend(["--first-port", &first, "--dir", folder.path().to_str().unwrap()]);
    flags.extend(more);
    (Process::start(&flags), folder)
}

fn keep_picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("SCREENSHOTS") else { return };
    fs::create_dir_all(&folder).unwrap();
    let png = decode_base64(&browser.picture());
    fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
}

/// Gives orders to the class, as a button does.
fn order(browser: &Browser, lines: &str) {
    let script = "const done = arguments[1];
        fetch('/orders', { method: 'POST', body: arguments[0] }).then((answer) => answer.text()).then(done)";
    let answer = browser.run_async(script, json!([lines]));
    assert!(answer.as_str().unwrap().contains("\"error\":null"), "{lines}: {answer}");
}

struct Page<'a>(&'a Browser);

impl Page<'_> {
    /// Presses the button of an experiment with these words.
    fn press(&self, words: &str) {
        let script = "[...document.querySelectorAll('[data-orders]')].find((button) => button.textContent === arguments[0]).click()";
        self.0.run(script, json!([words]));
    }

    /// Waits until so many tasks are ticked.
    fn done(&self, tasks: usize) {
        let script = "return document.querySelectorAll('.tasks .done').length >= arguments[0]";
        self.0.await_script(script, json!([tasks]));
    }

    /// Waits until all of it is done, and says what was to be learned.
    fn learned(&self) {
        self.0.await_script("return !document.getElementById('learned').hidden", json!([]));
    }
}

#[test]
fn every_experiment_ticks_itself() {
    let (mut lab, _folder) = class("5");
    let browser = Browser::start();
    let open = |name: &str| {
        browser.open(&format!("{}/learn/{name}", lab.url));
        browser.await_script(
            "return document.getElementById('experiment').dataset.watches !== undefined",
            json!([]),
        );
        Page(&browser)
    };
    let page = open("add");
    browser.write("#text", "hello, class");
    browser.click("#add button");
    page.learned();

    let page = open("find");
    page.press("Give them work");
    page.done(1);
    page.press("Turn the first dial up");
    page.learned();

    let page = open("nonce");
    page.press("Let the miners rest");
    page.done(1);
    let worker = "const done = arguments[0];
        fetch('/workbench').then((answer) => answer.text()).then((text) => done(text.includes('bench-height')))";
    assert_eq!(browser.run_async(worker, json!([])), json!(true));
    // A block that was found elsewhere; the workbench's own search is tried in ui::browser.
    order(&browser, "limit Ada none");
    page.learned();

    let page = open("luck");
    page.press("Add eight messages");
    page.learned();

    let page = open("tamper");
    page.press("Hand in a forged block");
    page.learned();

    let page = open("partition");
    page.press("Cut it in two");
    page.done(2);
    page.press("Mend it");
    page.learned();

    let page = open("tie");
    // What came back when the halves met is pending still: one half alone would mine it.
    page.done(1);
    page.press("Cut it in two, a message each");
    page.done(2);
    page.press("Mend it");
    page.learned();

    for (name, tasks) in [("heist", 2), ("finality", 2)] {
        let page = open(name);
        let (button, command) = match name {
            "finality" => ("Let the first be stubborn", "mining pause"),
            _ => ("Reset the class", "# reset"),
        };
        page.press(button);
        browser.await_text("#commands", command);
        order(&browser, &format!("add \"{name} 1\"\nadd \"{name} 2\"\nadd \"{name} three\""));
        let held = "return [...document.querySelectorAll('#height option')].some((it) => it.textContent.endsWith(arguments[0]))";
        browser.await_script(held, json!([format!("{name} three")]));
        let settled = "return document.getElementById('experiment').dataset.watches === 'idle'";
        browser.await_script(settled, json!([]));
        let third = "const select = document.getElementById('height'); select.selectedIndex = Math.min(2, select.options.length - 1)";
        browser.run(third, json!([]));
        browser.click("#heist button");
        page.done(tasks);
        page.press("Mend it");
        page.learned();
    }

    let page = open("race");
    browser.click("#race button");
    page.learned();

    let page = open("gossip");
    page.press("Start it");
    page.learned();

    let page = open("eclipse");
    page.press("Cut it in two");
    page.done(1);
    page.press("Start the newcomer among the liars");
    page.done(2);
    page.press("Let it know an honest one");
    page.learned();

    let page = open("signatures");
    page.press("Reset the class");
    browser.click("#signatures .primary");
    page.done(1);
    browser.click("#wrong");
    page.learned();
    browser.inspect_traffic(&lab.url, "the experiments");

    browser.open(&format!("{}/learn", lab.url));
    let ticked = "return [...document.querySelectorAll('.tick')].filter((tick) => tick.textContent === '✓').length";
    assert_eq!(browser.run(ticked, json!([])), json!(13));
    keep_picture(&browser, "learn-done");
    assert!(lab.stop().success());
}

#[test]
fn the_pages_of_a_class_read_well_on_projector_laptop_and_phone() {
    let (mut lab, _folder) = class("5");
    let browser = Browser::start();
    browser.open(&format!("{}/wall", lab.url));
    order(&browser, "add \"one\"\nadd \"two\"\nadd \"three\"\nadd \"four\"");
    browser.await_text("#told", "agree on 5 blocks");
    order(
        &browser,
        "split Ada Ben | Cleo Dan Eva\nadd \"left\" to Ada\nadd \"right\" to Dan\nadd \"right again\" to Dan",
    );
    browser.await_text("#told", "2 heads: 3 at block 6");
    order(&browser, "pause Eva\nkill Ben");
    browser.await_text("#members", "paused");
    let devices =
        [("projector", 1920, 1080, 1.0), ("laptop", 1280, 720, 1.0), ("phone", 375, 812, 2.0)];
    for (device, width, height, dots) in devices {
        for scheme in ["light", "dark"] {
            browser.become_device(width, height, dots, scheme);
            for (name, path) in [
                ("wall", "/wall"),
                ("learn", "/learn"),
                ("heist", "/learn/heist"),
                ("signatures", "/learn/signatures"),
            ] {
                browser.open(&format!("{}{path}", lab.url));
                if name == "wall" {
                    browser.await_text("#score", "Ada");
                }
                let what = format!("{name}-{device}-{scheme}");
                keep_picture(&browser, &what);
                browser.inspect(&lab.url, &what);
            }
        }
    }
    assert!(lab.stop().success());
}

#[test]
fn a_block_of_the_workbench_counts_for_the_name_of_its_finder() {
    let (mut lab, _folder) = class_with("2", &["--difficulty", "3"]);
    let browser = Browser::start();
    browser.open(&format!("{}/workbench", lab.url));
    order(&browser, "limit Ada 0\nlimit Ben 0");
    let name = "<b>Mia of the second row & co";
    browser.write("#by", name);
    browser.await_script("return !document.getElementById('spin').disabled", json!([]));
    browser.click("#spin");
    let found = "return !document.getElementById('give').disabled";
    browser.await_script(found, json!([]));
    browser.click("#give");
    browser.await_text("#bench-verdict", "is yours");
    browser.open(&format!("{}/wall", lab.url));
    // Cut at twenty characters, and text in any case.
    browser.await_text("#score", "<b>Mia of the second, by browser");
    assert!(lab.stop().success());
}

#[test]
fn the_scissors_cut_and_say_by_which_command() {
    let (mut lab, _folder) = class("3");
    let browser = Browser::start();
    browser.open(&format!("{}/wall", lab.url));
    browser.await_text("#members", "Cleo");
    browser.await_script("return document.querySelector('.hit') !== null", json!([]));
    browser.run(
        "document.querySelector('.hit').dispatchEvent(new MouseEvent('click', { bubbles: true }))",
        json!([]),
    );
    browser
        .await_script("return document.querySelectorAll('.link-line.cut').length === 1", json!([]));
    browser.await_text("#commands", "blockchain ban 127.0.0.1:");
    browser.click("#mend-all");
    browser
        .await_script("return document.querySelectorAll('.link-line.cut').length === 0", json!([]));
    browser.await_text("#commands", "blockchain neighbours add");
    browser.click("#members tr:nth-child(2) input");
    browser.click("#split");
    browser
        .await_script("return document.querySelectorAll('.link-line.cut').length === 2", json!([]));
    browser.click("#members tr:nth-child(2) [data-order=kill]");
    browser.await_text("#members", "dead");
    browser.await_text("#commands", "kill -9 ");
    browser.click("#members tr:nth-child(2) [data-order=start]");
    browser.await_text("#commands", "blockchain miner start ");
    browser.click("#reset");
    browser
        .await_script("return document.querySelectorAll('.link-line.cut').length === 0", json!([]));
    let late = "const select = document.querySelector('#members tr:nth-child(3) [data-delay]');
        select.value = '0.3'; select.dispatchEvent(new Event('change'))";
    browser.run(late, json!([]));
    browser.await_text("#commands", "do sleep 0.3; kill -CONT ");
    browser.click("#newcomer");
    browser.await_text("#score", "Dan");
    browser.click("#many");
    let is_there = "return Boolean(document.querySelector('#travels button'))";
    browser.await_script(is_there, json!([]));
    assert!(lab.stop().success());
}
