//! The real program, as it is installed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use blockchain::api::Address;

use crate::Outcome;

/// The program that is measured, unless another one is set.
const BUILT: &str = env!("CARGO_BIN_EXE_blockchain");

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Lets another program be measured.
pub fn set(file: PathBuf) -> Outcome<()> {
    PROGRAM.set(file).map_err(|_| "there is one program to measure".into())
}

/// The program that is measured.
pub fn program() -> &'static Path {
    PROGRAM.get_or_init(|| BUILT.into())
}

/// A difficulty that no search ever meets: what is added waits, as under heavy load.
pub const HOPELESS: &str = "12";

/// A miner of network `test` that runs until it is dropped.
pub struct Miner {
    child: Child,
    pub port: u16,
    /// From the start to the line that says where it listens.
    pub started_in: Duration,
}

impl Miner {
    /// Starts a miner on `chain` and waits until it answers.
    pub fn start(chain: &Path, difficulty: &str, threads: &str) -> Outcome<Self> {
        let start = Instant::now();
        let mut command = Command::new(program());
        command.args(["miner", "start"]).arg(chain).args(["--port", "0", "--network", "test"]);
        command.args(["--difficulty", difficulty, "--threads", threads]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let started_in = start.elapsed();
        let port = line.trim().strip_prefix("listening on http://127.0.0.1:");
        let port = port.ok_or_else(|| format!("the miner says {line:?}"))?.parse()?;
        Ok(Self { child, port, started_in })
    }

    pub fn address(&self) -> Address {
        format!("127.0.0.1:{}", self.port).parse().expect("it is one")
    }

    /// The miner's process and its server's.
    pub fn processes(&self) -> Outcome<Vec<u32>> {
        let pid = self.child.id();
        let mut all = vec![pid];
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may have ended meanwhile.
            let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        Ok(all)
    }

    /// Bytes that the miner's process holds in memory.
    pub fn resident_bytes(&self) -> Outcome<f64> {
        status(self.child.id(), "VmRSS:")
    }

    /// Bytes that both processes hold in memory.
    pub fn all_resident_bytes(&self) -> Outcome<f64> {
        self.processes()?.into_iter().map(|pid| status(pid, "VmRSS:")).sum()
    }

    /// The same, with what both share (the program's file, mostly) counted once.
    pub fn all_resident_bytes_once(&self) -> Outcome<f64> {
        let bytes = |pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            Ok(field(&rollup, "Pss:")? as f64 * 1024.0)
        };
        self.processes()?.into_iter().map(bytes).sum()
    }

    /// The most bytes that both held since [`Miner::forget_peak`].
    pub fn peak_bytes(&self) -> Outcome<f64> {
        self.processes()?.into_iter().map(|pid| status(pid, "VmHWM:")).sum()
    }

    pub fn forget_peak(&self) -> Outcome<()> {
        for pid in self.processes()? {
            fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        }
        Ok(())
    }

    /// Time on a processor of both, and how often their threads went to sleep of themselves.
    pub fn effort(&self) -> Outcome<(Duration, u64)> {
        let (mut time, mut switches) = (Duration::ZERO, 0);
        for pid in self.processes()? {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let path = thread?.path();
                let read = |file| fs::read_to_string(path.join(file));
                // A thread may have ended meanwhile.
                let (Ok(schedstat), Ok(status)) = (read("schedstat"), read("status")) else {
                    continue;
                };
                let nanos = schedstat.split_whitespace().next().ok_or("schedstat is empty")?;
                time += Duration::from_nanos(nanos.parse()?);
                switches += field(&status, "voluntary_ctxt_switches:")?;
            }
        }
        Ok((time, switches))
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn status(pid: u32, name: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(field(&status, name)? as f64 * 1024.0)
}

fn field(status: &str, name: &str) -> Outcome<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    Ok(value.ok_or_else(|| format!("no {name}"))?.parse()?)
}
