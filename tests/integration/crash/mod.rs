//! kill -9 for real: a miner under load is killed over and over, and nothing that it
//! acknowledged is lost or doubled, nor has anything to be repaired by hand.
//!
//! After each kill the files are read, before anything is mined again; after the next start
//! the miner is asked. Every few lives a new network begins, in a folder of its own.
//!
//! `BLOCKCHAIN_CRASH_KILLS` sets how many kills, `BLOCKCHAIN_SEED` repeats a run's choices.

mod files;
mod life;
mod load;
mod mixture;
mod rival;
mod tally;

use std::time::Instant;

use crate::support::seed::{number_from, seed};
use life::Era;
use mixture::{AIMS, Plan, Random};
use tally::Tally;

/// Kills from which on a run has to have met with everything.
const WHOLE_RUN_KILLS: u64 = 30;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_nine() {
    let kills = number_from("BLOCKCHAIN_CRASH_KILLS", 30);
    let seed = seed();
    println!("BLOCKCHAIN_SEED={seed} BLOCKCHAIN_CRASH_KILLS={kills}");
    let (began, mut random, mut tally) = (Instant::now(), Random::new(seed), Tally::default());
    let mut kill = 0;
    while kill < kills {
        for difficulty in random.shuffled([1, 2, 3, 4, 5]) {
            let mut era = Era::begin(difficulty, &mut tally);
            for aim in random.shuffled(AIMS) {
                if kill < kills {
                    let plan = Plan::draw(aim, difficulty, &mut random);
                    era.live(&plan, &mut random, &mut tally);
                    kill += 1;
                }
            }
            era.end(&mut tally);
            if kill == kills {
                break;
            }
        }
    }
    println!("{tally}\n| seconds | {} |", began.elapsed().as_secs());
    assert!(tally.acknowledged > 0);
    assert_eq!(tally.faults(), 0, "something was lost or doubled, or needs a repair");
    if kills >= WHOLE_RUN_KILLS {
        assert_eq!(tally.untested(), [""; 0], "this run has not met with all that it is for");
    }
}
