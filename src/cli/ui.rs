//! `ui`: the web UI, until it is told to stop.

use std::io::{self, Write as _};
use std::net::TcpListener;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::error::CliError;
use super::values::host;
use crate::api::Address;
use crate::miner::how_to_listen;
use crate::ui::Ui;

/// The flags of `ui`.
#[derive(Args, Debug)]
pub struct Flags {
    /// Address to serve pages on; 0.0.0.0 opens them to other hosts (or, in a container, to its own)
    #[arg(long, value_parser = host, default_value = "127.0.0.1")]
    host: String,
    /// Port to serve pages on; 0 takes a free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The miner that the pages are about; its neighbours can be looked at, too
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:12345")]
    miner: Address,
}

/// Serves pages until a signal says stop.
pub fn run(flags: &Flags) -> Result<(), CliError> {
    let no_signals = |error| CliError::other(format!("cannot listen to signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(no_signals)?;
    let pages = bind(&flags.host, flags.port)?;
    let failed = |error| CliError::other(format!("cannot serve pages: {error}"));
    let address = pages.local_addr().map_err(failed)?;
    let ended = EndsWait(signals.handle());
    let ui = Ui::start(pages, flags.miner.clone(), ended).map_err(failed)?;
    // Whoever started us may not read this; the pages are there all the same.
    _ = writeln!(io::stdout(), "listening on http://{address}");
    signals.forever().next();
    ui.stop().map_err(|error| CliError::other(format!("cannot serve pages any more: {error}")))
}

/// Ends the wait for a signal when it goes, with the server of the pages.
struct EndsWait(Handle);

impl Drop for EndsWait {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Takes this port of `host` for pages.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, CliError> {
    TcpListener::bind((host, port)).map_err(|error| {
        let hint = how_to_listen(&error);
        CliError::other(format!("cannot serve pages on {host}:{port}: {error}; {hint}"))
    })
}
