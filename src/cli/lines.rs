//! `add --lines`: each line of a file is a message, over one connection that never waits for
//! an answer before it sends the next line.
//!
//! A line's id follows from the file, the line's number and its text, so a repeat adds
//! nothing twice, whatever became of the attempt before: after a broken connection or a busy
//! miner, the same lines are sent again.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError, bounded};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::args::Add;
use super::error::{CliError, Exit};
use super::miner::Miner;
use super::output::{Output, count};
use crate::api::Problem;
use crate::chain::data::MESSAGE_BYTES_MAX;
use crate::chain::{Data, DataId, Message};

/// Lines that are sent before the first of them is answered: enough to fill each group that
/// the miner writes to disk at once.
const WINDOW: usize = 512;

/// How long connecting, and each answer, may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before a connection is made anew: as long as a server process takes to start again.
const PAUSE: Duration = Duration::from_millis(200);

/// Longest pause that a busy miner can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// Time without progress after which the command gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for a miner that cannot be connected to at all.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Most lines that are named because they cannot be messages.
const NAMED_MAX: u64 = 10;

/// Longest answer that is read: a confirmation repeats the message, escaped.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A line on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    number: u64,
    data: Data,
}

/// The outcome of all lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    /// Lines that are on the miner's disk now.
    added: u64,
    /// Those of them that were there before.
    already_there: u64,
    /// Lines that cannot be messages, or were refused for good.
    refused: u64,
}

/// The lines of a file that are not empty, as messages.
struct Lines<R> {
    reader: R,
    prefix: Vec<u8>,
    number: u64,
    refused: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line; lines that cannot be messages are named on stderr and left out.
    fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            // Of a longer line, as much as shows that it is too long, and the rest is left out.
            let limit = MESSAGE_BYTES_MAX as u64 + 3;
            if (&mut self.reader).take(limit).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes.len() as u64 == limit && !bytes.ends_with(b"\n") {
                self.reader.skip_until(b'\n')?;
            }
            let end = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let text = end.strip_suffix(b"\r").unwrap_or(end);
            if text.is_empty() {
                continue;
            }
            match std::str::from_utf8(text)
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(|text| Message::new(text).map_err(|error| error.to_string()))
            {
                Ok(message) => {
                    let id = id_of(&self.prefix, self.number, &message);
                    return Ok(Some(Line { number: self.number, data: Data { id, message } }));
                }
                Err(why) => {
                    self.refused += 1;
                    if self.refused <= NAMED_MAX {
                        let number = self.number;
                        _ = writeln!(io::stderr(), "line {number} is not added: {why}");
                    }
                }
            }
        }
    }

    /// Whether the next line is there without waiting for it.
    fn is_waiting(&self) -> bool
    where
        R: Buffered,
    {
        !self.reader.has_line()
    }
}

/// Says whether a whole line is in memory already.
trait Buffered {
    fn has_line(&self) -> bool;
}

impl<T: Read> Buffered for BufReader<T> {
    fn has_line(&self) -> bool {
        self.buffer().contains(&b'\n')
    }
}

/// The id of a line: the first 16 bytes of the SHA-256 of prefix, number and text, with a
/// zero byte between them.
fn id_of(prefix: &[u8], number: u64, message: &Message) -> DataId {
    let hash = Sha256::new()
        .chain_update(prefix)
        .chain_update([0])
        .chain_update(number.to_string())
        .chain_update([0])
        .chain_update(message.as_str());
    let hash: [u8; 32] = hash.finalize().into();
    DataId::from_bytes(*hash.first_chunk().expect("32 bytes begin with 16"))
}

/// Runs `add --lines`.
pub fn run(miner: &Miner, file: &Path, add: &Add, output: &mut Output<'_>) -> Result<(), CliError> {
    let is_stdin = file == Path::new("-");
    if is_stdin && io::stdin().is_terminal() {
        _ = writeln!(io::stderr(), "reading messages from stdin, one a line; Ctrl-D ends them");
    }
    let shown = if is_stdin { "stdin".into() } else { file.display().to_string() };
    let cannot_read = |error| CliError::other(format!("cannot read {shown}: {error}"));
    let (input, size): (Box<dyn Read + Send>, u64) = if is_stdin {
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(file).map_err(cannot_read)?;
        let size = file.metadata().map_or(0, |data| if data.is_file() { data.len() } else { 0 });
        (Box::new(file), size)
    };
    let bar = bar(size);
    let reader = BufReader::with_capacity(1 << 16, bar.wrap_read(input));
    let mut lines = Lines { reader, prefix: prefix(file, add), number: 0, refused: 0 };
    let patience = add.timeout.unwrap_or(PATIENCE);
    let mut sending =
        Sending { miner, bar: &bar, pending: VecDeque::new(), done: Summary::default() };
    let outcome = sending.all(&mut lines, patience);
    bar.finish_and_clear();
    let done = Summary { refused: sending.done.refused + lines.refused, ..sending.done };
    if add.common.format.json {
        output.json_line(&done)?;
    } else {
        output.line(done.in_words())?;
    }
    output.flush()?;
    match outcome {
        Err(Stopped::Input(error)) => Err(cannot_read(error)),
        Err(Stopped::Miner(exit, why)) => {
            let again = "repeat the command: no line is added twice";
            Err(CliError::Other(exit, format!("not all lines were added: {why}; {again}")))
        }
        Ok(()) if sending.done.refused > 0 => {
            let refused = count(sending.done.refused, "line");
            Err(CliError::Other(Exit::Refused, format!("{refused} refused by {}", miner.address)))
        }
        Ok(()) if done.refused > 0 => {
            let refused = count(done.refused, "line");
            Err(CliError::other(format!("{refused} not added: not a message")))
        }
        Ok(()) => Ok(()),
    }
}

