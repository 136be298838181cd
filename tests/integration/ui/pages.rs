//! The pages as a browser without scripts gets them.

use crate::support::fake_miner::{FakeMiner, now};
use crate::support::town::town;
use crate::support::ui::{ALLOWED_NAME, TestUi};
use blockchain::api::{Event, Happening, NeighbourDetail, NeighbourState, Setting};
use blockchain::chain::testing::data;
use blockchain::chain::{Data, Hash, Message, Why};

/// Every page that needs no choice of a block.
const PAGES: [&str; 8] =
    ["/", "/find", "/check", "/workbench", "/forks", "/network", "/miner", "/block/1"];

/// All that pages load.
const ASSETS: [&str; 14] = [
    "style.css",
    "icon.svg",
    "app.js",
    "live.js",
    "sha256_four.js",
    "search.js",
    "chance.js",
    "check.js",
    "cheat.js",
    "workbench.js",
    "tools.js",
    "worker.js",
    "rules.js",
    "sha256.js",
];

/// Most bytes of all pages with all that they load.
const BYTES_MAX: usize = 150_000;

/// Most bytes of one page with all that it loads, whatever strangers write.
const PAGE_BYTES_MAX: usize = 150_000;

fn miner(messages: &[&str]) -> FakeMiner {
    let miner = FakeMiner::start(1);
    for text in messages {
        miner.state().extend(data(text), now());
    }
    miner
}

#[test]
fn every_page_is_whole_without_scripts_and_strict() {
    let miner = miner(&["hello", "world"]);
    let ui = TestUi::start(&miner.address);
    for path in PAGES {
        let (status, headers, page) = ui.get(path);
        assert_eq!(status, 200, "{path}: {page}");
        for part in [
            "script-src 'self'",
            "default-src 'none'",
            "frame-ancestors 'none'",
            "nosniff",
            "referrer-policy\": \"same-origin",
        ] {
            assert!(headers.contains(part), "{path}: {headers}");
        }
        assert!(!headers.contains("unsafe"), "{headers}");
        assert!(!ui.get("/assets/app.js").1.contains("unsafe"), "only a worker assembles code");
        assert!(!page.contains(" style=") && !page.contains("<style"), "{path}");
        assert!(page.contains("<main") && page.contains("</html>"), "{path}");
        assert!(!page.contains("src=\"http"), "{path}");
    }
}

#[test]
fn all_pages_with_all_that_they_load_are_light() {
    let town = town();
    for (at, message) in (0..60).map(|at| (at, data(&format!("Message number {at}")))) {
        town.home.state().extend(message, now() - 1_000 * (60 - at));
    }
    town.home.state().reorganise(
        100,
        &(0..40).map(|at| data(&at.to_string())).collect::<Vec<_>>(),
        0,
    );
    let ui = TestUi::start(&town.home.address);
    let assets = ASSETS.map(|name| format!("/assets/{name}"));
    let paths = PAGES.map(str::to_owned).into_iter().chain(assets);
    let more = ["/find?q=message", "/?from=50", "/block/110"].map(str::to_owned);
    let weights: Vec<_> = paths.chain(more).map(|path| (ui.weigh(&path), path)).collect();
    let bytes: usize = weights.iter().map(|(bytes, _)| bytes).sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes in all: {weights:?}");
    let plain = ui.get("/network");
    assert!(!plain.1.contains("content-encoding"), "nobody who can't unpack it gets it packed");
    assert!(ui.weigh("/network") < plain.2.len() / 3);
}

#[test]
fn strangers_text_stays_text() {
    let long = "a".repeat(60_000);
    let quotes = "\"<&'".repeat(15_000);
    let control = "\u{1}".repeat(60_000);
    let texts = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"><svg onload=alert(1)>",
        "left \u{202e}thgir",
        &long,
        &quotes,
        &control,
    ];
    let miner = miner(&texts);
    for text in texts {
        let message = Message::new(&format!("{}!", &text[..text.len().min(60_000)])).unwrap();
        miner.state().pool.push(Data { id: data(text).id, message });
    }
    let ui = TestUi::start(&miner.address);
    let blocks = (1..=texts.len()).map(|index| format!("/block/{index}"));
    for path in ["/".into(), "/find?q=alert".into(), "/network".into()].into_iter().chain(blocks) {
        let (status, _, page) = ui.get(&path);
        assert_eq!(status, 200, "{path}");
        for evil in ["<script>a", "<img src=x", "<svg onload", "\u{202e}", "\u{1}"] {
            assert!(!page.contains(evil), "{evil} in {path}");
        }
        assert!(page.len() < 100_000, "{path}: {}", page.len());
    }
    let (_, _, page) = ui.get("/block/1");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(ui.get("/block/4").2.contains(">U+202E</span>"));
    let (_, headers, whole) = ui.get("/block/5/message");
    assert_eq!((whole.len(), headers.contains("text/plain")), (60_000, true));
    assert!(ui.get("/find?q=%22%3E%3Cscript%3E").2.contains("&quot;&gt;&lt;script&gt;"));
}

