//! What those hear that watch a miner: a monitoring system and a service manager.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::miner::{Logs, Miner};
use crate::support::program::{Process, program};
use rustix::process::{Signal, kill_process};
use tempfile::tempdir;

fn metrics_of(miner: &Miner) -> String {
    metrics(&miner.url)
}

/// What the miner at this URL tells.
fn metrics(miner: &str) -> String {
    let mut answer = ureq::get(format!("{miner}/metrics")).call().unwrap();
    let media = answer.headers()["Content-Type"].to_str().unwrap();
    assert_eq!(media, "text/plain; version=0.0.4; charset=utf-8");
    answer.body_mut().read_to_string().unwrap()
}

/// The value of the series that is written like this.
fn value(metrics: &str, series: &str) -> f64 {
    let of_series = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(of_series).unwrap_or_else(|| panic!("no {series} in:\n{metrics}"))
}

#[test]
fn metrics_tell_what_has_happened() {
    let miner = Miner::start();
    assert_eq!(value(&metrics_of(&miner), "blockchain_blocks"), 1.0);
    let id = "0123456789abcdef0123456789abcdef";
    for _ in 0..2 {
        assert_eq!(miner.run(&["add", "hello", "--wait", "--id", id]).code, Some(0));
    }
    let metrics = metrics_of(&miner);
    for (series, expected) in [
        ("blockchain_blocks", 2.0),
        ("blockchain_unprocessed_messages", 0.0),
        ("blockchain_mined_blocks_total", 1.0),
        (r#"blockchain_adds_total{outcome="added"}"#, 1.0),
        (r#"blockchain_adds_total{outcome="repeated"}"#, 1.0),
        (r#"blockchain_adds_total{outcome="full"}"#, 0.0),
        (r#"blockchain_request_seconds_count{code="200",route="/add"}"#, 2.0),
        ("blockchain_journal_sync_seconds_count", 1.0),
        ("blockchain_reorganisation_depth_blocks_count", 0.0),
        (r#"blockchain_neighbours{state="ok"}"#, 0.0),
        ("blockchain_troubles", 0.0),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
    for series in [
        "blockchain_guesses_total",
        "blockchain_uptime_seconds",
        r#"blockchain_file_bytes{kind="chain"}"#,
        r#"blockchain_job_round_seconds_count{name="gossip"}"#,
        "blockchain_disk_free_bytes",
        "blockchain_disk_bytes",
        "blockchain_memory_limit_bytes",
        "blockchain_settled_hash",
        r#"blockchain_resident_bytes{process="miner"}"#,
        r#"blockchain_resident_bytes{process="server"}"#,
        r#"blockchain_open_files{process="server"}"#,
        r#"blockchain_open_files_max{process="miner"}"#,
    ] {
        assert!(value(&metrics, series) > 0.0, "{series}");
    }
    assert!((0.0..60.0).contains(&value(&metrics, "blockchain_head_age_seconds")));
    // In steps of 10 ms.
    assert!(value(&metrics, r#"blockchain_cpu_seconds_total{process="miner"}"#) >= 0.0);
    assert!(metrics.contains("blockchain_build_info{"));
}

#[test]
fn metrics_tell_of_neighbours_and_of_blocks_that_lost() {
    let one = Miner::start_with(&["--chain-sync-interval", "0.2"]);
    let two = Miner::start();
    for (miner, messages) in [(&one, &["a"][..]), (&two, &["b", "c"])] {
        for message in messages {
            assert_eq!(miner.run(&["add", message, "--wait"]).code, Some(0));
        }
    }
    let other = two.address.to_string();
    assert_eq!(one.run(&["neighbours", "add", &other]).code, Some(0));
    let agree = one.run(&["wait", "--length", "4", "--idle", "--agree-with", &other]);
    assert_eq!(agree.code, Some(0), "{}", agree.stderr);
    let ours = metrics_of(&one);
    for (series, expected) in [
        ("blockchain_blocks", 4.0),
        (r#"blockchain_neighbours{state="ok"}"#, 1.0),
        (r#"blockchain_neighbours{state="failing"}"#, 0.0),
    ] {
        assert_eq!(value(&ours, series), expected, "{series}");
    }
    // "a" lost its place; if both then mined it at once, one of them once more.
    for series in ["count", "sum"] {
        let lost = value(&ours, &format!("blockchain_reorganisation_depth_blocks_{series}"));
        assert!((1.0..=2.0).contains(&lost), "{series}: {lost}");
    }
    // What one received, the other has sent. Blocks may have come by pushes, which bring no answers
    // here; but each round asks.
    let received = || value(&metrics_of(&one), "blockchain_neighbour_received_bytes_total") > 500.0;
    Logs::new().wait_until("500 bytes of answers", received);
    assert!(value(&metrics_of(&two), "blockchain_neighbour_sent_bytes_total") > 500.0);
}

/// The names of metrics in a text.
fn asked_for(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("blockchain_")).collect()
}

/// What a dashboard asks for under a name that is gone, it shows as a line that is not there.
#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() {
    let miner = Miner::start();
    // Requests are there from the first one on.
    metrics_of(&miner);
    let metrics = metrics_of(&miner);
    let mut there = BTreeSet::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, sort) = line.split_once(' ').unwrap();
        there.insert(name.to_owned());
        if sort == "histogram" {
            there.extend(["bucket", "count", "sum"].map(|end| format!("{name}_{end}")));
        }
    }
    for (file, text) in [
        (
            "dashboard",
            include_str!("../../../docker/monitoring/grafana/dashboards/blockchain.json"),
        ),
        ("alerts", include_str!("../../../docker/monitoring/alerts.yaml")),
    ] {
        let asked = asked_for(text);
        assert!(asked.len() >= 5, "{file}: {asked:?}");
        for name in asked {
            assert!(there.contains(name), "{file} asks for {name}, which is not in:\n{metrics}");
        }
    }
}

/// By Prometheus's own checker, which scripts/test installs; without it there is only a note.
#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let miner = Miner::start();
    assert_eq!(miner.run(&["add", "hello", "--wait"]).code, Some(0));
    let metrics = metrics_of(&miner);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut checks) = promtool.spawn() else {
        return eprintln!("NOT RUN: there is no promtool (Debian: prometheus)");
    };
    checks.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = checks.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && words.is_empty(), "{words}\n{metrics}");
}

/// Also: that a miner asks itself whether it answers is not taken for a neighbour's traffic.
#[test]
fn a_service_manager_hears_when_a_miner_answers_that_it_lives_and_when_it_stops() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let hear = || {
        let mut heard = [0; 100];
        let length = manager.recv(&mut heard).unwrap();
        String::from_utf8(heard[..length].to_vec()).unwrap()
    };
    let mut command = program();
    command.args(["miner", "start"]).arg(folder.path().join("test.chain"));
    command.args(["--port", "0", "--difficulty", "1"]).env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", "100000").stderr(Stdio::null());
    let mut miner = Process::of(&mut command);
    assert_eq!(hear(), "READY=1");
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    let metrics = metrics(&miner.url);
    for direction in ["sent", "received"] {
        assert_eq!(value(&metrics, &format!("blockchain_neighbour_{direction}_bytes_total")), 0.0);
    }
    kill_process(miner.pid(), Signal::TERM).unwrap();
    let after_the_watchdog = std::iter::repeat_with(hear).find(|heard| heard != "WATCHDOG=1");
    assert_eq!(after_the_watchdog.as_deref(), Some("STOPPING=1"));
    assert!(miner.wait().success());
}
