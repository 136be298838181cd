//! `wait`: until a miner, and others, have reached a state.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, tick};
use serde::Serialize;

use super::args::Wait;
use super::error::{CliError, Exit, Result};
use super::miner::Miner;
use super::output::{Output, count, short};
use crate::api::client::ClientError;
use crate::api::{Address, DataState, Health};
use crate::chain::DataId;

/// Pause between two requests: short for people, long for a miner.
const TICK: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Blocks, at least.
    pub length: Option<u64>,
    /// A message, and how many blocks have to confirm it.
    pub message: Option<(DataId, u64)>,
    /// No message is pending.
    pub idle: bool,
    pub agree_with: Vec<Address>,
}

#[derive(Debug, Serialize)]
pub struct Reached {
    #[serde(flatten)]
    pub health: Health,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<DataState>,
}

pub struct Patience {
    ticks: Receiver<Instant>,
    /// When to give up, and after how long that is.
    deadline: Option<(Instant, Duration)>,
}

impl Patience {
    /// Looks often; gives up after `timeout`, if there is one.
    pub fn new(timeout: Option<Duration>) -> Self {
        let deadline = timeout.map(|timeout| (Instant::now() + timeout, timeout));
        Self { ticks: tick(TICK), deadline }
    }

    /// Waits for the next look.
    ///
    /// # Errors
    /// When it is time to give up: after how long.
    fn pause(&self) -> Result<(), Duration> {
        let given_up = |(_, timeout)| Err(timeout);
        let waited = match self.deadline {
            Some((deadline, _)) => self.ticks.recv_deadline(deadline).is_ok(),
            None => self.ticks.recv().is_ok(),
        };
        if waited { Ok(()) } else { self.deadline.map_or(Err(Duration::ZERO), given_up) }
    }
}

pub fn run(wait: &Wait, output: &mut Output<'_>) -> Result {
    let miner = Miner::at(&wait.common.target)?;
    let conditions = Conditions {
        length: wait.length,
        message: wait.message.map(|id| (id, wait.confirmations)),
        idle: wait.idle,
        agree_with: wait.agree_with.clone(),
    };
    let reached = until(&miner, &conditions, &Patience::new(Some(wait.timeout)))?;
    if wait.common.format.json {
        return Ok(output.json_line(&reached)?);
    }
    let Reached { health, message } = reached;
    let head = short(&health.head);
    let (blocks, pending) = (count(health.length, "block"), count(health.unprocessed, "message"));
    output.line(format_args!("{}: {blocks}, head {head}, {pending} pending", miner.address))?;
    if let Some(DataState::Mined { index, confirmations, .. }) = message {
        output.line(mined(index, confirmations))?;
    }
    Ok(())
}

/// The state of a mined message, in words.
pub fn mined(index: u64, confirmations: u64) -> String {
    format!("mined in block {index}, {}", count(confirmations, "confirmation"))
}

/// Asks the miner again and again until all conditions hold. A miner that does not answer
/// is asked again, too: it may be starting.
///
/// # Errors
/// When it is time to give up; says what still did not hold.
pub fn until(miner: &Miner, conditions: &Conditions, patience: &Patience) -> Result<Reached> {
    loop {
        let missing = match look(miner, conditions) {
            Ok(Ok(reached)) => return Ok(reached),
            Ok(Err(missing)) => missing,
            Err(error @ ClientError::Unreachable { .. }) => error.to_string(),
            Err(ClientError::Refused { status: 503, address, .. }) => format!("{address} is busy"),
            Err(error) => return Err(error.into()),
        };
        if let Err(timeout) = patience.pause() {
            let seconds = timeout.as_secs_f64();
            let why = format!("gave up after {seconds} s: {missing}; --timeout waits longer");
            return Err(CliError::Other(Exit::TimedOut, why));
        }
    }
}

/// The state that was reached, or else what is still missing, in words. Every condition holds
/// for each of the miners.
fn look(miner: &Miner, conditions: &Conditions) -> Result<Result<Reached, String>, ClientError> {
    let mut first = None;
    let others = conditions.agree_with.iter();
    for address in std::iter::once(&miner.address).chain(others) {
        let (health, message) = match look_at(miner, address, conditions)? {
            Ok(reached) => reached,
            Err(missing) => return Ok(Err(missing)),
        };
        let Reached { health: ours, .. } =
            first.get_or_insert(Reached { health: health.clone(), message });
        if ours.head != health.head {
            let (ours, theirs) = (short(&ours.head), short(&health.head));
            let why = format!("{} has head {ours} and {address} {theirs}", miner.address);
            return Ok(Err(why));
        }
    }
    Ok(Ok(first.expect("there is at least one miner")))
}