#[test]
fn a_message_is_added_by_a_plain_form_and_its_life_can_be_followed() {
    let miner = miner(&["first"]);
    let ui = TestUi::start(&miner.address);
    let id = "00112233445566778899aabbccddeeff";
    let form = [("message", "a\r\nb"), ("id", id)];
    let (status, headers, _) = ui.post("/add", &form, &[]);
    assert_eq!(status, 303);
    // The top of the page, with the strip, is what is seen then.
    let sha256 = Hash::of("a\nb");
    assert!(headers.contains(&format!("\"/?life={id}&sha256={sha256}\"")), "{headers}");
    assert_eq!(ui.post("/add", &form, &[]).0, 303, "sent twice");
    assert_eq!(miner.state().pool.len(), 1, "added once");
    assert_eq!(miner.state().pool[0].message.as_str(), "a\nb");
    let follow = format!("/?life={id}&sha256={sha256}");
    let page = ui.get(&follow).2;
    assert!(!page.contains("http-equiv=\"refresh\""), "no reload under one's typing");
    assert!(page.contains(&format!("<noscript><p><a href=\"/data/{id}\"")), "{page}");
    assert!(page.contains("<span class=\"yours\">yours"), "seen on the strip: {page}");
    assert!(ui.get(&format!("/data/{id}")).2.contains("http-equiv=\"refresh\""));
    miner.state().mine();
    assert!(ui.get(&follow).2.contains("mined in block 2"));
    for text in ["x", "y"] {
        miner.state().extend(data(text), now());
    }
    assert!(ui.get(&follow).2.contains("3 confirmations"));
    let (status, _, page) = ui.post("/add", &[("message", "")], &[]);
    assert!(status == 400 && page.contains("the message is empty"), "{page}");
}

