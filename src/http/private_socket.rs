//! The socket that tiny_http listens on.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::random;

/// A socket in a folder that only this user can enter, since whoever connects there comes
/// past the guard.
pub struct PrivateSocket {
    folder: PathBuf,
    /// Listens there.
    pub listener: UnixListener,
}

/// The socket's name.
const SOCKET: &str = "tiny_http";

impl PrivateSocket {
    /// Makes one, wherever there is a place for it.
    ///
    /// # Errors
    /// There is none, or no socket can be had.
    pub fn bind() -> io::Result<Self> {
        let name = format!("blockchain-{}", const_hex::encode(random::bytes::<8>()));
        let places = [std::env::temp_dir(), "/dev/shm".into(), "/run".into(), ".".into()];
        let folders = places.into_iter().map(|place| place.join(&name));
        let mut last = None;
        for folder in folders {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => {
                    let listener = UnixListener::bind(folder.join(SOCKET))?;
                    return Ok(Self { folder, listener });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there was a place to try"))
    }

    /// Where to connect.
    pub fn path(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
        let _ = std::fs::remove_dir(&self.folder);
    }
}
