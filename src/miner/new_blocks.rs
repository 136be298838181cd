//! New blocks for the log at info level: totals in a line every ten seconds, not a line a block.
//!
//! The first block after a pause is told at once; the rest of a run at the next look of
//! [`NewBlocks::tell`], which a job takes from time to time, or at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;

use crate::api::Address;
use crate::chain::Head;

/// Shortest time between two lines of one kind.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

const NAMED_MAX: usize = 4;

/// Blocks that were mined and adopted, and not told yet.
#[derive(Default)]
pub struct NewBlocks {
    mined: Mutex<Run>,
    adopted: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    told: Option<Duration>,
    blocks: u64,
    dropped: u64,
    from: BTreeSet<Address>,
    head: Option<Head>,
}

impl NewBlocks {
    /// Notes a block that was mined here, and is the head now.
    pub fn mined(&self, head: &Head, now: Duration) {
        let mut run = self.mined.lock();
        run.blocks += 1;
        run.head = Some(*head);
        let line = run.due(now).then(|| run.line(now));
        drop(run);
        tell_mined(line);
    }

    /// Notes blocks that came from a neighbour, and those that were dropped for them.
    pub fn adopted(&self, from: &Address, blocks: u64, dropped: u64, head: &Head, now: Duration) {
        let mut run = self.adopted.lock();
        run.blocks += blocks;
        run.dropped += dropped;
        run.head = Some(*head);
        if run.from.len() <= NAMED_MAX {
            run.from.insert(from.clone());
        }
        let line = run.due(now).then(|| run.line(now));
        drop(run);
        tell_adopted(line);
    }

    /// Tells what is due; everything at the miner's end.
    pub fn tell(&self, now: Duration, is_end: bool) {
        let line = |run: &Mutex<Run>| {
            let mut run = run.lock();
            (run.head.is_some() && (is_end || run.due(now))).then(|| run.line(now))
        };
        tell_mined(line(&self.mined));
        tell_adopted(line(&self.adopted));
    }
}

fn tell_mined(line: Option<String>) {
    if let Some(line) = line {
        log::info!("mine: new blocks {line}");
    }
}

fn tell_adopted(line: Option<String>) {
    if let Some(line) = line {
        log::info!("sync_chain: adopted a better chain {line}");
    }
}

impl Run {
    fn due(&self, now: Duration) -> bool {
        self.told.is_none_or(|told| now.saturating_sub(told) >= TELL_INTERVAL)
    }

    /// The totals, from which the next line begins anew.
    fn line(&mut self, now: Duration) -> String {
        let Self { blocks, dropped, from, head, .. } = std::mem::take(self);
        self.told = Some(now);
        let mut line = format!("blocks={blocks}");
        if let Some(head) = head {
            line += &format!(" length={} head={}", head.length(), head.hash);
        }
        if !from.is_empty() {
            let names: Vec<_> = from.iter().take(NAMED_MAX).map(Address::to_string).collect();
            let more = if from.len() > NAMED_MAX { " and more" } else { "" };
            line += &format!(" dropped={dropped} from={}{more}", names.join(","));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Hash;

    #[test]
    fn a_run_is_a_line_in_ten_seconds_with_its_totals() {
        // A chain of 100,000 blocks was as many lines, and the log of a month was gone.
        let head = |index| Head { index, timestamp: 1, hash: Hash::of("x"), proof: None };
        let at = Duration::from_secs;
        let mut run = Run::default();
        let mut lines = Vec::new();
        for second in 0..25 {
            run.blocks += 1;
            run.head = Some(head(second));
            if run.due(at(second)) {
                lines.push(run.line(at(second)));
            }
        }
        let blocks: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(blocks, ["blocks=1", "blocks=10", "blocks=10"]);
        assert!(lines[1].contains(" length=11 head="), "{}", lines[1]);
        for port in 0..6 {
            run.from.insert(format!("a:{}", port + 1).parse().unwrap());
        }
        assert!(run.line(at(99)).ends_with(" dropped=0 from=a:1,a:2,a:3,a:4 and more"));
    }
}
