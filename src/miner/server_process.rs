//! The server process: starts it, watches it, and starts it again when it dies.
//!
//! The miner owns the listening socket and hands it down with the link, as the child's
//! standard input and output. So no connection is refused while a new child starts, and a
//! child ends when its link does: with the miner, however that ended.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::jobs::Stop;
use super::jobs::communication::Question;
use crate::api::link::{self, ToMiner};

/// The program that runs, also when its file has been replaced by a newer one meanwhile: a
/// child has to understand the link as its parent does.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// How long a child may take to end once its link has.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// A child that lived shorter than this is not started again at once.
const LIFE_MIN: Duration = Duration::from_secs(1);

/// The server process, whichever child that is at the moment.
pub struct ServerProcess {
    listener: TcpListener,
    /// Of the child that runs.
    running: Mutex<Option<(UnixStream, Arc<OwnedFd>)>>,
}

impl ServerProcess {
    /// A process to be started, which will answer on `listener`.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, running: Mutex::new(None) }
    }

    /// Keeps a child running until `stop`, and hands its questions on. `ready` is called
    /// whenever a child answers.
    ///
    /// # Errors
    /// When no child can be started, or the first one never answers.
    pub fn run(
        &self,
        take: &dyn Fn(Question),
        stop: &Stop,
        mut ready: impl FnMut(),
    ) -> io::Result<()> {
        let mut was_ever_ready = false;
        loop {
            let started = Instant::now();
            let mut child = self.start()?;
            let mut was_ready = false;
            let outcome = self.serve(take, &mut || {
                was_ready = true;
                ready();
            });
            let status = self.end(&mut child)?;
            if stop.within(Duration::ZERO) {
                return Ok(());
            }
            let why = outcome.map_or_else(|error| error.to_string(), |()| status.to_string());
            was_ever_ready |= was_ready;
            if !was_ever_ready {
                return Err(io::Error::other(format!("it ended at once: {why}")));
            }
            log::error!("server: the server process ended and is started again: {why}");
            let lived = started.elapsed();
            if lived < LIFE_MIN && !was_ready && stop.within(LIFE_MIN - lived) {
                return Ok(());
            }
        }
    }

    /// Ends the link, and with it the child. Call it after the stop channel has ended.
    pub fn stop(&self) {
        if let Some((link, _)) = &*self.running.lock() {
            let _ = link.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Kills the child, which does not answer; [`ServerProcess::run`] starts another.
    pub fn replace(&self) {
        if let Some((_, process)) = &*self.running.lock() {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    fn start(&self) -> io::Result<Child> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(OWN_PROGRAM)
            .arg0("blockchain")
            .arg(link::SERVER_ARGUMENT)
            .arg(log::max_level().as_str())
            .stdin(Stdio::from(OwnedFd::from(self.listener.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let process = pidfd_open(pid.expect("a child has a pid"), PidfdFlags::empty())?;
        *self.running.lock() = Some((ours, Arc::new(process)));
        Ok(child)
    }

    /// Reads the child's frames until its link ends.
    fn serve(&self, take: &dyn Fn(Question), ready: &mut dyn FnMut()) -> io::Result<()> {
        let stream = match &*self.running.lock() {
            Some((link, _)) => link.try_clone()?,
            None => return Ok(()),
        };
        let answers = Arc::new(link::Sender::new(stream.try_clone()?));
        let mut frames = link::Receiver::new(stream);
        while let Some(frame) = frames.from_server()? {
            match frame {
                ToMiner::Ready => ready(),
                ToMiner::Log { level, target, text } => {
                    log::log!(target: &target, level, "{text}");
                }
                ToMiner::Ask { id, caller, request } => {
                    let link = Arc::clone(&answers);
                    take(Question { id, caller, request, link, came: Instant::now() });
                }
            }
        }
        Ok(())
    }

    /// Waits for the child, whose link has ended, and kills it if it takes too long.
    fn end(&self, child: &mut Child) -> io::Result<std::process::ExitStatus> {
        if let Some((link, process)) = self.running.lock().take() {
            let _ = link.shutdown(std::net::Shutdown::Both);
            let timeout = Timespec::try_from(END_TIMEOUT).expect("it is short");
            let mut ends = [PollFd::new(&*process, PollFlags::IN)];
            if poll(&mut ends, Some(&timeout)) == Ok(0) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
        }
        child.wait()
    }
}
