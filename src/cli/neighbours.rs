//! `neighbours add` and `delete`: whom a miner on this host knows.

use serde::Serialize;

use super::args::Neighbours;
use super::error::CliError;
use super::miner::Miner;
use super::output::Output;
use crate::api::client::ClientError;
use crate::api::{Address, Request};

/// What is printed as JSON.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Changed<'a> {
    Added(&'a Address),
    Deleted(&'a Address),
}

/// Runs `neighbours`.
pub fn run(change: &Neighbours, output: &mut Output<'_>) -> Result<(), CliError> {
    let (Neighbours::Add { neighbour, format, target }
    | Neighbours::Delete { neighbour, format, target }) = change;
    let miner = Miner::at(target)?;
    let (request, changed, words) = match change {
        Neighbours::Add { .. } => (
            Request::AddNeighbour(neighbour.clone()),
            Changed::Added(neighbour),
            "is a neighbour now",
        ),
        Neighbours::Delete { .. } => (
            Request::DeleteNeighbour(neighbour.clone()),
            Changed::Deleted(neighbour),
            "is no neighbour any more",
        ),
    };
    match miner.client.change_neighbour(&miner.address, &request) {
        Ok(()) if format.json => Ok(output.json_line(&changed)?),
        Ok(()) => Ok(output.line(format_args!("{neighbour} {words}"))?),
        Err(ClientError::Refused { status: 404, address, .. }) => Err(CliError::other(format!(
            "{neighbour} is no neighbour of {address}; \"blockchain get neighbours\" lists them"
        ))),
        Err(error) => Err(error.into()),
    }
}
