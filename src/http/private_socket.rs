//! The socket that tiny_http listens on.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::random;

/// A socket that only this user can connect to, since such a connection comes past the guard.
///
/// Its file has no name any more when this is made: whatever ends the process leaves nothing
/// behind. Its path is by way of an open descriptor of the file.
pub struct PrivateSocket {
    pub listener: UnixListener,
    file: OwnedFd,
}

const BACKLOG: i32 = 128;

impl PrivateSocket {
    /// Makes one, wherever there is a place for it.
    ///
    /// # Errors
    /// There is none, or no socket can be had.
    pub fn bind() -> io::Result<Self> {
        let name = format!("blockchain-{}", const_hex::encode(random::bytes::<8>()));
        let places = [std::env::temp_dir(), "/dev/shm".into(), "/run".into(), ".".into()];
        let mut last = None;
        for place in places {
            match Self::bind_at(&place.join(&name)) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there was a place to try"))
    }

    fn bind_at(path: &Path) -> io::Result<Self> {
        let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
        // The mode that the file will have (Linux takes it from here, less the umask).
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        std::fs::remove_file(path)?;
        // Nobody can have connected: it begins to listen now.
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { listener: socket.into(), file: file? })
    }

    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn it_can_be_connected_to_and_has_no_name() {
        // A server process that was killed left its folder in TMPDIR for ever.
        let folder = tempfile::tempdir().unwrap();
        let socket = PrivateSocket::bind_at(&folder.path().join("socket")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let metadata = std::fs::metadata(socket.path()).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "others can connect");
        UnixStream::connect(socket.path()).unwrap();
        socket.listener.accept().unwrap();
    }
}
