//! Commands that change a miner on this host: `neighbours`, `mining`, `ban`, `unban`, `accept`.

use serde::Serialize;
use serde_json::Value;

use super::args::{Mining, Neighbours};
use super::error::{CliError, Exit};
use super::miner::Miner;
use super::output::{Output, count};
use super::table::fields;
use crate::api::client::ClientError;
use crate::api::{Address, Request};
use crate::chain::Hash;

/// The JSON of `neighbours`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Changed<'a> {
    Added(&'a Address),
    Deleted(&'a Address),
}

pub fn neighbours(change: &Neighbours, output: &mut Output<'_>) -> Result<(), CliError> {
    let (Neighbours::Add { neighbour, common } | Neighbours::Delete { neighbour, common }) = change;
    let miner = Miner::at(&common.target)?;
    let (request, changed, words) = match change {
        Neighbours::Add { .. } => (
            Request::AddNeighbour(neighbour.clone()),
            Changed::Added(neighbour),
            "is a neighbour now",
        ),
        Neighbours::Delete { .. } => (
            Request::DeleteNeighbour(neighbour.clone()),
            Changed::Deleted(neighbour),
            "is not a neighbour any more",
        ),
    };
    match ask(&miner, &request) {
        Ok(_) if common.format.json => Ok(output.json_line(&changed)?),
        Ok(_) => Ok(output.line(format_args!("{neighbour} {words}"))?),
        Err(ClientError::Refused { status: 404, address, .. }) => Err(CliError::other(format!(
            "{neighbour} is not a neighbour of {address}; \"blockchain get neighbours\" lists them"
        ))),
        Err(error) => Err(error.into()),
    }
}

pub fn mining(
    miner: &Miner,
    change: Option<(Mining, Option<u64>)>,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let Some((action, guesses)) = change else {
        return told(miner, &Request::Mining, None, json, output);
    };
    let (limit, words) = match (action, guesses) {
        (Mining::Resume, _) => (None, "mining runs without a limit".to_owned()),
        (Mining::Limit, Some(guesses)) if guesses > 0 => {
            let words = format!("mining is limited to {} a second", count(guesses, "guess"));
            (Some(guesses), words)
        }
        (Mining::Pause | Mining::Limit, _) => (Some(0), "mining is paused".to_owned()),
    };
    let request = Request::LimitMining(limit);
    told(miner, &request, Some(words), json, output)
}

/// Runs `ban`; without a neighbour, lists the bans.
pub fn ban(
    miner: &Miner,
    neighbour: Option<&Address>,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let Some(neighbour) = neighbour else {
        return told(miner, &Request::Bans, None, json, output);
    };
    let request = Request::Ban(neighbour.clone());
    told(miner, &request, Some(format!("{neighbour} is banned")), json, output)
}

pub fn unban(
    miner: &Miner,
    neighbour: &Address,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let request = Request::Unban(neighbour.clone());
    told(miner, &request, Some(format!("{neighbour} is not banned any more")), json, output)
}

pub fn accept(
    miner: &Miner,
    hash: &Hash,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let request = Request::Accept(*hash);
    told(miner, &request, Some(format!("the branch that ends in {hash} is accepted")), json, output)
}

/// Sends `request`, and prints `words` or else the answer.
fn told(
    miner: &Miner,
    request: &Request,
    words: Option<String>,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let answer = ask(miner, request)?;
    match words {
        _ if json => Ok(output.json_line(&answer)?),
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

    fn said(run: impl Fn(&Miner, &mut Output<'_>) -> Result<(), CliError>) -> (String, String) {
        let fake = Fake::new([Ok((200, br#"{"hash_rate_limit":null,"bans":["a:1"]}"#.to_vec()))]);
        let mut bytes = Vec::new();
        run(&fake.miner(), &mut Output::plain(&mut bytes)).unwrap();
        (fake.asked_plainly().join(" "), String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn each_command_is_one_request() {
        let neighbour: Address = "[::1]:5".parse().unwrap();
        let hash = Hash::of("x");
        let check = |(asked, printed): (String, String), request: &str, words: &str| {
            assert_eq!(asked, request);
            assert!(printed.contains(words), "{printed}");
        };
        let change = |change| said(move |miner, output| mining(miner, change, false, output));
        check(change(None), "GET /mining", "hash rate limit none");
        check(change(Some((Mining::Pause, None))), "PUT /mining?hash_rate_limit=0", "paused");
        check(
            change(Some((Mining::Resume, None))),
            "PUT /mining?hash_rate_limit=none",
            "without a limit",
        );
        let limit = change(Some((Mining::Limit, Some(500))));
        check(limit, "PUT /mining?hash_rate_limit=500", "500 guesses a second");
        check(said(|miner, output| ban(miner, None, false, output)), "GET /bans", "a:1");
        let banned = said(|miner, output| ban(miner, Some(&neighbour), false, output));
        check(banned, "PUT /bans?neighbour=[::1]:5", "[::1]:5 is banned");
        let unbanned = said(|miner, output| unban(miner, &neighbour, false, output));
        check(unbanned, "DELETE /bans?neighbour=[::1]:5", "not banned any more");
        let accepted = said(|miner, output| accept(miner, &hash, false, output));
        check(accepted, &format!("PUT /accept?hash={hash}"), "is accepted");
    }
}