fn prefix(file: &Path, add: &Add) -> Vec<u8> {
    if let Some(given) = &add.id_prefix {
        return given.clone().into_bytes();
    }
    // What has no path of its own (stdin, a pipe) goes by what was typed.
    let path = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    path.into_os_string().into_encoded_bytes()
}

fn bar(size: u64) -> ProgressBar {
    let (bar, template) = match size {
        0 => (ProgressBar::new_spinner(), "{spinner} {bytes} read, {elapsed}  {msg}"),
        _ => (ProgressBar::new(size), "{wide_bar} {bytes} of {total_bytes}, {eta} left  {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is right"))
}

impl Summary {
    fn in_words(&self) -> String {
        let mut words = format!("{} added", count(self.added, "message"));
        if self.already_there > 0 {
            words += &format!(" ({} before)", self.already_there);
        }
        if self.refused > 0 {
            words += &format!(", {} not added", count(self.refused, "line"));
        }
        words
    }
}

/// Why sending ended early.
#[derive(Debug)]
enum Stopped {
    Input(io::Error),
    Miner(Exit, String),
}

/// How one connection ended.
enum Session {
    /// Every line was answered.
    Done,
    /// The miner is busy: it wants to be asked again after so long.
    Busy(Duration, String),
    /// The connection could not be made or broke.
    Broken(String),
}

struct Sending<'a> {
    miner: &'a Miner,
    bar: &'a ProgressBar,
    /// Lines that were sent, or refused for now, and not confirmed: the first to send next.
    pending: VecDeque<Line>,
    done: Summary,
}

