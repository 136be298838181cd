//! What lies in a miner's folder, read without the program: one JSON object a line.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use serde::Deserialize;

use super::mixture::Spec;

/// Message and id, as they stand in a line.
#[derive(Debug, Deserialize, PartialEq, Eq, Hash)]
pub struct Said {
    pub id: String,
    pub message: String,
}

#[derive(Deserialize)]
struct BlockLine {
    data: Said,
}

/// The messages in the blocks of a chain file, or of the record that replaces its end: of lines
/// that end with a line break.
pub fn in_blocks(folder: &Path, name: &str) -> Vec<Said> {
    let lines = whole_lines(folder, name);
    let read = |line: &String| serde_json::from_str::<BlockLine>(line).ok();
    lines.iter().filter_map(read).map(|block| block.data).collect()
}

/// The messages in a journal: what follows a check and a batch.
pub fn in_journal(folder: &Path) -> Vec<Said> {
    let lines = whole_lines(folder, "test.data");
    let read = |line: &String| serde_json::from_str(line.splitn(3, ' ').nth(2)?).ok();
    lines.iter().filter_map(read).collect()
}

/// The lines of a file that end with a line break; none, if there is no such file.
pub fn whole_lines(folder: &Path, name: &str) -> Vec<String> {
    let Ok(bytes) = fs::read(folder.join(name)) else { return Vec::new() };
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..end].split(|byte| *byte == b'\n');
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .filter(|it| !it.is_empty())
        .collect()
}

/// Those of `acknowledged` that are neither in the journal nor in the chain file, by id and
/// text; a record that is still there is a part of the chain file, with which a start goes on.
/// They are read in the order in which a message moves: what leaves the journal is in the chain
/// file before, and so is what leaves the record.
pub fn missing(folder: &Path, acknowledged: &[Spec]) -> Vec<Spec> {
    let by_id = |spec: &Spec| (spec.id().to_string(), *spec);
    let mut missing: HashMap<String, Spec> = acknowledged.iter().map(by_id).collect();
    let blocks = ["test.redo", "test.chain"].into_iter().flat_map(|name| in_blocks(folder, name));
    for said in in_journal(folder).into_iter().chain(blocks) {
        if missing.get(&said.id).is_some_and(|spec| spec.text() == said.message) {
            missing.remove(&said.id);
        }
    }
    missing.into_values().collect()
}

/// How many messages, by id and text, stand twice in the chain file. One that is in the journal,
/// too, is not doubled: a stop that a busy host makes late leaves it there, and a start sees that
/// it is mined.
pub fn doubled(folder: &Path) -> usize {
    let all = in_blocks(folder, "test.chain");
    all.len() - all.iter().collect::<HashSet<_>>().len()
}

/// Tells of files that take a name in a folder.
pub struct Renames(OwnedFd);

impl Renames {
    pub fn of(folder: &Path) -> io::Result<Self> {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, folder, inotify::WatchFlags::MOVED_TO)?;
        Ok(Self(watch))
    }

    /// The names that were taken since the last call; waits for one up to `patience`.
    pub fn within(&self, patience: Duration) -> Vec<String> {
        let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
        let patience = Timespec::try_from(patience).expect("it is short");
        poll(&mut ready, Some(&patience)).expect("it can be waited for");
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(CStr::to_string_lossy);
            names.extend(name.map(|name| name.into_owned()));
        }
        names
    }
}
