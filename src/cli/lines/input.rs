//! The lines of a file, as messages.

use std::io::{self, BufRead, BufReader, Read, Write};

use sha2::{Digest, Sha256};

use super::NAMED_MAX;
use crate::api::Request;
use crate::chain::data::MESSAGE_BYTES_MAX;
use crate::chain::{Data, DataId, Message};

/// Lines that are sent on a connection before their answers are read.
const BATCH_LINES: usize = 16;

/// Bytes after which a batch takes no further line: less than sockets hold, so that neither
/// side waits for the other to read.
const BATCH_BYTES: usize = 32 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub number: u64,
    pub data: Data,
}

impl Numbered {
    pub fn request(&self) -> Request {
        let Data { id, message } = &self.data;
        Request::Add { id: Some(*id), message: message.clone() }
    }
}

/// The lines of a file that are not empty, as messages.
pub struct Lines<R> {
    pub reader: R,
    pub prefix: Vec<u8>,
    pub number: u64,
    pub refused: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line; lines that cannot be messages are named on stderr and left out.
    fn next(&mut self) -> io::Result<Option<Numbered>> {
        loop {
            let mut bytes = Vec::new();
            // Of a longer line, as much as shows that it is too long, and the rest is left out.
            let limit = MESSAGE_BYTES_MAX as u64 + 3;
            if (&mut self.reader).take(limit).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes.len() as u64 == limit && !bytes.ends_with(b"\n") {
                self.reader.skip_until(b'\n')?;
            }
            let end = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let text = end.strip_suffix(b"\r").unwrap_or(end);
            if text.is_empty() {
                continue;
            }
            match std::str::from_utf8(text)
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(|text| Message::new(text).map_err(|error| error.to_string()))
            {
                Ok(message) => {
                    let id = id_of(&self.prefix, self.number, &message);
                    return Ok(Some(Numbered { number: self.number, data: Data { id, message } }));
                }
                Err(why) => {
                    self.refused += 1;
                    if self.refused <= NAMED_MAX {
                        let number = self.number;
                        _ = writeln!(io::stderr(), "line {number} is not added: {why}");
                    }
                }
            }
        }
    }

    /// Some lines: at least one, unless there are none left, and what else is there already.
    pub fn batch(&mut self) -> io::Result<Vec<Numbered>>
    where
        R: Buffered,
    {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
            if !batch.is_empty() && !self.reader.has_line() {
                break;
            }
            let Some(line) = self.next()? else { break };
            bytes += line.data.message.as_str().len();
            batch.push(line);
        }
        Ok(batch)
    }
}

/// Says whether a whole line is in memory already.
pub trait Buffered {
    fn has_line(&self) -> bool;
}

impl<T: Read> Buffered for BufReader<T> {
    fn has_line(&self) -> bool {
        self.buffer().contains(&b'\n')
    }
}

/// The id of a line: the first 16 bytes of the SHA-256 of prefix, number and text, with a
/// zero byte between them.
fn id_of(prefix: &[u8], number: u64, message: &Message) -> DataId {
    let hash = Sha256::new()
        .chain_update(prefix)
        .chain_update([0])
        .chain_update(number.to_string())
        .chain_update([0])
        .chain_update(message.as_str());
    let hash: [u8; 32] = hash.finalize().into();
    DataId::from_bytes(*hash.first_chunk().expect("32 bytes begin with 16"))
}
