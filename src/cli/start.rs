//! `miner start`: flags to [`Settings`], the log, and the miner.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use parking_lot::Mutex;

use super::args::{log_level, path};
use super::error::CliError;
use super::output::ReadBar;
use super::ui;
use super::values::{host, seconds};
use crate::api::{Address, DEFAULT_PORT};
use crate::chain::{Difficulty, Network, NetworkName};
use crate::logging;
use crate::miner::{self, Listener};
use crate::settings::{self, Settings};
use crate::ui::Ui;

/// The flags of `miner start`.
#[derive(Args, Debug)]
pub struct Start {
    /// The chain file; missing folders are made. Beside it lie its hash (.hash), the
    /// unprocessed messages (.data), older versions and miner.log
    #[arg(value_name = "CHAIN_PATH", value_parser = path())]
    chain_path: PathBuf,
    /// Address to listen on; 0.0.0.0 opens the miner to other hosts
    #[arg(long, value_parser = host, default_value = "127.0.0.1", help_heading = "Server")]
    host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = DEFAULT_PORT, help_heading = "Server")]
    port: u16,
    /// Port of 127.0.0.1 to serve the web UI on, too [default: no web UI]
    #[arg(long, value_name = "PORT", help_heading = "Server")]
    ui_port: Option<u16>,
    /// Zeros that the hash of every proof ends with, 1 to 64; each one more makes a block
    /// 16 times as much work
    #[arg(long, value_name = "ZEROS", default_value_t = Difficulty::DEFAULT)]
    #[arg(help_heading = "Network")]
    difficulty: Difficulty,
    /// Name of the network: 1 to 32 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME", default_value = "main", help_heading = "Network")]
    network: NetworkName,
    /// Neighbours that are never forgotten; without a port, 12345
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', help_heading = "Network")]
    neighbours: Vec<Address>,
    /// Ask the given neighbours only; learn no others
    #[arg(long, help_heading = "Network")]
    only_given_neighbours: bool,
    /// Most neighbours that are kept
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Network")]
    max_neighbours: usize,
    /// Address that other miners reach this one by [default: the one it comes from]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Network")]
    advertise: Option<Address>,
    /// Refuse a branch that would drop a block more than N deep [default: off]
    #[arg(long, value_name = "N", help_heading = "Network")]
    finality_depth: Option<NonZeroU64>,
    /// Threads that search for proofs [default: all cores]
    #[arg(long, value_name = "N", help_heading = "Mining")]
    threads: Option<NonZeroUsize>,
    /// Maximum guesses a second, over all threads; 0 starts paused [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Mining")]
    hash_rate_limit: Option<u64>,
    /// Kernel that searches for proofs, by name [default: the fastest on this CPU]
    #[arg(long, value_name = "NAME", help_heading = "Mining", hide = true)]
    kernel: Option<String>,
    /// Begin a new chain; the one that is there becomes an older version
    #[arg(long, help_heading = "Files")]
    force_new_chain: bool,
    /// Older versions of the chain file that stay
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Files")]
    keep_versions: usize,
    /// Seconds (fractions allowed) between asking neighbours for their neighbours
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "20")]
    #[arg(help_heading = "Intervals")]
    gossip_interval: Duration,
    /// Seconds between asking neighbours for blocks
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    #[arg(help_heading = "Intervals")]
    chain_sync_interval: Duration,
    /// Seconds between asking neighbours for unprocessed messages
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    #[arg(help_heading = "Intervals")]
    data_sync_interval: Duration,
    /// Seconds between bringing the chain file up to date
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    #[arg(help_heading = "Intervals")]
    backup_interval: Duration,
    /// Least important lines that are logged
    #[arg(long, value_name = "LEVEL", value_parser = log_level(), default_value = "info")]
    #[arg(help_heading = "Log")]
    log_level: log::LevelFilter,
}