#[test]
fn other_sites_can_neither_add_nor_read() {
    let miner = miner(&[]);
    let ui = TestUi::start(&miner.address);
    for headers in [
        ("Origin", "http://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        assert_eq!(ui.post("/add", &[("message", "x")], &[headers]).0, 400, "{headers:?}");
    }
    let named = [("Host", "evil.example")];
    assert_eq!(ui.post("/add", &[("message", "x")], &named).0, 421);
    // `--allow-host` lets a name in; an empty message is refused by the page.
    assert_eq!(ui.post("/add", &[("message", "")], &[("Host", ALLOWED_NAME)]).0, 400);
    for headers in [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(ui.post("/blocks", &[], &[headers]).0, 400, "{headers:?}");
    }
    assert!(miner.state().pool.is_empty());
}

#[test]
fn only_the_miner_and_its_neighbours_can_be_looked_at() {
    let (home, neighbour, stranger) = (miner(&["a"]), miner(&["a", "b"]), miner(&["c"]));
    home.state().neighbours.push(neighbour.address.clone());
    let ui = TestUi::start(&home.address);
    let at = |path: &str, miner: &FakeMiner| ui.get(&format!("{path}?at={}", miner.address)).0;
    for path in ["/", "/network", "/miner", "/api/chain", "/api/health"] {
        assert_eq!(at(path, &neighbour), 200, "{path}");
        assert_eq!(at(path, &stranger), 404, "{path}");
    }
    let page = ui.get(&format!("/?at={}", neighbour.address)).2;
    assert!(
        page.contains("3 blocks") && page.contains(&format!("/block/2?at={}", neighbour.address))
    );
    let add = [("message", "x"), ("at", &stranger.address.to_string())];
    assert_eq!(ui.post("/add", &add, &[]).0, 404);
    assert!(stranger.state().pool.is_empty(), "nothing is sent to a stranger");
    neighbour.state().neighbours.push(stranger.address.clone());
    assert_eq!(at("/", &stranger), 404, "a neighbour's neighbour is none of ours");
    for path in ["/api/status", "/api/neighbours", "/api/../health", "/api/add?message=x"] {
        assert_eq!(ui.get(path).0, 404, "{path}");
    }
}

#[test]
fn a_dead_miner_gives_a_page_that_says_so() {
    let miner = miner(&[]);
    let address = miner.address.clone();
    let ui = TestUi::start(&address);
    assert_eq!(ui.get("/").0, 200);
    drop(miner);
    for path in ["/", "/network", "/miner", "/check", "/workbench", "/block/0", "/find?q=x"] {
        let (status, headers, page) = ui.get(path);
        assert_eq!(status, 503, "{path}");
        assert!(headers.contains("retry-after"), "{headers}");
        assert!(page.contains("does not answer") && page.contains(&address.to_string()));
        assert!(page.contains("http-equiv=\"refresh\""));
    }
}

#[test]
fn one_box_finds_by_height_hash_id_date_and_words() {
    let miner = FakeMiner::start(1);
    let second = |n: u64| 1_790_000_000_000_000 + n * 1_000_000;
    for n in 1..=600 {
        let text = if n == 7 { "The needle in the hay".into() } else { format!("hay {n}") };
        miner.state().extend(data(&text), second(n));
    }
    let ui = TestUi::start(&miner.address);
    let hash = blockchain::chain::Hash::of(&miner.state().lines[7]);
    let found = |query: &str| {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        ui.get(&format!("/find?q={query}"))
    };
    assert!(found("7").1.contains("\"/block/7\""));
    assert!(found(&data("The needle in the hay").id.to_string()).1.contains("\"/block/7\""));
    assert!(found(&hash.to_string()).1.contains(&format!("\"/block/{hash}\"")));
    for query in ["NEEDLE hay", &hash.to_string()[..8], "needle"] {
        let page = found(query).2;
        assert!(page.contains("1 block") && page.contains("/block/7\""), "{query}: {page}");
    }
    assert!(
        found("2026-09-21 14:13:27").2.contains("/block/7\""),
        "{}",
        found("2026-09-21 14:13:27").2
    );
    assert!(found("2030-01-01").2.contains("No block is as late"));
    assert!(found("nowhere to be found").2.contains("Nothing found in 601 blocks"));
    let page = found("hay").2;
    assert!(page.contains("Go on below block 551"), "{page}");
}

#[test]
fn another_text_in_the_place_of_a_message_is_shouted() {
    let miner = miner(&["first"]);
    let ui = TestUi::start(&miner.address);
    let kept = data("Ada pays Grace 20 euros");
    miner.state().extend(kept.clone(), now());
    let link = |text: &str| format!("/data/{}?sha256={}", kept.id, Hash::of(text));
    let (status, _, page) = ui.get(&link("Ada pays Grace 20 euros"));
    assert!(status == 200 && !page.contains("class=\"alarm\""), "{page}");
    assert!(page.contains("it is the text that was added"), "{page}");
    assert!(!page.contains("not the text"), "{page}");
    let forged = Message::new("Ada pays Grace 2000 euros").unwrap();
    miner.state().lines.truncate(2);
    miner.state().extend(Data { id: kept.id, message: forged }, now());
    for path in [
        link("Ada pays Grace 20 euros"),
        link("Ada pays Grace 20 euros").replace("/data/", "/?life=").replace("?sha", "&sha"),
    ] {
        let page = ui.get(&path).2;
        for part in [
            "Another text stands there",
            "class=\"alarm\" role=\"alert\"",
            "This is not the text that was added",
            "Block 2 holds another text",
            "2000 euros",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("class=\"steps\""), "no ticks beside it: {page}");
    }
}

/// A miner whose block 2 had four confirmations until a longer branch put another text there;
/// the message, and the hash of its dropped block.
fn heist() -> (FakeMiner, Data, Hash) {
    let miner = miner(&["first"]);
    let kept = data("Ada pays Grace 20 euros");
    for data in [kept.clone(), data("a"), data("b"), data("c")] {
        miner.state().extend(data, now());
    }
    let dropped = Hash::of(&miner.state().lines[2]);
    let message = Message::new("Ada pays Grace 2000 euros").unwrap();
    let forged = Data { id: kept.id, message };
    let branch = [forged, data("a"), data("b"), data("c"), data("d")];
    miner.state().reorganise(1, &branch, 0);
    (miner, kept, dropped)
}

#[test]
fn a_rewritten_message_is_shouted_and_its_dropped_original_is_one_click_away() {
    let (miner, kept, dropped) = heist();
    let ui = TestUi::start(&miner.address);
    let original = format!("href=\"/block/{dropped}\"");
    let sha256 = Hash::of(kept.message.as_str());
    for (query, words) in [
        (format!("?sha256={sha256}"), "Another text stands there"),
        (String::new(), "Another text stood under this id before"),
    ] {
        let page = ui.get(&format!("/data/{}{query}", kept.id)).2;
        let alarm = markup_between(&page, "<div class=\"alarm\" role=\"alert\"", "</div>");
        assert!(page.contains(words), "{words}: {page}");
        for part in
            ["block 2 with 4 confirmations until ", "The other branch was longer.", &original]
        {
            assert!(alarm.contains(part), "{part}: {alarm}");
        }
        let history = markup_between(&page, "<ol class=\"history\"", "</ol>");
        assert!(history.contains(&original) && history.contains("dropped "), "{history}");
    }
    let forks = ui.get("/forks").2;
    let branch = markup_between(&forks, "id=\"branches\"", "</section>");
    for part in ["4 blocks above block 1", &original, "The block that won"] {
        assert!(branch.contains(part), "{part}: {branch}");
    }
    let tree = markup_between(&forks, "<svg width", "</svg>");
    let winner = Hash::of(&miner.state().lines[2]);
    for part in [&original, &format!("href=\"/block/{winner}\"")] {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    let chain = ui.get("/").2;
    let strip = markup_between(&chain, "<ol class=\"mined\"", "</section>");
    assert!(strip.contains("4 blocks dropped") && strip.contains(&original), "{strip}");
}

#[test]
fn a_dropped_block_keeps_its_page_and_is_found_by_its_hash() {
    let (miner, kept, dropped) = heist();
    let ui = TestUi::start(&miner.address);
    let (status, _, page) = ui.get(&format!("/block/{dropped}"));
    assert_eq!(status, 200, "{page}");
    for part in [
        "Not in the chain since ",
        "The other branch was longer.",
        "Ada pays Grace 20 euros",
        &format!("href=\"/data/{}?sha256=", kept.id),
        "ends with 1 zero",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("confirmation"), "it has none: {page}");
    let line = &ui.get(&format!("/block/{dropped}/message")).2;
    assert_eq!(line, "Ada pays Grace 20 euros");
    // The one that stands there now names it, by its height and by its hash alike.
    let winner = Hash::of(&miner.state().lines[2]);
    for name in ["2".to_owned(), winner.to_string()] {
        let page = ui.get(&format!("/block/{name}")).2;
        assert!(page.contains("5 confirmations"), "{page}");
        assert!(page.contains(&format!("href=\"/block/{dropped}\"")), "{page}");
    }
    let (status, headers, _) = ui.get(&format!("/find?q={dropped}"));
    assert!(status == 303 && headers.contains(&format!("/block/{dropped}")), "{headers}");
    let page = ui.get(&format!("/find?q={}", &dropped.to_string()[..10])).2;
    assert!(page.contains(&format!("href=\"/block/{dropped}\"")), "{page}");
    assert_eq!(ui.get(&format!("/block/{}", "5".repeat(64))).0, 404);
}

#[test]
fn a_message_that_came_back_tells_where_it_was() {
    let miner = miner(&["first", "second"]);
    let ui = TestUi::start(&miner.address);
    let id = data("second").id;
    let history = || {
        let page = ui.get(&format!("/data/{id}")).2;
        (markup_between(&page, "<ol class=\"history\"", "</ol>").to_owned(), page)
    };
    assert_eq!(history().0, "");
    miner.state().reorganise(1, &[data("other"), data("more")], 1_000);
    let (told, page) = history();
    assert!(told.contains("block 2") && told.ends_with("<li>unprocessed</li>"), "{told}");
    assert!(page.contains("rewrote the block of this message"), "{page}");
    miner.state().mine();
    let (told, page) = history();
    let places: Vec<_> =
        ["block 2", "dropped ", "unprocessed", "block 4"].map(|part| told.find(part)).into();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{told}");
    assert!(!page.contains("class=\"alarm\""), "{page}");
}

#[test]
fn the_pace_is_set_by_a_dial() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let now = || text_between(&ui.get("/miner").2, "<strong id=\"pace-now\"", "</strong>");
    let set = |form: &[(&str, &str)]| ui.post("/pace", form, &[]).0;
    assert!(now().contains("no limit"), "{}", now());
    assert_eq!(set(&[("step", "7")]), 303);
    assert_eq!(town.home.state().pace, Some(100));
    assert!(now().contains("at most 100 guesses a second: a block takes 2.6 s"), "{}", now());
    assert_eq!(set(&[("step", "7"), ("pause", "1")]), 303);
    assert_eq!(town.home.state().pace, Some(0));
    assert!(now().contains("paused") && ui.get("/miner").2.contains(">Resume<"), "{}", now());
    assert_eq!(set(&[("step", "29")]), 303);
    assert_eq!(town.home.state().pace, None);
    for form in [&[("step", "30")][..], &[("step", "x")], &[]] {
        assert_eq!(set(form), 400, "{form:?}");
    }
    let foreign = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(ui.post("/pace", &[("step", "3")], &foreign).0, 400);
    assert_eq!(town.home.state().pace, None);
}

#[test]
fn confirmations_are_told_as_the_chance_of_an_attacker() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let page = ui.get("/block/66").2;
    let told = text_between(&page, "<div class=\"chance\"", "</section>");
    assert!(
        told.contains("30 % of all hash power rewrites these 5 blocks with a chance of 18 %"),
        "{told}"
    );
    assert!(told.contains("blocks come only when somebody adds"), "{told}");
    assert!(!told.contains("--finality-depth"), "{told}");
    let setting = Setting { name: "finality-depth".into(), value: "6".into() };
    town.home.state().status.as_mut().unwrap().settings.push(setting);
    assert!(
        ui.get("/block/66")
            .2
            .contains("refuses to drop a block that is more than <bdi>6</bdi> deep")
    );
}

