//! The link between a miner and its server process: frames over a socket pair, both ends.
//!
//! A frame is the length of its head and of its body (two big-endian `u32`), the head
//! (JSON) and the body (raw bytes: an answer is never packed into JSON again). Both ends
//! trust each other no further than the limits here.

use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Caller, Media, PUSH_BYTES_MAX, Reply, Request};

/// The first argument of the server process, which the miner starts from its own binary with
/// the listening socket as standard input and the link as standard output; the second is the
/// least important level that it logs, and all others are names of this host.
pub const SERVER_ARGUMENT: &str = "--server-process";

/// Longest head: a request with the longest push, every quote and backslash of it escaped.
const HEAD_BYTES_MAX: usize = 2 * PUSH_BYTES_MAX + (64 << 10);

const BODY_BYTES_MAX: usize = 16 << 20;

/// A message of the server process to the miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToMiner {
    /// It answers on the socket it was given.
    Ready,
    Ask {
        /// Comes back with the answer.
        id: u64,
        caller: Caller,
        request: Request,
    },
    Log(LogLine),
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: log::Level,
    /// Which part of the program says it.
    pub target: String,
    pub text: String,
}

impl LogLine {
    pub fn log(self) {
        log::log!(target: &self.target, self.level, "{}", self.text);
    }
}

/// A message of the miner to its server process: the answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct ToServer {
    pub id: u64,
    pub reply: Reply,
}

/// The head of a frame to the server; the reply's body is the frame's. Methods that a path takes
/// are the server's own answer.
#[derive(Serialize, Deserialize)]
struct ReplyHead {
    id: u64,
    status: u16,
    retry_after: Option<u32>,
    media: Media,
    rest: Option<Request>,
}

#[derive(Debug)]
pub struct Sender(Mutex<UnixStream>);

impl Sender {
    pub fn new(stream: UnixStream) -> Self {
        Self(Mutex::new(stream))
    }

    pub fn to_miner(&self, frames: &[ToMiner]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for frame in frames {
            append(&mut bytes, &serde_json::to_vec(frame)?, &[])?;
        }
        self.0.lock().write_all(&bytes)
    }

    /// Sends frames to the server process, all at once. A reply that is too large for the
    /// other end goes as a 500.
    pub fn to_server(&self, frames: &[ToServer]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for ToServer { id, reply } in frames {
            let mut reply = reply;
            let mut head = reply_head(*id, reply)?;
            let too_large;
            if reply.body.len() > BODY_BYTES_MAX || head.len() > HEAD_BYTES_MAX {
                log::error!("link: a reply of {} bytes is too large", reply.body.len());
                let more = format!("the answer is longer than {BODY_BYTES_MAX} bytes");
                too_large = Reply::problem(500, "Internal server error", more);
                reply = &too_large;
                head = reply_head(*id, reply)?;
            }
            append(&mut bytes, &head, &reply.body)?;
        }
        self.0.lock().write_all(&bytes)
    }
}

fn reply_head(id: u64, reply: &Reply) -> io::Result<Vec<u8>> {
    let head = ReplyHead {
        id,
        status: reply.status,
        retry_after: reply.retry_after,
        media: reply.media,
        rest: reply.rest.clone(),
    };
    Ok(serde_json::to_vec(&head)?)
}

fn append(bytes: &mut Vec<u8>, head: &[u8], body: &[u8]) -> io::Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
    bytes.reserve(8 + head.len() + body.len());
    bytes.extend(length(head)?.to_be_bytes());
    bytes.extend(length(body)?.to_be_bytes());
    bytes.extend(head);
    bytes.extend(body);
    Ok(())
}

#[derive(Debug)]
pub struct Receiver<R: Read = UnixStream>(BufReader<R>);

impl<R: Read> Receiver<R> {
    pub fn new(stream: R) -> Self {
        Self(BufReader::with_capacity(64 << 10, stream))
    }

    /// The next frame from the server process, or `None` at the link's end; `InvalidData` for what
    /// is no frame.
    pub fn from_server(&mut self) -> io::Result<Option<ToMiner>> {
        Ok(self.receive()?.map(|(frame, _)| frame))
    }

    /// The next frame from the miner, in the same way.
    pub fn from_miner(&mut self) -> io::Result<Option<ToServer>> {
        let Some((head, body)) = self.receive::<ReplyHead>()? else { return Ok(None) };
        let ReplyHead { id, status, retry_after, media, rest } = head;
        let reply = Reply { retry_after, rest, ..Reply::new(status, media, body) };
        Ok(Some(ToServer { id, reply }))
    }

    pub fn has_more(&self) -> bool {
        !self.0.buffer().is_empty()
    }

    fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        let mut lengths = [0; 8];
        match self.0.read_exact(&mut lengths) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = |at: usize| {
            u32::from_be_bytes(lengths[at..at + 4].try_into().expect("4 bytes")) as usize
        };
        let head = self.bytes(length(0), HEAD_BYTES_MAX)?;
        let body = self.bytes(length(4), BODY_BYTES_MAX)?;
        Ok(Some((serde_json::from_slice(&head)?, body)))
    }

    fn bytes(&mut self, length: usize, max: usize) -> io::Result<Vec<u8>> {
        if length > max {
            let why = format!("a frame with {length} bytes; at most {max} are allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Shuts the link down when it goes, also by a panic: who speaks over it has ended.
pub struct EndsLink(pub UnixStream);

impl Drop for EndsLink {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::data;

    fn link() -> (Sender, Receiver) {
        let (one, two) = UnixStream::pair().unwrap();
        (Sender::new(one), Receiver::new(two))
    }

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let (sender, mut receiver) = link();
        let message = data("hello\n\0").message;
        let request = Request::Add { id: None, message };
        let frames = [ToMiner::Ready, ToMiner::Ask { id: 7, caller: Caller::default(), request }];
        for frame in &frames {
            sender.to_miner(std::slice::from_ref(frame)).unwrap();
            assert_eq!(receiver.from_server().unwrap().as_ref(), Some(frame));
        }
        drop(sender);
        assert_eq!(receiver.from_server().unwrap(), None);
        let (sender, mut receiver) = link();
        let rest =
            Some(Request::ChainRest { from: 1, until: 9, after: crate::chain::Hash::of("x") });
        let body = vec![0xff; 20_000];
        let reply = Reply { retry_after: Some(3), rest, ..Reply::new(503, Media::Metrics, body) };
        let frame = ToServer { id: u64::MAX, reply };
        sender.to_server(std::slice::from_ref(&frame)).unwrap();
        assert_eq!(receiver.from_miner().unwrap(), Some(frame));
    }

    #[test]
    fn a_reply_that_is_too_large_goes_as_an_error() {
        // It ended the server process, and every client's connection with it.
        let (sender, mut receiver) = link();
        let sends = std::thread::spawn(move || {
            for length in [BODY_BYTES_MAX + 1, BODY_BYTES_MAX] {
                let reply = Reply::new(200, Media::Json, vec![b' '; length]);
                sender.to_server(&[ToServer { id: 1, reply }]).unwrap();
            }
        });
        let mut status = || receiver.from_miner().unwrap().unwrap().reply.status;
        assert_eq!([status(), status()], [500, 200]);
        sends.join().unwrap();
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_takes_no_memory() {
        for bytes in [&[0xff; 8][..], &[0, 0, 0, 1, 0, 0, 0, 0, b'x'], &[0, 0, 0, 9, 0, 0, 0, 0]] {
            assert!(Receiver::new(bytes).from_server().is_err());
        }
        assert!(Receiver::new(&[0, 0, 0][..]).from_server().unwrap().is_none());
    }
}
