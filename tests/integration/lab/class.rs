//! A classroom: `blockchain lab` and its miners as processes, its pages, its experiments.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::free_ports::free_ports;
use crate::support::miner::Miner;
use crate::support::program::{Done, Process, children, program, root, run};
use crate::support::ui::agent;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// How long a process may take to be gone after a kill.
const GONE: Duration = Duration::from_secs(5);

/// A lab that runs until it is dropped.
struct TestLab {
    process: Process,
    folder: Option<TempDir>,
}

impl Deref for TestLab {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for TestLab {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl TestLab {
    fn start(miners: &str, flags: &[&str]) -> Self {
        let folder = tempdir().unwrap();
        let mut lab = Self::start_in(folder.path(), miners, flags);
        lab.folder = Some(folder);
        lab
    }

    /// The same with its temporary folder in this one.
    fn start_in(place: &Path, miners: &str, flags: &[&str]) -> Self {
        let mut command = program();
        command.args(["lab", miners, "--port", "0", "--block-time", "0.3"]);
        command.args(["--first-port", &free_ports().to_string()]).args(flags);
        Self { process: Process::of(command.env("TMPDIR", place)), folder: None }
    }

    /// Status and body of the answer.
    fn ask(&self, url: &str, body: Option<&str>) -> (u16, String) {
        ask(&format!("{url}/orders"), body.unwrap_or_default())
    }

