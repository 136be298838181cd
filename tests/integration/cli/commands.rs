//! The command line as a user meets it: the real program, its output and its exit codes.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::miner::Miner;
use crate::support::program::{program, root, run};
use blockchain::api::client::MinerClient;
use serde_json::Value;
use tempfile::tempdir;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_message_is_added_mined_and_shown() {
    let miner = Miner::start();
    let added = miner.run(&["add", "hello, world", "--wait"]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    assert!(added.stdout.contains("Message added!"), "{}", added.stdout);
    assert!(added.stdout.contains("mined in block 1, 1 confirmation"), "{}", added.stdout);
    let chain = miner.run(&["get", "chain"]);
    assert_eq!(chain.stdout.lines().count(), 3, "{}", chain.stdout);
    assert!(chain.stdout.lines().next_back().unwrap().ends_with("  hello, world"));
    let block = miner.run(&["get", "block", "1"]);
    assert!(block.stdout.contains("\nmessage         hello, world\n"), "{}", block.stdout);
    assert_eq!(miner.run(&["get", "health"]).code, Some(0));
}

#[test]
fn json_is_one_document_and_keeps_the_canonical_lines() {
    let miner = Miner::start();
    let added = json(&miner.run(&["add", "ä\u{1b}\n", "--wait", "--json"]).stdout);
    assert_eq!(added["state"], "mined");
    let chain = miner.run(&["get", "chain", "--json"]);
    let document = json(&chain.stdout);
    assert_eq!(document["length"], 2);
    assert_eq!(document["chain"][1]["data"], added["data"]);
    let block = miner.run(&["get", "block", "1", "--json"]).stdout;
    let line = chain.stdout.split_once("},{").unwrap().1;
    let line = format!("{{\"block\":{{{},", line.rsplit_once("],").unwrap().0);
    assert!(block.starts_with(&line), "{block} {line}");
    assert_eq!(json(&block)["in_chain"], true);
    assert_eq!(json(&miner.run(&["get", "data", "--json"]).stdout)["length"], 0);
    assert_eq!(json(&miner.run(&["get", "neighbours", "--json"]).stdout)["length"], 0);
    assert_eq!(json(&miner.run(&["get", "health", "--json"]).stdout)["length"], 2);
    assert_eq!(json(&miner.run(&["wait", "--idle", "--json"]).stdout)["length"], 2);
}

#[test]
fn what_a_stranger_wrote_cannot_imitate_a_line_or_colour_a_terminal() {
    let miner = Miner::start();
    miner.run(&[
        "add",
        "x\n    7  2026-01-01 00:00:00  aaaaaaaaaaaa  forged\u{1b}[31m\u{9b}",
        "--wait",
    ]);
    for arguments in [&["get", "chain"][..], &["get", "block", "1"]] {
        let text = miner.run(arguments).stdout;
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
        assert!(text.lines().all(|line| !line.contains("forged") || line.contains(r"x\n    7")));
    }
}

#[test]
fn a_repeat_with_the_same_id_adds_nothing_twice() {
    let miner = Miner::start();
    let id = "0123456789abcdef0123456789abcdef";
    for _ in 0..2 {
        assert_eq!(miner.run(&["add", "once", "--wait", "--id", id]).code, Some(0));
    }
    assert_eq!(json(&miner.run(&["get", "health", "--json"]).stdout)["length"], 2);
    let other = miner.run(&["add", "other", "--id", id]);
    assert_eq!((other.code, other.stderr.lines().count()), (Some(5), 1), "{}", other.stderr);
}

#[test]
fn stdin_gives_a_message_that_is_too_long_for_a_command_line() {
    let miner = Miner::start();
    let message = "ü".repeat(30_000);
    let mut add = program()
        .args(["add", "-", "--wait", "--port", &miner.port()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    add.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    assert!(add.wait().unwrap().success());
    let block = json(&miner.run(&["get", "block", "1", "--json"]).stdout);
    assert_eq!(block["block"]["data"]["message"], message);
}

#[test]
fn parts_of_a_chain_can_be_shown() {
    let miner = Miner::start();
    for message in ["a", "b", "c", "d"] {
        miner.run(&["add", message]);
    }
    miner.run(&["wait", "--length", "5"]);
    let heights = |arguments: &[&str]| {
        let text = miner.run(&[&["get", "chain"], arguments].concat()).stdout;
        let heights = text.lines().skip(1).map(|line| line.split_whitespace().next().unwrap());
        heights.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(heights(&[]), "0 1 2 3 4");
    assert_eq!(heights(&["--last", "2"]), "3 4");
    assert_eq!(heights(&["--last", "99"]), "0 1 2 3 4");
    assert_eq!(heights(&["--from", "1", "--limit", "2"]), "1 2");
    assert_eq!(heights(&["--from", "9"]), "");
}

#[test]
fn neighbours_come_and_go() {
    let miner = Miner::start();
    assert_eq!(miner.run(&["neighbours", "add", "LOCALHOST:9"]).code, Some(0));
    assert!(miner.run(&["get", "neighbours"]).stdout.contains("localhost:9 "));
    assert_eq!(miner.run(&["neighbours", "delete", "localhost:9"]).code, Some(0));
    let again = miner.run(&["neighbours", "delete", "localhost:9"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("is not a neighbour of"), "{}", again.stderr);
}

#[test]
fn a_client_waits_for_an_event_as_long_as_it_said() {
    // It gave up after ten seconds without a byte, so that `watch` on a quiet network said again
    // and again that the miner does not answer.
    const WAIT: u64 = 11;
    let miner = Miner::start();
    let address = miner.address.to_string().parse().unwrap();
    let client = MinerClient::http(None);
    let last = client.events_after(&address, 0, 0).unwrap().last;
    let quiet = client.events_after(&address, last, WAIT).unwrap();
    assert_eq!((quiet.length, quiet.last), (0, last));
}

#[test]
fn watch_prints_a_line_for_each_new_block() {
    let miner = Miner::start();
    let mut watch = program()
        .args(["watch", "--json", "--interval", "0.05", "--port", &miner.port()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut watching = String::new();
    BufReader::new(watch.stderr.take().unwrap()).read_line(&mut watching).unwrap();
    assert!(watching.contains("from block 0 on"), "{watching}");
    miner.run(&["add", "new"]);
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let events = lines.map(|line| json(&line.unwrap()));
    let block = events.into_iter().find(|event| event["event"] == "block").unwrap();
    assert_eq!((&block["index"], &block["block"]["data"]["message"]), (&1.into(), &"new".into()));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_miner_that_is_not_there_is_one_line_that_says_what_to_do() {
    for arguments in [&["get", "chain"][..], &["get", "health", "--json"], &["add", "x"]] {
        let done = run(&[arguments, &["--port", "9"]].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        assert!(done.stderr.contains("blockchain miner start CHAIN_PATH --port 9"));
    }
    let done = run(&["wait", "--port", "9", "--timeout", "0.2"]);
    assert_eq!(done.code, Some(4));
    assert!(done.stderr.contains("gave up after 0.2 s"), "{}", done.stderr);
}

#[test]
fn an_address_that_is_not_to_be_had_is_told_with_what_to_do() {
    let miner = Miner::start();
    let folder = tempdir().unwrap();
    let chain = folder.path().join("x.chain");
    let start = ["miner", "start", chain.to_str().unwrap()];
    for command in [&start[..], &["ui"]] {
        for (flags, expected) in [
            (
                ["--host", "127.0.0.1", "--port", miner.port().as_str()],
                "something else answers there",
            ),
            // An address that is for documentation, and nobody's.
            (["--host", "192.0.2.1", "--port", "0"], "an address of this host"),
        ] {
            let done = run(&[command, &flags].concat());
            let last = done.stderr.lines().next_back().unwrap_or_default();
            assert!(done.code == Some(1) && last.contains(expected), "{}", done.stderr);
        }
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &["nonsense"][..],
        &["get"],
        &["get", "block", "-1"],
        &["add"],
        &["miner", "start"],
        &["miner", "start", "x.chain", "--difficulty", "65"],
        &["miner", "start", "x.chain", "--gossip-interval", "0"],
        &["miner", "start", "x.chain", "--neighbours", "a:b"],
        &["get", "chain", "--port", "0"],
        &["get", "chain", "--host", "a:1"],
        &["add", "x", "--timeout", "3"],
        &["add", "x", "--wiat"],
        &["add", "--version"],
        &["add", "--lines", "x", "--id-prefix"],
        &["get", "health", "--miner", "a:1", "--port", "3"],
        &["miner", "start", "x.chain", "--max-neighbours", "0"],
        &["benchmark", "--threads", "2000"],
        &["mining", "limit", "-5"],
        &["verify", ""],
        &["miner", "start", ""],
        // An unset variable in a script: the copy came to lie in the folder one stood in.
        &["backup", "x.chain", ""],
    ] {
        let done = run(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn flags_have_underscores_and_environment_variables() {
    let check = |command: &mut Command, expected: &str| {
        let done = crate::support::program::Done::from(command.output().unwrap());
        assert_eq!(done.code, Some(2));
        assert!(done.stderr.contains(expected), "{}", done.stderr);
    };
    let start = || {
        let mut command = program();
        command.args(["miner", "start", "x.chain"]);
        command
    };
    check(start().args(["--force_new_chain", "--keep_versions", "x"]), "--keep-versions");
    check(start().env("BLOCKCHAIN_BACKUP_INTERVAL", "0"), "BLOCKCHAIN_BACKUP_INTERVAL");
    // A miner's own port, whatever miner other commands ask: containers set both.
    let asked = ("BLOCKCHAIN_MINER", "127.0.0.1:9");
    check(start().envs([asked, ("BLOCKCHAIN_PORT", "x")]), "BLOCKCHAIN_PORT");
    let port = crate::support::program::Done::from(
        program().args(["get", "health"]).env("BLOCKCHAIN_PORT", "9").output().unwrap(),
    );
    assert!(port.stderr.contains("127.0.0.1:9"), "{}", port.stderr);
}

/// One variable for all commands made those fail that it says nothing to, and an empty one
/// was taken for a value.
#[test]
fn variables_that_say_nothing_to_a_command_do_not_stop_it() {
    let miner = Miner::start();
    let with = |variable: &str, value: &str, arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).env("BLOCKCHAIN_PORT", miner.port()).env(variable, value);
        let done = crate::support::program::Done::from(command.output().unwrap());
        assert_eq!(done.code, Some(0), "{variable}={value}: {}", done.stderr);
    };
    with("BLOCKCHAIN_TIMEOUT", "30", &["add", "x"]);
    with("BLOCKCHAIN_CONFIRMATIONS", "9", &["wait", "--length", "2"]);
    for variable in ["HOST", "TIMEOUT", "LENGTH", "AGREE_WITH", "IDLE"] {
        with(&format!("BLOCKCHAIN_{variable}"), "", &["wait"]);
    }
}

fn with_variables(variables: &[(&str, &str)], arguments: &[&str]) -> crate::support::program::Done {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    command.output().unwrap().into()
}

/// `BLOCKCHAIN_PORT` was also the port of the pages of `ui`, variables conflicted with
/// flags, and an error about a variable named the flag.
#[test]
fn a_flag_beats_a_variable_and_an_error_names_the_variable() {
    let miner = Miner::start();
    let ours = miner.address.to_string();
    let works = |variables: &[(&str, &str)], arguments: &[&str]| {
        let done = with_variables(variables, arguments);
        assert_eq!(done.code, Some(0), "{variables:?} {arguments:?}: {}", done.stderr);
    };
    let health = ["get", "health"];
    works(&[("BLOCKCHAIN_MINER", &ours)], &health);
    works(&[("BLOCKCHAIN_MINER", &ours), ("BLOCKCHAIN_PORT", "9")], &health);
    works(&[("BLOCKCHAIN_MINER", "127.0.0.1:9")], &[&health[..], &["-m", &ours]].concat());
    works(&[("BLOCKCHAIN_PORT", "9")], &[&health[..], &["--miner", &ours]].concat());
    let own = miner.port();
    let port = [&health[..], &["--port", &own]].concat();
    works(&[("BLOCKCHAIN_MINER", "127.0.0.1:9")], &port);
    works(&[("BLOCKCHAIN_MINER", "nonsense:x")], &[&health[..], &["-m", &ours]].concat());
    // What Kubernetes sets beside a Service called "blockchain".
    let link =
        [("BLOCKCHAIN_PORT", "tcp://10.0.0.1:80"), ("BLOCKCHAIN_UI_PORT", "tcp://10.0.0.1:8")];
    works(&link, &port);
    let ui = with_variables(&[("BLOCKCHAIN_UI_PORT", &miner.port())], &["ui"]);
    assert!(ui.stderr.contains(&ours), "{}", ui.stderr);
    for (variable, value, arguments) in [
        ("BLOCKCHAIN_PORT", "x", &["get", "health"][..]),
        ("BLOCKCHAIN_MINER", "a:b", &["add", "x"]),
        ("BLOCKCHAIN_DIFFICULTY", "65", &["miner", "start", "/dev/null/x.chain"]),
        ("BLOCKCHAIN_UI_PORT", "x", &["ui"]),
    ] {
        let done = with_variables(&[(variable, value)], arguments);
        assert_eq!(done.code, Some(2), "{variable}: {}", done.stderr);
        assert!(done.stderr.contains(variable), "{}", done.stderr);
    }
    let forced =
        with_variables(&[("BLOCKCHAIN_FORCE_NEW_CHAIN", "1")], &["miner", "start", "--help"]);
    assert!(!forced.stdout.contains("BLOCKCHAIN_FORCE_NEW_CHAIN"));
    assert!(forced.stdout.contains("BLOCKCHAIN_DIFFICULTY"));
}

/// `--help` to a full disk was exit code 0.
#[test]
fn what_cannot_be_printed_is_an_error() {
    for arguments in [&["--help"][..], &["--version"], &["completions", "bash"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let done = program().args(arguments).stdout(full).output().unwrap();
        let done = crate::support::program::Done::from(done);
        assert_eq!(done.code, Some(1), "{arguments:?}");
        assert!(done.stderr.contains("cannot write to stdout"), "{}", done.stderr);
    }
}

/// It was exit code 1.
#[test]
fn wrong_usage_that_cannot_be_told_is_wrong_usage() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = program().args(["add", "--wiat"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// It said "cannot write to stdout" alone, so that one would have added the message again.
#[test]
fn an_added_message_that_cannot_be_told_of_is_called_added() {
    let miner = Miner::start();
    for format in [&[][..], &["--json"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut add = program();
        add.args(["add", "x", "--port", &miner.port()]).args(format).stdout(full);
        let done = crate::support::program::Done::from(add.output().unwrap());
        assert!(done.stderr.contains("the message was added, id "), "{}", done.stderr);
        assert_eq!(done.code, Some(1));
    }
}

#[test]
fn the_version_names_commit_and_target() {
    let version = run(&["--version"]).stdout;
    assert!(version.starts_with(concat!("blockchain ", env!("CARGO_PKG_VERSION"), " (commit ")));
    assert!(version.trim_end().ends_with(')') && version.contains("linux"), "{version}");
}

#[test]
fn quiet_prints_nothing_and_the_exit_code_tells() {
    let miner = Miner::start();
    for arguments in [&["add", "x", "-q", "--wait"][..], &["get", "health", "--quiet"]] {
        let done = miner.run(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{}", done.stderr);
    }
    let absent = miner.run(&["get", "message", &"0".repeat(31).replace('0', "1"), "-q"]);
    assert_eq!(absent.code, Some(2), "31 digits are no id");
    let absent = miner.run(&["get", "message", &"1".repeat(32), "-q"]);
    assert_eq!(absent.code, Some(1), "{}", absent.stderr);
}

#[test]
fn messages_states_and_events_are_shown() {
    let miner = Miner::start();
    let added = json(&miner.run(&["add", "hello", "--wait", "--json"]).stdout);
    let id = added["data"]["id"].as_str().unwrap();
    let message = miner.run(&["get", "message", id]).stdout;
    assert!(message.contains("mined in block 1") && message.contains("hello"), "{message}");
    assert_eq!(json(&miner.run(&["get", "message", id, "--json"]).stdout)["index"], 1);
    let status = miner.run(&["get", "status"]);
    assert!(
        status.code == Some(0) && status.stdout.contains("gossip-interval"),
        "{}",
        status.stdout
    );
    assert!(json(&miner.run(&["get", "status", "--json"]).stdout)["settings"].is_array());
    let events = miner.run(&["get", "events"]).stdout;
    assert!(events.contains("  block") && events.contains("index=1"), "{events}");
}

#[test]
fn a_chain_a_line_is_the_chain_file() {
    let mut miner = Miner::start();
    for message in ["a", "ä\n", "c"] {
        miner.run(&["add", message, "--wait"]);
    }
    let lines = miner.run(&["get", "chain", "--lines"]).stdout;
    assert_eq!(miner.run(&["get", "chain", "--lines", "-n", "1"]).stdout.lines().count(), 1);
    assert!(miner.stop().success());
    assert_eq!(lines, fs::read_to_string(miner.chain()).unwrap());
}

/// A miner that takes what it is sent but loses connections again and again, and is busy at
/// times. Returns its address and the ids that it took; it answers until the test ends.
fn unsteady_miner() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let its_taken = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut asked = 0;
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            while let Some(id) = read_add(&mut reader) {
                asked += 1;
                let mut taken = its_taken.lock().unwrap();
                let is_there = taken.contains(&id);
                let is_busy = asked % 13 == 5;
                if !is_busy && !is_there {
                    taken.push(id);
                }
                // Taken, but the answer is lost with the connection.
                if asked % 17 == 0 {
                    break;
                }
                let more = if is_there { "It was added before; x" } else { "It is on disk" };
                let body = format!(r#"{{"message":"m","more_information":"{more}"}}"#);
                let status = if is_busy { "503 Busy\r\nRetry-After: 0" } else { "200 OK" };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
                if reader.get_mut().write_all((head + &body).as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (address, taken)
}

/// The id in the next request on a connection, if there is one.
fn read_add(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(target) = line.strip_prefix("PUT /add?id=") {
            id = target.split(' ').next().map(str::to_owned);
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            return id;
        }
    }
}

#[test]
fn lines_are_added_once_each_however_often_the_connection_breaks() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("lines.txt");
    let text: String = (0..60).map(|number| format!("line {}\n", number % 7)).collect();
    fs::write(&file, text).unwrap();
    let (address, taken) = unsteady_miner();
    let done = run(&["add", "--lines", file.to_str().unwrap(), "-m", &address, "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(json(&done.stdout)["added"], 60, "{}", done.stdout);
    assert!(json(&done.stdout)["already_there"].as_u64() > Some(0), "{}", done.stdout);
    let taken = taken.lock().unwrap();
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 60);
}

/// Number of lines that are killed in the middle and repeated; `BLOCKCHAIN_CLI_LINES` sets it.
fn many() -> usize {
    std::env::var("BLOCKCHAIN_CLI_LINES").map_or(3_000, |number| number.parse().unwrap())
}

#[test]
fn lines_killed_in_the_middle_and_repeated_are_in_the_journal_or_the_chain_once() {
    let miner = Miner::start_with(&["--threads", "1"]);
    let folder = tempdir().unwrap();
    let file = folder.path().join("lines.txt");
    let text: String = (0..many()).map(|number| format!("message {number}\r\n\n")).collect();
    fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let add = || {
        let mut add = program();
        add.args(["add", "--lines", path, "--port", &miner.port(), "--json"]);
        add.stdout(Stdio::piped()).stderr(Stdio::piped());
        add.spawn().unwrap()
    };
    let mut first = add();
    let has_some = || {
        let health = json(&miner.run(&["get", "health", "--json"]).stdout);
        health["unprocessed"].as_u64().unwrap() + health["length"].as_u64().unwrap() > 10
    };
    while first.try_wait().unwrap().is_none() && !has_some() {}
    first.kill().unwrap();
    first.wait().unwrap();
    for _ in 0..2 {
        let done = crate::support::program::Done::from(add().wait_with_output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(json(&done.stdout)["added"], many(), "{}", done.stdout);
    }
    // What is mined meanwhile moves from the first to the second.
    let pending = json(&miner.run(&["get", "data", "--json"]).stdout);
    let chain = miner.run(&["get", "chain", "--lines"]).stdout;
    let mut messages: Vec<String> = pending["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|data| data["message"].as_str().unwrap().to_owned())
        .collect();
    let mined: Vec<String> = chain
        .lines()
        .skip(1)
        .map(|line| json(line)["data"]["message"].as_str().unwrap().to_owned())
        .collect();
    let is_mined: HashSet<&String> = mined.iter().collect();
    messages.retain(|message| !is_mined.contains(message));
    messages.extend(mined);
    messages.sort();
    let mut expected: Vec<String> = (0..many()).map(|number| format!("message {number}")).collect();
    expected.sort();
    assert_eq!(messages.len(), many());
    assert!(messages == expected);
}

#[test]
fn lines_that_are_no_messages_are_named_and_the_others_added() {
    let miner = Miner::start();
    let folder = tempdir().unwrap();
    let file = folder.path().join("lines.txt");
    let long = "x".repeat(65_537);
    fs::write(&file, [b"good\n\n", long.as_bytes(), b"\n\xff\nlast"].concat()).unwrap();
    let done = miner.run(&["add", "--lines", file.to_str().unwrap()]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!(done.stdout, "2 messages added, 2 lines not added\n");
    for words in ["line 3 is not added", "line 4 is not added: it is not UTF-8"] {
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    let again = miner.run(&["add", "--lines", file.to_str().unwrap()]);
    assert!(again.stdout.starts_with("2 messages added (2 before)"), "{}", again.stdout);
    let other = ["add", "--lines", file.to_str().unwrap(), "--id-prefix", "other"];
    assert!(miner.run(&other).stdout.starts_with("2 messages added, "));
    let absent = run(&["add", "--lines", file.to_str().unwrap(), "--port", "9"]);
    assert_eq!(absent.code, Some(3), "{}", absent.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_program_quietly() {
    let miner = Miner::start();
    let mut chain = program()
        .args(["get", "chain", "--port", &miner.port()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(chain.stdout.take());
    let done = crate::support::program::Done::from(chain.wait_with_output().unwrap());
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn files_are_verified_and_repaired_without_a_miner() {
    let mut miner = Miner::start();
    for message in ["a", "b", "c"] {
        miner.run(&["add", message, "--wait"]);
    }
    assert!(miner.stop().success());
    let chain = miner.chain();
    let path = chain.to_str().unwrap();
    let verified = run(&["verify", path]);
    assert!(
        verified.code == Some(0) && verified.stdout.contains("4 blocks"),
        "{}",
        verified.stdout
    );
    let text = fs::read_to_string(&chain).unwrap();
    fs::write(&chain, text.replacen("\"message\":\"b\"", "\"message\":\"B\"", 1)).unwrap();
    let damaged = run(&["verify", path, "--json"]);
    assert_eq!((damaged.code, damaged.stderr.lines().count()), (Some(6), 1), "{}", damaged.stderr);
    assert!(damaged.stderr.contains("block 2") && damaged.stderr.contains("repair"));
    assert_eq!(json(&damaged.stdout)["ok"], false);
    let repaired = run(&["repair", path, "--json"]);
    assert_eq!(repaired.code, Some(6), "{}", repaired.stderr);
    assert!(repaired.stderr.contains("1 message lost"), "{}", repaired.stderr);
    let report = json(&repaired.stdout);
    assert_eq!((&report["length"], &report["returned"]), (&2.into(), &1.into()), "{report}");
    let lost = report["lost"][0]["found"].as_str().unwrap();
    assert!(lost.contains(r#"\"B\""#) && report["lost"][0]["line"] == 3, "{report}");
    assert_eq!(run(&["verify", path]).code, Some(0));
    let again = run(&["repair", path]);
    assert!(again.code == Some(0) && again.stdout.contains("needed no repair"), "{}", again.stdout);
}

#[test]
fn repair_leaves_no_lock_file_beside_what_it_refuses() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "no chain\n").unwrap();
    let done = run(&["repair", path.to_str().unwrap()]);
    assert_eq!(done.code, Some(6), "{}", done.stderr);
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "no chain\n");
}

/// A block that left the chain, as another process may have left it in the folder.
#[test]
fn blocks_that_left_the_chain_are_shown_by_hash() {
    let mut miner = Miner::start();
    let none = miner.run(&["get", "forks"]).stdout;
    assert!(none.contains("no block has left the chain"), "{none}");
    for message in ["a", "b"] {
        miner.run(&["add", message, "--wait"]);
    }
    assert!(miner.stop().success());
    let (chain, folder) = (miner.chain(), miner.chain().parent().unwrap().to_owned());
    let text = fs::read_to_string(&chain).unwrap();
    let block = text.lines().nth(2).unwrap();
    let hash = blockchain::chain::Hash::of(block).to_string();
    fs::write(folder.join("test_2026-01-02_03-04-05.chain"), format!("{block}\n")).unwrap();
    fs::write(&chain, text.lines().take(2).map(|line| line.to_owned() + "\n").collect::<String>())
        .unwrap();
    fs::remove_file(folder.join("test.hash")).unwrap();
    miner.start_again();
    let forks = miner.run(&["get", "forks"]).stdout;
    assert!(forks.contains(&hash) && forks.contains("2026-01-02 03:04:05"), "{forks}");
    assert_eq!(json(&miner.run(&["get", "forks", "--json"]).stdout)["length"], 1);
    let shown = miner.run(&["get", "block", &hash]).stdout;
    assert!(shown.contains("left the chain at 2026-01-02 03:04:05"), "{shown}");
    let answer = miner.run(&["get", "block", &hash, "--json"]).stdout;
    assert!(answer.contains(block) && json(&answer)["in_chain"] == false, "{answer}");
    let first = miner.run(&["get", "block", "1"]).stdout;
    assert!(first.contains("mined in block 1"), "{first}");
    let none = "0".repeat(64);
    for (name, why) in [
        ("7", "there is no block 7: the last block"),
        (none.as_str(), "has no block with the hash"),
    ] {
        let missing = miner.run(&["get", "block", name]);
        assert!(missing.code == Some(1) && missing.stderr.contains(why), "{}", missing.stderr);
    }
    assert_eq!(miner.run(&["get", "block", "x"]).code, Some(2));
}

/// Messages come in meanwhile; each that was acknowledged before a backup began is in it.
#[test]
fn a_running_miner_is_backed_up() {
    let miner = Miner::start_with(&["--backup-interval", "0.05"]);
    let folder = tempdir().unwrap();
    let chain = miner.chain();
    let chain = chain.to_str().unwrap();
    let texts: String = (0..200_000).map(|number| format!("message {number}\n")).collect();
    let lines = folder.path().join("lines");
    fs::write(&lines, texts).unwrap();
    let mut load = program()
        .args(["add", "--lines", lines.to_str().unwrap(), "--port", &miner.port()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for number in 0..5 {
        let text = format!("before {number}");
        assert_eq!(miner.run(&["add", &text]).code, Some(0));
        let to = folder.path().join(number.to_string());
        let to = to.to_str().unwrap();
        if number == 3 {
            let mut killed = program().args(["backup", chain, to]).spawn().unwrap();
            _ = killed.try_wait();
            killed.kill().unwrap();
            killed.wait().unwrap();
            if fs::exists(format!("{to}/test.chain")).unwrap() {
                continue;
            }
        }
        let done = run(&["backup", chain, to, "--json"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let copy = format!("{to}/test.chain");
        let verified = run(&["verify", &copy, "--json"]);
        let (report, backup) = (json(&verified.stdout), json(&done.stdout));
        assert_eq!(report["warnings"], json("[]"), "{}", verified.stdout);
        assert_eq!(report["length"], backup["length"]);
        assert_eq!(report["unprocessed"], backup["unprocessed"]);
        let all = fs::read_to_string(&copy).unwrap()
            + &fs::read_to_string(format!("{to}/test.data")).unwrap();
        assert!((0..=number).all(|it| all.contains(&format!("\"before {it}\""))), "{number}");
        let again = run(&["backup", chain, to]);
        assert!(again.code == Some(1) && again.stderr.contains("is there already"));
    }
    load.kill().unwrap();
    load.wait().unwrap();
}

/// The folder was there afterwards, and empty.
#[test]
fn a_backup_of_nothing_makes_no_folder() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let done = run(&["backup", &path("x.chain"), &path("copy")]);
    assert!(done.code == Some(1) && done.stderr.contains("there is no chain file"));
    assert!(!fs::exists(path("copy")).unwrap());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let done = run(&["miner", "start", "/proc/none/x.chain", "--port", "0"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("cannot make the folder: /proc/none: "), "{}", done.stderr);
}

/// A closure took what it used of the miner's files, and the lock beside them was let go of
/// as soon as the threads had started: two miners wrote to the same files.
#[test]
fn nobody_else_works_on_the_files_of_a_miner_that_runs() {
    let mut miner = Miner::start();
    let path = miner.chain();
    let path = path.to_str().unwrap();
    let start = ["miner", "start", path, "--port", "0", "--difficulty", "1"];
    for arguments in [&start[..], &["repair", path]] {
        let done = run(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{}", done.stderr);
        let last = done.stderr.lines().next_back().unwrap();
        assert!(last.contains("test.lock"), "{last}");
    }
    assert_eq!(run(&["verify", path]).code, Some(0));
    assert!(miner.stop().success());
    assert_eq!(run(&["repair", path]).code, Some(0));
}

#[test]
fn the_log_says_when_the_miner_started_and_finished() {
    let mut miner = Miner::start();
    assert!(miner.stop().success());
    let log = fs::read_to_string(miner.chain().with_file_name("miner.log")).unwrap();
    let version = concat!("version=", env!("CARGO_PKG_VERSION"));
    for words in [" INFO miner: started ", " INFO miner: finished "] {
        let line = log.lines().find(|line| line.contains(words));
        assert!(line.unwrap_or_default().contains(version), "{log}");
    }
}

#[test]
fn jq_and_sha256sum_alone_agree_about_a_chain_and_find_what_is_wrong() {
    let mut miner = Miner::start();
    miner.run(&["add", "tab\tquote\" ü \u{9b}\u{2028}", "--wait"]);
    miner.run(&["add", "second", "--wait"]);
    let check = |what: &str| {
        let script = root().join("scripts/verify-chain");
        crate::support::program::Done::from(Command::new(script).arg(what).output().unwrap())
    };
    let running = check(&miner.address.to_string());
    assert!(running.stdout.contains("valid: 3 blocks"), "{}", running.stderr);
    assert!(miner.stop().success());
    let path = miner.chain();
    assert_eq!(check(path.to_str().unwrap()).code, Some(0));
    let text = fs::read_to_string(&path).unwrap();
    let copy = path.with_file_name("copy.chain");
    for (from, to, expected) in [
        ("second", "secend", "block 2: proof: found seal"),
        ("difficulty=1", "difficulty=2", "block 1: previous_hash"),
        ("\"index\":1,", "\"index\":1, ", "block 1: line"),
        ("\"index\":2", "\"index\":3", "block 2: index"),
    ] {
        fs::write(&copy, text.replacen(from, to, 1)).unwrap();
        let done = check(copy.to_str().unwrap());
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains(expected), "{}", done.stderr);
    }
}

#[test]
fn the_benchmark_measures_every_kernel_of_this_cpu() {
    let measured = json(&run(&["benchmark", "--threads", "1", "--json"]).stdout);
    assert_eq!(measured["kernels"][0]["kernel"], "portable");
    for rates in measured["kernels"].as_array().unwrap() {
        assert!(rates["one_thread"].as_f64().unwrap() > 0.0, "{rates}");
        let blocks = rates["blocks"].as_array().unwrap();
        let seconds = |block: &serde_json::Value| block["seconds"].as_f64().unwrap();
        assert_eq!(blocks[0]["difficulty"], 4);
        assert_eq!(blocks[4]["difficulty"], 8);
        let ratio = seconds(&blocks[4]) / seconds(&blocks[0]);
        assert!((ratio / 65_536.0 - 1.0).abs() < 0.01, "{rates}");
    }
    let shown = run(&["benchmark", "--threads", "1"]).stdout;
    assert!(shown.starts_with("kernel ") && shown.contains("\nportable "), "{shown}");
}

#[test]
fn completions_and_manual_pages_come_from_the_command_line_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains("force-new-chain"));
        assert!(!script.stdout.contains("server-process"), "the child's argument is no command");
    }
    // Only there: fish offered files to every command, also to `neighbours delete`.
    let fish = run(&["completions", "fish"]).stdout;
    let files = "__fish_seen_subcommand_from verify repair backup man start\" -F\n";
    assert!(fish.contains("complete -c blockchain -f\n") && fish.contains(files), "{fish}");
    let folder = tempdir().unwrap();
    let pages = folder.path().join("man");
    assert_eq!(run(&["man", pages.to_str().unwrap()]).code, Some(0));
    let page = fs::read_to_string(pages.join("blockchain-miner-start.1")).unwrap();
    assert!(page.contains("BLOCKCHAIN_BACKUP_INTERVAL"), "{page}");
    for name in ["blockchain.1", "blockchain-add.1", "blockchain-get-chain.1"] {
        let page = fs::read_to_string(pages.join(name)).unwrap();
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
            assert!(
                page.contains(&format!(".SH \"{section}\""))
                    || page.contains(&format!(".SH {section}")),
                "{name} {section}"
            );
        }
    }
    let formats = fs::read_to_string(pages.join("blockchain.5")).unwrap();
    assert!(formats.contains("previous_hash"));
}

#[test]
fn a_folder_is_no_chain_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for arguments in
        [&["miner", "start", path, "--port", "0"][..], &["verify", path], &["repair", path]]
    {
        let done = run(arguments);
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains("name the chain file in it"), "{}", done.stderr);
    }
    // A pipe was waited for, for ever; of a device it said `run "blockchain repair /dev/null"`.
    for command in [&["miner", "start", "/dev/null"][..], &["verify", "/dev/null"]] {
        let done = run(command);
        assert!(done.code == Some(1) && done.stderr.contains("is no regular file"));
    }
}