impl Sending<'_> {
    /// Sends everything, over as many connections as it takes.
    fn all<R: BufRead + Buffered>(
        &mut self,
        lines: &mut Lines<R>,
        patience: Duration,
    ) -> Result<(), Stopped>
    where
        Lines<R>: Send,
    {
        let mut progress = (self.done, Instant::now());
        loop {
            let stream = self.connect();
            let is_connected = stream.is_ok();
            let session = match stream {
                Ok(stream) => self.session(stream, lines)?,
                Err(error) => Session::Broken(error.to_string()),
            };
            if self.done != progress.0 {
                progress = (self.done, Instant::now());
            }
            let idle = progress.1.elapsed();
            let (exit, pause, why) = match session {
                Session::Done => return Ok(()),
                Session::Busy(pause, why) => (Exit::Refused, pause, why),
                Session::Broken(why) => (Exit::NoMiner, PAUSE, why),
            };
            let was_there = is_connected || self.done != Summary::default();
            let limit = if was_there { patience } else { patience.min(CONNECT_PATIENCE) };
            let address = &self.miner.address;
            if idle + pause > limit.max(pause) {
                return Err(Stopped::Miner(exit, format!("{address}: {why}")));
            }
            self.bar.set_message(format!("waiting for {address}: {why}"));
            crossbeam_channel::after(pause).recv().expect("it comes");
            self.bar.set_message("");
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let address = &self.miner.address;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for ip in (address.host(), address.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&ip, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends what is pending and then further lines, while answers come, until one of them
    /// is no confirmation or the connection ends.
    fn session<R: BufRead + Buffered>(
        &mut self,
        stream: TcpStream,
        lines: &mut Lines<R>,
    ) -> Result<Session, Stopped>
    where
        Lines<R>: Send,
    {
        let (sent, on_the_way) = bounded::<Line>(WINDOW);
        let resend = std::mem::take(&mut self.pending);
        let writer = Writer { miner: self.miner, out: BufWriter::new(&stream), sent };
        thread::scope(|scope| {
            let writing = scope.spawn(move || writer.send(resend, lines));
            let mut answers = Answers { reader: BufReader::new(&stream) };
            let mut end = Session::Done;
            let mut waiting = VecDeque::new();
            for line in &on_the_way {
                match answers.next() {
                    Ok(answer) => match self.take(&line, answer) {
                        Ok(()) => continue,
                        Err(busy) => end = busy,
                    },
                    Err(error) => end = Session::Broken(error.to_string()),
                }
                waiting.push_back(line);
                break;
            }
            // The writer ends at once; what it has sent or taken and was not answered comes again.
            if !matches!(end, Session::Done) {
                _ = stream.shutdown(Shutdown::Both);
            }
            waiting.extend(on_the_way.iter());
            drop(on_the_way);
            let written = writing.join().expect("writing never panics");
            let (unsent, failed) = written.map_err(Stopped::Input)?;
            self.pending.extend(waiting);
            self.pending.extend(unsent);
            Ok(match (end, failed) {
                (Session::Done, Some(why)) => Session::Broken(why),
                (end, _) => end,
            })
        })
    }

    /// Counts an answer, unless it says that the line is to be sent again.
    fn take(&mut self, line: &Line, answer: Answer) -> Result<(), Session> {
        let problem = serde_json::from_slice::<Problem>(&answer.body);
        let said = problem.map(|it| it.more_information).unwrap_or_default();
        match answer.status {
            200 => {
                self.done.added += 1;
                self.done.already_there += u64::from(said.starts_with("It was added before"));
            }
            503 => return Err(Session::Busy(answer.retry_after.min(RETRY_AFTER_MAX), said)),
            400 | 409 => {
                self.done.refused += 1;
                if self.done.refused <= NAMED_MAX {
                    let number = line.number;
                    self.bar.suspend(|| {
                        _ = writeln!(io::stderr(), "line {number} is not added: {said}");
                    });
                }
            }
            status => return Err(Session::Broken(format!("it answers {status} {said}"))),
        }
        Ok(())
    }
}

/// Writes requests, each announced to the reader of answers before.
struct Writer<'a> {
    miner: &'a Miner,
    out: BufWriter<&'a TcpStream>,
    sent: Sender<Line>,
}

impl Writer<'_> {
    /// Sends `resend` and then `lines`. Returns what could not be sent, and why not.
    fn send<R: BufRead + Buffered>(
        mut self,
        mut resend: VecDeque<Line>,
        lines: &mut Lines<R>,
    ) -> io::Result<(VecDeque<Line>, Option<String>)> {
        loop {
            let line = match resend.pop_front() {
                Some(line) => line,
                None => {
                    if lines.is_waiting()
                        && let Err(error) = self.out.flush()
                    {
                        return Ok((resend, Some(error.to_string())));
                    }
                    match lines.next()? {
                        Some(line) => line,
                        None => break,
                    }
                }
            };
            if let Err((line, why)) = self.one(line) {
                if let Some(line) = line {
                    resend.push_front(line);
                }
                return Ok((resend, Some(why)));
            }
        }
        Ok((resend, self.out.flush().err().map(|error| error.to_string())))
    }

    /// Sends a line. An error holds it if the reader of answers does not have it.
    fn one(&mut self, line: Line) -> Result<(), (Option<Line>, String)> {
        let request = self.request(&line);
        let is_over = || "the connection ended".to_owned();
        match self.sent.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(line)) => {
                // The reader waits for answers to what is still in our hands.
                if let Err(error) = self.out.flush() {
                    return Err((Some(line), error.to_string()));
                }
                self.sent.send(line).map_err(|it| (Some(it.0), is_over()))?;
            }
            Err(TrySendError::Disconnected(line)) => return Err((Some(line), is_over())),
        }
        self.out.write_all(&request).map_err(|error| (None, error.to_string()))
    }

    fn request(&self, line: &Line) -> Vec<u8> {
        let (address, text) = (&self.miner.address, line.data.message.as_str());
        let token = self.miner.token.as_ref();
        let token = token.map(|it| format!("Authorization: {}\r\n", it.bearer()));
        let mut request = format!(
            "PUT /add?id={} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{}\r\n",
            line.data.id,
            text.len(),
            token.unwrap_or_default()
        );
        request.push_str(text);
        request.into_bytes()
    }
}

/// An answer to a line.
struct Answer {
    status: u16,
    retry_after: Duration,
    body: Vec<u8>,
}

/// Answers as they come, in the order of the requests.
struct Answers<'a> {
    reader: BufReader<&'a TcpStream>,
}

impl Answers<'_> {
    fn next(&mut self) -> io::Result<Answer> {
        let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = (&mut self.reader).take(1 << 14).read_until(b'\n', &mut head)?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
            }
            if head.len() > 1 << 14 {
                return Err(malformed("it sends no HTTP"));
            }
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut headers);
        let is_whole = parsed.parse(&head).is_ok_and(|status| status.is_complete());
        let status =
            parsed.code.filter(|_| is_whole).ok_or_else(|| malformed("it sends no HTTP"))?;
        let number = |name: &str| {
            let header = parsed.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok()
        };
        let length = number("Content-Length").filter(|length| *length <= ANSWER_BYTES_MAX);
        let mut body = vec![0; length.ok_or_else(|| malformed("its answer has no length"))?];
        self.reader.read_exact(&mut body)?;
        let retry_after = Duration::from_secs(number("Retry-After").unwrap_or(1) as u64);
        Ok(Answer { status, retry_after, body })
    }
}
