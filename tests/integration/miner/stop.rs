//! Signals and a log that nobody reads: a miner ends in order, whenever it is told to.
//!
//! `BLOCKCHAIN_STOPS` sets how many miners are told to stop, `BLOCKCHAIN_SEED` repeats a run's
//! choices.

use std::fs::File;
use std::io::{BufWriter, PipeReader, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::miner::{Logs, TestMiner, agree};
use crate::support::program::children;
use crate::support::seed::{number_from, seed};
use blockchain::chain::Block;
use blockchain::chain::testing::{Maker, network};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::{tempdir, tempdir_in};

/// A stop is promised within this.
const STOP_MAX: Duration = Duration::from_secs(1);

/// Blocks of a chain of 75 MB: reading it takes far longer than looking how far that is.
const LOADED_BLOCKS: u64 = 60_000;

/// Once so much was read, it is the chain that is being read.
const LOADED_BYTES_MIN: u64 = 4_000_000;

/// Signals that stop a miner. One that is ignored already stays so: SIGHUP under nohup.
fn signals() -> Vec<Signal> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    let mut signals = vec![Signal::TERM, Signal::INT, Signal::HUP];
    signals.retain(|signal| ignored & (1 << (signal.as_raw() - 1)) == 0);
    signals
}

/// A miner in a process group of its own, with a TMPDIR of its own, and what it writes.
struct Group {
    miner: Child,
    stdout: PipeReader,
    stderr: PipeReader,
}

impl Group {
    fn start(folder: &Path) -> Self {
        let (stdout, their_stdout) = pipe().unwrap();
        let (stderr, their_stderr) = pipe().unwrap();
        let mut command = TestMiner::command(folder, 0, &["--difficulty", "1"]);
        command.env("TMPDIR", folder.join("tmp")).process_group(0);
        let miner = command.stdout(their_stdout).stderr(their_stderr).spawn().unwrap();
        Self { miner, stdout, stderr }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.miner)
    }

    fn send(&self, signal: Signal, to_group: bool) {
        // One that has ended already is no process any more.
        _ = match to_group {
            true => kill_process_group(self.pid(), signal),
            false => kill_process(self.pid(), signal),
        };
    }

    /// Waits until it answers.
    fn is_ready(&mut self) {
        self.stdout.read_exact(&mut [0]).expect("it answers");
    }

    /// Waits until it and all of its children have ended; how, how long that took, what they
    /// wrote on stderr.
    fn end(mut self) -> (ExitStatus, Duration, String) {
        let began = Instant::now();
        let status = self.miner.wait().unwrap();
        let took = began.elapsed();
        let mut said = String::new();
        // Its end is that of all who can write there.
        self.stderr.read_to_string(&mut said).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "a process is left: {said}");
        (status, took, said)
    }
}

#[test]
fn miners_that_are_told_to_stop_at_any_instant_end_in_order() {
    // Of those that were told so in their first 12 ms, a quarter never ended.
    let stops = number_from("BLOCKCHAIN_STOPS", 200);
    let seed = seed();
    println!("BLOCKCHAIN_SEED={seed} BLOCKCHAIN_STOPS={stops}");
    let (signals, mut random) = (signals(), Rng::with_seed(seed));
    let (mut longest, mut too_early) = (Duration::ZERO, 0);
    for number in 0..stops {
        // In memory: a process ends when its last sync does, which took 4.4 s on a disk that other
        // tests kept busy.
        let folder = tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        let mut group = Group::start(folder.path());
        let signal = *random.choice(&signals).unwrap();
        let to_group = random.bool();
        let mut wait = |micros| thread::sleep(Duration::from_micros(random.u64(..micros)));
        let phase = ["start", "run", "server process starts again", "stop"][number as usize % 4];
        match phase {
            "start" => wait(30_000),
            "run" => {
                group.is_ready();
                wait(2_000);
            }
            "stop" => {
                group.is_ready();
                group.send(Signal::TERM, false);
                wait(30_000);
            }
            _ => {
                group.is_ready();
                let child = children(group.pid()).into_iter().next();
                child.map(|child| kill_process(child, Signal::KILL));
                wait(20_000);
            }
        }
        group.send(signal, to_group);
        let (status, took, said) = group.end();
        let why =
            format!("miner {number}, {phase}, {signal:?}, group {to_group}: {status}: {said}");
        assert!(took < STOP_MAX, "{took:?}: {why}");
        let left: Vec<_> = std::fs::read_dir(folder.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}: {why}");
        longest = longest.max(took);
        let by_signal = status.signal() == Some(signal.as_raw());
        match phase {
            // Before its first instruction it could not hear yet, and had done nothing.
            "start" if by_signal && !folder.path().join("test.lock").exists() => too_early += 1,
            // The second signal.
            "stop" if by_signal => {}
            _ => assert!(status.success(), "{why}"),
        }
    }
    println!(
        "{stops} stops, the longest took {longest:?}; {too_early} before the first instruction"
    );
}

#[test]
fn a_stop_is_heard_while_the_chain_is_read() {
    // It was heard after the last block, or never.
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let mut chain = BufWriter::new(File::create(folder.path().join("test.chain")).unwrap());
    let network = network(1);
    writeln!(chain, "{}", Block::genesis(&network).line()).unwrap();
    let mut maker = Maker::new(network);
    for number in 0..LOADED_BLOCKS {
        writeln!(chain, "{}", maker.add(&format!("{number:0>1000}"))).unwrap();
    }
    drop(chain);
    let flags = ["--network", "test", "--difficulty", "1"];
    let mut miner = TestMiner::command(folder.path(), 0, &flags).spawn().unwrap();
    let stderr = logs.read(miner.stderr.take().unwrap());
    while bytes_read(&miner) < LOADED_BYTES_MIN {
        assert!(miner.try_wait().unwrap().is_none(), "it ended by itself");
    }
    let began = Instant::now();
    kill_process(Pid::from_child(&miner), Signal::INT).unwrap();
    assert!(miner.wait().unwrap().success());
    assert!(began.elapsed() < STOP_MAX);
    assert!(stderr.join().unwrap().contains("stops before it answered signal=2"));
}

