//! The table of what was measured.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// A ratio may get worse by this factor before `--check` fails.
const WORSE_MAX: f64 = 1.2;

/// What a ratio has to be.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    AtLeast(f64),
    AtMost(f64),
}

impl Asked {
    fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }

    /// How many times worse `ratio` is than `before`.
    fn worsening(self, ratio: f64, before: f64) -> f64 {
        match self {
            Self::AtLeast(_) => before / ratio,
            Self::AtMost(_) => ratio / before,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// One figure with what it is measured against.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub figure: f64,
    pub reference_name: String,
    pub reference: f64,
    pub ratio: f64,
    pub asked: Option<Asked>,
}

/// All that was measured, and what was not.
#[derive(Serialize)]
pub struct Table {
    machine: String,
    rows: Vec<Row>,
    left_out: Vec<String>,
}

impl Table {
    /// An empty table of this machine.
    pub fn new() -> Self {
        Self { machine: machine(), rows: Vec::new(), left_out: Vec::new() }
    }

    /// Takes in a figure and its reference.
    pub fn row(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        figure: f64,
        (reference_name, reference): (&str, f64),
        asked: Option<Asked>,
    ) {
        let (name, reference_name, ratio) =
            (name.into(), reference_name.into(), figure / reference);
        eprintln!("{name}: {} {unit}, {ratio:.3} of {reference_name}", short(figure));
        self.rows.push(Row { name, unit, figure, reference_name, reference, ratio, asked });
    }

    /// Notes what could not be measured, and why.
    pub fn leave_out(&mut self, what: &str, why: impl fmt::Display) {
        eprintln!("{what}: left out, {why}");
        self.left_out.push(format!("{what}: {why}"));
    }

    /// The table as JSON.
    pub fn json(&self) -> Outcome<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The ratios that are worse by more than a fifth than in `baseline`, a table as JSON.
    pub fn worse_than(&self, baseline: &str) -> Outcome<Vec<String>> {
        #[derive(Deserialize)]
        struct Before {
            name: String,
            ratio: f64,
        }
        #[derive(Deserialize)]
        struct Baseline {
            rows: Vec<Before>,
        }
        let Baseline { rows } = serde_json::from_str(baseline)?;
        let before: HashMap<String, f64> =
            rows.into_iter().map(|row| (row.name, row.ratio)).collect();
        let worse = |row: &Row| {
            let (asked, before) = (row.asked?, *before.get(&row.name)?);
            let is_worse = asked.worsening(row.ratio, before) > WORSE_MAX;
            is_worse.then(|| format!("{}: ratio {:.3}, was {before:.3}", row.name, row.ratio))
        };
        Ok(self.rows.iter().filter_map(worse).collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Measured on {}:\n", self.machine)?;
        writeln!(f, "| figure | | | reference | | ratio | asked | |")?;
        writeln!(f, "|---|--:|---|---|--:|--:|---|---|")?;
        for row in &self.rows {
            let Row { name, unit, reference_name, ratio, .. } = row;
            let (figure, reference) = (short(row.figure), short(row.reference));
            let asked = row.asked.map(|asked| asked.to_string()).unwrap_or_default();
            let met = match row.asked {
                Some(asked) if asked.is_met_by(*ratio) => "met",
                Some(_) => "missed",
                None => "",
            };
            writeln!(
                f,
                "| {name} | {figure} | {unit} | {reference_name} | {reference} | {ratio:.2} | {asked} | {met} |"
            )?;
        }
        self.left_out.iter().try_for_each(|what| writeln!(f, "\nNot measured: {what}"))
    }
}

/// This machine, and how busy it is with other things.
fn machine() -> String {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processors", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("{cores} × {model}, load average {load} at the start")
}

/// Three digits, and no more zeros than needed.
fn short(figure: f64) -> String {
    match figure.abs() {
        at if at >= 1e6 => format!("{:.1} M", figure / 1e6),
        at if at >= 100.0 => format!("{figure:.0}"),
        at if at >= 1.0 => format!("{figure:.1}"),
        _ => format!("{figure:.3}"),
    }
}
