//! `add --lines`: each line of a file is a message, over a few connections that each send
//! some lines before they wait for answers.
//!
//! A line's id follows from the file, the line's number and its text, so a repeat adds
//! nothing twice, whatever became of the attempt before: after a broken connection or a busy
//! miner, the same lines are sent again. Lines keep about their order, not exactly.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;

use super::args::Add;
use super::error::{CliError, Exit, Result};
use super::miner::Miner;
use super::output::{Output, count};
use crate::api::Problem;
use crate::api::client::{Connection, Received};
use input::{Buffered, Lines, Numbered};

mod input;

/// Connections: a miner answers one request at a time on each, and writes what came on
/// several to disk together. With one alone, each line would wait for a sync of its own.
const CONNECTIONS: usize = 16;

/// Longest time of connecting, and of each answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before a connection is made anew: as long as a server process takes to start again.
const PAUSE: Duration = Duration::from_millis(200);

/// Longest answer that is read: a confirmation repeats the message, escaped.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Longest pause that a busy miner can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// Time without progress after which the command gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for a miner that cannot be connected to at all.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Most lines that are named because they cannot be messages.
const NAMED_MAX: u64 = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    /// Lines that are on the miner's disk now.
    added: u64,
    /// Those of them that were there before.
    already_there: u64,
    /// Lines that cannot be messages, or were refused for good.
    refused: u64,
}

pub fn run(miner: &Miner, file: &Path, add: &Add, output: &mut Output<'_>) -> Result {
    let is_stdin = file == Path::new("-");
    let shown = if is_stdin { "stdin".into() } else { file.display().to_string() };
    let cannot_read = |error| CliError::other(format!("cannot read {shown}: {error}"));
    let (input, size) = open(file, is_stdin).map_err(cannot_read)?;
    let bar = bar(size);
    let reader = BufReader::with_capacity(1 << 16, bar.wrap_read(input));
    let lines = Lines { reader, prefix: prefix(file, add), number: 0, refused: 0 };
    let sending = Sending {
        miner,
        bar: &bar,
        patience: add.timeout.unwrap_or(PATIENCE),
        lines: Mutex::new(lines),
        progress: Mutex::new((Summary::default(), Instant::now())),
    };
    let outcome = sending.send_all();
    bar.finish_and_clear();
    let (by_miner, _) = *sending.progress.lock();
    let done = Summary { refused: by_miner.refused + sending.lines.lock().refused, ..by_miner };
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
        Ok(()) if by_miner.refused > 0 => {
            let refused = count(by_miner.refused, "line");
            Err(CliError::Other(Exit::Refused, format!("{refused} refused by {}", miner.address)))
        }
        Ok(()) if done.refused > 0 => {
            let refused = count(done.refused, "line");
            Err(CliError::other(format!("{refused} not added: not a message")))
        }
        Ok(()) => Ok(()),
    }
}

/// What the lines are read from, and its length, if that is known.
fn open(file: &Path, is_stdin: bool) -> io::Result<(Box<dyn Read + Send>, u64)> {
    if !is_stdin {
        let file = File::open(file)?;
        let size = file.metadata().map_or(0, |data| if data.is_file() { data.len() } else { 0 });
        return Ok((Box::new(file), size));
    }
    if io::stdin().is_terminal() {
        _ = writeln!(io::stderr(), "reading messages from stdin, one a line; Ctrl-D ends them");
    }
    Ok((Box::new(io::stdin()), 0))
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

/// Why lines have to be sent again.
enum Again {
    /// The miner is busy: it wants to be asked again after so long.
    Busy(Duration, String),
    /// There is no connection, or it broke.
    Broken(String),
}

/// The work that the connections share.
struct Sending<'a, R> {
    miner: &'a Miner,
    bar: &'a ProgressBar,
    patience: Duration,
    lines: Mutex<Lines<R>>,
    /// The outcome so far, and when it last changed.
    progress: Mutex<(Summary, Instant)>,
}

