//! What a flood of strangers costs. In a process of its own, of which it counts and limits what
//! all tests would share.

use std::os::fd::AsRawFd;

use crate::support::apart::apart;
use crate::support::scripted_server::{Client, obliging};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const GET: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

fn allow_descriptors(current: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: current.or(maximum), maximum }).unwrap();
}

#[test]
fn slow_strangers_cost_little_and_running_out_of_descriptors_passes() {
    let name =
        "server::exhaustion::slow_strangers_cost_little_and_running_out_of_descriptors_passes";
    apart(name, flood);
}

fn flood() {
    allow_descriptors(None);
    let scripted = obliging();
    scripted.assert_answers();

    // Fault 9: each slow connection cost a thread.
    let (threads, memory) = (status("Threads"), status("VmRSS"));
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = allowed.saturating_sub(400).min(6_000) / 2;
    let mut slow: Vec<_> = (0..count).map(|_| scripted.client()).collect();
    slow.iter_mut().step_by(5).for_each(|client| client.say("PUT /add HTTP/1.1\r\nHo"));
    scripted.assert_answers();
    assert!(status("Threads") - threads < 8, "threads: {}", status("Threads") - threads);
    let grown = status("VmRSS") - memory;
    assert!(grown < 8 << 10, "{count} connections took {grown} KiB");
    drop(slow);

    // Fault 5: the accept loop ended, by an error or a panic.
    let mut early = scripted.client();
    assert_eq!(early.ask(GET).status, 200);
    let mut late: Vec<_> = (0..20).map(|_| unconnected()).collect();
    let lowest_free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    allow_descriptors(u64::try_from(lowest_free).ok());
    late.iter().for_each(|socket| rustix::net::connect(socket, &scripted.address).unwrap());
    for _ in 0..100 {
        assert_eq!(early.ask(GET).status, 200);
    }
    assert!(std::fs::File::open("/dev/null").is_err(), "there are descriptors left");
    allow_descriptors(None);
    for socket in late.drain(..) {
        let mut client = Client(socket.into());
        assert_eq!(client.ask(GET).status, 200);
    }
    scripted.end().unwrap();
}

fn unconnected() -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketType, socket};
    socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()
}
