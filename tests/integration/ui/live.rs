//! Pages follow what happens at real miners, without asking again and again.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::browser::Browser;
use crate::support::fake_miner::FakeMiner;
use crate::support::miner::eager_miner;
use crate::support::program::Process;
use crate::support::ui::{TestUi, agent};
use blockchain::chain::testing::data;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// A silent miner is given up after ten seconds.
const PROMPT: Duration = Duration::from_secs(8);

/// Number of requests that the page has made, once it makes no more for half a second.
const ASKED: &str = "
    const count = () => performance.getEntriesByType('resource').length;
    const settle = (before) => setTimeout(() => (count() === before ? arguments[0](before) : settle(count())), 500);
    settle(count())";

/// A real miner, and a UI for it.
fn one() -> (TempDir, Process, Process) {
    let folder = tempdir().unwrap();
    let miner = eager_miner(&folder, "one", &[]);
    let ui = Process::start(&["ui", "--port", "0", "--miner", &miner.address.to_string()]);
    (folder, miner, ui)
}

fn blocks(miner: &Process) -> Vec<Value> {
    let answer = agent().get(format!("{}/events", miner.url)).call().unwrap();
    let mut page: Value = answer.into_body().read_json().unwrap();
    let Value::Array(events) = page["events"].take() else { panic!("{page}") };
    events.into_iter().filter(|event| event["event"] == "block").collect()
}

#[test]
fn a_page_hears_of_each_block_and_asks_for_nothing_in_between() {
    let (_folder, miner, ui) = one();
    let browser = Browser::start();
    browser.open(&ui.url);
    for height in 1..=5 {
        miner.tell(&["add", &format!("message {height}"), "--wait"]);
        browser.await_text("#news", &format!("Block {height} is the head; 0 messages"));
        let card = "return document.querySelector('.mined li:first-child .height').textContent";
        assert!(browser.run(card, json!([])).as_str().unwrap().starts_with(&height.to_string()));
    }
    let asked = browser.run_async(ASKED, json!([]));
    // Longer than pages once let pass until they asked again.
    browser.run_async("setTimeout(arguments[0], 2500)", json!([]));
    assert_eq!(browser.run_async(ASKED, json!([])), asked);
}

#[test]
fn news_neither_scroll_nor_take_focus_or_what_was_typed() {
    let (_folder, miner, ui) = one();
    let browser = Browser::start();
    browser.become_device(800, 500, 1.0, "light");
    for height in 1..=30 {
        miner.tell(&["add", &format!("message {height}"), "--wait"]);
    }
    browser.open(&ui.url);
    browser.write("#message", "half a thou");
    let place = "
        document.querySelector('#strip .mined').scrollLeft = 300;
        document.getElementById('message').setSelectionRange(2, 4);
        document.getElementById('message').scrollIntoView({ block: 'center' });
        return places()";
    let places = "window.places = () => {
        const box = document.getElementById('message'), known = document.querySelector(`a[href='/block/25']`);
        return [Math.round(box.getBoundingClientRect().top), Math.round(known.getBoundingClientRect().left),
            box.value, box.selectionStart, box.selectionEnd, document.activeElement.id];
    }";
    browser.run(places, json!([]));
    let before = browser.run(place, json!([]));
    assert_eq!(before[5], "message");
    miner.tell(&["add", "and another", "--wait"]);
    browser.await_text("#news", "Block 31 is the head; 0 messages");
    assert_eq!(browser.run("return places()", json!([])), before);
    browser.open(&format!("{}/workbench", ui.url));
    browser.await_script("return !document.getElementById('nonce').disabled", json!([]));
    browser.run("document.getElementById('bench-message').value = ''", json!([]));
    browser.write("#bench-message", "my own");
    miner.tell(&["add", "of somebody else", "--wait"]);
    browser.await_text("#bench-height", "33");
    let typed =
        "return [document.getElementById('bench-message').value, document.activeElement.id]";
    assert_eq!(browser.run(typed, json!([])), json!(["my own", "bench-message"]));
}

