//! Commands that change a miner on this host: `neighbours`, `mining`, `ban`, `unban`, `accept`.

use serde::Serialize;
use serde_json::Value;

use super::args::{Format, Mining, Neighbours};
use super::error::{CliError, Exit, Result};
use super::miner::Miner;
use super::output::{Output, count};
use super::table::fields;
use crate::api::client::ClientError;
use crate::api::{Address, Request};
use crate::chain::Hash;

/// A request, and what to print once it is done: the answer where nothing else is said.
pub type Change = (Request, Option<String>);

/// The JSON of `neighbours`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Changed<'a> {
    Added(&'a Address),
    Deleted(&'a Address),
}

pub fn neighbours(change: &Neighbours, output: &mut Output<'_>) -> Result {
    let (neighbour, common, request, changed, words) = match change {
        Neighbours::Add { neighbour, common } => {
            let request = Request::AddNeighbour(neighbour.clone());
            (neighbour, common, request, Changed::Added(neighbour), "is a neighbour now")
        }
        Neighbours::Delete { neighbour, common } => {
            let request = Request::DeleteNeighbour(neighbour.clone());
            let words = "is not a neighbour any more";
            (neighbour, common, request, Changed::Deleted(neighbour), words)
        }
    };
    match ask(&Miner::at(&common.target)?, &request) {
        Ok(_) if common.format.json => Ok(output.json_line(&changed)?),
        Ok(_) => Ok(output.line(format_args!("{neighbour} {words}"))?),
        Err(ClientError::Refused { status: 404, address, .. }) => Err(CliError::other(format!(
            "{neighbour} is not a neighbour of {address}; \"blockchain get neighbours\" lists them"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// `mining`; without an action, shows the limit.
pub fn mining(action: Option<Mining>, guesses: Option<u64>) -> Change {
    let (limit, words) = match (action, guesses) {
        (None, _) => return (Request::Mining, None),
        (Some(Mining::Resume), _) => (None, "mining runs without a limit".to_owned()),
        (Some(Mining::Limit), Some(guesses)) if guesses > 0 => {
            let words = format!("mining is limited to {} a second", count(guesses, "guess"));
            (Some(guesses), words)
        }
        (Some(Mining::Pause | Mining::Limit), _) => (Some(0), "mining is paused".to_owned()),
    };
    (Request::LimitMining(limit), Some(words))
}

/// `ban`; without a neighbour, lists the bans.
pub fn ban(neighbour: Option<Address>) -> Change {
    let Some(neighbour) = neighbour else { return (Request::Bans, None) };
    let words = format!("{neighbour} is banned");
    (Request::Ban(neighbour), Some(words))
}

pub fn unban(neighbour: Address) -> Change {
    let words = format!("{neighbour} is not banned any more");
    (Request::Unban(neighbour), Some(words))
}

pub fn accept(hash: Hash) -> Change {
    (Request::Accept(hash), Some(format!("the branch that ends in {hash} is accepted")))
}

/// Asks a miner, which may be too old for it, for a change.
pub fn carry_out(
    miner: &Miner,
    (request, words): Change,
    format: Format,
    output: &mut Output<'_>,
) -> Result {
    let answer = ask(miner, &request).map_err(|error| explain_old_miner(error.into()))?;
    match words {
        _ if format.json => Ok(output.json_line(&answer)?),
        Some(words) => Ok(output.line(words)?),
        None => fields(&answer, output),
    }
}

fn ask(miner: &Miner, request: &Request) -> Result<Value, ClientError> {
    miner.client.call(&miner.address, request, "confirmation")
}

/// A miner that does not know an endpoint yet.
pub fn explain_old_miner(error: CliError) -> CliError {
    match error {
        CliError::Client(ClientError::Refused {
            status: 404 | 405,
            problem: Some(problem),
            address,
        }) if problem.more_information.starts_with("there is no /") => {
            let why = format!("the miner at {address} does not support this command; update it");
            CliError::Other(Exit::Failed, why)
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Fake;
    use super::*;

    fn said(change: Change) -> (String, String) {
        let fake = Fake::new([Ok((200, br#"{"hash_rate_limit":null,"bans":["a:1"]}"#.to_vec()))]);
        let mut bytes = Vec::new();
        let format = Format { json: false, quiet: false };
        carry_out(&fake.miner(), change, format, &mut Output::plain(&mut bytes)).unwrap();
        (fake.asked_plainly().join(" "), String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn each_command_is_one_request() {
        let neighbour: Address = "[::1]:5".parse().unwrap();
        let hash = Hash::of("x");
        let check = |change: Change, request: &str, words: &str| {
            let (asked, printed) = said(change);
            assert_eq!(asked, request);
            assert!(printed.contains(words), "{printed}");
        };
        check(mining(None, None), "GET /mining", "hash rate limit none");
        check(mining(Some(Mining::Pause), None), "PUT /mining?hash_rate_limit=0", "paused");
        let resume = mining(Some(Mining::Resume), None);
        check(resume, "PUT /mining?hash_rate_limit=none", "without a limit");
        let limit = mining(Some(Mining::Limit), Some(500));
        check(limit, "PUT /mining?hash_rate_limit=500", "500 guesses a second");
        check(ban(None), "GET /bans", "a:1");
        let banned = ban(Some(neighbour.clone()));
        check(banned, "PUT /bans?neighbour=[::1]:5", "[::1]:5 is banned");
        let unbanned = unban(neighbour);
        check(unbanned, "DELETE /bans?neighbour=[::1]:5", "not banned any more");
        check(accept(hash), &format!("PUT /accept?hash={hash}"), "is accepted");
    }
}
