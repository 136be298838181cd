//! Ports for a class, whose miners have fixed ones so that they can be started again.

use std::net::TcpListener;

/// Most miners of a class.
const PORTS: u16 = 12;

/// The first of ports in a row that nobody has.
pub fn free_ports() -> u16 {
    let is_free = |first: &u16| {
        let bind = |port| TcpListener::bind(("0.0.0.0", port));
        (*first..first + PORTS).map(bind).collect::<Result<Vec<_>, _>>().is_ok()
    };
    let random = || {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        port.clamp(1_024, 65_000)
    };
    std::iter::repeat_with(random).find(is_free).expect("there are free ports")
}
