//! `miner start`: flags to [`Settings`], the log, and the miner.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueHint};

use super::args::{THREADS_MAX, log_level, path};
use super::error::CliError;
use super::output::ReadBar;
use super::ui;
use super::values::{host, regular_file, seconds, whole};
use crate::api::{Address, DEFAULT_PORT};
use crate::chain::{Difficulty, Network, NetworkName};
use crate::logging;
use crate::miner::{self, Listener};
use crate::settings::{self, LogFormat, MinerName, Settings};
use crate::signals::{StopSignals, end_with_parent};
use crate::ui::Ui;

/// The flags of `miner start`.
#[derive(Args, Debug)]
pub struct Start {
    /// Chain file; missing folders are created. The hash file (.hash), the journal of pending
    /// messages (.data), older versions and miner.log are kept in the same folder
    #[arg(value_name = "CHAIN_PATH", value_parser = path(), value_hint = ValueHint::FilePath)]
    chain_path: PathBuf,
    /// Address to listen on; 0.0.0.0 accepts connections from other hosts
    #[arg(long, value_parser = host, default_value = "127.0.0.1", help_heading = "Server")]
    #[arg(value_hint = ValueHint::Hostname)]
    host: String,
    /// Port to listen on; 0 picks a free port
    #[arg(short, long, default_value_t = DEFAULT_PORT, help_heading = "Server")]
    #[arg(value_parser = whole::<u16>(0, 65535), value_hint = ValueHint::Other)]
    port: u16,
    /// Also serve the web UI, on this port of 127.0.0.1 [default: no web UI]
    #[arg(long, value_name = "PORT", help_heading = "Server", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<u16>(0, 65535))]
    ui_port: Option<u16>,
    /// File with a token, one word. Other hosts then need the token to add messages, and may
    /// change neighbours with it
    #[arg(long, value_name = "PATH", value_parser = path(), help_heading = "Server")]
    #[arg(value_hint = ValueHint::FilePath)]
    write_token_file: Option<PathBuf>,
    /// Name of this miner, shown to people; 1 to 64 characters
    #[arg(long, value_name = "TEXT", help_heading = "Server", value_hint = ValueHint::Other)]
    name: Option<MinerName>,
    /// Zeros at the end of every proof's hash, 1 to 64; each further zero means 16 times the work
    #[arg(short, long, value_name = "ZEROS", default_value_t = Difficulty::DEFAULT)]
    #[arg(help_heading = "Network", value_hint = ValueHint::Other)]
    difficulty: Difficulty,
    /// Name of the network: 1 to 32 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME", default_value = "main", help_heading = "Network")]
    #[arg(value_hint = ValueHint::Other)]
    network: NetworkName,
    /// Neighbours that are never forgotten; the port defaults to 12345
    #[arg(short, long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    #[arg(help_heading = "Network", value_hint = ValueHint::Other)]
    neighbours: Vec<Address>,
    /// Ask the given neighbours only; learn no others
    #[arg(long, help_heading = "Network")]
    only_given_neighbours: bool,
    /// Maximum number of neighbours, the given ones included
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Network")]
    #[arg(value_parser = whole::<usize>(1, NEIGHBOURS_MAX), value_hint = ValueHint::Other)]
    max_neighbours: usize,
    /// Address at which other miners reach this one [default: the one it connects from]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Network", value_hint = ValueHint::Other)]
    advertise: Option<Address>,
    /// Refuse a branch that would drop a block more than N deep [default: off]
    #[arg(long, value_name = "N", help_heading = "Network", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<NonZeroU64>(1, u64::MAX))]
    finality_depth: Option<NonZeroU64>,
    /// Mining threads, at most 1024 [default: one for each core]
    #[arg(short, long, value_name = "N", help_heading = "Mining")]
    #[arg(value_parser = whole::<usize>(1, THREADS_MAX), value_hint = ValueHint::Other)]
    threads: Option<usize>,
    /// Maximum guesses a second, over all threads; 0 starts paused [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Mining", value_hint = ValueHint::Other)]
    #[arg(value_parser = whole::<u64>(0, u64::MAX))]
    hash_rate_limit: Option<u64>,
    /// Proof-of-work kernel, by name [default: the fastest on this CPU]
    #[arg(long, value_name = "NAME", help_heading = "Mining", hide = true)]
    #[arg(value_hint = ValueHint::Other)]
    kernel: Option<String>,
    /// Be killed when this process ends, which must be the one that starts the miner
    #[arg(long, value_name = "PID", help_heading = "Files", hide = true)]
    #[arg(value_hint = ValueHint::Other)]
    end_with: Option<u32>,
    /// Start a new chain; the existing one is kept as an older version. Has no variable
    #[arg(long, help_heading = "Files")]
    force_new_chain: bool,
    /// Number of older versions of the chain file to keep
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Files")]
    #[arg(value_parser = whole::<usize>(0, u64::MAX), value_hint = ValueHint::Other)]
    keep_versions: usize,
    /// Seconds between two exchanges of neighbour lists; fractions are allowed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "20")]
    #[arg(help_heading = "Intervals", value_hint = ValueHint::Other)]
    gossip_interval: Duration,
    /// Seconds between two requests to neighbours for blocks
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    #[arg(help_heading = "Intervals", value_hint = ValueHint::Other)]
    chain_sync_interval: Duration,
    /// Seconds between two requests to neighbours for pending messages
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    #[arg(help_heading = "Intervals", value_hint = ValueHint::Other)]
    data_sync_interval: Duration,
    /// Seconds between two writes of new blocks to the chain file
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    #[arg(help_heading = "Intervals", value_hint = ValueHint::Other)]
    backup_interval: Duration,
    /// Log messages of this level and above
    #[arg(long, value_name = "LEVEL", value_parser = log_level(), default_value = "info")]
    #[arg(help_heading = "Log")]
    log_level: log::LevelFilter,
    /// Format of the log: text for people, json for programs (one object a line)
    #[arg(long, value_name = "FORMAT", value_parser = log_format(), default_value = "text")]
    #[arg(help_heading = "Log")]
    log_format: LogFormat,
}

