//! The spelling of the journal, and what can be told from a line that is not spelled so.
//!
//! A record is `<check> <batch> {"id":…,"message":…}`: the check is the first 16 hex digits
//! of the SHA-256 of what follows it, the batch says where in the file the batch begins
//! that the record was written and synced with. The first line says how many bytes behind
//! it were on disk before the file took its name; their batch is 0.
//!
//! Behind the last record there may be room for more: zeros up to the end of the file. A
//! record that is written over them changes neither the file's length nor where it lies, so
//! its sync has less to do.
//!
//! The first line also tells the numbers that the file system has given to the journal and to the
//! chain file. A file with another number is a copy: whoever made it may have read some of it
//! before and some after a write, so that it is read with less rigour than our own.
//!
//! A batch is begun only when the one before it is on disk. So a crash leaves a bad line in
//! the last batch alone: cut short, or with zeros where a whole block of the disk was not
//! written. Every other bad line was changed after it had been acknowledged.

use serde::{Deserialize, Serialize};

use super::error::{Fault, StoreError};
use super::files::Files;
use super::lines::{CHECK_DIGITS, Ending, FileLine, FileLines};
use super::names::Names;
use super::salvage;
use crate::chain::{Data, Hash};

/// Smallest stretch that a disk writes or does not write.
const SECTOR_BYTES: u64 = 512;

/// The first line of a journal, behind its check.
#[derive(Debug, Serialize, Deserialize)]
struct JournalHeader {
    journal: u32,
    /// Bytes behind this line that were synced along with it.
    bytes: u64,
    /// Numbers of the files, as they were then.
    #[serde(flatten)]
    numbers: Numbers,
}

/// Numbers that the file system gave to files: a copy has another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<u64>,
}

impl Numbers {
    /// Those of the journal that has the name `journal` now, and of the chain file.
    pub fn present(files: &Files, journal: &str) -> Result<Self, StoreError> {
        let number = |name: &str| -> Result<Option<u64>, StoreError> {
            Ok(files.stamp(name)?.map(|stamp| stamp.identity.1))
        };
        Ok(Self { file: number(journal)?, chain: number(&files.names.chain)? })
    }
}

/// True if the chain file is not the one that the journal beside it was written for.
pub(super) fn is_chain_copied(files: &Files) -> Result<bool, StoreError> {
    let name = &files.names.data;
    let Some(mut lines) = files.lines(name)? else { return Ok(false) };
    let header = lines.next()?.and_then(|line| header(line.bytes));
    let chain = header.and_then(|header| header.numbers.chain);
    Ok(chain.is_some() && chain != Numbers::present(files, name)?.chain)
}

fn header(line: &[u8]) -> Option<JournalHeader> {
    let header: JournalHeader = serde_json::from_str(checked(line)?).ok()?;
    (header.journal == 1).then_some(header)
}

pub(super) fn spell(out: &mut Vec<u8>, batch: u64, data: &Data) {
    let json = serde_json::to_string(data).expect("text is always JSON");
    spell_checked(out, &format!("{batch} {json}"));
}

pub(super) fn spell_header(out: &mut Vec<u8>, bytes: u64, numbers: Numbers) {
    let header = JournalHeader { journal: 1, bytes, numbers };
    let header = serde_json::to_string(&header).expect("numbers are JSON");
    spell_checked(out, &header);
}

fn spell_checked(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&check(text).as_bytes()[..CHECK_DIGITS]);
    out.push(b' ');
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn check(text: &str) -> String {
    Hash::of(text).to_string()
}

/// The text behind the check of this line, if the check is right.
fn checked(line: &[u8]) -> Option<&str> {
    let (found, text) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (found.len() == CHECK_DIGITS && check(text).starts_with(found)).then_some(text)
}

pub(super) fn read(line: &[u8]) -> Option<(u64, Data)> {
    let (batch, json) = checked(line)?.split_once(' ')?;
    Some((batch.parse().ok()?, serde_json::from_str(json).ok()?))
}

#[derive(Default)]
pub(super) struct Reading {
    /// The messages of the good records, in their order; some may be there twice.
    pub data: Vec<Data>,
    pub bytes: u64,
    /// Bytes of the file but for its room.
    pub total: u64,
    /// Zeros behind that.
    pub room: u64,
    pub tail: JournalEnd,
    pub numbers: Numbers,
    /// True if the file has another number.
    is_copy: bool,
    /// Where the batch of the last good record begins.
    batch: u64,
    /// Where ends what was synced before the file took its name.
    certain: u64,
}

#[derive(Default)]
pub(super) enum JournalEnd {
    #[default]
    Sound,
    /// The rest of a batch that a crash left unacknowledged.
    Torn(Box<Fault>),
    /// The rest in a copy that was made while records were written: all its good ones were read.
    Copied(Box<Fault>),
    Damaged(Box<Fault>),
}

pub(super) fn read_journal(files: &Files) -> Result<Option<Reading>, StoreError> {
    let (names, name) = (&files.names, &files.names.data);
    let Some(source) = files.source(name)? else { return Ok(None) };
    let mut reading = Reading { total: source.bytes, ..Reading::default() };
    let present = Numbers::present(files, name)?.file;
    reading.read(names, FileLines::of(source, names, name), present)?;
    Ok(Some(reading))
}