    fn order(&self, lines: &str) -> Value {
        let (status, body) = self.ask(&self.url, Some(lines));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The page at `path`.
    fn get(&self, path: &str) -> (u16, String) {
        get(&format!("{}{path}", self.url))
    }

    /// The state of the wall, once it is so.
    fn wall_once(&self, is: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let wall = serde_json::from_str(&self.get("/wall/state").1).unwrap();
            if is(&wall) {
                return wall;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{wall:#}");
            // The wall is a picture: there is no event to wait for.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn get(url: &str) -> (u16, String) {
    let mut answer = agent().get(url).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

fn ask(url: &str, body: &str) -> (u16, String) {
    let mut answer = agent().post(url).send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// All processes below this one.
fn descendants(of: Pid) -> Vec<Pid> {
    let own = children(of);
    let below: Vec<_> = own.iter().flat_map(|child| descendants(*child)).collect();
    [own, below].concat()
}

/// Waits for the end of processes; how many are left then.
fn left(processes: &[OwnedFd]) -> usize {
    let deadline = Instant::now() + GONE;
    let is_there = |process: &&OwnedFd| {
        let rest = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
        poll(&mut [PollFd::new(*process, PollFlags::IN)], Some(&rest)).unwrap() == 0
    };
    processes.iter().filter(is_there).count()
}

fn watched(lab: &TestLab) -> Vec<OwnedFd> {
    let all = descendants(lab.pid());
    assert_eq!(all.len(), 6, "three miners and their server processes");
    all.into_iter().map(|pid| pidfd_open(pid, PidfdFlags::empty()).unwrap()).collect()
}

fn script(lines: &str, flags: &[&str]) -> Done {
    let folder = tempdir().unwrap();
    let file = folder.path().join("test.lab");
    fs::write(&file, lines).unwrap();
    let first = free_ports().to_string();
    let mut arguments = vec!["lab", "--script", file.to_str().unwrap(), "--first-port", &first];
    arguments.extend(["--block-time", "0.3"]);
    arguments.extend(flags);
    run(&arguments)
}

fn example(name: &str) {
    let file = root().join("scripts/experiments").join(name);
    let done = script(&fs::read_to_string(file).unwrap(), &[]);
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
}

#[test]
fn a_partition_that_is_mended_loses_nothing() {
    example("partition-and-mend.lab");
}

#[test]
fn the_heist_rewrites_history_and_honest_messages_come_back() {
    example("heist.lab");
}

#[test]
fn finality_refuses_the_heist() {
    example("finality.lab");
}

#[test]
fn an_experiment_that_fails_names_its_line() {
    let done = script("# a comment\nadd \"x\"\nexpect length Ada 5 within 0.1\n", &["2"]);
    assert_eq!(done.code, Some(1));
    let expected =
        "test.lab:3: expect length Ada 5 within 0.1: expected length Ada 5, but the length";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
}

#[test]
fn a_line_that_makes_no_sense_is_told_before_anything_starts() {
    let done = script("add \"x\"\ncut Ada\n", &[]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr.contains("test.lab:2: cut Ada: a miner's name is missing"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_miner_that_cannot_start_ends_the_lab_with_its_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = run(&["lab", "1", "--port", "0", "--first-port", &port]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("Ada cannot start: cannot listen on"), "{}", done.stderr);
}

#[test]
fn a_stop_ends_all_of_it_within_a_second_also_while_a_miner_is_paused() {
    let mut lab = TestLab::start("3", &[]);
    let processes = watched(&lab);
    lab.order("pause Ben");
    let place = lab.folder.as_ref().unwrap().path().to_owned();
    assert_eq!(count(&place), 1, "its temporary folder");
    let began = Instant::now();
    kill_process(lab.pid(), Signal::INT).unwrap();
    assert!(lab.process.wait().success());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(left(&processes), 0);
    assert_eq!(count(&place), 0, "its temporary folder");
}

#[test]
fn kill_nine_of_the_lab_leaves_no_process() {
    let mut lab = TestLab::start("3", &[]);
    // One that was started by a page, too.
    lab.order("kill Cleo\nstart Cleo");
    let processes = watched(&lab);
    lab.process.kill();
    assert_eq!(left(&processes), 0);
}

#[test]
fn files_in_a_given_folder_stay_and_are_gone_on_from() {
    let folder = tempdir().unwrap();
    let flags = ["2", "--dir", folder.path().to_str().unwrap()];
    let done =
        script("add \"first day\"\nexpect mined Ben \"first day\"\nexpect one chain", &flags);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let done = script("expect mined Ben \"first day\"", &flags);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn the_wall_shows_lines_blocks_and_their_finders() {
    let lab = TestLab::start("3", &[]);
    lab.order("limit Ada 0\nlimit Cleo 0\nadd \"found by Ben\"");
    let is_everywhere = |wall: &Value| {
        let miners = wall["miners"].as_array().unwrap();
        let arrivals = wall["travels"].as_array().unwrap().len();
        // Its finder is known once the block itself was asked for.
        let is_found = |block: &Value| block["index"] == 1 && block["finder"].is_u64();
        miners.len() == 3
            && miners.iter().all(|it| it["length"] == 2)
            && arrivals == 3
            && wall["blocks"].as_array().unwrap().iter().any(is_found)
    };
    let wall = lab.wall_once(is_everywhere);
    let blocks = wall["blocks"].as_array().unwrap();
    let block = blocks.iter().find(|block| block["index"] == 1).unwrap();
    let finder = block["finder"].as_u64().unwrap() as usize;
    assert_eq!(wall["miners"][finder]["name"], "Ben");
    assert_eq!(block["message"], "found by Ben");
    let commands = lab.order("cut Ada Ben")["commands"].to_string();
    assert!(commands.contains("blockchain ban 127.0.0.1:"), "{commands}");
    lab.wall_once(|wall| wall["cuts"] == serde_json::json!([["Ada", "Ben"]]));
    lab.order("mend");
    lab.wall_once(|wall| wall["cuts"] == serde_json::json!([]));
    lab.order("start Dan knowing Ben");
    lab.wall_once(|wall| {
        let miners = wall["miners"].as_array().unwrap();
        miners.iter().any(|it| it["name"] == "Dan" && it["length"] == 2)
    });
}

#[test]
fn a_reset_lets_the_class_be_as_it_began() {
    let lab = TestLab::start("3", &[]);
    lab.order("cut Ada Ben\npause Cleo\nlimit Ada 0\nkill Ben\nstart Dan\ncut Dan Ada\nreset");
    let wall = lab.wall_once(|wall| {
        let miners = wall["miners"].as_array().unwrap();
        miners[..3].iter().all(|it| it["limit"] == wall["pace"] && it["answers"] == true)
    });
    assert_eq!(wall["cuts"], serde_json::json!([]));
    let states: Vec<_> =
        wall["class"].as_array().unwrap()[..4].iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["running", "running", "running", "absent"]);
}

#[test]
fn the_command_of_a_button_does_the_same() {
    let lab = TestLab::start("2", &[]);
    let commands = lab.order("limit Ada 0");
    let command = commands["commands"][0].as_str().unwrap().to_owned();
    lab.order("limit Ada usual");
    lab.wall_once(|wall| wall["miners"][0]["limit"] != 0);
    let words: Vec<_> = command.split(' ').skip(1).collect();
    assert_eq!(run(&words).code, Some(0), "{command}");
    lab.wall_once(|wall| wall["miners"][0]["limit"] == 0);
}

#[test]
fn every_page_of_a_class_is_there_and_in_a_plain_ui_none() {
    let lab = TestLab::start("1", &[]);
    let (status, list) = lab.get("/learn");
    assert_eq!(status, 200);
    let names =
        list.split("data-experiment=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert_eq!(names.len(), 13);
    for name in names {
        assert_eq!(lab.get(&format!("/learn/{name}")).0, 200, "{name}");
    }
    assert_eq!(lab.get("/learn/nothing").0, 404);
    assert!(lab.get("/wall").1.contains("id=\"scissors\""));

    let miner = Miner::start();
    let ui = Process::start(&["ui", "--port", "0", "--miner", &miner.address.to_string()]);
    for path in ["/wall", "/wall/state", "/learn", "/learn/heist", "/orders"] {
        assert_eq!(get(&format!("{}{path}", ui.url)).0, 404, "{path} of the UI");
        assert_eq!(get(&format!("{}{path}", miner.url)).0, 404, "{path}");
    }
    assert_eq!(ask(&format!("{}/orders", ui.url), "mend").0, 400);
    assert!(!get(&ui.url).1.contains("/wall"));
}

/// Tells what was left out, where scripts/test tells it again.
fn not_run(what: &str) {
    println!("NOT RUN: {what}");
    if let Some(file) = std::env::var_os("NOT_RUN") {
        let file = fs::File::options().append(true).create(true).open(file);
        writeln!(file.unwrap(), "NOT RUN: {what}").unwrap();
    }
}

#[test]
fn another_host_looks_and_adds_and_cuts_nothing() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    _ = socket.connect("192.0.2.1:9");
    let own: IpAddr = socket.local_addr().unwrap().ip();
    if own.is_loopback() || own.is_unspecified() {
        // ui/class.rs holds the same for an address that is made up.
        not_run("lab::class: looks from another host, as this one has loopback alone");
        return;
    }
    // It listened there alone, and took orders from nowhere.
    let one = run(&["lab", "1", "--host", &own.to_string()]);
    assert!(one.code == Some(1) && one.stderr.contains("0.0.0.0"), "{:?} {}", one.code, one.stderr);
    let lab = TestLab::start("2", &["--host", "0.0.0.0"]);
    let url = lab.url.replace("127.0.0.1", &own.to_string());
    let (status, wall) = get(&format!("{url}/wall"));
    assert_eq!(status, 200);
    assert!(!wall.contains("id=\"scissors\"") && wall.contains("id=\"add\""));
    let (status, why) = lab.ask(&url, Some("kill Ada"));
    assert_eq!(status, 403, "{why}");
    let added = agent().post(format!("{url}/add")).send_form([("message", "from afar")]).unwrap();
    assert_eq!(added.status(), 303);
    lab.wall_once(|wall| {
        let blocks = wall["blocks"].as_array().unwrap();
        blocks.iter().any(|block| block["message"] == "from afar")
    });
    lab.order("cut Ada Ben");
    lab.wall_once(|wall| wall["miners"][0]["bans"] == serde_json::json!([1]));
}

#[test]
fn pages_of_strangers_give_no_orders() {
    let lab = TestLab::start("1", &["--allow-host", "classroom.local"]);
    let send = |name: &str, value: &str| {
        let request = agent().post(format!("{}/orders", lab.url)).header(name, value);
        request.send("kill Ada").unwrap().status().as_u16()
    };
    assert_eq!(send("Origin", "http://evil.example"), 403);
    assert_eq!(send("Sec-Fetch-Site", "cross-site"), 403);
    assert_eq!(send("Host", "evil.example"), 421);
    // A name may lead to this host all of a sudden (DNS rebinding).
    assert_eq!(send("Host", "classroom.local"), 403);
    assert_eq!(send("Host", "localhost"), 200);
}

/// A group of processes that a miner began must not outlive a kill of the miner alone.
#[test]
fn a_killed_miner_takes_its_server_process_along() {
    let lab = TestLab::start("3", &[]);
    let processes = watched(&lab);
    lab.order("pause Ada\nkill Ada\nkill Ben\nkill Cleo");
    assert_eq!(left(&processes), 0);
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_stop_during_the_start_leaves_no_folder() {
    // The miners that had begun wrote into it while it was removed.
    for _ in 0..3 {
        let folder = tempdir().unwrap();
        let first = free_ports().to_string();
        let mut lab = program();
        let lab = lab.args(["lab", "12", "--port", "0", "--first-port", &first]);
        let mut lab = lab.env("TMPDIR", folder.path()).stdout(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&lab);
        while descendants(pid).len() < 3 {
            std::thread::yield_now();
        }
        kill_process(pid, Signal::INT).unwrap();
        lab.wait().unwrap();
        assert_eq!(count(folder.path()), 0);
    }
}

#[test]
fn leftovers_of_a_killed_lab_go_and_the_folder_of_one_that_lives_stays() {
    let folder = tempdir().unwrap();
    let place = folder.path();
    let mut killed = TestLab::start_in(place, "1", &[]);
    let lives = TestLab::start_in(place, "1", &[]);
    let processes: Vec<_> = descendants(killed.pid());
    let processes: Vec<_> =
        processes.iter().map(|pid| pidfd_open(*pid, PidfdFlags::empty()).unwrap()).collect();
    killed.kill();
    assert_eq!(left(&processes), 0);
    // Neither is for sure a lab's.
    fs::create_dir(place.join("blockchain-lab-0123456789abcdef")).unwrap();
    fs::create_dir(place.join("blockchain-lab-mine")).unwrap();
    fs::write(place.join("blockchain-lab-mine/lab.lock"), "").unwrap();
    assert_eq!(count(place), 4);
    let _third = TestLab::start_in(place, "1", &[]);
    assert_eq!(count(place), 4, "one went and one came");
    assert_eq!(lives.order("add \"still here\"")["error"], Value::Null);
}

#[test]
fn a_folder_that_cannot_be_used_is_named_with_what_to_do() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    let first = free_ports().to_string();
    let started = |path: &Path| {
        let mut lab = program();
        let lab = lab.args(["lab", "1", "--port", "0", "--first-port", &first, "--dir"]).arg(path);
        let done = lab.output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let not_text = folder.path().join(OsStr::from_bytes(b"not\xfftext"));
    let used = folder.path().join("used");
    let _lab = TestLab::start("1", &["--dir", used.to_str().unwrap()]);
    let beside = folder.path().join("beside");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("ada"), "a file where a folder is to be").unwrap();
    for (path, why) in [
        (file.as_path(), "it is no folder"),
        (Path::new("/proc/class"), "No such file or directory"),
        (not_text.as_path(), "its name is not UTF-8"),
        (used.as_path(), "another class uses it now"),
        (beside.as_path(), "File exists"),
    ] {
        let (code, stderr) = started(path);
        assert_eq!(code, Some(1), "{stderr}");
        for expected in [&path.display().to_string(), why, "name another folder with --dir"] {
            assert!(stderr.contains(expected), "{expected}: {stderr}");
        }
    }
}

#[test]
fn an_order_to_a_miner_that_does_not_run_fails() {
    for (lines, why) in [
        ("limit Kim 0", "Kim does not run"),
        ("add \"x\" to Kim", "Kim does not run"),
        ("forge \"x\" to Kim", "Kim does not run"),
        ("rewind Kim 0", "Kim does not run"),
        ("isolate Kim", "Kim was not started"),
        ("cut Kim Leo", "neither Kim nor Leo was started"),
        ("mend Kim Leo", "neither Kim nor Leo was started"),
        ("kill Ada\nlimit Ada 0", "Ada does not run"),
        ("pause Ada\nlimit Ada 0", "Ada is paused"),
        ("kill Ada\nexpect one chain within 0.1", "no miner runs"),
        // What cannot be told is not so, either.
        ("expect not mined Kim \"x\" within 0.1", "Kim does not run"),
    ] {
        let done = script(lines, &["1"]);
        assert_eq!(done.code, Some(1), "{lines}");
        assert!(done.stderr.contains(why), "{lines}: {}", done.stderr);
    }
}

#[test]
fn a_script_may_come_from_any_editor_and_is_a_file() {
    let done = script("\u{feff}# made elsewhere\r\nadd \"x\"\r\nexpect length Ada 2\r\n", &["1"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!done.stdout.contains('\r'), "{:?}", done.stdout);
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let large = folder.path().join("large");
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    for (file, why) in [
        (pipe.as_path(), "it is no regular file"),
        (Path::new("/dev/zero"), "it is no regular file"),
        (folder.path(), "it is no regular file"),
        (large.as_path(), "an experiment has at most"),
    ] {
        let file = file.to_str().unwrap();
        let done = run(&["lab", "--script", file]);
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains(why) && done.stderr.contains(file), "{}", done.stderr);
    }
}

#[test]
fn miners_that_do_not_answer_do_not_hold_the_wall() {
    let lab = TestLab::start("2", &[]);
    lab.wall_once(|wall| wall["miners"][1]["answers"] == true);
    // As if their hosts slept: the lab does not know.
    let all = descendants(lab.pid());
    all.iter().for_each(|pid| kill_process(*pid, Signal::STOP).unwrap());
    let began = Instant::now();
    lab.wall_once(|wall| {
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
        wall["miners"].as_array().unwrap().iter().all(|it| it["answers"] == false)
    });
    all.iter().for_each(|pid| kill_process(*pid, Signal::CONT).unwrap());
    lab.wall_once(|wall| wall["miners"][1]["answers"] == true);
}

#[test]
fn pages_that_were_closed_hold_no_place() {
    const PAGES_MAX: usize = 1_024;
    let lab = TestLab::start("1", &[]);
    let host = lab.url.trim_start_matches("http://");
    let wait = |mark: &str| {
        let mut page = TcpStream::connect(host).unwrap();
        let head = format!("GET /news?after={mark} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        page.write_all(head.as_bytes()).unwrap();
        page
    };
    let answer = |mut page: &TcpStream, patience: Duration| {
        page.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 2_048];
        page.read(&mut bytes).map(|length| String::from_utf8_lossy(&bytes[..length]).into_owned())
    };
    lab.order("add \"an event\"");
    lab.wall_once(|wall| wall["miners"][0]["length"] == 2);
    let mark = get(&format!("{}/news?after=0", lab.url)).1;
    let patience = Duration::from_millis(300);
    let is_turned_away = |page: &TcpStream, patience| {
        answer(page, patience).is_ok_and(|answer| answer.contains(" 503 "))
    };
    let mut pages: Vec<_> = (0..PAGES_MAX).map(|_| wait(&mark)).collect();
    // They take their places in any order.
    while !is_turned_away(pages.last().unwrap(), patience) {
        assert!(pages.len() < PAGES_MAX + 64, "all places are taken");
        pages.push(wait(&mark));
    }
    drop(pages);
    let closed = Instant::now();
    while is_turned_away(&wait(&mark), patience) {
        assert!(closed.elapsed() < Duration::from_secs(10), "closed pages hold their places");
    }
}

/// State of a process, as proc(5) tells it: `T` is frozen.
fn state_of(pid: Pid) -> char {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap()
}

#[test]
fn a_slow_line_is_one_whose_server_process_is_frozen_in_turns() {
    let mut lab = TestLab::start("2", &[]);
    let done = lab.order("slow Ben 0.3");
    let command = done["commands"][0].as_str().unwrap();
    let server = command.strip_prefix("while kill -STOP ").expect(command);
    let server = server.split(';').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let server = server.unwrap();
    assert!(descendants(lab.pid()).contains(&server), "{command}");
    for state in ['T', 'S', 'T'] {
        while state_of(server) != state {
            std::thread::yield_now();
        }
    }
    // It mines all the same, and what it finds goes out at once.
    lab.order("limit Ada 0\nadd \"found by Ben\" to Ben");
    let is_slow = |wall: &Value| wall["class"][1]["delay"] == 0.3;
    lab.wall_once(|wall| is_slow(wall) && wall["miners"][0]["length"] == 2);
    // A pause and an end come first.
    lab.order("pause Ben");
    while state_of(server) != 'T' {
        std::thread::yield_now();
    }
    lab.order("resume Ben\nslow Ben 0");
    assert_ne!(state_of(server), 'T');
    lab.wall_once(|wall| wall["class"][1]["delay"] == 0.0);
    lab.order("slow Ben 3");
    let began = Instant::now();
    kill_process(lab.pid(), Signal::INT).unwrap();
    assert!(lab.wait().success());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
