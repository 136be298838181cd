//! `test.neighbours`: what is remembered of neighbours over a restart, one JSON value a line. It
//! is worth little: a file that is missing or damaged is as good as an empty one.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::files::{Files, push_json};

const BYTES_MAX: u64 = 256 << 10;

impl Files {
    pub fn remember(&self, all: &[impl Serialize]) -> Result<(), StoreError> {
        let mut text = Vec::new();
        all.iter().for_each(|one| push_json(&mut text, one));
        self.write_whole(&self.names.neighbours, text)
    }

    /// The remembered values, as far as they can be read.
    pub fn remembered<T: DeserializeOwned>(&self) -> Vec<T> {
        let text = self.beginning(&self.names.neighbours, BYTES_MAX);
        let lines = text.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
