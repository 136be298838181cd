//! What strangers that call a miner can make it do: a few questions to whom they name, now
//! and then, and no more, however often they call.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use blockchain::miner::jobs::gossip::LOOKS_MAX;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use support::{DEADLINE, Logs, TestFolder, TestMiner};

/// A stranger's connection.
struct Stranger(BufReader<TcpStream>);

impl Stranger {
    fn connect(miner: &TestMiner) -> Self {
        let stream = TcpStream::connect((miner.address.host(), miner.address.port())).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Asks, as the miner of this number at this port of this host; the answer's status.
    fn call(&mut self, line: &str, number: usize, port: u16) -> u16 {
        let who = format!("Miner-Id: {number:032x}\r\nMiner-Address: :{port}");
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{who}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
        self.0.read_line(&mut first).unwrap();
        while self.0.read_line(&mut line).unwrap() > 2 {
            if let Some(text) = line.strip_prefix("Content-Length: ") {
                length = text.trim_end().parse().unwrap();
            }
            line.clear();
        }
        self.0.read_exact(&mut vec![0; length]).unwrap();
        first.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn callers_at_silent_addresses_take_few_threads_and_all_get_their_turn() {
    // Each took a thread for ten seconds: 12,500 requests over one connection came to 5,800
    // threads and 1.7 GB.
    let (folder, logs) = (TestFolder::new(), Logs::new());
    let miner = TestMiner::start(folder.path(), &logs, &["--gossip-interval", "3600"]);
    let silent: Vec<_> =
        (0..3 * LOOKS_MAX).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut stranger = Stranger::connect(&miner);
    for (number, listener) in silent.iter().enumerate() {
        let port = listener.local_addr().unwrap().port();
        assert_eq!(stranger.call("GET /health", number, port), 200);
    }
    // Each is left alone by us before the miner leaves it.
    let (mut open, mut seen) = (Vec::new(), 0);
    let timeout = Timespec::try_from(DEADLINE).unwrap();
    while seen < silent.len() {
        let mut waiting: Vec<_> = silent.iter().map(|it| PollFd::new(it, PollFlags::IN)).collect();
        assert_ne!(poll(&mut waiting, Some(&timeout)), Ok(0), "{seen} callers were looked at");
        let called = waiting.iter().map(|it| !it.revents().is_empty());
        for (listener, _) in silent.iter().zip(called).filter(|(_, called)| *called) {
            open.push(listener.accept().unwrap());
            seen += 1;
        }
        assert!(open.len() <= LOOKS_MAX, "{} at a time", open.len());
        if open.len() == LOOKS_MAX {
            open.remove(0);
        }
    }
}
