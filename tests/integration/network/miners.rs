//! Real miners that make a network: they agree, catch up, and lose nothing.

use std::time::{Duration, Instant};

use crate::support::miner::{Logs, TestMiner, agree, sha256sum_agrees};
use crate::support::program::PROGRAM;
use tempfile::tempdir;

fn sorted(mut messages: Vec<String>) -> Vec<String> {
    messages.sort();
    messages
}

fn messages(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix} {number:03}")).collect()
}

#[test]
fn three_miners_agree_on_fifty_messages() {
    let (folders, logs) = ([0; 3].map(|_| tempdir().unwrap()), Logs::new());
    let one = TestMiner::start(folders[0].path(), &logs, &[]);
    let to_one = one.address.to_string();
    let two = TestMiner::start(folders[1].path(), &logs, &["--neighbours", &to_one]);
    let to_two = two.address.to_string();
    let three = TestMiner::start(folders[2].path(), &logs, &["--neighbours", &to_two]);
    let told = messages("message", 50);
    for (number, message) in told.iter().enumerate() {
        [&one, &two, &three][number % 3].add(message);
    }
    agree(&logs, &[&one, &two, &three], 51);
    for miner in [&one, &two, &three] {
        assert_eq!(sorted(miner.messages()), told);
    }
    for (miner, folder) in [one, two, three].into_iter().zip(&folders) {
        assert!(miner.stop().success());
        assert!(sha256sum_agrees(folder.path()));
    }
}

#[test]
fn news_is_everywhere_within_a_second_by_the_default_intervals() {
    const NEWS: usize = 9;
    let (folders, logs) = ([0; 3].map(|_| tempdir().unwrap()), Logs::new());
    let flags = ["--gossip-interval", "20", "--chain-sync-interval", "10"];
    let flags = [&flags[..], &["--data-sync-interval", "5", "--backup-interval", "30"]].concat();
    let one = TestMiner::start(folders[0].path(), &logs, &flags);
    let to_one = one.address.to_string();
    let others = [1, 2].map(|number: usize| {
        let flags = [&flags[..], &["--neighbours", &to_one]].concat();
        TestMiner::start(folders[number].path(), &logs, &flags)
    });
    let answering = |miner: &TestMiner| {
        let page = miner.get("/neighbours?details=true");
        let details = page["details"].as_array().unwrap().clone();
        details.into_iter().filter(|detail| detail["state"] == "ok").count()
    };
    logs.wait_until("acquaintance", || {
        answering(&one) == 2 && others.iter().all(|other| answering(other) > 0)
    });
    let miners = [&one, &others[0], &others[1]];
    let mut times: Vec<Duration> = (0..NEWS)
        .map(|number| {
            let told = Instant::now();
            miners[number % 3].add(&format!("news {number}"));
            agree(&logs, &miners, number as u64 + 2);
            told.elapsed()
        })
        .collect();
    times.sort_unstable();
    // Half of them at least: a test that runs beside others may be kept waiting now and then.
    assert!(times[NEWS / 2] < Duration::from_secs(1), "{times:?}");
}

#[test]
fn a_line_of_miners_passes_messages_both_ways() {
    let (folders, logs) = ([0; 3].map(|_| tempdir().unwrap()), Logs::new());
    let one = TestMiner::start(folders[0].path(), &logs, &["--max-neighbours", "1"]);
    let to_one = one.address.to_string();
    let two = TestMiner::start(folders[1].path(), &logs, &["--neighbours", &to_one]);
    let to_two = two.address.to_string();
    let flags = ["--neighbours", &to_two, "--max-neighbours", "1"];
    let three = TestMiner::start(folders[2].path(), &logs, &flags);
    one.add("from one");
    three.add("from three");
    two.add("from two");
    agree(&logs, &[&one, &two, &three], 4);
    assert_eq!(sorted(one.messages()), ["from one", "from three", "from two"]);
}

#[test]
fn a_miner_that_was_away_catches_up() {
    let (folders, logs) = ([0; 2].map(|_| tempdir().unwrap()), Logs::new());
    let one = TestMiner::start(folders[0].path(), &logs, &[]);
    let to_one = one.address.to_string();
    let two = TestMiner::start(folders[1].path(), &logs, &["--neighbours", &to_one]);
    two.add("before");
    agree(&logs, &[&one, &two], 2);
    assert!(two.stop().success());
    for message in messages("while away", 20) {
        one.add(&message);
    }
    let two = TestMiner::start(folders[1].path(), &logs, &["--neighbours", &to_one]);
    agree(&logs, &[&one, &two], 22);
}

