//! The log file, with rotation. Several miners may share it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use log::Level;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::line::Style;

/// Length at which a log file makes room for a new one, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Full files that are kept: `miner.log.1` to `.3`.
pub const FULL_FILES: u32 = 3;

/// The log file, which others append to and rotate as well.
pub struct LogFile {
    path: PathBuf,
    bytes_max: u64,
    file: Option<File>,
    /// Lines that could not be written.
    missing: u64,
    /// True if the last line may lack its end, since the disk was full.
    pub(super) torn: bool,
}

impl LogFile {
    pub fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max, file: None, missing: 0, torn: false }
    }

    /// Appends a line; why that failed, if the one before did not.
    pub fn put(&mut self, style: Style, line: &str) -> Option<io::Error> {
        let missed = self.missing;
        let done = match missed {
            0 => self.append(line.as_bytes()),
            _ => {
                let text =
                    format!("log: {missed} lines are missing here, which could not be written");
                self.append((style.line(Level::Warn, &text) + line).as_bytes())
            }
        };
        self.missing = if done.is_ok() { 0 } else { missed + 1 };
        done.err().filter(|_| missed == 0)
    }

    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.current()?;
        let metadata = file.metadata()?;
        let is_full = metadata.len() + lines.len() as u64 > self.bytes_max;
        if metadata.is_file() && metadata.len() > 0 && is_full && self.rotate(&file)? {
            file = self.current()?;
        }
        let result = match self.torn {
            true => (&file).write_all(&[b"\n", lines].concat()),
            false => (&file).write_all(lines),
        };
        self.torn = result.is_err();
        self.file = Some(file);
        result
    }

    /// The file that has the name now; another miner may have rotated the one at hand.
    pub fn current(&mut self) -> io::Result<File> {
        match self.file.take() {
            Some(file) if self.has_the_name(&file) => Ok(file),
            _ => {
                if let Some(folder) = self.path.parent() {
                    fs::create_dir_all(folder)?;
                }
                // A named pipe without a reader is an error, and not waited for. A link is one, too:
                // where others may write into the folder, it could lead to any file of ours.
                let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
                let mut open = OpenOptions::new();
                open.create(true).append(true).custom_flags(flags.bits().cast_signed());
                open.open(&self.path).map_err(told_of_a_link)
            }
        }
    }

    pub fn has_the_name(&self, file: &File) -> bool {
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let named = fs::symlink_metadata(&self.path).map(identity);
        file.metadata().map(identity).is_ok_and(|at_hand| named.is_ok_and(|named| named == at_hand))
    }

    /// Gives the full `file` the name `.1`, unless another miner is doing so or has done so
    /// (then the line goes to the file as it is). Whether there is room for a new one.
    pub fn rotate(&self, file: &File) -> io::Result<bool> {
        if file.try_lock().is_err() {
            return Ok(false);
        }
        if self.has_the_name(file) {
            let path = &self.path;
            for number in (1..FULL_FILES).rev() {
                _ = fs::rename(numbered(path, number), numbered(path, number + 1));
            }
            fs::rename(path, numbered(path, 1))?;
        }
        file.unlock()?;
        Ok(true)
    }
}

/// The same error, in words where the name is a symbolic link.
pub fn told_of_a_link(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::new(error.kind(), "it is a symbolic link; make it a file"),
        _ => error,
    }
}

pub fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{number}"));
    name.into()
}