#[test]
fn the_banner_names_the_branch_that_won_and_why() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let banner = || text_between(&ui.get("/").2, "<div id=\"reorganised\"", "</div>");
    let reorganised = |adopted: u64, minutes: u64| {
        let what = Happening::Reorganisation {
            fork: 64,
            dropped: 2,
            dropped_head: Hash::of("dropped"),
            adopted,
            head: Hash::of("head"),
            why: Why::Longer,
            returned: vec![data("a").id],
            returned_count: 1,
            from: Some(town.others[2].address.clone()),
        };
        town.home.state().events =
            Some(vec![Event { id: 0, at: now() - minutes * 60_000_000, what }]);
        banner()
    };
    let told = reorganised(3, 2);
    for part in [
        &format!("the branch of {} won.", town.others[2].address),
        "It is longer by 1 block.",
        "2 blocks above block 64 dropped; 1 message unprocessed again.",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(reorganised(2, 2).contains("Both were as long, and the hash of its head is lower."));
    assert_eq!(reorganised(3, 16), "", "no news any more");
}

#[test]
fn error_pages_keep_header_chip_and_chosen_miner() {
    let (home, neighbour) = (miner(&["a"]), miner(&["a", "b"]));
    home.state().neighbours.push(neighbour.address.clone());
    let ui = TestUi::start(&home.address);
    let at = neighbour.address.clone();
    let unknown = format!("/data/{}", "5".repeat(32));
    for path in ["/block/9", "/nowhere", "/data/xyz", &unknown] {
        let (status, _, page) = ui.get(&format!("{path}?at={at}"));
        assert!(matches!(status, 400 | 404), "{path}: {status}");
        assert!(page.contains("id=\"health\"") && page.contains("well"), "{path}: {page}");
        assert!(page.contains(&format!("<option value=\"{at}\" selected>")), "{path}: {page}");
        assert!(page.contains(&format!("href=\"/check?at={at}\"")), "{path}: {page}");
    }
    assert_eq!(ui.get(&unknown).0, 404);
    drop(neighbour);
    let (status, _, page) = ui.get(&format!("/check?at={at}"));
    assert!(status == 503 && page.contains("no answer"), "{page}");
    assert!(page.contains(&format!("<option value=\"{at}\" selected>")), "{page}");
    assert!(page.contains(&format!("<option value=\"{}\">", home.address)), "{page}");
    drop(home);
    let (status, _, page) = ui.get(&format!("/check?at={at}"));
    assert!(status == 503 && page.contains("no answer"), "{page}");
    assert!(page.contains(&format!("href=\"/network?at={at}\"")), "{page}");
}

