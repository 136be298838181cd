//! Reads a file line by line, holding one line at a time.

use std::io::{BufRead, BufReader, Read};

use super::disk::FileReader;
use super::error::StoreError;
use super::names::Names;
use crate::chain::ChainView;
use crate::chain::data::MESSAGE_BYTES_MAX;

/// No line that we write is longer: every byte of the message escaped (`\u0000` is the
/// longest escape, 6 bytes), and the rest of a block or record, which is far below 1 KiB.
/// A journal's last line may have room behind it.
pub(super) const LINE_BYTES_MAX: usize = 6 * MESSAGE_BYTES_MAX + 1024 + ROOM_BYTES;

/// Zeros that are written behind a journal's last record, for those to come.
pub(super) const ROOM_BYTES: usize = 64 << 10;

/// Bytes read from the disk at once.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Break,
    /// With the end of the file.
    File,
    TooLong,
}

#[derive(Debug)]
pub(super) struct FileLine<'a> {
    /// Without its line break.
    pub bytes: &'a [u8],
    pub ending: Ending,
    pub number: u64,
    pub start: u64,
}

impl FileLine<'_> {
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64 + u64::from(self.ending == Ending::Break)
    }

    pub fn shown(&self) -> String {
        let clip = &self.bytes[..self.bytes.len().min(80)];
        let dots = if clip.len() < self.bytes.len() { "…" } else { "" };
        format!("{:?}{dots}", String::from_utf8_lossy(clip))
    }
}

pub(super) struct FileLines<'a> {
    names: &'a Names,
    name: &'a str,
    reader: BufReader<FileReader>,
    buffer: Vec<u8>,
    number: u64,
    end: u64,
}

impl<'a> FileLines<'a> {
    pub fn of(source: FileReader, names: &'a Names, name: &'a str) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, source);
        Self { names, name, reader, buffer: Vec::new(), number: 0, end: 0 }
    }

    pub fn next(&mut self) -> Result<Option<FileLine<'_>>, StoreError> {
        self.buffer.clear();
        let read =
            (&mut self.reader).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut self.buffer);
        read.map_err(self.names.failed("read", self.name))?;
        let Some(last) = self.buffer.last() else { return Ok(None) };
        let ending = match last {
            b'\n' => Ending::Break,
            _ if self.buffer.len() < LINE_BYTES_MAX => Ending::File,
            _ => Ending::TooLong,
        };
        let bytes = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        self.number += 1;
        let start = self.end;
        self.end += self.buffer.len() as u64;
        Ok(Some(FileLine { bytes, ending, number: self.number, start }))
    }
}

/// Digits of a check: the first hex digits of a SHA-256.
pub(super) const CHECK_DIGITS: usize = 16;

pub(super) const PART_BYTES: usize = 1 << 20;

/// The lines of `view` from height `from` on, with their line breaks, in parts of about
/// [`PART_BYTES`].
pub(super) fn parts(
    view: &ChainView,
    from: u64,
) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
    let mut lines = view.lines_from(from);
    std::iter::from_fn(move || {
        let mut part = Vec::new();
        for line in &mut lines {
            match line {
                Ok(line) => part.extend_from_slice(line.as_bytes()),
                Err(error) => return Some(Err(error.into())),
            }
            part.push(b'\n');
            if part.len() >= PART_BYTES {
                break;
            }
        }
        (!part.is_empty()).then_some(Ok(part))
    })
}
