//! FLOOR 2: the web UI, a server of pages about a miner and its network.
//!
//! Pages are whole without scripts; one small script keeps them up to date. All that is
//! shown is asked of the miner through [`MinerClient`], never of this process, so the UI
//! may run anywhere.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use crate::api::Address;
use crate::api::client::MinerClient;
use crate::lab::Lab;

mod assets;
mod class;
mod drawing;
mod frame;
mod http;
mod pages;
mod plot;
mod routes;
mod search;
mod source;
mod survey;
mod words;

use source::Source;

/// A UI that runs, until [`Ui::stop`].
pub struct Ui {
    running: http::Running,
}

impl Ui {
    /// Serves pages about `miner` at `listener`, and returns once it does. Whether the
    /// miner answers does not matter: without it, pages say so. What `ended` holds goes when
    /// pages are not served any more, for whatever reason.
    ///
    /// # Errors
    /// When the listener or a thread can't be had.
    pub fn start(
        listener: TcpListener,
        miner: Address,
        ended: impl Send + 'static,
    ) -> io::Result<Self> {
        let source = Source { client: MinerClient::http(None), home: miner, lab: None };
        Self::serve(listener, source, Vec::new(), ended)
    }

    /// The same for a class: with the wall and the experiments, and the first miner as the one
    /// that pages are about. Browsers may open it by these `names`, too.
    ///
    /// # Errors
    /// When the listener or a thread can't be had.
    pub fn start_lab(
        listener: TcpListener,
        lab: Arc<Lab>,
        names: Vec<String>,
        ended: impl Send + 'static,
    ) -> io::Result<Self> {
        let home = lab.class.plan.first();
        let source = Source { client: MinerClient::http(None), home, lab: Some(lab) };
        Self::serve(listener, source, names, ended)
    }

    fn serve(
        listener: TcpListener,
        source: Source,
        names: Vec<String>,
        ended: impl Send + 'static,
    ) -> io::Result<Self> {
        let answer = move |asked: &http::Asked| routes::answer(&source, asked);
        let running = http::Running::start(listener, names, answer, ended)?;
        Ok(Self { running })
    }

    /// Ends it once the pages under way are out.
    ///
    /// # Errors
    /// It had ended before, for this reason.
    pub fn stop(self) -> io::Result<()> {
        self.running.stop()
    }
}