impl<R: BufRead + Buffered + Send> Sending<'_, R> {
    fn send_all(&self) -> Result<(), Stopped> {
        thread::scope(|scope| {
            let start = |_| scope.spawn(|| self.work());
            let working: Vec<_> = (0..CONNECTIONS).map(start).collect();
            let ended = working.into_iter().map(|it| it.join().expect("sending never panics"));
            ended.reduce(Result::and).unwrap_or(Ok(()))
        })
    }

    /// Sends lines until there are none left: the work of one connection.
    fn work(&self) -> Result<(), Stopped> {
        let mut connection = None;
        loop {
            let mut batch = self.lines.lock().batch().map_err(Stopped::Input)?;
            if batch.is_empty() {
                return Ok(());
            }
            while let Some(again) = self.send(&mut connection, &mut batch)? {
                let (exit, pause, why) = match again {
                    Again::Busy(pause, why) => (Exit::Refused, pause, why),
                    Again::Broken(why) => {
                        connection = None;
                        (Exit::NoMiner, PAUSE, why)
                    }
                };
                let (done, since) = *self.progress.lock();
                // A miner that never answered is given up soon.
                let is_absent = exit == Exit::NoMiner && done == Summary::default();
                let limit = if is_absent { CONNECT_PATIENCE } else { self.patience };
                let address = &self.miner.address;
                if since.elapsed() > limit.min(self.patience) {
                    return Err(Stopped::Miner(exit, format!("{address}: {why}")));
                }
                self.bar.set_message(format!("waiting for {address}: {why}"));
                crossbeam_channel::after(pause).recv().expect("it comes");
                self.bar.set_message("");
            }
        }
    }

    /// Sends the lines of `batch` and takes those out that were answered for good. Says why
    /// some are left.
    fn send(
        &self,
        connection: &mut Option<Connection>,
        batch: &mut Vec<Numbered>,
    ) -> Result<Option<Again>, Stopped> {
        let broken = |why| Ok(Some(Again::Broken(why)));
        let connection = match connection {
            Some(connection) => connection,
            None => match self.connect() {
                Ok(connected) => connection.insert(connected),
                Err(why) => return broken(why),
            },
        };
        let requests: Vec<_> = batch.iter().map(Numbered::request).collect();
        if let Err(why) = connection.send_all(&requests) {
            return broken(why);
        }
        let (mut busy, mut again) = (Vec::new(), None);
        while !batch.is_empty() {
            let answer = connection.receive(TIMEOUT).transpose();
            match answer.unwrap_or_else(|| Err("it does not answer in time".to_owned())) {
                Ok(answer) => {
                    let line = batch.remove(0);
                    if let Some(wait) = self.take(&line, answer)? {
                        again = Some(wait);
                        busy.push(line);
                    }
                }
                Err(why) => {
                    batch.splice(0..0, busy);
                    return broken(why);
                }
            }
        }
        *batch = busy;
        Ok(again)
    }

    fn connect(&self) -> Result<Connection, String> {
        let token = self.miner.token.as_ref();
        let token = token.map(|it| format!("Authorization: {}\r\n", it.bearer()));
        let headers = token.unwrap_or_default();
        Connection::connect(&self.miner.address, headers, TIMEOUT, ANSWER_BYTES_MAX)
    }

    /// Counts an answer, unless it says that the line is to be sent again.
    fn take(&self, line: &Numbered, answer: Received) -> Result<Option<Again>, Stopped> {
        let problem = serde_json::from_slice::<Problem>(&answer.body);
        let said = problem.map(|it| it.more_information).unwrap_or_default();
        let mut progress = self.progress.lock();
        let done = &mut progress.0;
        match answer.status {
            200 => {
                done.added += 1;
                done.already_there += u64::from(said.starts_with("It was added before"));
            }
            503 => {
                let pause = Duration::from_secs(answer.retry_after.unwrap_or(1));
                return Ok(Some(Again::Busy(pause.min(RETRY_AFTER_MAX), said)));
            }
            400 | 409 => {
                done.refused += 1;
                if done.refused <= NAMED_MAX {
                    let number = line.number;
                    self.bar.suspend(|| {
                        _ = writeln!(io::stderr(), "line {number} is not added: {said}");
                    });
                }
            }
            status => {
                let exit = if matches!(status, 401 | 403) { Exit::Refused } else { Exit::NoMiner };
                let address = &self.miner.address;
                return Err(Stopped::Miner(exit, format!("{address} answers {status}: {said}")));
            }
        }
        progress.1 = Instant::now();
        Ok(None)
    }
}