#[test]
fn a_hidden_tab_asks_for_nothing_until_it_is_looked_at_again() {
    let (_folder, miner, ui) = one();
    let browser = Browser::start();
    for (path, news) in [("/", "#news"), ("/workbench", "#bench-height")] {
        browser.open(&format!("{}{path}", ui.url));
        let height = blocks(&miner).len() as u64 + 1;
        browser.await_script("return performance.getEntriesByType('resource').some(({ name }) => name.includes('/news'))", json!([]));
        let show = "
            Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });
            document.dispatchEvent(new Event('visibilitychange'))";
        browser.run(show, json!([true]));
        let count =
            "setTimeout(() => arguments[0](performance.getEntriesByType('resource').length), 300)";
        let before = browser.run_async(count, json!([]));
        miner.tell(&["add", &format!("message {height}"), "--wait"]);
        assert_eq!(browser.run_async(ASKED, json!([])), before, "{path}");
        browser.run(show, json!([false]));
        let shown = if path == "/" { format!("Block {height} ") } else { (height + 1).to_string() };
        browser.await_text(news, &shown);
    }
}

/// Asks for a path, and leaves the answer.
fn ask(url: &str, path: &str) -> TcpStream {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn many_pages_that_wait_take_no_worker_and_hear_of_the_next_block() {
    let (_folder, miner, ui) = one();
    let known = answer(ask(&ui.url, "/news?after=0"));
    let mark = body(&known).to_owned();
    assert!(known.starts_with("HTTP/1.1 200") && mark != "0", "{known}");
    let waiting: Vec<_> = (0..200).map(|_| ask(&ui.url, &format!("/news?after={mark}"))).collect();
    for path in ["/", "/network", "/miner", "/health"] {
        assert!(answer(ask(&ui.url, path)).starts_with("HTTP/1.1 200"), "{path}");
    }
    miner.tell(&["add", "a message", "--wait"]);
    for stream in waiting {
        let heard = answer(stream);
        assert!(heard.starts_with("HTTP/1.1 200") && body(&heard) != mark, "{heard}");
    }
    let stranger = answer(ask(&ui.url, "/news?after=0&at=127.0.0.1:9"));
    assert!(stranger.starts_with("HTTP/1.1 404"), "nobody else is followed: {stranger}");
}

#[test]
fn the_news_of_a_network_are_those_of_its_miners_and_a_death_is_news() {
    let folder = tempdir().unwrap();
    let home = eager_miner(&folder, "home", &[]);
    let neighbour = eager_miner(&folder, "neighbour", &[&home]);
    home.tell(&["neighbours", "add", &neighbour.address.to_string()]);
    let ui = Process::start(&["ui", "--port", "0", "--miner", &home.address.to_string()]);
    assert!(answer(ask(&ui.url, "/network")).starts_with("HTTP/1.1 200"));
    let next = |mark: u64, of: &str| {
        body(&answer(ask(&ui.url, &format!("/news?after={mark}{of}")))).parse::<u64>().unwrap()
    };
    let until = |mut mark: u64, of: &str, is_it: &dyn Fn(u64) -> bool| {
        while !is_it(mark) {
            mark = next(mark, of);
        }
        mark
    };
    let [alone, all] = ["", "&of=network"];
    let of_home = next(0, alone);
    let both = until(0, all, &|mark| mark > of_home / 2 * 3);
    drop(neighbour);
    until(both, all, &|mark| mark < of_home / 2 * 3);
    drop(home);
    until(of_home, alone, &|mark| mark == 0);
}

/// A miner that takes connections and says nothing; it tells of each.
fn silent() -> (String, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heard, calls) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if heard.send(stream).is_err() {
                return;
            }
        }
    });
    (address, calls)
}

#[test]
fn pages_about_a_silent_miner_leave_workers_for_all_others() {
    let home = FakeMiner::start(1);
    home.state().extend(data("a"), 1);
    let (address, calls) = silent();
    home.state().neighbours.push(address.parse().unwrap());
    let ui = TestUi::start(&home.address);
    let slow: Vec<_> = (0..40).map(|_| ask(&ui.url, &format!("/?at={address}"))).collect();
    let kept: Vec<_> = calls.iter().take(4).collect();
    let asked = Instant::now();
    for path in ["/assets/style.css", "/assets/none", "/news?after=1", "/", "/block/1"] {
        let status = if path == "/assets/none" { "404" } else { "200" };
        assert!(answer(ask(&ui.url, path)).starts_with(&format!("HTTP/1.1 {status}")), "{path}");
    }
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
    drop(kept);
    drop(calls);
    for stream in slow {
        assert!(answer(stream).starts_with("HTTP/1.1 503"));
    }
}
