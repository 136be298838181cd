//! `add`: a message for the chain. Its id is chosen here, so that a repeat after a broken
//! connection adds nothing twice.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::time::Duration;

use crossbeam_channel::{Receiver, tick};
use serde::Serialize;

use super::args::Add;
use super::error::{CliError, Result, exit_of};
use super::lines;
use super::miner::Miner;
use super::output::{Look, Output};
use super::wait::{self, Conditions, Patience};
use crate::api::client::{ClientError, Delivery};
use crate::api::{Added, DataState, Request};
use crate::chain::data::MESSAGE_BYTES_MAX;
use crate::chain::{Data, DataId, Message};
use crate::random;

const ATTEMPTS: u32 = 4;

/// Between two attempts: as long as a server process takes to be started again.
const PAUSE: Duration = Duration::from_millis(200);

/// The JSON: the miner's answer and, after waiting, the state of the message.
#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    added: Added,
    #[serde(flatten)]
    state: Option<DataState>,
}

pub fn run(add: &Add, output: &mut Output<'_>) -> Result {
    let miner = Miner::at(&add.common.target)?;
    if let Some(file) = &add.lines {
        return lines::run(&miner, file, add, output);
    }
    let data = Data {
        id: add.id.unwrap_or_else(|| DataId::from_random(random::bytes())),
        message: message(add.message.as_deref().unwrap_or_default())?,
    };
    let added = send(&miner, &data, &tick(PAUSE))?;
    let (id, json) = (data.id, add.common.format.json);
    if !json {
        let line = format!("{} id {id}", output.look(Look::Green, "Message added!"));
        output.line(line).and_then(|()| output.flush()).map_err(|error| untold(error, id))?;
    }
    let mut state = None;
    if add.wait {
        let conditions = Conditions { message: Some((id, 1)), ..Conditions::default() };
        state = wait::until(&miner, &conditions, &Patience::new(add.timeout))?.message;
    }
    if json {
        let printed = output.json_line(&Printed { added, state }).and_then(|()| output.flush());
        return printed.map_err(|error| untold(error, id));
    }
    if let Some(DataState::Mined { index, confirmations, .. }) = state {
        output.line(wait::mined(index, confirmations))?;
    }
    Ok(())
}

/// The error where an added message cannot be told of: who reads "cannot write" alone would
/// add it once more.
fn untold(error: io::Error, id: DataId) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => error.into(),
        _ => CliError::other(format!(
            "the message was added, id {id}, but {}",
            CliError::from(error)
        )),
    }
}

/// The message that was given, or what stdin holds for `-`, without its last line break.
fn message(given: &str) -> Result<Message> {
    let read;
    let text = if given == "-" {
        if io::stdin().is_terminal() {
            _ = writeln!(io::stderr(), "reading the message from stdin; Ctrl-D ends it");
        }
        read = read_message(io::stdin().lock())?;
        &read
    } else {
        given
    };
    Message::new(text).map_err(|error| CliError::other(error.to_string()))
}

fn read_message(input: impl Read) -> Result<String> {
    // One byte and a line break beyond the limit are enough to see that it is too long.
    let limit = MESSAGE_BYTES_MAX as u64 + 3;
    let mut text = String::new();
    input.take(limit).read_to_string(&mut text).map_err(|error| {
        CliError::other(format!("cannot read the message from stdin: {error}; text is UTF-8"))
    })?;
    let end = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(end.map(str::to_owned).unwrap_or(text))
}

