//! The socket that a miner listens on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Connections that may wait to be accepted; std's 128 are few in a burst.
const BACKLOG: i32 = 4096;

/// Listens on `address`. Accepted connections send small answers at once (`TCP_NODELAY` is
/// inherited), and an address that was in use a moment ago can be taken again.
///
/// # Errors
/// The address can't be taken: in use, not this host's, or not permitted.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_connections_do_not_wait_to_send() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = bind(address.parse().unwrap()) else { continue };
            let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(listener.accept().unwrap().0.nodelay().unwrap());
        }
    }
}
