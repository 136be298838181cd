//! `ui`: the web UI, until it is told to stop.

use std::convert::Infallible;
use std::net::TcpListener;
use std::thread::Builder;
use std::time::Duration;

use clap::{Args, ValueHint};
use crossbeam_channel::{bounded, select};

use super::error::{CliError, Result};
use super::start::print_aside;
use crate::api::Address;
use crate::logging;
use crate::miner::how_to_listen;
use crate::settings::LogFormat;
use crate::settings::values::{host, whole};
use crate::signals::StopSignals;
use crate::ui::{Home, Ui};

/// Longest time of pages under way after a stop.
const PAGES_END: Duration = Duration::from_millis(300);

/// Where pages are served, by `ui` and by `lab`.
#[derive(Args, Debug)]
pub struct Pages {
    /// Address to serve pages on; 0.0.0.0 accepts connections from other hosts
    #[arg(long, value_parser = host, default_value = "127.0.0.1", value_hint = ValueHint::Hostname)]
    pub host: String,
    /// Port to serve pages on; 0 picks a free port
    #[arg(short, long, default_value_t = 8000)]
    #[arg(value_parser = whole::<u16>(0, 65535), allow_negative_numbers = true)]
    pub port: u16,
    /// Name by which browsers may open the pages, such as pages.local
    #[arg(long, value_name = "NAME", value_parser = host, value_hint = ValueHint::Hostname)]
    pub allow_host: Vec<String>,
}

/// The flags of `ui`.
#[derive(Args, Debug)]
pub struct Flags {
    #[command(flatten)]
    pages: Pages,
    /// Miner to show; its neighbours are shown, too
    #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:12345")]
    miner: Address,
}

pub fn run(flags: &Flags, stop: &StopSignals) -> Result {
    // Without a log there is none; the pages are there all the same.
    _ = logging::start(log::LevelFilter::Warn, LogFormat::Text, None);
    let pages = bind(&flags.pages.host, flags.pages.port)?;
    let failed = |error| CliError::other(format!("cannot serve pages: {error}"));
    let address = pages.local_addr().map_err(failed)?;
    let (died, ended) = bounded::<Infallible>(0);
    let (home, names) = (Home::Miner(flags.miner.clone()), flags.pages.allow_host.clone());
    let ui = Ui::start(pages, home, names, died).map_err(failed)?;
    print_aside(format!("listening on http://{address}\n"));
    select! {
        recv(stop.told()) -> _ => {}
        recv(ended) -> _ => {}
    }
    // A page may wait for a miner that does not answer.
    let (outcome, end) = bounded(1);
    _ = Builder::new().name("stop".into()).spawn(move || outcome.send(ui.stop()));
    let stopped = end.recv_timeout(PAGES_END).unwrap_or(Ok(()));
    stopped.map_err(|error| CliError::other(format!("cannot serve pages any more: {error}")))
}

pub fn bind(host: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((host, port)).map_err(|error| {
        let hint = how_to_listen(&error);
        CliError::other(format!("cannot serve pages on {host}:{port}: {error}; {hint}"))
    })
}
