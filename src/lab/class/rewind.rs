//! A miner that forgets blocks: they are taken out of its chain file.

use std::fs;
use std::io;
use std::path::Path;

use super::{Class, quoted};
use crate::lab::name::Name;
use crate::lab::{Commands, LabError};

impl Class {
    /// Cuts a miner off and takes its blocks above `height` out of its chain file.
    pub fn rewind(&self, name: Name, height: u64) -> Commands {
        let length = self.client.health(&self.reach(name)?)?.length;
        if height >= length {
            return Err(LabError(format!("{name} has {length} blocks only")));
        }
        let mut commands = Vec::new();
        for other in self.members().into_iter().filter(|other| *other != name) {
            commands.extend(self.cut(name, other)?);
        }
        commands.extend(self.stop(name)?);
        let file = self.places[name.number()].lock().folder.join("test.chain");
        let lines = height + 1;
        shorten(&file, lines).map_err(|error| LabError(format!("{}: {error}", file.display())))?;
        let shown = quoted(&file.display().to_string());
        let hash = quoted(&file.with_extension("hash").display().to_string());
        commands.push(format!("sed -i {lines}q {shown}; rm {hash}"));
        let manner = self.places[name.number()].lock().manner.clone();
        commands.extend(self.start_miner(name, manner)?);
        Ok(commands)
    }
}

/// Keeps the first `lines` of a chain file whose miner does not run. Without its hash the file
/// counts as sound if every line is.
fn shorten(file: &Path, lines: u64) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let kept: Vec<_> = text.split_inclusive('\n').take(lines as usize).collect();
    if (kept.len() as u64) < lines {
        let why = format!("it has {} blocks only", kept.len());
        return Err(io::Error::other(why));
    }
    fs::write(file, kept.concat())?;
    fs::remove_file(file.with_extension("hash"))
}
