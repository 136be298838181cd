//! What wakes the jobs of a miner.

use crossbeam_channel::{Receiver, Sender, bounded};

/// A wake-up call that is heard once, however often it was rung.
#[derive(Debug)]
pub struct Bell {
    rings: Sender<()>,
    heard: Receiver<()>,
}

impl Default for Bell {
    fn default() -> Self {
        let (rings, heard) = bounded(1);
        Self { rings, heard }
    }
}

impl Bell {
    /// Wakes whoever waits, or will wait. A full queue means that it rings already.
    pub fn ring(&self) {
        let _ = self.rings.try_send(());
    }

    pub fn heard(&self) -> &Receiver<()> {
        &self.heard
    }
}

#[derive(Debug, Default)]
pub struct Bells {
    pub mine: Bell,
    /// The chain is not what is on disk.
    pub backup: Bell,
    /// There is a block or message that neighbours may not have, or a neighbour to push to.
    pub push: Bell,
    /// A newcomer was heard of.
    pub gossip: Bell,
    /// A neighbour is to be asked for its chain now.
    pub sync_chain: Bell,
    /// A neighbour is to be asked for its messages now.
    pub sync_data: Bell,
    /// Something happened, or somebody waits for that.
    pub events: Bell,
}
