//! What the UI of a class has beyond that of a miner: the wall, the experiments, and orders to
//! the miners of the class. Anybody may look; orders come from this host alone.

use maud::{Markup, html};
use serde::Serialize;
use serde_json::Value;

use super::http::{Answer, Asked};
use crate::chain::Hash;
use crate::lab::{Lab, Name, Order, Picture, State};

mod learn;
mod wall;

/// Answers what is asked of a class; `None` if it is not one of its pages.
pub fn answer(lab: &Lab, asked: &Asked) -> Option<Answer> {
    Some(match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/wall") => wall::page(asked.is_local),
        ("GET", "/wall/state") => json(200, &state(lab)),
        ("GET", "/learn") => learn::list(),
        ("GET", path) if path.starts_with("/learn/") => {
            learn::page(lab, &path["/learn/".len()..], asked.is_local)?
        }
        ("POST", "/orders") if asked.is_ours && asked.is_local => carry_out(lab, &asked.body),
        ("POST", "/orders") => {
            let why = "orders come from the host of the class and its own pages only; there, open \
                       them by 127.0.0.1 or localhost";
            json(403, &Done { commands: Vec::new(), error: Some(why.into()) })
        }
        _ => return None,
    })
}

/// Notes who found a block, in a browser, that a miner has just taken. One that was known before
/// is nobody's.
pub fn credit(lab: &Lab, lines: &str, by: &str, said: &[u8]) {
    let mut blocks = lines.lines();
    let (Some(block), None) = (blocks.next(), blocks.next()) else { return };
    let said: Result<Value, _> = serde_json::from_slice(said);
    if said.is_ok_and(|said| said["taken"] == 1) {
        lab.watch.credit(Hash::of(block), by);
    }
}

/// The outcome of orders.
#[derive(Serialize)]
struct Done {
    commands: Vec<String>,
    /// The first order that failed, and why.
    error: Option<String>,
}

#[derive(Serialize)]
struct Member {
    name: Name,
    /// `running`, `paused`, `dead` or `absent`.
    state: State,
    /// Its place among the miners of the picture.
    place: Option<usize>,
    /// Longest time that what is sent to it takes, in seconds.
    delay: f64,
}

/// All that the wall draws.
#[derive(Serialize)]
struct Scene {
    #[serde(flatten)]
    picture: Picture,
    class: Vec<Member>,
    cuts: Vec<(Name, Name)>,
    /// Guesses a second of a miner of the class, unless its dial is turned.
    pace: u64,
    difficulty: u8,
}

fn state(lab: &Lab) -> Scene {
    let class = &lab.class;
    let states: Vec<_> = Name::all().map(|name| (name, class.state(name))).collect();
    let address = |name: Name| class.plan.address(name);
    let is_silent = |of: &crate::api::Address| {
        let is_still = |(name, state): &(Name, State)| {
            address(*name) == *of && matches!(state, State::Paused | State::Dead)
        };
        states.iter().any(is_still)
    };
    let picture = lab.watch.picture(is_silent);
    let place = |name| picture.miners.iter().position(|seen| seen.address == address(name));
    let member = |(name, state): &(Name, State)| Member {
        name: *name,
        state: *state,
        place: place(*name),
        delay: class.delay(*name).unwrap_or_default().as_secs_f64(),
    };
    Scene {
        class: states.iter().map(member).collect(),
        cuts: class.cuts(),
        pace: class.plan.pace(),
        difficulty: class.plan.network.difficulty.zeros(),
        picture,
    }
}

/// Carries out the orders of a page, one a line. It does not wait: a page asks again.
fn carry_out(lab: &Lab, body: &[u8]) -> Answer {
    let mut commands = Vec::new();
    for line in String::from_utf8_lossy(body).lines() {
        let done = match Order::read(line) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(Order::Wait(_) | Order::Expect(..))) => Err("a page does not wait".to_owned()),
            Ok(Some(order)) => lab.carry_out(&order).map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        match done {
            Ok(more) => commands.extend(more),
            Err(why) => {
                let error = Some(format!("{line}: {why}"));
                return json(409, &Done { commands, error });
            }
        }
    }
    json(200, &Done { commands, error: None })
}

/// Where a page's buttons show what they did.
fn commands() -> Markup {
    html! {
        pre.commands id="commands" role="log" tabindex="0" aria-label="Commands that do the same" {
            "Each button shows here the commands that do the same."
        }
    }
}

fn json(status: u16, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("our own types are always JSON");
    Answer::new(status, "application/json", body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Plan;
    use crate::settings::Settings;
    use crate::ui::http::Fields;

    fn asked(method: &str, path: &str, is_ours: bool, is_local: bool) -> Asked {
        let (method, path) = (method.to_owned(), path.to_owned());
        let body = b"kill Ada".to_vec();
        Asked { method, path, query: Fields::default(), body, is_ours, is_local }
    }

    #[test]
    fn only_this_host_and_own_pages_give_orders() {
        let plan = Plan {
            miners: 0,
            network: Settings::default_network(),
            folder: std::env::temp_dir(),
            first_port: 12_345,
            public: None,
            block_time: 5.0,
        };
        let lab = Lab::new(plan).unwrap();
        let status = |method, path, is_ours, is_local| {
            answer(&lab, &asked(method, path, is_ours, is_local)).map(|answer| answer.status)
        };
        // The order arrives: there is no Ada to kill.
        assert_eq!(status("POST", "/orders", true, true), Some(409));
        assert_eq!(status("POST", "/orders", true, false), Some(403));
        assert_eq!(status("POST", "/orders", false, true), Some(403));
        assert_eq!(status("GET", "/wall", false, false), Some(200));
        assert_eq!(status("GET", "/orders", true, true), None);
        let has_scissors = |is_local| {
            let answer = answer(&lab, &asked("GET", "/wall", true, is_local)).unwrap();
            String::from_utf8(answer.body).unwrap().contains("scissors")
        };
        assert!(has_scissors(true) && !has_scissors(false));
    }
}
