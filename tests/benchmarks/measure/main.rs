//! Measures what the miner does beside programs that do the same work: `scripts/benchmark`.
//!
//! Absolute figures say more of the machine than of the program; what counts is the ratio of
//! two figures of the same run, which are measured in turns.

#![allow(missing_docs, reason = "a program has no users of its items")]

mod adds;
mod chains;
mod client;
mod disk;
mod growth;
mod host;
mod program;
mod reads;
mod references;
mod strangers;
mod table;
mod work;

use std::error::Error;
use std::path::PathBuf;

use table::Table;

/// What every part of the benchmark may fail with.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// A table that `--check` holds a run against, as `--json` wrote it.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benchmarks/baseline.json");

const USAGE: &str = "\
usage: scripts/benchmark [--json FILE] [--check] [--only PART] [--blocks-max N]
                         [--program FILE]

Measures, and prints one table: figure, reference beside it, ratio.

  --json FILE     writes the table as JSON, too
  --check         fails if a ratio is worse than the baseline by more than a fifth
  --only PART     one of work, adds, reads, guard, strangers, growth, disk, host
  --blocks-max N  leaves out longer chains (default 1000000)
  --program FILE  measures this program instead of the one just built";

struct Options {
    json: Option<PathBuf>,
    check: bool,
    only: Option<String>,
    blocks_max: u64,
}

fn main() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, file] = &arguments[..]
        && reads::SERVER_ARGUMENTS.contains(&first.as_str())
    {
        return reads::serve(first, file);
    }
    arguments.retain(|argument| argument != "--bench");
    let options = match read(&arguments) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("benchmark: {why}\n{USAGE}");
            std::process::exit(2);
        }
    };
    let table = measure(&options)?;
    print!("{table}");
    if let Some(file) = options.json {
        std::fs::write(file, table.json()?)?;
    }
    if options.check {
        let baseline = std::fs::read_to_string(BASELINE)?;
        let worse = table.worse_than(&baseline)?;
        if !worse.is_empty() {
            return Err(worse.join("\n").into());
        }
    }
    Ok(())
}

fn read(arguments: &[String]) -> Outcome<Options> {
    let mut options = Options { json: None, check: false, only: None, blocks_max: 1_000_000 };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--json" => options.json = Some(value()?.into()),
            "--check" => options.check = true,
            "--only" => options.only = Some(value()?.clone()),
            "--program" => program::set(value()?.into())?,
            "--blocks-max" => options.blocks_max = value()?.parse()?,
            "--help" | "-h" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => return Err(format!("unknown argument {flag}").into()),
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> Outcome<Table> {
    let mut table = Table::new();
    let wanted = |part: &str| options.only.as_deref().is_none_or(|only| only == part);
    if wanted("work") {
        work::measure(&mut table)?;
    }
    if wanted("adds") {
        adds::measure(&mut table)?;
    }
    if wanted("reads") {
        reads::measure(&mut table)?;
    }
    if wanted("guard") {
        reads::guard(&mut table)?;
    }
    if wanted("strangers") {
        strangers::measure(&mut table)?;
    }
    if wanted("growth") {
        growth::measure(&mut table, options.blocks_max)?;
    }
    if wanted("disk") {
        disk::measure(&mut table)?;
    }
    if wanted("host") {
        host::measure(&mut table)?;
    }
    Ok(table)
}
