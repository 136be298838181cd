//! FLOOR 2: the web UI, a server of pages about a miner and its network.
//!
//! Pages are whole without scripts; one small script follows the miner's events and keeps them up
//! to date. All that is shown of a miner is asked through [`MinerClient`], so that the UI may run
//! anywhere. The pages of a class ask the lab in this process, too.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::api::Address;
use crate::api::client::{self, MinerClient};
use crate::lab::Lab;

mod assets;
mod class;
mod drawing;
mod frame;
mod http;
mod news;
mod pages;
mod plot;
mod routes;
mod search;
mod source;
mod sparing;
mod survey;
mod words;

use news::News;
use source::Source;
use sparing::Sparing;

pub struct Ui {
    running: http::Running,
    client: Arc<MinerClient>,
    /// Disconnects those who follow miners.
    _end: Sender<Infallible>,
}

pub enum Home {
    /// A miner and its network; whether it answers does not matter: without it, pages say so.
    Miner(Address),
    /// A class: with the wall and the experiments, and its first miner.
    Class(Arc<Lab>),
}

impl Ui {
    /// Serves pages at `listener`, and returns once it does. Browsers may open them by an address,
    /// localhost or one of these `names`. What `ended` holds goes when pages are not served any
    /// more, for whatever reason.
    pub fn start(
        listener: TcpListener,
        home: Home,
        names: Vec<String>,
        ended: impl Send + 'static,
    ) -> io::Result<Self> {
        let (home, lab) = match home {
            Home::Miner(address) => (address, None),
            Home::Class(lab) => (lab.class.plan.first(), Some(lab)),
        };
        let client = Arc::new(MinerClient::new(Box::new(Sparing::new(client::transport()))));
        let (end, has_ended) = crossbeam_channel::bounded(0);
        let news = News::new(Arc::clone(&client), has_ended);
        let source = Source::new(Arc::clone(&client), home, lab);
        let answer = move |asked: &http::Asked| routes::respond(&source, &news, asked);
        let running = http::Running::start(listener, names, answer, ended)?;
        Ok(Self { running, client, _end: end })
    }

    /// Ends it once the pages under way are out.
    ///
    /// # Errors
    /// It had ended before, for this reason.
    pub fn stop(self) -> io::Result<()> {
        let stopped = self.running.stop();
        self.client.shut_down();
        stopped
    }
}