/// Sends `data`, again after each tick while the connection breaks.
fn send<T>(miner: &Miner, data: &Data, ticks: &Receiver<T>) -> Result<Added> {
    let request = Request::Add { id: Some(data.id), message: data.message.clone() };
    let (mut attempt, mut is_certain) = (1, true);
    loop {
        let error = match miner.client.call(&miner.address, &request, "confirmation") {
            Ok(added) => return Ok(added),
            Err(error) => error,
        };
        let is_lost = match &error {
            ClientError::Unreachable { sent, .. } => {
                is_certain &= *sent == Delivery::NotSent;
                true
            }
            ClientError::Malformed { .. } => {
                is_certain = false;
                false
            }
            ClientError::Refused { .. } => false,
        };
        if is_lost && attempt < ATTEMPTS && ticks.recv().is_ok() {
            attempt += 1;
            continue;
        }
        let exit = exit_of(&error);
        return match error {
            // A refusal is certain only if no earlier attempt may have got through.
            ClientError::Refused { .. } if is_certain => Err(error.into()),
            _ if is_certain => {
                let error = CliError::from(error);
                Err(CliError::Other(exit, format!("the message was not added: {error}")))
            }
            _ => Err(CliError::Other(
                exit,
                format!(
                    "it is uncertain whether the message was added: {error}; \
                     repeat the command with --id {}, which adds it at most once",
                    data.id
                ),
            )),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Exit;
    use super::super::testing::Fake;
    use super::*;
    use crate::chain::testing::data;

    fn ticks() -> Receiver<()> {
        let (sender, receiver) = crossbeam_channel::bounded(10);
        (0..10).for_each(|_| sender.send(()).unwrap());
        receiver
    }

    fn answer(data: &Data) -> Vec<u8> {
        let added = Added {
            message: "Message added!".into(),
            more_information: "".into(),
            data: data.clone(),
        };
        serde_json::to_vec(&added).unwrap()
    }

    #[test]
    fn a_broken_connection_is_tried_again_with_the_same_id() {
        let data = data("hello");
        let broken = || Err("reset".to_owned());
        let fake = Fake::new([broken(), broken(), Ok((200, answer(&data)))]);
        assert_eq!(send(&fake.miner(), &data, &ticks()).unwrap().data, data);
        let asked = fake.asked();
        assert_eq!(asked.len(), 3);
        let expected = Request::Add { id: Some(data.id), message: data.message.clone() };
        assert!(asked.iter().all(|request| *request == expected));
    }

    /// It said "uncertain" also where nothing had been sent.
    #[test]
    fn a_refused_connection_is_certain() {
        let check = |answers: Vec<&str>, is_certain: bool| {
            let fake = Fake::new(answers.into_iter().map(|why| Err(why.to_owned())));
            let error = send(&fake.miner(), &data("hello"), &ticks()).unwrap_err();
            assert_eq!(error.exit(), Exit::NoMiner);
            let words = error.to_string();
            assert_eq!(words.starts_with("the message was not added"), is_certain, "{words}");
            assert_eq!(words.contains("--id"), !is_certain, "{words}");
        };
        check(vec!["refused"; 4], true);
        check(vec!["refused", "reset", "refused", "refused"], false);
        check(vec!["refused", "refused", "refused", "reset"], false);
    }

    #[test]
    fn giving_up_names_the_id_that_makes_a_repeat_safe() {
        let data = data("hello");
        let fake = Fake::new([]);
        let error = send(&fake.miner(), &data, &ticks()).unwrap_err().to_string();
        assert!(error.contains(&format!("--id {}", data.id)), "{error}");
        assert_eq!(fake.asked().len(), ATTEMPTS as usize);
    }

    #[test]
    fn a_refusal_is_not_repeated() {
        let body = br#"{"message":"No Message added!","more_information":"full"}"#.to_vec();
        let fake = Fake::new([Ok((503, body))]);
        let error = send(&fake.miner(), &data("hello"), &ticks()).unwrap_err().to_string();
        assert!(error.contains("No Message added! full"), "{error}");
        assert_eq!(fake.asked().len(), 1);
    }

    #[test]
    fn stdin_gives_the_message_without_its_last_line_break() {
        for (input, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a b", "a b")] {
            assert_eq!(read_message(input.as_bytes()).unwrap(), expected);
        }
        let longest = "x".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(read_message(format!("{longest}\n").as_bytes()).unwrap(), longest);
        let long = read_message(format!("{longest}xx\nxxx").as_bytes()).unwrap();
        assert!(Message::new(&long).is_err());
        assert!(read_message(&[0xff_u8][..]).is_err());
    }
}
