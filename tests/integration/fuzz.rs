//! A short run of every fuzz target on stable Rust: a corpus of real and of odd input,
//! changed at random from a seed.
//!
//! The long run, with coverage and one target at a time (`cargo install cargo-fuzz`):
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz block_line -- -max_total_time=600`.
//! `BLOCKCHAIN_SEED` repeats a short run, `BLOCKCHAIN_FUZZ_ROUNDS` sets its length.

#[path = "../fuzz/parsers.rs"]
mod parsers;

use std::panic::catch_unwind;

use blockchain::chain::testing::{Maker, data, network};
use fastrand::Rng;

use crate::support::seed::{number_from, seed};
use crate::support::sim_disk;

/// Input that each parser takes, and some that no parser should.
fn corpus() -> Vec<Vec<u8>> {
    let mut maker = Maker::new(network(1));
    let lines: Vec<String> = ["hello", "\"\\\n\u{1}ä😀"].map(|text| maker.add(text)).into();
    let id = "00112233445566778899aabbccddeeff";
    let hash = "ab".repeat(32);
    let waiting = serde_json::to_string(&data("waits")).unwrap();
    let texts = [
        format!("{{\"chain\":[{}],\"length\":3}}", lines.join(",")),
        format!("{{\"data\":[{waiting}],\"length\":1,\"cursor\":\"{id}-7\"}}"),
        "{\"neighbours\":[\"miner2:12345\",\"[::1]:80\"],\"length\":2}".to_owned(),
        format!(
            "{{\"status\":\"ok\",\"id\":\"{id}\",\"version\":\"1\",\"network\":\"test\",\
             \"difficulty\":1,\"genesis\":\"{hash}\",\"length\":3,\"head\":\"{hash}\",\
             \"unprocessed\":0,\"neighbours\":0,\"kernel\":\"portable\",\"uptime_seconds\":1,\"reasons\":[\"x\"]}}"
        ),
        format!("GET /data/{id}"),
        "PUT /add?message=a+b%20c%C3%A4&id=".to_owned() + id,
        "GET /chain?from=1&limit=18446744073709551615".to_owned(),
        format!("PUT /data?after={id}-1&cursor={id}-2"),
        "DELETE /neighbours?neighbour=[::1]:5".to_owned(),
        "GET /openapi.json".to_owned(),
        "[".repeat(200_000),
        "{\"a\":".repeat(50_000),
        String::new(),
    ];
    let head = b"\"Ready\"";
    let mut frame = vec![0, 0, 0, u8::try_from(head.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(head);
    let mut corpus: Vec<Vec<u8>> = texts.into_iter().chain(lines).map(String::into_bytes).collect();
    corpus.extend([frame, vec![0xff; 100], journal()]);
    corpus
}

/// A journal of two messages, as it lies on disk.
fn journal() -> Vec<u8> {
    use blockchain::store::{Files, Journal, Names};
    let names = Names::of(std::path::Path::new("test.chain")).unwrap();
    let disk = std::sync::Arc::new(sim_disk::SimDisk::default());
    let (mut journal, _) = Journal::open(Files::new(disk.clone(), names.clone())).unwrap();
    journal.append(&[data("one")]).unwrap();
    journal.append(&[data("two"), data("three")]).unwrap();
    disk.contents(&names.data).unwrap()
}

/// Bytes that mean something to one parser or another.
const ODD: &[u8] = b"\"{}[]:,\\0-9e.\0\xff%&=? \n";

/// Changes some bytes: flips, cuts, doubles, and pieces of other input.
fn change(random: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.usize(..4) {
        if bytes.is_empty() {
            bytes.extend(other.iter().take(1_000));
            continue;
        }
        let at = random.usize(..bytes.len());
        match random.usize(..6) {
            0 => bytes[at] ^= 1 << random.usize(..8),
            1 => bytes.truncate(at),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, ODD[random.usize(..ODD.len())]),
            4 => {
                let end = (at + random.usize(..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ if other.is_empty() => {}
            _ => {
                let from = random.usize(..other.len());
                let to = (from + random.usize(..40)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

#[test]
fn no_parser_fails_on_foreign_bytes() {
    let (seed, rounds) = (seed(), number_from("BLOCKCHAIN_FUZZ_ROUNDS", 3_000));
    let (mut random, corpus) = (Rng::with_seed(seed), corpus());
    for round in 0..rounds {
        let mut bytes = corpus[random.usize(..corpus.len())].clone();
        if round >= corpus.len() as u64 {
            let other = &corpus[random.usize(..corpus.len())];
            change(&mut random, &mut bytes, other);
        } else {
            bytes.clone_from(&corpus[round as usize]);
        }
        for (name, parser) in parsers::TARGETS {
            let outcome = catch_unwind(|| parser(&bytes));
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(500)]);
            assert!(outcome.is_ok(), "BLOCKCHAIN_SEED={seed} round {round}: {name} on {shown:?}");
        }
    }
}