#[test]
fn acknowledged_messages_survive_kill_nine() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &["--difficulty", "4"]);
    let told = messages("kept", 30);
    for message in &told {
        miner.add(message);
    }
    miner.kill();
    let miner = TestMiner::start(folder.path(), &logs, &["--difficulty", "4"]);
    agree(&logs, &[&miner], 31);
    assert_eq!(sorted(miner.messages()), told);
}

#[test]
fn two_halves_that_grew_apart_end_on_one_chain_with_every_message_once() {
    let (folders, logs) = ([0; 2].map(|_| tempdir().unwrap()), Logs::new());
    let one = TestMiner::start(folders[0].path(), &logs, &[]);
    let two = TestMiner::start(folders[1].path(), &logs, &[]);
    for number in 0..10 {
        one.add(&format!("one {number}"));
        two.add(&format!("two {number}"));
    }
    agree(&logs, &[&one], 11);
    agree(&logs, &[&two], 11);
    assert_ne!(one.health().head, two.health().head);
    // Equally long and idle: now they hear of each other.
    let (status, _) = one.send("PUT", &format!("/neighbours?neighbour={}", two.address), b"");
    assert_eq!(status, 200);
    agree(&logs, &[&one, &two], 21);
    let all = sorted(one.messages());
    let mut told: Vec<String> = (0..10).map(|n| format!("one {n}")).collect();
    told.extend((0..10).map(|n| format!("two {n}")));
    assert_eq!(all, sorted(told));
}

#[test]
fn a_dead_server_process_is_replaced_and_no_connection_refused() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &[]);
    miner.add("before");
    let child = miner.server_process();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    logs.wait_for("the server process ended and is started again");
    miner.add("after");
    agree(&logs, &[&miner], 3);
}

#[test]
fn a_server_process_that_answers_no_more_is_replaced() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &[]);
    miner.add("before");
    let hangs = miner.server_process();
    rustix::process::kill_process(hangs, rustix::process::Signal::STOP).unwrap();
    logs.wait_for("probe: the server process does not answer and is replaced");
    miner.add("after");
    assert_ne!(miner.server_process(), hangs);
    agree(&logs, &[&miner], 3);
}

#[test]
fn a_miner_whose_program_was_replaced_still_starts_its_server_process_again() {
    // The path of the program was looked up anew, and named a file that was gone.
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let program = folder.path().join("program");
    // Copied by another process: a process that a test beside this one starts meanwhile would
    // inherit our descriptor of the copy, and a program that is open for writing can't be run.
    let mut copy = std::process::Command::new("cp");
    let copied = copy.arg(PROGRAM).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut command = std::process::Command::new(&program);
    command.args(TestMiner::command(folder.path(), 0, &[]).get_args());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let miner = TestMiner::start_with(command, &logs);
    std::fs::remove_file(&program).unwrap();
    rustix::process::kill_process(miner.server_process(), rustix::process::Signal::KILL).unwrap();
    logs.wait_for("the server process ended and is started again");
    miner.add("after");
}

#[test]
fn a_killed_miner_leaves_no_server_process() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &[]);
    let address = miner.address.clone();
    miner.kill();
    // The port is free once the child has closed the listening socket too.
    let deadline = Instant::now() + crate::support::miner::DEADLINE;
    while std::net::TcpStream::connect((address.host(), address.port())).is_ok() {
        assert!(Instant::now() < deadline, "an orphan still listens");
    }
}

#[test]
fn a_miner_of_another_network_is_told_and_not_kept() {
    let (folders, logs) = ([0; 2].map(|_| tempdir().unwrap()), Logs::new());
    let one = TestMiner::start(folders[0].path(), &logs, &[]);
    let to_one = one.address.to_string();
    let flags = ["--neighbours", &to_one, "--network", "other"];
    let two = TestMiner::start(folders[1].path(), &logs, &flags);
    let line = logs.wait_for("it is of another network");
    assert!(line.contains(&one.health().genesis.to_string()), "{line}");
    assert!(line.contains(&two.health().genesis.to_string()), "{line}");
    assert_eq!(one.health().neighbours, 0);
}

#[test]
fn a_miner_stops_in_under_a_second_with_a_silent_neighbour() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &["--neighbours", &silent]);
    miner.add("hello");
    agree(&logs, &[&miner], 2);
    let began = Instant::now();
    assert!(miner.stop().success());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
