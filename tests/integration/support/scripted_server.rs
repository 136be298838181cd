//! A server process's other end, scripted: a thread that answers what the server asks, and
//! clients that say exactly what a test wants them to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use blockchain::api::link::{Receiver, Sender, ToMiner, ToServer};
use blockchain::api::{Caller, Reply, Request};
use blockchain::http::{Limits, bind};
use blockchain::server::run;

/// How long a test waits before it says that nothing comes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a miner answers; `None`: nothing, ever.
pub type Script = dyn Fn(&Caller, &Request) -> Option<Reply> + Send;

/// A server before a scripted miner.
pub struct Scripted {
    pub address: SocketAddr,
    pub asked: Arc<Mutex<Vec<(Caller, Request)>>>,
    link: UnixStream,
    miner: Option<JoinHandle<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// Deadlines that end a test at once where it waits for them.
pub fn short() -> Limits {
    let short = Duration::from_millis(150);
    Limits {
        idle: short,
        head: short,
        body: short,
        answer: short,
        progress: short,
        linger: short,
        proof: short / 30,
        ..Limits::default()
    }
}

/// A miner that answers everything with a small body.
pub fn obliging() -> Scripted {
    Scripted::start(Limits::default(), |_, _| Some(ok()))
}

/// A small answer.
pub fn ok() -> Reply {
    Reply::problem(200, "ok", "")
}

impl Scripted {
    pub fn start(
        limits: Limits,
        script: impl Fn(&Caller, &Request) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server =
            thread::spawn(move || run(listener, theirs, limits, vec!["miner.lan".to_owned()]));
        let mut receiver = Receiver::new(ours.try_clone().unwrap());
        assert_eq!(receiver.from_server().unwrap(), Some(ToMiner::Ready));
        let sender = Sender::new(ours.try_clone().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let miner = {
            let asked = Arc::clone(&asked);
            thread::spawn(move || answer(&mut receiver, &sender, &script, &asked))
        };
        Self { address, asked, link: ours, miner: Some(miner), server: Some(server) }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Whether the server still answers somebody else.
    pub fn assert_answers(&self) {
        let answer = self.client().ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(answer.status, 200);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.asked.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    /// Ends the link; the server's last word.
    pub fn end(mut self) -> std::io::Result<()> {
        self.link.shutdown(Shutdown::Both).unwrap();
        self.miner.take().unwrap().join().unwrap();
        self.server.take().unwrap().join().unwrap()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let _ = self.link.shutdown(Shutdown::Both);
        if let Some(miner) = self.miner.take() {
            let end = miner.join();
            assert!(end.is_ok() || thread::panicking(), "the scripted miner panicked");
        }
        if let Some(server) = self.server.take() {
            let end = server.join();
            assert!(end.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}

fn answer(
    receiver: &mut Receiver,
    sender: &Sender,
    script: &Script,
    asked: &Mutex<Vec<(Caller, Request)>>,
) {
    while let Ok(Some(frame)) = receiver.from_server() {
        let ToMiner::Ask { id, caller, request } = frame else { continue };
        let reply = script(&caller, &request);
        asked.lock().unwrap().push((caller, request));
        if let Some(reply) = reply {
            let _ = sender.to_server(&[ToServer { id, reply }]);
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client that says exactly what it is told.
pub struct Client(pub TcpStream);

/// An answer as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The field of our error bodies.
    pub fn message(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert!(body["more_information"].is_string(), "{body}");
        body["message"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self(connect(address))
    }

    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Says as much of it as the other end wants to hear.
    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.write_all(bytes.as_ref())
    }

    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.say(bytes);
        self.hear()
    }

    /// The status of the answer; `None` from who does not listen.
    pub fn ask_if_open(&mut self, bytes: impl AsRef<[u8]>) -> Option<u16> {
        self.try_say(bytes).ok().and_then(|()| self.next_status())
    }

    /// The next answer, read byte by byte up to its end.
    pub fn hear(&mut self) -> Answer {
        let head = self.hear_head();
        let length = head.header("Content-Length").map(|length| length.parse().unwrap());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).unwrap();
        Answer { body, ..head }
    }

    /// The next answer's head.
    pub fn hear_head(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let read = self.0.read(&mut byte).unwrap();
            assert_eq!(read, 1, "the connection ended in {:?}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Everything up to the connection's end; an error if it is a reset.
    pub fn hear_all(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).map(|_| bytes)
    }

    /// A body of so many bytes, unless the connection ends before.
    pub fn hear_all_of(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok().map(|()| body)
    }

    /// The status of the one answer before the connection's end; `None` if it is cut.
    pub fn last_status(&mut self) -> Option<u16> {
        let bytes = self.hear_all().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.split(' ').nth(1).map(|status| status.parse().unwrap())
    }

    /// The status of the next answer; `None` if the connection is cut.
    pub fn next_status(&mut self) -> Option<u16> {
        let mut line = [0; 12];
        self.0.read_exact(&mut line).ok()?;
        std::str::from_utf8(&line[9..]).ok()?.parse().ok()
    }
}
