//! `miner start`: the log, the miner, and the pages beside it.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::thread;

use clap::Args;

use super::error::{CliError, Result};
use super::files::regular_file;
use super::output::ReadBar;
use super::ui;
use crate::api::Address;
use crate::logging;
use crate::miner::{self, Listener};
use crate::settings::Settings;
use crate::settings::values::whole;
use crate::signals::{StopSignals, end_with_parent};
use crate::ui::{Home, Ui};

/// The flags of `miner start`.
#[derive(Args, Debug)]
pub struct Start {
    #[command(flatten)]
    settings: Settings,
    /// Also serve the web UI, on this port of 127.0.0.1 [default: no web UI]
    #[arg(long, value_name = "PORT", help_heading = "Server")]
    #[arg(display_order = 1)] // behind --port
    #[arg(value_parser = whole::<u16>(0, 65535))]
    ui_port: Option<u16>,
    /// Be killed when this process ends, which must be the one that starts the miner
    #[arg(long, value_name = "PID", help_heading = "Files", hide = true)]
    end_with: Option<u32>,
}

pub fn run(start: Start, stop: &StopSignals) -> Result {
    if let Some(parent) = start.end_with {
        end_with_parent(parent).map_err(CliError::other)?;
    }
    let settings = start.settings;
    regular_file(&settings.chain_path)?;
    let pages = start.ui_port.map(|port| ui::bind("127.0.0.1", port)).transpose()?;
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
    let home = Home::Miner(Address::from_ip(ip, address.port()));
    let ui = Ui::start(pages, home, Vec::new(), ());
    let ui = ui.inspect_err(|error| log::error!("ui: cannot start error={error}")).ok()?;
    std::mem::forget(ui);
    Some(url)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::cli::args::{Arguments, Command, MinerCommand};

    fn told(flags: &str) -> String {
        let line = format!("blockchain miner start x.chain {flags}");
        let words = line.split_whitespace().map(OsString::from);
        let start = match Arguments::read(words).unwrap().command {
            Command::Miner { command: MinerCommand::Start(start) } => start,
            other => panic!("{other:?}"),
        };
        let told = start.settings.told();
        told.iter().map(|it| format!(" --{}={}", it.name, it.value)).collect()
    }

    #[test]
    fn every_flag_arrives_however_it_is_spelled() {
        let read = told(
            "--host [::1] --port 0 --difficulty 3 --network test-net --neighbours a,b:2 \
             --neighbours http://[::1]:3/ --max_neighbours 4 --advertise me:5 --threads 6 \
             --keep-versions 7 --gossip-interval 0.2 --chain_sync_interval 8 \
             --data-sync-interval 9 --backup-interval 10 --log-level debug --name lena \
             --hash-rate-limit 0 --finality-depth 6 --write-token-file t",
        );
        let expected = " --host=::1 --port=0 --difficulty=3 --network=test-net \
                        --neighbours=a:12345,b:2,[::1]:3 --max-neighbours=4 --advertise=me:5 \
                        --name=lena --threads=6 --hash-rate-limit=0 --finality-depth=6 \
                        --write-token-file=given --keep-versions=7 --gossip-interval=0.2 \
                        --chain-sync-interval=8 --data-sync-interval=9 --backup-interval=10 \
                        --log-level=debug";
        assert_eq!(read, expected);
        assert!(told("").starts_with(" --host=127.0.0.1 --port=12345 --difficulty=5"));
    }
}
