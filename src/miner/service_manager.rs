//! Tells the service manager that started us how we are: systemd, by sd_notify(3).
//!
//! One datagram to the socket that the variable `NOTIFY_SOCKET` names; without it nobody
//! wants to know. That it does not hear is no fault of ours, and stops nothing.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    Ready,
    /// We answered just now, too: what the watchdog waits for.
    Alive,
    /// We were told to stop.
    Stopping,
}

pub fn tell(state: ServiceState) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        log::debug!("service manager: it can't be told that we are {state:?}: {error}");
    }
}

/// How often a service manager wants to hear that we are alive, if it watches us: twice
/// within the time after which it would end us (sd_watchdog_enabled(3)).
pub fn watchdog_interval() -> Option<Duration> {
    let of = |name| std::env::var(name).ok();
    watched(of("WATCHDOG_USEC"), of("WATCHDOG_PID"), std::process::id())
}

/// Variables are inherited: those that name another process are not for us.
fn watched(timeout_micros: Option<String>, whom: Option<String>, us: u32) -> Option<Duration> {
    if whom.is_some_and(|process| process.parse() != Ok(us)) {
        return None;
    }
    let micros = timeout_micros?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros) / 2)
}

fn send(name: &OsStr, state: ServiceState) -> io::Result<()> {
    let message = match state {
        ServiceState::Ready => "READY=1",
        ServiceState::Alive => "WATCHDOG=1",
        ServiceState::Stopping => "STOPPING=1",
    };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that is busy must not hold us up.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_with_and_without_a_path_hear() {
        let name = format!("blockchain-test-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let at = |address| UnixDatagram::bind_addr(&address).unwrap();
        for (manager, name) in [
            (at(SocketAddr::from_pathname(&path).unwrap()), path.clone().into_os_string()),
            (at(SocketAddr::from_abstract_name(&name).unwrap()), format!("@{name}").into()),
        ] {
            for (state, expected) in
                [(ServiceState::Ready, "READY=1"), (ServiceState::Alive, "WATCHDOG=1")]
            {
                send(&name, state).unwrap();
                let mut heard = [0; 20];
                let length = manager.recv(&mut heard).unwrap();
                assert_eq!(&heard[..length], expected.as_bytes());
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(send(path.as_os_str(), ServiceState::Ready).is_err());
    }

    #[test]
    fn a_watchdog_hears_twice_within_its_time_unless_it_watches_another() {
        let check = |micros: Option<&str>, whom: Option<&str>, expected: Option<u64>| {
            let interval = watched(micros.map(str::to_owned), whom.map(str::to_owned), 7);
            assert_eq!(interval, expected.map(Duration::from_millis), "{micros:?} {whom:?}");
        };
        check(Some("60000000"), None, Some(30_000));
        check(Some("60000000"), Some("7"), Some(30_000));
        check(Some("60000000"), Some("8"), None);
        check(Some("60000000"), Some("x"), None);
        check(Some("0"), None, None);
        check(Some("soon"), None, None);
        check(None, Some("7"), None);
    }
}