#[test]
fn what_the_events_cover_is_told_as_it_is() {
    let home = miner(&["a"]);
    let event = |n: u64| Event {
        id: 0,
        at: now() - (1_000 - n) * 100_000,
        what: Happening::Block { index: n, hash: Hash::of("x"), id: data("x").id, from: None },
    };
    let ui = TestUi::start(&home.address);
    home.state().events = Some((0..999).map(event).collect());
    assert!(ui.get("/network").2.contains("<h2>The last hour</h2>"));
    home.state().events = Some((0..1_000).map(event).collect());
    assert!(ui.get("/network").2.contains("The last 1,000 events"));
}

#[test]
fn an_axis_of_short_times_has_a_fitting_unit() {
    let miner = FakeMiner::start(1);
    let second = |n: u64| 1_790_000_000_000_000 + n * 14_000;
    for n in 1..=10 {
        miner.state().extend(data(&format!("quick {n}")), second(n));
    }
    let page = TestUi::start(&miner.address).get("/network").2;
    let plot = text_between(&page, "<figure", "</svg>");
    assert!(plot.contains("milliseconds05101520"), "{plot}");
}

#[test]
fn a_block_is_handed_in_through_the_pages_server() {
    let (miner, other) = (miner(&["a"]), miner(&["a"]));
    other.copy(&miner, 2);
    other.state().extend(data("found elsewhere"), now());
    let line = other.state().lines[2].clone();
    let ui = TestUi::start(&miner.address);
    let put = || {
        let mut answer =
            crate::support::ui::agent().post(format!("{}/blocks", ui.url)).send(&line).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    assert_eq!(put().0, 404, "a miner that takes none");
    miner.state().takes_blocks = true;
    let (status, said) = put();
    assert!(status == 200 && said.contains("Blocks taken!"), "{status} {said}");
    assert_eq!(miner.state().lines[2], line);
    assert_eq!(put().0, 409);
}

#[test]
fn the_table_is_paged_by_range() {
    let messages: Vec<_> = (1..=60).map(|n| format!("message {n}")).collect();
    let miner = miner(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    let ui = TestUi::start(&miner.address);
    let page = ui.get("/").2;
    assert!(page.contains("60 to 36") && page.contains("/?from=35#blocks"), "{page}");
    let page = ui.get("/?from=35").2;
    assert!(page.contains("35 to 11") && page.contains("/?from=60#blocks"));
    let page = ui.get("/?from=10").2;
    assert!(page.contains("10 to 0") && !page.contains("rel=\"next\""));
    assert_eq!(ui.get("/?from=99999999").0, 200);
    assert_eq!(ui.get("/block/61").0, 404);
    assert_eq!(ui.get("/block/x").0, 404);
}

/// The part of a page that begins with `begin`, up to `end`; empty if there is none.
fn markup_between<'p>(page: &'p str, begin: &str, end: &str) -> &'p str {
    let part = page.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    part.map_or("", |(part, _)| part)
}

/// The text of the part of a page that begins with `begin`, up to `end`, without its markup.
fn text_between(page: &str, begin: &str, end: &str) -> String {
    let (_, part) = page.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {page}"));
    let part = part.split_once(end).unwrap_or_else(|| panic!("no {end} in {page}")).0;
    let mut text = String::new();
    for piece in part.split('<') {
        text += piece.split_once('>').map_or(piece, |(_, text)| text);
    }
    text
}

