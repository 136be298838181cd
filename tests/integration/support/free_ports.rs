//! Ports for a class, whose miners have fixed ones so that they can be started again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most miners of a class.
const PORTS: u16 = 12;

/// Rows lie between this port and those that the kernel gives to whoever asks for any port: one
/// of these would be taken while its miner does not run.
const LOWEST: u16 = 10_000;

const KERNELS_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// The first of ports in a row that nobody has, and that no other test of this process gets.
pub fn free_ports() -> u16 {
    static ROWS: AtomicU32 = AtomicU32::new(0);
    let range = std::fs::read_to_string(KERNELS_RANGE).unwrap();
    let kernels: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let rows = u32::from(kernels.saturating_sub(LOWEST) / PORTS);
    assert!(rows > 0, "{KERNELS_RANGE} leaves no ports for tests: {range}");
    let is_free = |first: &u16| {
        let bind = |port| TcpListener::bind(("0.0.0.0", port));
        (*first..first + PORTS).map(bind).collect::<Result<Vec<_>, _>>().is_ok()
    };
    // Other processes begin elsewhere.
    let next = || (std::process::id() + ROWS.fetch_add(1, Ordering::Relaxed)) % rows;
    let first = || LOWEST + next() as u16 * PORTS;
    let mut firsts = std::iter::repeat_with(first).take(rows as usize);
    firsts.find(is_free).expect("there are free ports")
}
