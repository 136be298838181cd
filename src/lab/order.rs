//! The language of experiments: a line of a script, or the click of a button, is an order.
//!
//! Words are separated by spaces, a text stands in double quotes, `#` begins a comment.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use super::name::Name;
use super::words::Reader;

/// Time in which an expectation has to come true, unless a line says another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest delay of what is sent to a miner, in seconds: beyond it, the miner takes its own server
/// process for dead.
const DELAY_MAX: f64 = 3.0;

#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// `cut Ada Ben`: neither of the two talks to the other.
    Cut(Name, Name),
    /// `mend Ada Ben`: they talk again; `mend` alone mends all cuts.
    Mend(Option<(Name, Name)>),
    /// `split Ada Ben | Cleo Dan`: cuts every line between the two groups.
    Split(Vec<Name>, Vec<Name>),
    /// `isolate Dan`: cuts all its lines.
    Isolate(Name),
    /// `limit Dan 5000`, `limit Dan none`: guesses a second; 0 stops mining, `usual` is the pace
    /// of the class.
    Limit(Name, Power),
    /// `slow Dan 0.5`: what others send to it takes up to so many seconds; `slow Dan 0` ends that.
    Slow(Name, Option<Duration>),
    /// `pause Dan`: freezes its processes.
    Pause(Name),
    /// `resume Dan`: lets them go on.
    Resume(Name),
    /// `stop Dan`: ends it in order, with all of its blocks in its file.
    Stop(Name),
    /// `kill Dan`: ends it without any warning.
    Kill(Name),
    /// `start Fay`, `start Fay knowing Dan Eva`, `start Fay finality 3`
    Start(Name, Manner),
    /// `rewind Dan 3`: cuts Dan off and takes its blocks above height 3 out of its chain file.
    Rewind(Name, u64),
    /// `add "hello"`, `add "hello" to Dan`
    Add(String, Name),
    /// `forge "mine now" to Ben`: hands in the newest block of Ben with another message.
    Forge(String, Name),
    /// `reset`: the class as it began, but with its chain: all run, know each other and have their
    /// usual pace; newcomers are gone.
    Reset,
    /// `wait 2`: so many seconds.
    Wait(Duration),
    /// `expect …`, `expect … within 60`: waits until it holds.
    Expect(Condition, Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// As it is started with.
    Usual,
    /// At most so many guesses a second; `None` lifts the limit.
    AtMost(Option<u64>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The neighbours that it is given; all others of the class where none are named.
    pub knows: Vec<Name>,
    /// Depth from which on it refuses branches.
    pub finality: Option<NonZeroU64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `one chain`, `one chain Ada Ben`: all that run, or these, have the same head.
    OneChain(Vec<Name>),
    /// `length Ada 5`: at least so many blocks.
    Length(Name, u64),
    /// `block Ada 5 "hello"`: this message in the block of this height.
    Block(Name, u64, String),
    /// `mined Ada "hello"`: in a block of its chain.
    Mined(Name, String),
    /// `waiting Ada "hello"`: among its pending messages.
    Waiting(Name, String),
    /// `refused Ada`: it refused a branch that would drop too much.
    Refused(Name),
    /// `not …`
    Not(Box<Condition>),
}

impl Order {
    /// Reads a line; `None` where it says nothing.
    pub fn read(line: &str) -> Result<Option<Self>, String> {
        let mut reader = Reader::new(line)?;
        if reader.is_empty() {
            return Ok(None);
        }
        let order = order(&mut reader)?;
        reader.end(Some(order))
    }
}

fn order(reader: &mut Reader<'_>) -> Result<Order, String> {
    Ok(match reader.plain("an order")? {
        "cut" => Order::Cut(reader.name()?, reader.name()?),
        "mend" if reader.is_empty() => Order::Mend(None),
        "mend" => Order::Mend(Some((reader.name()?, reader.name()?))),
        "split" => split(reader)?,
        "isolate" => Order::Isolate(reader.name()?),
        "limit" => Order::Limit(reader.name()?, power(reader)?),
        "slow" => Order::Slow(reader.name()?, delay(reader)?),
        "pause" => Order::Pause(reader.name()?),
        "resume" => Order::Resume(reader.name()?),
        "stop" => Order::Stop(reader.name()?),
        "kill" => Order::Kill(reader.name()?),
        "start" => Order::Start(reader.name()?, manner(reader)?),
        "rewind" => Order::Rewind(reader.name()?, reader.read("height")?),
        "add" => Order::Add(reader.text()?, reader.recipient()?),
        "forge" => Order::Forge(reader.text()?, reader.recipient()?),
        "reset" => Order::Reset,
        "wait" => Order::Wait(reader.seconds()?),
        "expect" => {
            let condition = condition(reader)?;
            let patience = if reader.takes("within") { reader.seconds()? } else { PATIENCE };
            Order::Expect(condition, patience)
        }
        word => {
            return Err(format!(
                "{word:?} is no order; there are cut, mend, split, isolate, limit, slow, pause, \
                 resume, stop, kill, start, rewind, add, forge, reset, wait and expect"
            ));
        }
    })
}

fn split(reader: &mut Reader<'_>) -> Result<Order, String> {
    let one = reader.names();
    if !reader.takes("|") {
        return Err("a \"|\" stands between the two groups".into());
    }
    let other = reader.names();
    if one.is_empty() || other.is_empty() || one.iter().any(|name| other.contains(name)) {
        return Err("each group has a miner, and none is in both".into());
    }
    Ok(Order::Split(one, other))
}

fn power(reader: &mut Reader<'_>) -> Result<Power, String> {
    Ok(match reader.plain("a number of guesses a second")? {
        "usual" => Power::Usual,
        "none" => Power::AtMost(None),
        number => {
            let number = number.parse();
            Power::AtMost(Some(number.map_err(|_| "a limit is a number, \"none\" or \"usual\"")?))
        }
    })
}

fn delay(reader: &mut Reader<'_>) -> Result<Option<Duration>, String> {
    let seconds: f64 = reader.read("number of seconds")?;
    match (0.0..=DELAY_MAX).contains(&seconds) {
        true => Ok(Some(Duration::from_secs_f64(seconds)).filter(|delay| !delay.is_zero())),
        false => Err(format!("a delay is at most {DELAY_MAX} seconds, and 0 is none")),
    }
}

fn manner(reader: &mut Reader<'_>) -> Result<Manner, String> {
    let mut manner = Manner::default();
    if reader.takes("knowing") {
        manner.knows = reader.names();
        if manner.knows.is_empty() {
            return Err("names of miners are missing behind \"knowing\"".into());
        }
    }
    if reader.takes("finality") {
        manner.finality = Some(reader.read("depth")?);
    }
    Ok(manner)
}

fn condition(reader: &mut Reader<'_>) -> Result<Condition, String> {
    match reader.takes("not") {
        true => Ok(Condition::Not(Box::new(plain_condition(reader)?))),
        false => plain_condition(reader),
    }
}

fn plain_condition(reader: &mut Reader<'_>) -> Result<Condition, String> {
    Ok(match reader.plain("a condition")? {
        "one" if reader.takes("chain") => Condition::OneChain(reader.names()),
        "length" => Condition::Length(reader.name()?, reader.read("length")?),
        "block" => Condition::Block(reader.name()?, reader.read("height")?, reader.text()?),
        "mined" => Condition::Mined(reader.name()?, reader.text()?),
        "waiting" => Condition::Waiting(reader.name()?, reader.text()?),
        "refused" => Condition::Refused(reader.name()?),
        word => {
            return Err(format!(
                "{word:?} is no condition; there are one chain, length, block, mined, waiting \
                 and refused, each behind one \"not\" or none"
            ));
        }
    })
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneChain(names) => {
                f.write_str("one chain")?;
                names.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::Length(name, length) => write!(f, "length {name} {length}"),
            Self::Block(name, height, text) => write!(f, "block {name} {height} \"{text}\""),
            Self::Mined(name, text) => write!(f, "mined {name} \"{text}\""),
            Self::Waiting(name, text) => write!(f, "waiting {name} \"{text}\""),
            Self::Refused(name) => write!(f, "refused {name}"),
            Self::Not(condition) => write!(f, "not {condition}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_is_one_order() {
        let (ada, ben, dan) = (name("Ada"), name("ben"), name("DAN"));
        let no = |condition| Condition::Not(Box::new(condition));
        let started = Manner { knows: vec![ada, ben], finality: NonZeroU64::new(3) };
        for (line, expected) in [
            ("cut Ada Ben # comment", Order::Cut(ada, ben)),
            ("mend", Order::Mend(None)),
            (" mend  Ada\tBen", Order::Mend(Some((ada, ben)))),
            ("split Ada | Ben Dan", Order::Split(vec![ada], vec![ben, dan])),
            ("isolate Dan", Order::Isolate(dan)),
            ("limit Dan none", Order::Limit(dan, Power::AtMost(None))),
            ("limit Dan 0", Order::Limit(dan, Power::AtMost(Some(0)))),
            ("limit Dan usual", Order::Limit(dan, Power::Usual)),
            ("slow Dan 0.5", Order::Slow(dan, Some(Duration::from_millis(500)))),
            ("slow Dan 0", Order::Slow(dan, None)),
            ("start Dan", Order::Start(dan, Manner::default())),
            ("start Dan knowing Ada Ben finality 3", Order::Start(dan, started)),
            ("rewind Dan 3", Order::Rewind(dan, 3)),
            ("add \"# no comment\"", Order::Add("# no comment".into(), ada)),
            ("add \"x\" to Ben", Order::Add("x".into(), ben)),
            ("reset", Order::Reset),
            ("stop Dan", Order::Stop(dan)),
            ("wait 0.5", Order::Wait(Duration::from_millis(500))),
            ("expect one chain", Order::Expect(Condition::OneChain(vec![]), PATIENCE)),
            (
                "expect not mined Dan \"x\" within 5",
                Order::Expect(no(Condition::Mined(dan, "x".into())), Duration::from_secs(5)),
            ),
        ] {
            assert_eq!(Order::read(line), Ok(Some(expected)), "{line}");
        }
        for line in ["", "  ", "# all of it"] {
            assert_eq!(Order::read(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        for (line, expected) in [
            ("cutt Ada Ben", "\"cutt\" is no order"),
            ("cut Ada", "a miner's name is missing"),
            ("cut Ada Zoe", "\"Zoe\" is no miner"),
            ("cut Ada Ben Cleo", "\"Cleo\" is too much"),
            ("split Ada Ben", "a \"|\" stands"),
            ("split Ada | Ada", "none is in both"),
            ("limit Ada much", "a limit is a number"),
            // A long row of them ended the process.
            ("expect not not one chain", "\"not\" is no condition"),
            ("start Fay knowing", "names of miners are missing"),
            ("add hello", "a text in double quotes"),
            ("add \"hello", "ends with a double quote"),
            ("slow Ada 4", "a delay is at most 3 seconds"),
            ("wait -1", "is no time"),
            ("wait 1e9", "is no time"),
            ("expect luck", "\"luck\" is no condition"),
            ("expect length Ada", "length is missing"),
        ] {
            let error = Order::read(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