impl From<Start> for Settings {
    fn from(start: Start) -> Self {
        let all_cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            chain_path: start.chain_path,
            host: start.host,
            port: start.port,
            network: Network { name: start.network, difficulty: start.difficulty },
            neighbours: start.neighbours,
            neighbours_max: start.max_neighbours,
            advertise: start.advertise,
            only_given_neighbours: start.only_given_neighbours,
            threads: start.threads.unwrap_or_else(all_cores),
            finality_depth: start.finality_depth,
            hash_rate_limit: start.hash_rate_limit,
            start: match start.force_new_chain {
                true => settings::Start::ForceNewChain,
                false => settings::Start::Continue,
            },
            versions_kept: start.keep_versions,
            gossip_interval: start.gossip_interval,
            chain_sync_interval: start.chain_sync_interval,
            data_sync_interval: start.data_sync_interval,
            backup_interval: start.backup_interval,
            log_level: start.log_level,
            kernel: start.kernel,
        }
    }
}

/// Runs a miner until it is told to stop.
pub fn run(start: Start) -> Result<(), CliError> {
    let pages = start.ui_port.map(|port| ui::bind("127.0.0.1", port)).transpose()?;
    let settings = Settings::from(start);
    let folder = settings.chain_path.parent().unwrap_or(Path::new(""));
    logging::start(settings.log_level, folder)
        .map_err(|error| CliError::other(format!("cannot start the log: {error}")))?;
    let bar = ReadBar::default();
    let running_ui = Arc::new(Mutex::new(None));
    let its_place = Arc::clone(&running_ui);
    let listener = Listener {
        progress: &mut |read, of| bar.show(read, of),
        ready: Box::new(move |address| {
            // Whoever started us may not read this; the miner runs all the same.
            _ = writeln!(io::stdout(), "listening on http://{address}");
            *its_place.lock() = pages.and_then(|pages| serve_pages(pages, address));
        }),
    };
    let outcome = miner::run(&settings, listener);
    if let Some(ui) = running_ui.lock().take() {
        Ui::stop(ui);
    }
    outcome.map_err(|error| CliError::other(error.to_string()))
}

/// Starts the web UI beside a miner that answers at `address`. The miner runs on without it.
fn serve_pages(pages: TcpListener, address: SocketAddr) -> Option<Ui> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = pages.local_addr().ok()?;
    let ui = Ui::start(pages, Address::from_ip(ip, address.port()));
    let ui = ui.inspect_err(|error| log::error!("ui: cannot start error={error}")).ok()?;
    _ = writeln!(io::stdout(), "web UI on http://{url}");
    Some(ui)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::args::{Arguments, Command, MinerCommand};

    fn settings(flags: &str) -> Settings {
        let line = format!("blockchain miner start x.chain {flags}");
        let words = line.split_whitespace().map(OsString::from);
        match Arguments::read(words).unwrap().command {
            Command::Miner { command: MinerCommand::Start(start) } => Settings::from(*start),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_those_of_the_settings() {
        assert_eq!(settings(""), Settings::new("x.chain", Settings::default_network()));
    }

    #[test]
    fn every_flag_arrives() {
        let read = settings(
            "--host [::1] --port 0 --difficulty 3 --network test-net --neighbours a,b:2 \
             --neighbours http://[::1]:3/ --max_neighbours 4 --advertise me:5 --threads 6 \
             --force_new_chain --keep-versions 7 --gossip-interval 0.2 --chain_sync_interval 8 \
             --data-sync-interval 9 --backup-interval 10 --log-level debug --kernel portable \
             --hash-rate-limit 1000 --only-given-neighbours --finality-depth 9",
        );
        let network =
            Network { name: "test-net".parse().unwrap(), difficulty: Difficulty::new(3).unwrap() };
        let address = |text: &str| text.parse::<Address>().unwrap();
        let expected = Settings {
            host: "::1".into(),
            port: 0,
            neighbours: vec![address("a:12345"), address("b:2"), address("[::1]:3")],
            neighbours_max: 4,
            advertise: Some(address("me:5")),
            threads: NonZeroUsize::new(6).unwrap(),
            hash_rate_limit: Some(1_000),
            only_given_neighbours: true,
            finality_depth: NonZeroU64::new(9),
            start: settings::Start::ForceNewChain,
            versions_kept: 7,
            gossip_interval: Duration::from_millis(200),
            chain_sync_interval: Duration::from_secs(8),
            data_sync_interval: Duration::from_secs(9),
            backup_interval: Duration::from_secs(10),
            log_level: log::LevelFilter::Debug,
            kernel: Some("portable".into()),
            ..Settings::new("x.chain", network)
        };
        assert_eq!(read, expected);
    }
}
