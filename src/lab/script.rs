//! Experiments as files: an order a line.

use super::{Lab, Order};

/// A line of an experiment that says something.
pub struct Step {
    /// Its number in the file, from 1.
    pub number: usize,
    pub text: String,
    pub order: Order,
}

/// Reads an experiment; lines that say nothing are left out.
///
/// # Errors
/// The first line that is wrong, and why: `7: cut Ada: a miner's name is missing`.
pub fn read(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    // Some editors begin a file with a mark of its encoding.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        match Order::read(text) {
            Ok(None) => {}
            Ok(Some(order)) => steps.push(Step { number, text: text.to_owned(), order }),
            Err(why) => return Err(format!("{number}: {text}: {why}")),
        }
    }
    Ok(steps)
}

/// Carries out an experiment; `told` hears of each line before it, and of the commands that do
/// the same after it.
///
/// # Errors
/// The line that failed, and why.
pub fn run(steps: &[Step], lab: &Lab, mut told: impl FnMut(&str)) -> Result<(), String> {
    for Step { number, text, order } in steps {
        told(text);
        match lab.carry_out(order) {
            Ok(commands) => commands.iter().for_each(|command| told(&format!("  {command}"))),
            Err(error) => return Err(format!("{number}: {text}: {error}")),
        }
    }
    Ok(())
}
