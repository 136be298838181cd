//! The server process: starts it, watches it, and starts it again when it dies.
//!
//! The miner owns the listening socket and hands it down with the link, as the child's
//! standard input and output. So no connection is refused while a new child starts, and a
//! child ends when its link does: with the miner, however that ended.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::jobs::Stop;
use crate::api::link;
use crate::signals;

/// The program that runs, also when its file has been replaced by a newer one meanwhile: a
/// child has to understand the link as its parent does.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Longest time of a child's end once its link has ended. It keeps nothing, so that it may be
/// killed; a frozen one must not hold a stop up.
const END_TIMEOUT: Duration = Duration::from_millis(150);

/// A child that lived shorter than this is not started again at once.
const LIFE_MIN: Duration = Duration::from_secs(1);

/// Answers what comes over a link until that ends; calls what it is given once the other end
/// is ready.
pub type Serve<'a> = dyn Fn(UnixStream, &mut dyn FnMut()) -> io::Result<()> + 'a;

/// The server process, whichever child that is at the moment.
pub struct ServerProcess {
    listener: TcpListener,
    /// Names by which clients on this host may know it.
    names: Vec<String>,
    state: Mutex<State>,
}

/// State that [`ServerProcess::stop`] and [`ServerProcess::replace`] find.
#[derive(Default)]
struct State {
    /// Our end of the link of the child that runs, the child, and its number.
    child: Option<(UnixStream, Arc<OwnedFd>, u32)>,
    /// A child that is started from now on ends at once.
    is_stopped: bool,
}

impl ServerProcess {
    /// A process to be started, which will answer on `listener`, to clients on this host also
    /// by these `names`.
    pub fn new(listener: TcpListener, names: Vec<String>) -> Self {
        Self { listener, names, state: Mutex::default() }
    }

    /// Keeps a child running until `stop`. `serve` answers what comes over a child's link
    /// until that ends, and calls what it is given once the child is ready.
    ///
    /// # Errors
    /// When no child can be started, or the first one ends by itself and never is ready.
    pub fn run(&self, serve: &Serve<'_>, stop: &Stop) -> io::Result<()> {
        let mut was_ever_ready = false;
        loop {
            let started = Instant::now();
            let (mut child, link) = self.start()?;
            let mut was_ready = false;
            let outcome = serve(link, &mut || was_ready = true);
            let status = self.end(&mut child)?;
            if stop.within(Duration::ZERO) {
                return Ok(());
            }
            let why = outcome.map_or_else(|error| error.to_string(), |()| status.to_string());
            was_ever_ready |= was_ready;
            // A signal to a whole group or control group reaches a child also before it can
            // leave such signals to us.
            let is_killed = status.signal().is_some_and(|signal| signals::STOP.contains(&signal));
            if !was_ever_ready && !is_killed {
                return Err(io::Error::other(format!("it ended at once: {why}")));
            }
            log::error!("server: the server process ended and is started again: {why}");
            let lived = started.elapsed();
            if lived < LIFE_MIN && !was_ready && stop.within(LIFE_MIN - lived) {
                return Ok(());
            }
        }
    }

    /// Ends the link, and with it the child, also of one that is just being started. Call it
    /// after the stop channel has ended.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        state.end_link();
    }

    /// Kills the child, which does not answer; [`ServerProcess::run`] starts another.
    pub fn replace(&self) {
        if let Some((_, process, _)) = &self.state.lock().child {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    pub fn number(&self) -> Option<u32> {
        self.state.lock().child.as_ref().map(|(.., number)| *number)
    }

    fn start(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(OWN_PROGRAM)
            .arg0("blockchain")
            .arg(link::SERVER_ARGUMENT)
            .arg(log::max_level().as_str())
            .args(&self.names)
            .stdin(Stdio::from(OwnedFd::from(self.listener.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let process = pidfd_open(pid.expect("a child has a pid"), PidfdFlags::empty())?;
        let link = ours.try_clone()?;
        let mut state = self.state.lock();
        state.child = Some((ours, Arc::new(process), child.id()));
        // A stop that came while the child was being started found no link to end, and the
        // child would have served for ever.
        if state.is_stopped {
            state.end_link();
        }
        drop(state);
        Ok((child, link))
    }

    /// Waits for the child, whose link has ended, and kills it if it takes too long.
    fn end(&self, child: &mut Child) -> io::Result<std::process::ExitStatus> {
        let running = self.state.lock().child.take();
        if let Some((link, process, _)) = running {
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

impl State {
    fn end_link(&self) {
        if let Some((link, ..)) = &self.child {
            let _ = link.shutdown(std::net::Shutdown::Both);
        }
    }
}