/// Reads a format of the log.
fn log_format() -> impl clap::builder::TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(["text", "json"]).map(|format| match format.as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    })
}

/// Most neighbours that can be asked for: each is asked in every round.
const NEIGHBOURS_MAX: u64 = 1000;

impl From<Start> for Settings {
    fn from(start: Start) -> Self {
        let all_cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = start.threads.and_then(NonZeroUsize::new);
        Self {
            chain_path: start.chain_path,
            host: start.host,
            port: start.port,
            network: Network { name: start.network, difficulty: start.difficulty },
            neighbours: start.neighbours,
            neighbours_max: start.max_neighbours,
            advertise: start.advertise,
            only_given_neighbours: start.only_given_neighbours,
            name: start.name,
            threads: threads.unwrap_or_else(all_cores),
            hash_rate_limit: start.hash_rate_limit,
            finality_depth: start.finality_depth,
            write_token_file: start.write_token_file,
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
            log_format: start.log_format,
            kernel: start.kernel,
        }
    }
}

/// Runs a miner until it is told to stop.
pub fn run(start: Start, stop: &StopSignals) -> Result<(), CliError> {
    if let Some(parent) = start.end_with {
        end_with_parent(parent).map_err(CliError::other)?;
    }
    regular_file(&start.chain_path)?;
    let pages = start.ui_port.map(|port| ui::bind("127.0.0.1", port)).transpose()?;
    let settings = Settings::from(start);
    logging::start(settings.log_level, settings.log_format, settings.chain_path.parent())
        .map_err(|error| CliError::other(format!("cannot start the log: {error}")))?;
    let bar = ReadBar::default();
    let listener = Listener {
        progress: Box::new(move |read, of| bar.show(read, of)),
        ready: Box::new(move |address| {
            let mut lines = format!("listening on http://{address}\n");
            if let Some(url) = pages.and_then(|pages| serve_pages(pages, address)) {
                lines += &format!("web UI on http://{url}\n");
            }
            print_aside(lines);
        }),
    };
    miner::run(&settings, listener, stop).map_err(CliError::from)
}

/// Prints on stdout without waiting for its reader: the miner runs all the same.
///
/// Rust's own stdout stays unlocked, so that the end of the program finds it free.
pub fn print_aside(lines: String) {
    let print = move || {
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        _ = stdout.and_then(|stdout| File::from(stdout).write_all(lines.as_bytes()));
    };
    _ = thread::Builder::new().name("stdout".into()).spawn(print);
}

/// Starts the web UI beside a miner that answers at `address`; where it is. The miner runs on
/// without it, and it ends with the process.
fn serve_pages(pages: TcpListener, address: SocketAddr) -> Option<SocketAddr> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = pages.local_addr().ok()?;
    let ui = Ui::start(pages, Address::from_ip(ip, address.port()), Vec::new(), ());
    let ui = ui.inspect_err(|error| log::error!("ui: cannot start error={error}")).ok()?;
    std::mem::forget(ui);
    Some(url)
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
             --data-sync-interval 9 --backup-interval 10 --log-level debug --log_format json \
             --kernel portable --only_given_neighbours --name lena --hash-rate-limit 0 \
             --finality-depth 6 --write-token-file t",
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
            only_given_neighbours: true,
            name: Some("lena".parse().unwrap()),
            hash_rate_limit: Some(0),
            finality_depth: NonZeroU64::new(6),
            write_token_file: Some("t".into()),
            threads: NonZeroUsize::new(6).unwrap(),
            start: settings::Start::ForceNewChain,
            versions_kept: 7,
            gossip_interval: Duration::from_millis(200),
            chain_sync_interval: Duration::from_secs(8),
            data_sync_interval: Duration::from_secs(9),
            backup_interval: Duration::from_secs(10),
            log_level: log::LevelFilter::Debug,
            log_format: LogFormat::Json,
            kernel: Some("portable".into()),
            ..Settings::new("x.chain", network)
        };
        assert_eq!(read, expected);
    }
}