/// The same for the miner at `address`.
fn look_at(
    miner: &Miner,
    address: &Address,
    conditions: &Conditions,
) -> Result<Result<(Health, Option<DataState>), String>, ClientError> {
    let Conditions { length, message, idle, .. } = conditions;
    // Before the rest: what is mined stays so, and /health below has the head with it.
    let message = match message {
        None => None,
        Some((id, wanted)) => match miner.client.data_state(address, *id, None) {
            Ok(state @ DataState::Mined { confirmations, .. }) if confirmations >= *wanted => {
                Some(state)
            }
            Ok(DataState::Mined { confirmations, .. }) => {
                return Ok(Err(format!("{id} has {confirmations} of {wanted} confirmations")));
            }
            Ok(DataState::Unprocessed { .. }) => {
                return Ok(Err(format!("{id} is still pending at {address}")));
            }
            Err(ClientError::Refused { status: 404, address, .. }) => {
                return Ok(Err(format!("{address} has no message {id}")));
            }
            Err(error) => return Err(error),
        },
    };
    let health = miner.client.health(address)?;
    if let Some(length) = length.filter(|length| health.length < *length) {
        let has = health.length;
        return Ok(Err(format!("{address} has {has} of {}", count(length, "block"))));
    }
    if *idle && health.unprocessed > 0 {
        let pending = count(health.unprocessed, "message");
        return Ok(Err(format!("{address} has {pending} pending")));
    }
    Ok(Ok((health, message)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, health};
    use super::*;
    use crate::chain::testing::data;

    fn patience(looks: usize) -> Patience {
        let (sender, ticks) = crossbeam_channel::bounded(looks);
        (0..looks).for_each(|_| sender.send(Instant::now()).unwrap());
        Patience { ticks, deadline: None }
    }

    #[test]
    fn waiting_goes_on_while_the_miner_does_not_answer_or_is_not_there_yet() {
        let mut answers = vec![Err("refused".to_owned()), Ok((200, health(1, 0)))];
        answers.push(Ok((200, health(2, 0))));
        let fake = Fake::new(answers);
        let conditions = Conditions { length: Some(2), ..Conditions::default() };
        let reached = until(&fake.miner(), &conditions, &patience(5)).unwrap();
        assert_eq!((reached.health.length, fake.asked().len()), (2, 3));
    }

    #[test]
    fn giving_up_says_what_was_missing() {
        let check = |conditions: Conditions, answers, expected: &str| {
            let error = until(&Fake::new(answers).miner(), &conditions, &patience(0)).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        let length = Conditions { length: Some(5), ..Conditions::default() };
        check(length, vec![Ok((200, health(3, 0)))], "has 3 of 5 blocks");
        let idle = Conditions { idle: true, ..Conditions::default() };
        check(idle, vec![Ok((200, health(3, 2)))], "has 2 messages pending");
        let agree_with = vec!["other:1".parse().unwrap()];
        let agree = Conditions { agree_with, ..Conditions::default() };
        check(agree, vec![Ok((200, health(3, 0))), Ok((200, health(4, 0)))], "and other:1");
        // It looked at its own miner alone, and returned while the other had messages.
        let agree_with = vec!["other:1".parse().unwrap()];
        let both = Conditions { idle: true, agree_with, ..Conditions::default() };
        check(
            both,
            vec![Ok((200, health(3, 0))), Ok((200, health(3, 1)))],
            "other:1 has 1 message",
        );
        let message = Conditions { message: Some((data("a").id, 3)), ..Conditions::default() };
        let sha256 = crate::chain::Hash::of("a");
        let state = DataState::Mined { index: 4, confirmations: 2, sha256, other_index: None };
        let mined = serde_json::to_vec(&state).unwrap();
        check(message.clone(), vec![Ok((200, mined))], "has 2 of 3");
        check(message, vec![Ok((404, b"{}".to_vec()))], "has no message");
    }
}
