//! Every parser that meets foreign bytes, as a function that must not fail whatever it is
//! given. Used by the fuzz targets beside it and by the plain test `tests/integration/fuzz.rs`.

use std::path::Path;
use std::sync::Arc;

use blockchain::api::link::{Receiver, Sender};
use blockchain::api::routes::{self, Decoded};
use blockchain::api::{ChainPage, DataPage, Health, NeighbourPage};
use blockchain::chain::testing::{NOW, network};
use blockchain::chain::{Block, Chain, check_block};
use blockchain::store::{Files, Journal, Names};

use super::sim_disk::SimDisk;

/// A parser under a name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
#[allow(dead_code, reason = "each fuzz target uses one")]
pub const TARGETS: [Target; 8] = [
    ("block_line", block_line),
    ("chain_page", chain_page),
    ("data_page", data_page),
    ("neighbour_list", neighbour_list),
    ("health", health),
    ("link_frame", link_frame),
    ("journal_record", journal_record),
    ("request_target", request_target),
];

/// What is read is what would be written, byte for byte.
pub fn block_line(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    for index in [0, 1, 2] {
        match Block::read(line, index) {
            Ok(block) => assert_eq!(block.line(), line),
            Err(error) => assert!(error.to_string().len() < 2_000, "{error}"),
        }
    }
}

/// No line of a page is taken for a child of the genesis block without the work for it.
pub fn chain_page(bytes: &[u8]) {
    let Ok(page) = serde_json::from_slice::<ChainPage>(bytes) else { return };
    let network = network(64);
    let head = *Chain::new(&network).head();
    for line in &page.chain {
        assert!(check_block(&head, line.get(), NOW, &network).is_err());
    }
}

/// What is read is written and read again the same.
pub fn data_page(bytes: &[u8]) {
    let Ok(page) = serde_json::from_slice::<DataPage>(bytes) else { return };
    let written = serde_json::to_vec(&page).unwrap();
    assert_eq!(serde_json::from_slice::<DataPage>(&written).unwrap(), page);
}

/// Addresses that are read have one spelling.
pub fn neighbour_list(bytes: &[u8]) {
    let Ok(page) = serde_json::from_slice::<NeighbourPage>(bytes) else { return };
    for address in page.neighbours {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

/// What is read is written and read again the same.
pub fn health(bytes: &[u8]) {
    let Ok(health) = serde_json::from_slice::<Health>(bytes) else { return };
    let written = serde_json::to_vec(&health).unwrap();
    assert_eq!(serde_json::from_slice::<Health>(&written).unwrap(), health);
}

/// Frames in both directions end or fail; what is read can be sent.
pub fn link_frame(bytes: &[u8]) {
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let sender = Sender::new(ours);
    let mut receiver = Receiver::new(bytes);
    while let Ok(Some(frame)) = receiver.from_server() {
        let _ = sender.to_miner(&[frame]);
    }
    let mut receiver = Receiver::new(bytes);
    while let Ok(Some(_)) = receiver.from_miner() {}
}

/// A journal opens, or is refused; and never in silence with fewer messages than it has
/// whole records.
pub fn journal_record(bytes: &[u8]) {
    let names = Names::of(Path::new("test.chain")).unwrap();
    let disk = SimDisk::default();
    disk.put(&names.data, bytes);
    match Journal::open(Files::new(Arc::new(disk), names)) {
        Ok((_, data)) => assert!(data.len() <= bytes.len()),
        Err(error) => assert!(error.to_string().contains("test.data"), "{error}"),
    }
}

/// A request is understood, or answered: with this API's description, or a status that says
/// why not.
pub fn request_target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (method, target) = text.split_once(' ').unwrap_or(("GET", text));
    match routes::decode(method, target, bytes) {
        Decoded::Ask(request) => {
            let (method, target, body) = routes::encode(&request);
            assert_eq!(routes::decode(method, &target, &body), Decoded::Ask(request));
        }
        Decoded::Answer(reply) if reply.status == 200 => {
            assert_eq!(reply.body, routes::OPENAPI.as_bytes());
        }
        Decoded::Answer(reply) => {
            assert!(matches!(reply.status, 400 | 404 | 405), "{}", reply.status)
        }
    }
}