#[test]
fn the_strip_tells_how_hard_the_search_is_and_cards_how_the_miner_is() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let page = ui.get("/").2;
    let strip = text_between(&page, "id=\"strip\"", "</section>");
    for part in [
        "next: 71Who lost a blue glove?difficulty 2this miner alone: about 14 s",
        "The train is late again.number 2",
        "Lunch at noonnumber 3now70",
    ] {
        assert!(strip.contains(part), "{part}: {strip}");
    }
    let facts = text_between(&page, "id=\"facts\"", "</dl>");
    for part in ["Length71 blockshead ", "Unprocessed3 messages", "1 of 4 agree", "All is well"] {
        assert!(facts.contains(part), "{part}: {facts}");
    }
    town.home.state().reasons = vec!["the disk is full".into()];
    town.home.state().status = None;
    let page = ui.get("/").2;
    let facts = text_between(&page, "id=\"facts\"", "</dl>");
    assert!(facts.contains("HealthFailingthe disk is full"), "{facts}");
    let strip = text_between(&page, "id=\"strip\"", "</section>");
    assert!(strip.contains("difficulty 2blocks come "), "as the blocks tell: {strip}");
    let page = ui.get("/miner").2;
    let health = text_between(&page, "id=\"health-parts\"", "</section>");
    assert!(health.contains("Something has to be done:the disk is full"), "{health}");
}

#[test]
fn every_field_of_a_block_has_a_sentence_and_its_zeros_are_marked() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let line = town.home.state().lines[70].clone();
    let page = ui.get("/block/70").2;
    let fields = text_between(&page, "<dl class=\"fields\"", "</dl>");
    for sentence in [
        "The height: how many",
        "since 1970",
        "no id with the same text, twice",
        "text that was added",
        "This is the chain",
        "cheap to check",
    ] {
        assert!(fields.contains(sentence), "{sentence}: {fields}");
    }
    assert!(page.contains("1 confirmation: so many blocks") && page.contains("/block/69\""));
    let shown = text_between(&page, "<pre class=\"line\"", "</pre>").replace("&quot;", "\"");
    assert!(shown.ends_with(&line), "{shown}");
    assert!(page.contains(&Hash::of(&line).to_string()));
    assert!(page.contains("<span class=\"zeros\">00</span>"), "{page}");
    let page = ui.get("/block/0").2;
    assert!(page.contains("nobody can change it") && !page.contains("confirmation"), "{page}");
    assert!(page.contains("/block/1\""));
}

#[test]
fn the_drawing_has_a_shape_and_the_table_words_for_each_state() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let page = ui.get("/network").2;
    let row = |address: &str| text_between(&page, &format!("<tr id=\"n-{address}\""), "</tr>");
    let figure = |address: &str| {
        let (_, figure) = page.split_once(&format!("<title>{address}: ")).unwrap();
        figure.split_once("</g>").unwrap().0.to_owned()
    };
    let [same, behind, branch, heard_of] =
        [0, 1, 2, 3].map(|at| town.others[at].address.to_string());
    let shapes = [
        (&same, "same head71", "<circle class=\"node same\"", "70 · "),
        (&behind, "behind69", "<polygon class=\"node behind\"", "68 · "),
        (&branch, "other branch71", "<polygon class=\"node branch\"", "70 · "),
        (&heard_of, &format!("behind, says {same}66"), "<polygon class=\"node behind\"", "65 · "),
        (
            &"127.0.0.1:9".into(),
            "unreachable, last answer 25 min ago",
            "<rect class=\"node unreachable\"",
            "for 25 min",
        ),
        (&"127.0.0.1:10".into(), "not asked", "<circle class=\"node unknown\"", ""),
    ];
    for (address, words, shape, label) in shapes {
        assert!(row(address).contains(words), "{words}: {}", row(address));
        let figure = figure(address);
        assert!(figure.contains(shape) && figure.contains(label), "{shape} {label}: {figure}");
    }
    for address in [&same, &behind, &branch] {
        let miner = town.others.iter().find(|other| other.address.to_string() == *address).unwrap();
        let head = &miner.state().head().to_string()[..6];
        assert!(row(address).contains(head) && figure(address).contains(head), "{address}");
    }
    assert!(row("127.0.0.1:9").contains("connection refused"));
    assert_eq!(page.matches("<line class=\"edge").count(), 8, "who knows whom: {page}");
    let miners = text_between(&page, "<ul class=\"legend\"", "</ul>");
    assert_eq!(miners, "same headbehindaheadother branchunreachablenot asked");
}

#[test]
fn a_line_is_lit_when_a_block_came_by_it_and_a_tie_is_explained() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let [same, branch] = [0, 2].map(|at| &town.others[at]);
    let block = |seconds: u64, index: u64, from: &FakeMiner| Event {
        id: 0,
        at: now() - seconds * 1_000_000,
        what: Happening::Block {
            index,
            hash: Hash::of(index.to_string()),
            id: data("x").id,
            from: Some(from.address.clone()),
        },
    };
    same.state().events = Some(vec![block(300, 69, &town.home), block(2, 70, &town.home)]);
    let page = ui.get("/network").2;
    let lit: Vec<_> = page.split("<line class=\"spark\"").skip(1).collect();
    assert_eq!(lit.len(), 1, "of two blocks, one came in the last ten seconds: {page}");
    let id = format!("id=\"s-{}-{}\"", &Hash::of("70").to_string()[..6], same.address);
    assert!(lit[0].contains(&id) && lit[0].contains("<title>block 70 from "), "{}", lit[0]);
    let row = text_between(&page, &format!("<tr id=\"n-{}\"", same.address), "</tr>");
    let said = format!("events2 s ago: new block 70 from {}", town.home.address);
    assert!(row.contains(&said), "{row}");
    assert!(page.contains(&format!("<a href=\"#n-{}\">", same.address)), "the miner leads there");

    let (ours, theirs) = (town.home.state().head(), branch.state().head());
    let winner = if ours < theirs { &town.home } else { branch };
    let told = text_between(&page, "id=\"tie\"", "</p>");
    let lower = &ours.min(theirs).to_string()[..10];
    assert!(told.contains(&format!("{lower}… is lower than")), "{told}");
    assert!(told.contains(&format!("the branch of {} wins", winner.address)), "{told}");
}

