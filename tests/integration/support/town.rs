//! A network with a neighbour of each kind, and a miner with something to tell of all it has.

use blockchain::api::{
    Address, Event, FileReport, Happening, JobReport, MiningReport, NeighbourDetail,
    NeighbourState, Setting, StatusReport,
};
use blockchain::chain::testing::data;
use blockchain::chain::{Difficulty, Hash, Why};

use super::fake_miner::{FakeMiner, now};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

/// What people write.
const MESSAGES: [&str; 12] = [
    "Good morning, network!",
    "Ada lent Grace 20 euros.",
    "Grace gave back 20 euros.",
    "The sensor in the garden reads 14.2 °C.",
    "Minutes of the meeting: we will meet again.",
    "Die Mühle mahlt, der Müller schläft.",
    "Il pleut sur la ville.",
    "Backup of the photos done, sha256 9f86d081884c7d65.",
    "If you read this, somebody mined it.",
    "Water the plants on Thursday.",
    "<script>alert('no')</script>",
    "Temperature fell to 9.8 °C, frost is possible.",
];

/// A network with a neighbour of each kind.
pub struct Town {
    pub home: FakeMiner,
    /// Of the same head, behind, of another branch, and one that the first tells of.
    pub others: Vec<FakeMiner>,
}

/// Builds it.
pub fn town() -> Town {
    let home = FakeMiner::start(2);
    let start = now() - 90 * MINUTE;
    for n in 0..70 {
        let text = format!("{}{}", MESSAGES[n % MESSAGES.len()], " ".repeat(n / MESSAGES.len()));
        let jitter = u64::from(Hash::of(n.to_string()).as_bytes()[0]);
        let at = start + 70 * n as u64 * SECOND + jitter * SECOND / 2;
        home.state().extend(data(&text), at);
    }
    let others: Vec<_> = (0..4).map(|_| FakeMiner::start(2)).collect();
    others[0].copy(&home, 71);
    others[1].copy(&home, 69);
    others[2].copy(&home, 70);
    others[2].state().extend(data("another branch"), now() - MINUTE);
    others[3].copy(&home, 66);
    for text in ["Who lost a blue glove?", "The train is late again.", "Lunch at noon"] {
        home.state().pool.push(data(text));
    }
    let gone = "127.0.0.1:9".parse().unwrap();
    let heard_of = "127.0.0.1:10".parse().unwrap();
    let mut neighbours: Vec<_> = others[..3].iter().map(|other| other.address.clone()).collect();
    neighbours.push(gone);
    others[0].state().neighbours =
        vec![home.address.clone(), others[1].address.clone(), others[3].address.clone()];
    others[1].state().neighbours = vec![home.address.clone()];
    others[2].state().neighbours = vec![home.address.clone(), others[0].address.clone(), heard_of];
    others[0].state().details = vec![NeighbourDetail {
        neighbour: others[3].address.clone(),
        state: NeighbourState::Ok,
        permanent: false,
        last_answer: Some(now() - SECOND),
        failures: 0,
        reason: None,
        until: None,
        length: Some(66),
        head: Some(others[3].state().head()),
    }];
    let head = home.state().head();
    let detail = |(at, address): (usize, &Address)| {
        let lost = at == 3;
        NeighbourDetail {
            neighbour: address.clone(),
            state: if lost { NeighbourState::Failing } else { NeighbourState::Ok },
            permanent: true,
            last_answer: Some(now() - if lost { 25 * MINUTE } else { SECOND }),
            failures: if lost { 12 } else { 0 },
            reason: lost.then(|| "connection refused".into()),
            until: None,
            length: (!lost).then_some(71),
            head: (!lost).then_some(if at == 0 { head } else { Hash::of("x") }),
        }
    };
    let details = neighbours.iter().enumerate().map(detail).collect();
    let mut state = home.state();
    state.details = details;
    state.events = Some(events(&neighbours));
    state.status = Some(status());
    state.neighbours = neighbours;
    drop(state);
    Town { home, others }
}

fn events(neighbours: &[Address]) -> Vec<Event> {
    let block = |index: u64, from: Option<usize>| Happening::Block {
        index,
        hash: Hash::of(index.to_string()),
        id: data("x").id,
        from: from.map(|at| neighbours[at].clone()),
    };
    let what = [
        (41, Happening::NeighbourCame { neighbour: neighbours[0].clone() }),
        (30, block(65, None)),
        (
            25,
            Happening::NeighbourGone {
                neighbour: neighbours[3].clone(),
                reason: "no answer from 127.0.0.1:9: connection refused".into(),
            },
        ),
        (12, block(66, Some(0))),
        (
            9,
            Happening::Reorganisation {
                fork: 64,
                dropped: 2,
                dropped_head: Hash::of("dropped"),
                adopted: 3,
                head: Hash::of("head"),
                why: Why::Longer,
                returned: vec![data("a").id, data("b").id],
                returned_count: 2,
                from: Some(neighbours[2].clone()),
            },
        ),
        (5, block(69, None)),
        (1, block(70, Some(1))),
    ];
    what.map(|(minutes, what)| Event { id: 0, at: now() - minutes * MINUTE, what }).to_vec()
}

fn status() -> StatusReport {
    let now = now();
    let setting = |(name, value): (&str, &str)| Setting { name: name.into(), value: value.into() };
    let file = |(name, kind, bytes, minutes): (&str, &str, u64, u64)| FileReport {
        name: name.into(),
        kind: kind.into(),
        bytes,
        changed: Some(now - minutes * MINUTE),
    };
    let job = |(job, last, took, next): (&str, u64, u64, Option<u64>)| JobReport {
        job: job.into(),
        last_run: Some(now - last * SECOND),
        took: Some(took),
        next_run: next.map(|next| now + next * SECOND),
        error: (job == "gossip").then(|| "no answer from 127.0.0.1:9: connection refused".into()),
    };
    StatusReport {
        now,
        settings: [
            ("host", "127.0.0.1"),
            ("port", "12345"),
            ("difficulty", "2"),
            ("gossip-interval", "20"),
            ("keep-versions", "10"),
        ]
        .map(setting)
        .to_vec(),
        files: [
            ("test.chain", "chain", 25_312, 1),
            ("test.hash", "hash", 77, 1),
            ("test_2026-11-22_07-12-40.chain", "version", 20_120, 42),
            ("test.data", "journal", 512, 1),
            ("miner.log", "log", 88_231, 0),
        ]
        .map(file)
        .to_vec(),
        jobs: [
            ("gossip", 14, 4_200, Some(6)),
            ("sync_chain", 3, 900, Some(7)),
            ("sync_data", 1, 650, Some(4)),
            ("backup", 12, 3_100, Some(18)),
            ("mine", 2, 1_900_000, None),
        ]
        .map(job)
        .to_vec(),
        mining: Some(MiningReport {
            index: 71,
            id: data("Who lost a blue glove?").id,
            difficulty: Difficulty::new(2).unwrap(),
            since: now - 2 * SECOND,
            guesses_per_second: 38_400_000.0,
            expected_seconds: 14.2,
        }),
    }
}