/// Bytes that a process has read from files.
fn bytes_read(process: &Child) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", process.id())).unwrap_or_default();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.map_or(0, |bytes| bytes.parse().unwrap())
}

#[test]
fn sighup_that_was_ignored_at_the_start_stays_so() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let miner = TestMiner::command(folder.path(), 0, &[]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "nohup"]).arg(miner.get_program());
    command.args(miner.get_args()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let miner = TestMiner::start_with(command, &logs);
    kill_process(miner.pid(), Signal::HUP).unwrap();
    miner.add("it runs on");
    assert!(miner.stop().success());
}

#[test]
fn output_that_is_never_read_stops_nothing() {
    // A full pipe stopped mining, sync and SIGTERM, while /health said "ok".
    let folder = tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (reader, writer) = pipe().unwrap();
    let mut full = File::from(OwnedFd::from(writer));
    let flags = rustix::fs::fcntl_getfl(&full).unwrap();
    rustix::fs::fcntl_setfl(&full, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    while full.write(b"x").is_ok() {}
    rustix::fs::fcntl_setfl(&full, flags).unwrap();
    let mut command = TestMiner::command(folder.path(), port, &["--difficulty", "1"]);
    command.stdout(full.try_clone().unwrap()).stderr(full);
    let mut child = command.spawn().unwrap();
    drop(command);
    let miner = crate::support::miner::address(port);
    let deadline = Instant::now() + crate::support::miner::DEADLINE;
    while crate::support::miner::client().health(&miner).is_err() {
        assert!(Instant::now() < deadline, "it does not answer");
    }
    for number in 0..700 {
        let data = blockchain::chain::Data {
            id: blockchain::chain::DataId::from_random(blockchain::random::bytes()),
            message: blockchain::chain::Message::new(&format!("message {number}")).unwrap(),
        };
        crate::support::miner::client().add(&miner, data).unwrap();
    }
    while crate::support::miner::client().health(&miner).unwrap().unprocessed > 0 {
        assert!(Instant::now() < deadline, "mining stopped");
    }
    let began = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(began.elapsed() < STOP_MAX, "{:?}", began.elapsed());
    drop(reader);
    let log = std::fs::read_to_string(folder.path().join("miner.log")).unwrap();
    assert!(log.contains("stderr takes no more lines"), "{log}");
    assert!(log.contains("miner: finished"), "{log}");
}

#[test]
fn a_limit_of_file_sizes_is_an_error_of_a_write() {
    // SIGXFSZ ended the miner, and nobody was told.
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    // A backup writes the journal anew, which may fit then: only the first one comes in time.
    let flags = ["--difficulty", "9", "--backup-interval", "3600"];
    let miner = TestMiner::command(folder.path(), 0, &flags);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 64; exec \"$@\"", "sh"]).arg(miner.get_program());
    command.args(miner.get_args()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let miner = TestMiner::start_with(command, &logs);
    let has_backed_up = || {
        let (_, status) = miner.send("GET", "/status", b"");
        let jobs = status["jobs"].as_array().unwrap();
        jobs.iter().any(|job| job["job"] == "backup" && job["took"].is_u64())
    };
    logs.wait_until("the first backup", has_backed_up);
    let message = vec![b'x'; 30_000];
    let refused = (0..10).find_map(|_| {
        let (status, body) = miner.send("PUT", "/add", &message);
        (status != 200).then_some((status, body))
    });
    let (status, body) = refused.expect("a file grew above the limit");
    assert_eq!(status, 503, "{body}");
    assert_eq!(miner.send("GET", "/health", b"").0, 503);
    assert!(miner.stop().success());
}

#[test]
fn at_info_a_run_of_blocks_is_a_line_and_json_is_an_object_a_line() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    let flags = ["--log-level", "info", "--log-format", "json", "--difficulty", "1"];
    let miner = TestMiner::start(folder.path(), &logs, &flags);
    for number in 0..60 {
        miner.add(&format!("message {number}"));
    }
    agree(&logs, &[&miner], 61);
    assert!(miner.stop().success());
    let log = std::fs::read_to_string(folder.path().join("miner.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mined: Vec<&Value> = lines.iter().filter(|line| line["part"] == "mine").collect();
    assert!((1..60 / 4).contains(&mined.len()), "{log}");
    let blocks = mined.iter().map(|line| line["fields"]["blocks"].as_str().unwrap());
    let blocks: u64 = blocks.map(|blocks| blocks.parse::<u64>().unwrap()).sum();
    assert_eq!(blocks, 60, "{log}");
    for line in &lines {
        assert!(["time", "level", "message"].iter().all(|name| line[name].is_string()), "{line}");
    }
}

#[test]
fn a_folder_is_no_chain_path() {
    let (folder, logs) = (tempdir().unwrap(), Logs::new());
    std::fs::create_dir(folder.path().join("test.chain")).unwrap();
    let command = TestMiner::command(folder.path(), 0, &[]);
    let Err((status, said)) = TestMiner::try_start(command, &logs) else { panic!("it started") };
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("is a folder; name the chain file in it"), "{said}");
    assert!(!folder.path().join("miner.log").exists());
}
