//! What a run was made of, and what came of it: the table that is printed.

use std::fmt;
use std::time::Duration;

use super::mixture::{AIMS, Aim, Backlog, Plan, Sizes};

/// Lives are told apart by these lengths.
const LENGTHS: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(5)];

#[derive(Default)]
pub struct Tally {
    kills: [u32; AIMS.len()],
    missed: [u32; AIMS.len()],
    difficulties: [u32; 5],
    sizes: [u32; 3],
    backlogs: [u32; 4],
    lengths: [u32; LENGTHS.len() + 1],
    pub full_pools: u32,
    pub rivals: u32,
    pub compactions: u32,
    pub replacements: u32,
    pub returned: u64,
    pub looks_after_a_compaction: u32,
    pub networks: u32,
    pub acknowledged: usize,
    pub acknowledged_bytes: u64,
    /// Neither in the journal nor in the chain file after a kill.
    pub lost_on_disk: usize,
    /// The same after a compaction, while the miner ran.
    pub lost_by_compaction: usize,
    /// Not known to the miner that was started again.
    pub lost_by_api: usize,
    pub doubled: usize,
    pub repairs_by_hand: u32,
}

impl Tally {
    /// Counts a kill; `hit`: it came where it was aimed.
    pub fn kill(&mut self, aim: Aim, hit: bool) {
        let at = AIMS.iter().position(|it| *it == aim).expect("all are listed");
        self.kills[at] += 1;
        self.missed[at] += u32::from(!hit);
    }

    pub fn life(&mut self, plan: &Plan, difficulty: u8, length: Duration) {
        self.difficulties[usize::from(difficulty) - 1] += 1;
        let sizes = [Sizes::Tiny, Sizes::Mixed, Sizes::Large];
        self.sizes[sizes.iter().position(|it| *it == plan.sizes).unwrap()] += 1;
        let backlogs = [Backlog::None, Backlog::Some, Backlog::Many, Backlog::Full];
        self.backlogs[backlogs.iter().position(|it| *it == plan.backlog).unwrap()] += 1;
        self.lengths[LENGTHS.iter().filter(|it| **it <= length).count()] += 1;
    }

    /// What a run has to have met with and has not.
    pub fn untested(&self) -> Vec<&'static str> {
        // The first two are aimed at no operation.
        let hits = self.kills[2..].iter().sum::<u32>() - self.missed.iter().sum::<u32>();
        let met = [
            (hits, "a kill where it was aimed"),
            (self.compactions, "a compaction"),
            (self.replacements, "a replacement of the chain file"),
            (u32::try_from(self.returned).unwrap_or(u32::MAX), "a message that waits again"),
        ];
        met.iter().filter(|(count, _)| *count == 0).map(|(_, what)| *what).collect()
    }

    pub fn faults(&self) -> usize {
        self.lost_on_disk
            + self.lost_by_compaction
            + self.lost_by_api
            + self.doubled
            + self.repairs_by_hand as usize
    }
}

/// Counts side by side.
fn row(counts: &[u32]) -> String {
    counts.iter().map(u32::to_string).collect::<Vec<_>>().join(" / ")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| kills | {} |", self.kills.iter().sum::<u32>())?;
        writeln!(f, "|---|---|")?;
        let words = [
            "at random",
            "of the server process first, at random",
            "at any operation of the disk",
            "at a compaction of the journal, or soon after",
            "at a save of the chain",
            "at a replacement of the end of the chain file, or soon after",
            "between a message and its answer",
        ];
        for ((word, kills), missed) in words.iter().zip(self.kills).zip(self.missed) {
            match missed {
                0 => writeln!(f, "| {word} | {kills} |")?,
                _ => writeln!(f, "| {word} | {kills}, of them {missed} where none came |")?,
            }
        }
        writeln!(f, "| lives at difficulty 1 / 2 / 3 / 4 / 5 | {} |", row(&self.difficulties))?;
        writeln!(
            f,
            "| with messages of 1 to 100 bytes / 1 byte to 64 KiB / 16 to 64 KiB | {} |",
            row(&self.sizes)
        )?;
        writeln!(
            f,
            "| with none / 2 to 100 / 500 to 5,000 / as many waiting as the pool takes | {} |",
            row(&self.backlogs)
        )?;
        writeln!(f, "| below 0.3 s / 1 s / 5 s / longer | {} |", row(&self.lengths))?;
        writeln!(f, "| in which the pool was full | {} |", self.full_pools)?;
        writeln!(f, "| beside a rival with a longer branch | {} |", self.rivals)?;
        writeln!(f, "| networks, each in a folder of its own | {} |", self.networks)?;
        writeln!(f, "| compactions of the journal | {} |", self.compactions)?;
        writeln!(f, "| replacements of the end of the chain file | {} |", self.replacements)?;
        writeln!(f, "| blocks dropped, whose messages wait again | {} |", self.returned)?;
        let mebibytes = self.acknowledged_bytes >> 20;
        writeln!(f, "| messages acknowledged | {} ({mebibytes} MiB) |", self.acknowledged)?;
        writeln!(f, "| lost: not in the files after a kill | {} |", self.lost_on_disk)?;
        let (lost, looks) = (self.lost_by_compaction, self.looks_after_a_compaction);
        writeln!(f, "| lost: not in the files after a compaction ({looks} looks) | {lost} |")?;
        writeln!(f, "| lost: not known after a start | {} |", self.lost_by_api)?;
        writeln!(f, "| doubled | {} |", self.doubled)?;
        write!(f, "| repairs by hand | {} |", self.repairs_by_hand)
    }
}