#[test]
fn nobody_but_a_neighbour_is_asked_for_the_drawing() {
    let (home, neighbour, stranger) = (miner(&["a"]), miner(&["a"]), miner(&["a"]));
    home.state().neighbours.push(neighbour.address.clone());
    neighbour.state().neighbours.push(stranger.address.clone());
    let ui = TestUi::start(&home.address);
    let asked = stranger.state().asked;
    let page = ui.get("/network").2;
    assert!(page.contains(&stranger.address.to_string()), "it is drawn");
    assert_eq!(stranger.state().asked, asked);
    assert!(neighbour.state().asked > 0);
}

#[test]
fn what_is_told_of_a_miner_beyond_the_neighbours_is_weighed() {
    let long = miner(&["a", "b", "c", "d"]);
    let (home, neighbour) = (miner(&[]), miner(&[]));
    home.copy(&long, 3);
    neighbour.copy(&long, 5);
    home.state().neighbours.push(neighbour.address.clone());
    let beyond: blockchain::api::Address = "127.0.0.1:11".parse().unwrap();
    neighbour.state().neighbours.push(beyond.clone());
    let ui = TestUi::start(&home.address);
    let seen = |length: u64, head: Hash, state: NeighbourState| {
        neighbour.state().details = vec![NeighbourDetail {
            neighbour: beyond.clone(),
            state,
            permanent: false,
            last_answer: Some(now() - 180_000_000),
            failures: 0,
            reason: Some("no <b>route</b>".into()),
            until: None,
            length: Some(length),
            head: Some(head),
        }];
        text_between(&ui.get("/network").2, &format!("<tr id=\"n-{beyond}\""), "</tr>")
    };
    let hash = |height: usize| Hash::of(&long.state().lines[height]);
    let stray = Hash::of("another block");
    let says = format!(", says {}", neighbour.address);
    for (length, head, words) in [
        (3, hash(2), "same head"),
        (2, hash(1), "behind"),
        (5, hash(4), "ahead"),
        (2, stray, "other branch"),
        (3, stray, "other branch"),
        (9, stray, "not asked"),
    ] {
        let row = seen(length, head, NeighbourState::Ok);
        assert!(row.contains(&format!("{words}{says}")), "{length} {words}: {row}");
    }
    let row = seen(5, hash(4), NeighbourState::Failing);
    assert!(row.contains("unreachable") && row.contains("last answer 3 min ago"), "{row}");
    assert!(row.contains("no &lt;b&gt;route"), "{row}");
}

#[test]
fn the_last_hour_is_told_event_by_event() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    let page = ui.get("/network").2;
    let told = text_between(&page, "<ol class=\"events\"", "</ol>");
    let [same, behind, branch] = [0, 1, 2].map(|at| &town.others[at].address);
    let first_digits = |text: &str| data(text).id.to_string()[..8].to_owned();
    for part in [
        format!("new block 70 from {behind}"),
        "new block 69, mined or handed in here".into(),
        format!(
            "reorganisation to the branch of {branch}: 2 blocks above block 64 dropped for 3. \
             It is longer by 1 block. "
        ),
        format!("2 messages went back: {}… {}…", first_digits("a"), first_digits("b")),
        "neighbour 127.0.0.1:9 gone: no answer from 127.0.0.1:9: connection refused".into(),
        format!("neighbour {same} came"),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    assert!(page.contains(&format!("\"/data/{}\"", data("a").id)), "a way to each of them");
}

