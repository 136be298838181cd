//! `verify`, `repair` and `backup`: the files beside a chain path, without a miner.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::Format;
use super::error::{CliError, Exit, Result};
use super::output::{Look, Output, ReadBar, count};
use crate::store::{self, Backup, Files, Folder, Lock, Lost, Names, Repair, Report, StoreError};

/// Checks the files and says what is wrong; an error, too, if something is.
pub fn verify(path: &Path, format: Format, output: &mut Output<'_>) -> Result {
    regular_file(path)?;
    let files = open(Names::resolve(path)?)?;
    let bar = ReadBar::default();
    let report = store::verify(&files, &mut bar.progress())?;
    drop(bar);
    if format.json {
        output.json_line(&report)?;
    } else {
        describe(&report, path, output)?;
    }
    match report.faults.as_slice() {
        [] => Ok(()),
        [fault] => Err(CliError::Other(Exit::Unhealthy, fault.to_string())),
        [fault, rest @ ..] => {
            let more = count(rest.len() as u64, "more fault");
            Err(CliError::Other(Exit::Unhealthy, format!("{fault} (and {more})")))
        }
    }
}

fn describe(report: &Report, path: &Path, output: &mut Output<'_>) -> Result {
    let Report { network, difficulty, length, head, unprocessed, .. } = report;
    let Report { journal_messages, journal_bytes, .. } = report;
    let (look, status) = if report.ok { (Look::Green, "valid") } else { (Look::Red, "damaged") };
    let status = output.look(look, status);
    output.line(format_args!("{}: {status}", path.display()))?;
    if let (Some(network), Some(difficulty)) = (network, difficulty) {
        output.field("network", &format!("{network}, difficulty {difficulty}"))?;
    }
    let valid = if report.ok { "" } else { " valid from the start" };
    output.field("chain", &format!("{}{valid}", count(*length, "block")))?;
    if let Some(head) = head {
        output.field("head", &head.to_string())?;
    }
    let saved = journal_messages - unprocessed;
    let saved = if saved > 0 { format!(", {saved} more in the chain") } else { String::new() };
    let pending = count(*unprocessed, "pending message");
    output.field("journal", &format!("{pending}{saved}; {}", count(*journal_bytes, "byte")))?;
    for fault in &report.faults {
        output.field("fault", &fault.to_string())?;
    }
    for warning in &report.warnings {
        output.field("warning", &warning.to_string())?;
    }
    Ok(())
}

/// Makes the files usable again; what was damaged is kept under another name.
pub fn repair(path: &Path, format: Format, output: &mut Output<'_>) -> Result {
    regular_file(path)?;
    let files = open(Names::resolve(path)?)?;
    let names = &files.names;
    let was_locked = names.folder().join(&names.lock).exists();
    let _lock = Lock::take(names)?;
    let repaired = repair_locked(&files);
    if repaired.is_err() && !was_locked {
        // What was refused stays as it was.
        _ = fs::remove_file(names.folder().join(&names.lock));
    }
    let repair = repaired?;
    if format.json {
        output.json_line(&repair)?;
    } else {
        describe_repair(&repair, path, names, output)?;
    }
    let lost = count(repair.lost.len() as u64, "message");
    let what = match (repair.lost.is_empty(), repair.doubt.is_some()) {
        (true, false) => return Ok(()),
        (true, true) => "messages may be lost".to_owned(),
        (false, false) => format!("{lost} lost"),
        (false, true) => format!("{lost} lost, perhaps more"),
    };
    let why = format!(
        "{what}: nothing on this host holds what the damaged lines held; neighbours may, start \
         the miner and look"
    );
    Err(CliError::Other(Exit::Unhealthy, why))
}

fn repair_locked(files: &Files) -> Result<Repair> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let bar = ReadBar::default();
    Ok(store::repair(files, now.as_micros() as u64, &mut bar.progress())?)
}

pub fn back_up(path: &Path, folder: &Path, format: Format, output: &mut Output<'_>) -> Result {
    regular_file(path)?;
    let from = open(Names::resolve(path)?)?;
    let names = &from.names;
    // Before a folder is made for nothing.
    if !names.folder().join(&names.chain).exists() {
        return Err(StoreError::NoChain { file: names.shown(&names.chain) }.into());
    }
    let to_names = Names::of(&folder.join(&names.chain))?;
    let made = Folder::make(folder).map_err(|error| {
        CliError::other(format!("cannot open folder {}: {error}", folder.display()))
    })?;
    let to = Files::new(Arc::new(made), to_names);
    let bar = ReadBar::default();
    let backup = store::back_up(&from, &to, &mut bar.progress())?;
    drop(bar);
    if format.json {
        return Ok(output.json_line(&backup)?);
    }
    let Backup { length, head, unprocessed } = backup;
    let copy = to.names.shown(&to.names.chain);
    output.line(format_args!("{copy}: {}", output.look(Look::Green, "copied")))?;
    output.field("chain", &count(length, "block"))?;
    output.field("head", &head.to_string())?;
    Ok(output.field("journal", &count(unprocessed, "message"))?)
}

fn describe_repair(repair: &Repair, path: &Path, names: &Names, output: &mut Output<'_>) -> Result {
    let Repair { chain_moved_to, taken_from, journal_moved_to, .. } = repair;
    let touched = chain_moved_to.is_some()
        || !taken_from.is_empty()
        || journal_moved_to.is_some()
        || repair.doubt.is_some();
    let status = if touched { "repaired" } else { "needed no repair" };
    output.line(format_args!("{}: {}", path.display(), output.look(Look::Green, status)))?;
    output.field("chain", &count(repair.length, "block"))?;
    output.field("journal", &count(repair.unprocessed, "message"))?;
    if repair.returned > 0 {
        let returned = count(repair.returned, "message");
        output.field(
            "returned",
            &format!("{returned} of blocks outside of the chain, pending again"),
        )?;
    }
    for version in taken_from {
        output.field("taken from", version)?;
    }
    for (name, value) in [("old chain", chain_moved_to), ("old journal", journal_moved_to)] {
        if let Some(value) = value {
            output.field(name, &names.shown(value))?;
        }
    }
    if let Some(doubt) = &repair.doubt {
        output.field("doubt", doubt)?;
    }
    for lost in &repair.lost {
        let id = lost.id.map_or("an unknown id".to_owned(), |id| format!("id {id}"));
        let Lost { file, line, found, .. } = lost;
        output.field("lost", &format!("{file} line {line}, {id}: {found}"))?;
    }
    Ok(())
}

fn open(names: Names) -> Result<Files> {
    let folder = Folder::open(names.folder()).map_err(|error| {
        let shown = names.folder().display();
        CliError::other(format!(
            "cannot open folder {shown}: {error}; give the path of a chain file"
        ))
    })?;
    Ok(Files::new(Arc::new(folder), names))
}

/// Refuses a folder, a device or a pipe where a chain file is to be named: opening a pipe waits
/// until somebody writes to it.
pub fn regular_file(path: &Path) -> Result {
    let found = path.metadata().map(|data| data.file_type()).ok();
    let ends_like_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if !ends_like_folder && !found.is_some_and(|it| it.is_dir()) {
        return match found.is_none_or(|it| it.is_file()) {
            true => Ok(()),
            false => Err(CliError::other(format!("{} is no regular file", path.display()))),
        };
    }
    let file = path.join("test.chain");
    Err(CliError::other(format!(
        "{} is a folder; name the chain file in it, for example {}",
        path.display(),
        file.display()
    )))
}
