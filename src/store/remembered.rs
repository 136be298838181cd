//! `test.neighbours`: what is remembered of neighbours over a restart, one JSON value a line. It
//! is worth little: a file that is missing or damaged is as good as an empty one.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::append_file::write_whole;
use super::disk::{Disk, read_exact};
use super::error::StoreError;
use super::names::Names;

/// Bytes that are read of the file.
const BYTES_MAX: u64 = 256 << 10;

/// Writes what is to be remembered, in place of what was.
pub fn remember(disk: &dyn Disk, names: &Names, all: &[impl Serialize]) -> Result<(), StoreError> {
    let mut text = Vec::new();
    for one in all {
        serde_json::to_writer(&mut text, one).expect("our own types are always JSON");
        text.push(b'\n');
    }
    write_whole(disk, names, &names.neighbours, text)
}

/// The remembered value, as far as it can be read.
pub fn remembered<T: DeserializeOwned>(disk: &dyn Disk, names: &Names) -> Vec<T> {
    let text = disk.open(&names.neighbours).ok().flatten().and_then(|file| {
        let bytes = file.bytes().ok()?.min(BYTES_MAX);
        read_exact(&*file, 0, bytes).ok()
    });
    let text = text.unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}