#[test]
fn many_blocks_leave_room_for_what_is_rare() {
    let home = miner(&["a"]);
    let block = |index: u64| Event {
        id: 0,
        at: now() - (1_000 - index) * 3_000_000,
        what: Happening::Block { index, hash: Hash::of("x"), id: data("x").id, from: None },
    };
    let came = Event {
        id: 0,
        at: now() - 3_000_000_000,
        what: Happening::NeighbourCame { neighbour: home.address.clone() },
    };
    let events = (1..500).map(block).chain([came]).chain((500..=999).map(block));
    home.state().events = Some(events.collect());
    let page = TestUi::start(&home.address).get("/network").2;
    let told = text_between(&page, "<ol class=\"events\"", "</ol>");
    for part in [
        "new block 999",
        "new block 988",
        "new blocks 500 to 987, the first 25 min ago",
        "came",
        "new blocks 1 to 499",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn plots_have_axes_units_and_a_summary() {
    let town = town();
    let page = TestUi::start(&town.home.address).get("/network").2;
    let plots = page.split_once("id=\"plots\"").unwrap().1;
    let (times, nonces) = plots.split_once("</figure>").unwrap();
    for (plot, unit, title) in
        [(times, "seconds", "Time between blocks"), (nonces, "guesses", "Nonces found")]
    {
        let text = text_between(plot, "<figure", "</svg>");
        assert!(text.contains(title) && text.contains(unit), "{text}");
        assert!(text.contains("block 11block 70"), "where the axis begins and ends: {text}");
        assert_eq!(plot.matches("class=\"grid\"").count(), 5, "{plot}");
        assert!(plot.contains("aria-label=\"60 blocks, lowest "), "{plot}");
    }
    assert!(nonces.contains("average 256"), "16 to the power of the difficulty");
}

#[test]
fn the_miner_page_tells_settings_files_and_jobs() {
    let town = town();
    let page = TestUi::start(&town.home.address).get("/miner").2;
    for (part, begin, expected) in [
        ("settings", "id=\"settings\"", &["--difficulty2", "--gossip-interval20 s"][..]),
        ("files", "id=\"files\"", &["test.chainthe chain, one block a line25.3 KB", "miner.log"]),
        ("jobs", "id=\"jobs\"", &["sync_chain3 s agotook 900 µsin ", "on demand"]),
    ] {
        let text = text_between(&page, begin, "</section>");
        for words in expected {
            assert!(text.contains(words), "{part}: {words}: {text}");
        }
    }
}

#[test]
fn the_worst_that_strangers_can_write_stays_light() {
    let miner = FakeMiner::start(1);
    let text = "\"".repeat(10_000);
    for n in 0..60 {
        miner.state().extend(data(&format!("{text}{n}")), now());
    }
    for n in 0..20 {
        miner.state().pool.push(data(&format!("{text} {n}")));
    }
    let address = |n: usize| -> blockchain::api::Address {
        format!("{}{n}.example:1", "a".repeat(200)).parse().unwrap()
    };
    let reason = "\"".repeat(500);
    let event = |n: usize| Event {
        id: 0,
        at: now(),
        what: match n % 2 {
            0 => Happening::NeighbourGone { neighbour: address(n), reason: reason.clone() },
            _ => Happening::Reorganisation {
                fork: 1,
                dropped: 1,
                dropped_head: Hash::of("dropped"),
                adopted: 2,
                head: Hash::of("head"),
                why: Why::Longer,
                returned: vec![data("x").id; 20],
                returned_count: 20,
                from: Some(address(n)),
            },
        },
    };
    miner.state().events = Some((0..1_000).map(event).collect());
    let lost = |n: usize| NeighbourDetail {
        neighbour: address(n),
        state: NeighbourState::Failing,
        permanent: false,
        last_answer: Some(now()),
        failures: 1,
        reason: Some(reason.clone()),
        until: None,
        length: Some(61),
        head: Some(Hash::of("x")),
    };
    let neighbour = FakeMiner::start(1);
    for (miner, all) in [(&miner, 0..15), (&neighbour, 100..200)] {
        miner.state().details = all.clone().map(lost).collect();
        miner.state().neighbours = all.map(address).collect();
    }
    miner.state().neighbours.push(neighbour.address.clone());
    miner.state().reasons = vec![reason.clone(); 3];
    let ui = TestUi::start(&miner.address);
    let shared: usize = ["style.css", "app.js", "live.js", "chance.js", "icon.svg"]
        .map(|name| ui.weigh(&format!("/assets/{name}")))
        .iter()
        .sum();
    let life = format!("/?life={}", data(&format!("{text}7")).id);
    for path in ["/", &life, "/block/1", "/find?q=%22%22", "/network", "/miner"] {
        let (status, _, page) = ui.get(path);
        assert!(status == 200 && page.contains("&quot;&quot;"), "{path}: {status} {page}");
        let (wire, plain) = (ui.weigh(path), page.len());
        assert!(
            plain < PAGE_BYTES_MAX && wire + shared < PAGE_BYTES_MAX / 2,
            "{path}: {plain} {wire}"
        );
    }
    let network = ui.get("/network").2;
    assert!(network.contains("20 messages went back:") && network.contains(" and 15 more"));
}

#[test]
fn a_miner_with_mad_numbers_ends_no_page() {
    let town = town();
    let ui = TestUi::start(&town.home.address);
    for lie in [0, 1, u64::MAX] {
        let mut state = town.home.state();
        state.lie = Some(lie);
        let status = state.status.as_mut().unwrap();
        status.files.iter_mut().for_each(|file| (file.bytes, file.changed) = (lie, Some(lie)));
        status.jobs.iter_mut().for_each(|job| (job.last_run, job.took) = (Some(lie), Some(lie)));
        status.jobs.iter_mut().for_each(|job| job.next_run = Some(lie));
        status.mining.as_mut().unwrap().since = lie;
        state.events.as_mut().unwrap().iter_mut().for_each(|event| event.at = lie);
        state.details.iter_mut().for_each(|detail| detail.last_answer = Some(lie));
        drop(state);
        let paths =
            ["/", "/?from=3", "/block/70", "/block/71", "/block/999999", "/check", "/miner"];
        let finds =
            ["/find?q=euros", "/find?q=euros&below=999999999", "/find?q=2030-01-01", "/network"];
        for path in paths.into_iter().chain(finds) {
            let (status, _, page) = ui.get(path);
            assert!([200, 303, 404].contains(&status), "{lie} {path}: {status} {page}");
        }
    }
}
