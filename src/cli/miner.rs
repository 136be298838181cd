//! The miner that a command asks.

use super::args::Target;
use super::error::{CliError, Result};
use crate::api::client::{ClientError, MinerClient, Sent, Token};
use crate::api::{Address, DEFAULT_PORT, Health, PAGE_BLOCKS_MAX};
use crate::chain::Hash;
use crate::settings::values::address;

pub struct Miner {
    pub client: MinerClient,
    pub address: Address,
    /// The token that it asks for before it changes anything.
    pub token: Option<Token>,
}

impl Miner {
    /// The miner that the flags name: `--host` and `--port` replace a part of what the
    /// variable of `--miner` says.
    pub fn at(target: &Target) -> Result<Self> {
        let token = target.token_file.as_deref().map(Token::read).transpose();
        let token = token.map_err(CliError::other)?;
        let client = MinerClient::http_with(token.clone());
        Ok(Self { client, address: address_of(target)?, token })
    }

    pub fn health(&self) -> Result<Health, ClientError> {
        self.client.health(&self.address)
    }

    /// The blocks from height `from` up to, but not including, `until`.
    pub fn blocks(&self, from: u64, until: u64) -> Blocks<'_> {
        Blocks { miner: self, page: Vec::new().into_iter(), next: from, until, parent: None }
    }

    /// The error that its answer is no `what`.
    pub fn malformed(&self, what: &'static str, why: impl ToString) -> ClientError {
        ClientError::Malformed { address: self.address.clone(), what, why: why.to_string() }
    }
}

fn address_of(target: &Target) -> Result<Address> {
    let whole = target.miner.as_ref();
    let host = target.host.as_deref().or(whole.map(Address::host)).unwrap_or("127.0.0.1");
    let port = target.port.or(whole.map(Address::port)).unwrap_or(DEFAULT_PORT);
    address(host, port).map_err(CliError::other)
}

/// Blocks of a miner, fetched a page at a time; each follows the one before.
pub struct Blocks<'a> {
    miner: &'a Miner,
    page: std::vec::IntoIter<Sent>,
    next: u64,
    until: u64,
    parent: Option<Hash>,
}

impl Blocks<'_> {
    fn fetch(&mut self) -> Result<Sent> {
        let changed = || {
            CliError::other(format!(
                "the chain of {} changed while it was read; try again",
                self.miner.address
            ))
        };
        let sent = match self.page.next() {
            Some(sent) => sent,
            None => {
                let Miner { client, address, .. } = self.miner;
                self.page = client.blocks(address, self.next, PAGE_BLOCKS_MAX)?.0.into_iter();
                self.page.next().ok_or_else(changed)?
            }
        };
        if self.parent.is_some() && sent.block.previous_hash != self.parent {
            return Err(changed());
        }
        (self.next, self.parent) = (self.next + 1, Some(sent.hash));
        Ok(sent)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Sent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.until {
            return None;
        }
        let sent = self.fetch();
        if sent.is_err() {
            self.until = self.next;
        }
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, page};
    use super::*;
    use crate::chain::Block;
    use crate::chain::testing::{Maker, network};

    fn read(pages: &[&[String]]) -> Result<usize, String> {
        let fake = Fake::new(pages.iter().map(|lines| Ok((200, page(lines, 3)))));
        let miner = fake.miner();
        let blocks: Result<Vec<_>, _> = miner.blocks(0, 3).collect();
        blocks.map(|blocks| blocks.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn host_and_port_replace_a_part_of_the_miner() {
        let address = |miner: &str, host: &str, port: u16| {
            let target = Target {
                miner: (!miner.is_empty()).then(|| miner.parse().unwrap()),
                host: (!host.is_empty()).then(|| host.into()),
                port: (port > 0).then_some(port),
                token_file: None,
            };
            address_of(&target).unwrap().to_string()
        };
        assert_eq!(address("", "", 0), "127.0.0.1:12345");
        assert_eq!(address("a:1", "", 0), "a:1");
        assert_eq!(address("a:1", "", 2), "a:2");
        assert_eq!(address("a:1", "::1", 0), "[::1]:1");
        assert_eq!(address("", "b", 0), "b:12345");
    }

    #[test]
    fn a_chain_is_read_a_page_at_a_time_and_one_that_changes_is_noticed() {
        let genesis = Block::genesis(&network(1)).line();
        let (mut maker, mut other) = (Maker::new(network(1)), Maker::new(network(1)));
        let first = [genesis, maker.add("a")];
        let (b, foreign) = ([maker.add("b")], [(other.add("x"), other.add("y")).1]);
        assert_eq!(read(&[&first, &b]), Ok(3));
        for (pages, expected) in [
            ([&first[..], &foreign], "changed while it was read"),
            ([&first, &[]], "changed while it was read"),
            ([&first, &first[..1]], "sent no valid block"),
        ] {
            let error = read(&pages).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