impl Reading {
    fn read(
        &mut self,
        names: &Names,
        mut lines: FileLines<'_>,
        number: Option<u64>,
    ) -> Result<(), StoreError> {
        while let Some(mut line) = lines.next()? {
            if line.ending == Ending::File && !self.leave_room_out(&mut line) {
                break;
            }
            let Err(expected) = self.take(&line) else {
                self.is_copy = self.numbers.file.is_some() && self.numbers.file != number;
                continue;
            };
            let fault = Fault::new(names, &names.data, line.number, "record");
            let fault = Box::new(fault.found(line.shown(), expected));
            let (start, is_torn) = (line.start, self.is_torn(&line));
            if self.lacks_its_line_break(&line) {
                let (_, data) = read(line.bytes).expect("it fits");
                self.data.push(data);
                self.bytes = self.total;
                self.tail = JournalEnd::Torn(fault);
            } else if self.is_copy && self.total >= self.certain {
                self.data.extend(salvage::records(line.bytes).0);
                while let Some(line) = lines.next()? {
                    self.data.extend(salvage::records(line.bytes).0);
                }
                self.tail = JournalEnd::Copied(fault);
            } else if is_torn && !later_batch(&mut lines, start)? {
                self.tail = JournalEnd::Torn(fault);
            } else {
                self.tail = JournalEnd::Damaged(fault);
            }
            return Ok(());
        }
        if self.bytes < self.certain || self.bytes == 0 {
            let fault = Fault::new(names, &names.data, 1, "length");
            let expected = format!("at least {} bytes", self.certain);
            let fault = fault.found(format!("{} bytes", self.bytes), expected);
            self.tail = JournalEnd::Damaged(Box::new(fault));
        }
        Ok(())
    }

    /// Takes the zeros off the end of the file; whether anything is left of the line.
    fn leave_room_out(&mut self, line: &mut FileLine<'_>) -> bool {
        let end = line.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        self.room = (line.bytes.len() - end) as u64;
        self.total -= self.room;
        line.bytes = &line.bytes[..end];
        end > 0
    }

    /// Takes the next line in; the error says what was expected instead.
    fn take(&mut self, line: &FileLine<'_>) -> Result<(), &'static str> {
        let expected = "<16 hex digits of the SHA-256 of the rest> <batch> <message and id>";
        if line.ending != Ending::Break {
            return Err(expected);
        }
        if line.number == 1 {
            let header = header(line.bytes).ok_or("a journal's first line")?;
            self.numbers = header.numbers;
            self.certain = line.end() + header.bytes;
        } else {
            if !self.fits(line, line.bytes) {
                return Err(expected);
            }
            let (batch, data) = read(line.bytes).expect("it fits");
            self.batch = batch;
            self.data.push(data);
        }
        self.bytes = line.end();
        Ok(())
    }

    /// True if `bytes` are a record that may stand where `line` starts.
    fn fits(&self, line: &FileLine<'_>, bytes: &[u8]) -> bool {
        line.number > 1 && read(bytes).is_some_and(|(batch, _)| self.may_be_of(batch, line.start))
    }

    fn may_be_of(&self, batch: u64, start: u64) -> bool {
        match start < self.certain {
            true => batch == 0,
            false => batch == start || (batch == self.batch && batch >= self.certain && batch > 0),
        }
    }

    /// True for a whole record at the end of the file.
    fn lacks_its_line_break(&self, line: &FileLine<'_>) -> bool {
        line.ending == Ending::File && self.fits(line, line.bytes) && self.total + 1 >= self.certain
    }

    /// True if a crash during the last batch leaves such a line.
    fn is_torn(&self, line: &FileLine<'_>) -> bool {
        if line.number == 1 || line.start < self.certain {
            return false;
        }
        let but_last = &line.bytes[..line.bytes.len().saturating_sub(1)];
        // A record with another byte in place of its line break was not cut short.
        let is_cut = line.ending == Ending::File && !self.fits(line, but_last);
        has_hole(line, self.batch, self.total) || (is_cut && self.begins_record(line))
    }

    /// True if the line is a record's beginning, as far as it goes.
    fn begins_record(&self, line: &FileLine<'_>) -> bool {
        let (check, rest) = line.bytes.split_at(line.bytes.len().min(CHECK_DIGITS));
        let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
        let begins = |batch: u64| {
            let expected = format!(" {batch} ");
            let both = rest.len().min(expected.len());
            let json = &rest[both..];
            self.may_be_of(batch, line.start)
                && rest[..both] == expected.as_bytes()[..both]
                && serde_json::from_slice::<Data>(json).is_err_and(|error| error.is_eof())
        };
        check.iter().all(is_hex) && (begins(line.start) || begins(self.batch))
    }
}

/// True if zeros stand in place of a whole stretch that the disk did not write. No record
/// has a zero byte in it.
fn has_hole(line: &FileLine<'_>, batch: u64, total: u64) -> bool {
    let mut at = line.start;
    line.bytes.chunk_by(|a, b| (*a == 0) == (*b == 0)).any(|run| {
        let (start, end) = (at, at + run.len() as u64);
        at = end;
        let begins = start.is_multiple_of(SECTOR_BYTES) || start == line.start || start == batch;
        run[0] == 0 && begins && (end.is_multiple_of(SECTOR_BYTES) || end == total)
    })
}

/// True if a record follows whose batch was begun behind `start`.
fn later_batch(lines: &mut FileLines<'_>, start: u64) -> Result<bool, StoreError> {
    while let Some(line) = lines.next()? {
        if read(line.bytes).is_some_and(|(batch, _)| batch > start) {
            return Ok(true);
        }
    }
    Ok(false)
}
