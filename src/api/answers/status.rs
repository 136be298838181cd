//! Answers that tell of settings, files, jobs and mining.

use serde::{Deserialize, Serialize};

use crate::chain::{DataId, Difficulty};

/// The answer to [`crate::api::Request::Status`]: what an owner wants to know of a miner. File
/// names come without their folders, since strangers may read this too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Microseconds since the Unix epoch, by this miner's clock.
    pub now: u64,
    /// The flags it runs with, as on the command line but without dashes before:
    /// `gossip-interval`, `20`.
    pub settings: Vec<Setting>,
    pub files: Vec<FileReport>,
    pub jobs: Vec<JobReport>,
    /// The block it searches a proof for; `null` while there is nothing to mine.
    pub mining: Option<MiningReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub name: String,
    /// Its value, given or by default.
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// Its name, without the folder.
    pub name: String,
    /// `chain`, `hash`, `version` (an older chain), `journal` or `log`.
    pub kind: String,
    pub bytes: u64,
    /// Microseconds since the Unix epoch of its last change.
    pub changed: Option<u64>,
}

/// Rounds of a job of a miner. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// `gossip`, `sync_chain`, `mine`, …
    pub job: String,
    /// When its last round began; `null` before the first.
    pub last_run: Option<u64>,
    /// Duration of that round in microseconds; `null` while it runs.
    pub took: Option<u64>,
    /// When the next begins; `null` for a job that waits to be woken.
    pub next_run: Option<u64>,
    /// Why its last round failed; `null` if it did not.
    pub error: Option<String>,
}

/// The answer to [`crate::api::Request::Mining`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiningPace {
    /// Most guesses a second; 0 while mining is paused, `null` without a limit.
    pub hash_rate_limit: Option<u64>,
    /// Nonces tried a second; the last measured.
    pub guesses_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MiningReport {
    pub index: u64,
    pub id: DataId,
    pub difficulty: Difficulty,
    /// Microseconds since the Unix epoch of its beginning.
    pub since: u64,
    pub guesses_per_second: f64,
    /// Average duration of a search: 16^difficulty / guesses a second. It does not
    /// shrink by waiting.
    pub expected_seconds: f64,
}
