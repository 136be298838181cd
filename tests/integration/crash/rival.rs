//! Another miner of the same network, with a longer branch that leaves the chain file of the
//! first one somewhere.

use std::num::NonZeroUsize;
use std::path::Path;

use blockchain::chain::{Difficulty, Hash};
use blockchain::pow::{Outcome, Search};
use serde_json::Value;

use super::files::whole_lines;
use super::mixture::Random;
use crate::support::miner::{Logs, TestMiner};
use tempfile::{TempDir, tempdir};

/// A rival, until it is dropped.
pub struct Rival {
    pub miner: TestMiner,
    _folder: TempDir,
}

impl Rival {
    /// Starts one against the miner that is to go on with the files in `folder`; `None`, if
    /// there is no block yet that could be dropped.
    pub fn start(
        folder: &Path,
        difficulty: u8,
        flags: &[&str],
        random: &mut Random,
    ) -> Option<Self> {
        let mut lines = whole_lines(folder, "test.chain");
        let depth = random.by_size(1, if difficulty == 5 { 6 } else { 40 });
        let depth = (depth as usize).min(lines.len().saturating_sub(1));
        if depth == 0 {
            return None;
        }
        let length = lines.len();
        let dropped = lines.split_off(length - depth);
        // What the other one mines before it hears of this branch must not outgrow it.
        let lead = [300, 200, 100, 30, 4][usize::from(difficulty) - 1];
        for line in &dropped {
            if random.below(3) == 0 {
                let data = &parse(line)["data"];
                lines.push(mined(lines.last()?, data.clone(), difficulty));
            }
        }
        while lines.len() < length + lead {
            let text = format!("rival {} {}", lines.len(), random.below(1 << 31));
            let id = &Hash::of(&text).to_string()[..32];
            let data = serde_json::json!({ "id": id, "message": text });
            lines.push(mined(lines.last()?, data, difficulty));
        }
        let own = tempdir().unwrap();
        std::fs::write(own.path().join("test.chain"), lines.join("\n") + "\n").unwrap();
        let miner = TestMiner::start(own.path(), &Logs::new(), flags);
        Some(Self { miner, _folder: own })
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).expect("the chain file holds JSON")
}

/// The line of a block with `data` that follows the block in `parent`.
fn mined(parent: &str, data: Value, difficulty: u8) -> String {
    let (hash, parent) = (Hash::of(parent), parse(parent));
    let (index, time) = (parent["index"].as_u64().unwrap(), parent["timestamp"].as_u64().unwrap());
    let unsealed = format!(
        r#"{{"index":{},"timestamp":{},"data":{{"id":{},"message":{}}},"previous_hash":"{hash}"}}"#,
        index + 1,
        time + 1,
        data["id"],
        data["message"]
    );
    let seal = Hash::of(&unsealed);
    let prefix = format!("{}{seal}-", parent["proof"].as_str().unwrap_or_default());
    let search = Search::new(prefix.as_bytes(), Difficulty::new(difficulty).unwrap());
    let Outcome::Found { nonce, .. } = search.run(NonZeroUsize::MIN) else { panic!("none works") };
    format!(r#"{},"proof":"{seal}-{nonce}"}}"#, unsealed.strip_suffix('}').unwrap())
}
