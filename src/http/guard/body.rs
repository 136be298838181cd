//! The body of a stranger's request, by its length or in chunks.
//!
//! Chunks are taken since `curl -T -` and other clients that stream send nothing else; but
//! only in their plain form: no extensions and no trailers, which nobody here needs and
//! which readers of HTTP are known to disagree about.

use super::head::Framing;
use crate::http::Refusal;

#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    bytes_max: usize,
    next: Expected,
}

/// The next part of a chunked body.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Bytes(usize),
    /// The line with a chunk's size.
    Size,
    Chunk(usize),
    /// The empty line behind the last chunk.
    End,
}

impl Body {
    pub fn new(framing: Framing, bytes_max: usize) -> Self {
        let next = match framing {
            Framing::Length(length) => Expected::Bytes(length),
            Framing::Chunked => Expected::Size,
        };
        Self { bytes: Vec::new(), bytes_max, next }
    }

    /// Takes what belongs to the body from the front of `inbox`; the whole body once it
    /// is there.
    pub fn take(&mut self, inbox: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Refusal> {
        let mut taken = 0;
        let is_whole = loop {
            let rest = &inbox[taken..];
            match self.next {
                Expected::Bytes(missing) => {
                    let count = missing.min(rest.len());
                    self.bytes.extend_from_slice(&rest[..count]);
                    self.next = Expected::Bytes(missing - count);
                    taken += count;
                    break count == missing;
                }
                Expected::Size => {
                    let Some((size, length)) = chunk_size(rest, self.bytes_max)? else {
                        break false;
                    };
                    if self.bytes.len() + size > self.bytes_max {
                        return Err(Refusal::body_too_long(self.bytes_max));
                    }
                    self.next = if size == 0 { Expected::End } else { Expected::Chunk(size) };
                    taken += length;
                }
                Expected::Chunk(missing) => {
                    let count = missing.min(rest.len());
                    self.bytes.extend_from_slice(&rest[..count]);
                    self.next = Expected::Chunk(missing - count);
                    taken += count;
                    if count < missing || !line_break(&inbox[taken..])? {
                        break false;
                    }
                    self.next = Expected::Size;
                    taken += 2;
                }
                Expected::End => {
                    let is_there = line_break(rest)?;
                    taken += if is_there { 2 } else { 0 };
                    break is_there;
                }
            }
        };
        inbox.drain(..taken);
        Ok(is_whole.then(|| std::mem::take(&mut self.bytes)))
    }

    /// Bytes of memory that it takes up besides itself.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

/// A chunk's size and the length of the line that tells it; `None` if that is not whole.
fn chunk_size(bytes: &[u8], bytes_max: usize) -> Result<Option<(usize, usize)>, Refusal> {
    /// More than any body that is allowed needs.
    const DIGITS_MAX: usize = 8;
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > DIGITS_MAX {
        return Err(Refusal::body_too_long(bytes_max));
    }
    match (digits, &bytes[digits..]) {
        (_, [] | [b'\r']) => Ok(None),
        (1.., [b'\r', b'\n', ..]) => {
            let text = std::str::from_utf8(&bytes[..digits]).expect("hex digits are ASCII");
            let size = usize::from_str_radix(text, 16).expect("they are hex digits, and few");
            Ok(Some((size, digits + 2)))
        }
        _ => Err(Refusal::bad_request("a chunk's size is hex digits, without extensions")),
    }
}

/// True if `bytes` begin with a line break; not an error if it may still come.
fn line_break(bytes: &[u8]) -> Result<bool, Refusal> {
    match bytes {
        [] | [b'\r'] => Ok(false),
        [b'\r', b'\n', ..] => Ok(true),
        _ => Err(Refusal::bad_request("a chunk is longer than its size, or there are trailers")),
    }
}
