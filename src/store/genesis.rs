//! Which network a chain file is of, also if its first line is damaged.

use super::error::StoreError;
use super::files::Files;
use super::versions;
use crate::chain::{Block, Difficulty, Hash, Network, NetworkName};

/// More than any genesis block has.
const GENESIS_BYTES_MAX: u64 = 1 << 10;

/// The network that the first of the files `all` is of that says so for certain, or else says so
/// at all. A first line is believed if the second one says that it follows it; if it is
/// damaged, the second one may tell which it was, and so may `test.forks`.
pub(super) fn find_network(files: &Files, all: &[&String]) -> Result<Option<Network>, StoreError> {
    let noted = versions::network(files);
    let mut spare = noted.clone();
    for name in all {
        let Some(mut lines) = files.lines(name)? else { continue };
        let mut next = || -> Result<Vec<u8>, StoreError> {
            Ok(lines.next()?.map(|line| line.bytes.to_vec()).unwrap_or_default())
        };
        let (first, second) = (next()?, next()?);
        let stated = network_of(bare(&first));
        // Of a file without its genesis block, the first line says which it follows.
        let links =
            |network: &Network| [&first, &second].iter().any(|line| names_as_parent(line, network));
        let known = stated.clone().into_iter().chain(noted.clone());
        let certain = known.chain(candidates(&first)).find(links);
        if certain.is_some() {
            return Ok(certain);
        }
        spare = spare.or(stated);
    }
    Ok(spare)
}

/// A line without what editors put around it: a byte order mark and a carriage return.
fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn candidates(line: &[u8]) -> impl Iterator<Item = Network> {
    let text = String::from_utf8_lossy(line);
    let name = text.split_once("network=").and_then(|(_, rest)| rest.split_once(' '));
    let name = name.and_then(|(name, _)| name.parse::<NetworkName>().ok());
    let usual: NetworkName = "main".parse().expect("it is a name");
    let difficulties = || (1..=64).filter_map(Difficulty::new);
    [name.unwrap_or_else(|| usual.clone()), usual].into_iter().flat_map(move |name| {
        difficulties().map(move |difficulty| Network { name: name.clone(), difficulty })
    })
}

/// True if this line of a block says that it follows the genesis block of `network`.
pub(super) fn names_as_parent(line: &[u8], network: &Network) -> bool {
    let genesis = Block::genesis(network).line();
    let link = format!("\"previous_hash\":\"{}\"", Hash::of(genesis));
    String::from_utf8_lossy(line).contains(&link)
}

pub(super) fn network_of(line: &[u8]) -> Option<Network> {
    let line = std::str::from_utf8(line).ok()?;
    let block = Block::read(line, 0).ok()?;
    let (name, difficulty) =
        block.data.message.as_str().strip_prefix("network=")?.split_once(" difficulty=")?;
    let network = Network { name: name.parse().ok()?, difficulty: difficulty.parse().ok()? };
    (Block::genesis(&network) == block).then_some(network)
}

/// True if there is no chain file, or one with a genesis block and nothing else.
pub(super) fn stands_alone(files: &Files) -> Result<bool, StoreError> {
    let name = &files.names.chain;
    let Some(found) = files.stamp(name)? else { return Ok(true) };
    let first = files.beginning(name, GENESIS_BYTES_MAX);
    let line = first.strip_suffix(b"\n");
    Ok(found.bytes <= GENESIS_BYTES_MAX && line.and_then(network_of).is_some())
}
