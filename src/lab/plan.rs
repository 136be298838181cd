//! The settings of a class: how many miners, where each is and has its files, at which pace.

use std::collections::BTreeSet;
use std::iter;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use super::name::Name;
use crate::api::Address;
use crate::chain::Network;

/// Miners beyond the class, on other laptops, that each of it takes in and the wall has lanes for.
pub const GUESTS_MAX: usize = 20;

#[derive(Clone, Debug)]
pub struct Plan {
    /// Miners that are started at the beginning.
    pub miners: usize,
    pub network: Network,
    /// Folder of their folders.
    pub folder: PathBuf,
    /// Port of the first; the others take the next ones.
    pub first_port: u16,
    /// Address under which other hosts reach this one, if they may.
    pub public: Option<String>,
    /// Average seconds between blocks, while all mine.
    pub block_time: f64,
}

impl Plan {
    /// Guesses a second of one miner.
    pub fn pace(&self) -> u64 {
        let expected = 16f64.powi(i32::from(self.network.difficulty.zeros()));
        (expected / self.block_time / self.miners as f64).ceil() as u64
    }

    pub fn first(&self) -> Address {
        self.address(Name::first())
    }

    fn port(&self, name: Name) -> u16 {
        self.first_port + name.number() as u16
    }

    /// Where the lab, and people on this host, reach a miner.
    pub fn address(&self, name: Name) -> Address {
        Address::from_ip([127, 0, 0, 1].into(), self.port(name))
    }

    /// Where the miners reach each other.
    pub fn known_as(&self, name: Name) -> Address {
        let public = self.public.as_ref().map(|host| format!("{host}:{}", self.port(name)));
        public.and_then(|text| text.parse().ok()).unwrap_or_else(|| self.address(name))
    }

    /// The folder of a miner: for one that the class begins with, always the same; for a newcomer
    /// one that nobody had, as it shall know nothing.
    pub(super) fn folder_of(&self, name: Name) -> PathBuf {
        let plain = name.as_str().to_lowercase();
        let first = self.folder.join(&plain);
        let others = (2..).map(|number: u32| self.folder.join(format!("{plain}-{number}")));
        let is_free = |folder: &PathBuf| name.number() < self.miners || !folder.exists();
        iter::once(first).chain(others).find(is_free).expect("numbers do not end")
    }

    /// The words behind `blockchain` by which a miner is started.
    pub(super) fn arguments(
        &self,
        name: Name,
        folder: &Path,
        known: &BTreeSet<Name>,
        finality: Option<NonZeroU64>,
    ) -> Vec<String> {
        let known: Vec<_> = known.iter().map(|other| self.known_as(*other).to_string()).collect();
        let mut flags = vec![
            ("--port", self.port(name).to_string()),
            ("--name", name.to_string()),
            ("--network", self.network.name.to_string()),
            ("--difficulty", self.network.difficulty.to_string()),
            ("--hash-rate-limit", self.pace().to_string()),
            ("--max-neighbours", (Name::COUNT + GUESTS_MAX).to_string()),
            ("--threads", "1".into()),
            ("--gossip-interval", "10".into()),
            ("--chain-sync-interval", "4".into()),
            ("--backup-interval", "5".into()),
            ("--log-level", "warn".into()),
        ];
        if !known.is_empty() {
            flags.push(("--neighbours", known.join(",")));
        }
        if let Some(depth) = finality {
            flags.push(("--finality-depth", depth.to_string()));
        }
        if self.public.is_some() {
            flags.push(("--host", "0.0.0.0".into()));
            flags.push(("--advertise", self.known_as(name).to_string()));
        }
        let chain = folder.join("test.chain").display().to_string();
        let mut words = vec!["miner".to_owned(), "start".to_owned(), chain];
        words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        words
    }
}
