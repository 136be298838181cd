//! `ui`: the web UI, until it is told to stop.

use std::io::{self, Write as _};
use std::net::TcpListener;

use clap::{Args, ValueHint};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::error::CliError;
use super::values::host;
use crate::api::Address;
use crate::miner::how_to_listen;
use crate::ui::Ui;

/// The flags of `ui`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Address to serve pages on; 0.0.0.0 accepts connections from other hosts
    #[arg(long, value_parser = host, default_value = "127.0.0.1", value_hint = ValueHint::Hostname)]
    host: String,
    /// Port to serve pages on; 0 picks a free port
    #[arg(short, long, default_value_t = 8000, value_hint = ValueHint::Other)]
    port: u16,
    /// Miner to show; its neighbours are shown, too
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:12345")]
    #[arg(value_hint = ValueHint::Other)]
    miner: Address,
}

/// Serves pages until a signal says stop.
pub fn run(flags: &Flags) -> Result<(), CliError> {
    let no_signals = |error| CliError::other(format!("cannot listen to signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(no_signals)?;
    let pages = bind(&flags.host, flags.port)?;
    let failed = |error| CliError::other(format!("cannot serve pages: {error}"));
    let address = pages.local_addr().map_err(failed)?;
    let ui = Ui::start(pages, flags.miner.clone()).map_err(failed)?;
    // The pages are served even if nobody reads this.
    _ = writeln!(io::stdout(), "listening on http://{address}");
    signals.forever().next();
    ui.stop();
    Ok(())
}

/// Takes this port of `host` for pages.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, CliError> {
    TcpListener::bind((host, port)).map_err(|error| {
        let hint = how_to_listen(&error);
        CliError::other(format!("cannot serve pages on {host}:{port}: {error}; {hint}"))
    })
}
