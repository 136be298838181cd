//! Makes long chains quickly: every block valid, at difficulty 1.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blockchain::chain::Block;
use blockchain::chain::testing::{Maker, NOW, network};
use blockchain::store::{ChainFile, Files, Folder, Loaded, Names, Start, StoreError};

use crate::Outcome;

/// A chain on disk.
pub struct MadeChain {
    pub file: PathBuf,
    pub blocks: u64,
    pub bytes: u64,
    /// Stands at its last block.
    pub maker: Maker,
}

/// Makes a chain of `blocks` blocks with messages of 100 bytes.
pub fn make(folder: &Path, blocks: u64) -> Outcome<MadeChain> {
    make_of(folder, blocks, &message)
}

/// Makes a chain of `blocks` blocks with the messages that `message` gives for their heights.
pub fn make_of(folder: &Path, blocks: u64, message: &dyn Fn(u64) -> String) -> Outcome<MadeChain> {
    let file = folder.join("test.chain");
    let mut maker = Maker::new(network(1));
    let mut writer = BufWriter::with_capacity(1 << 20, File::create(&file)?);
    writeln!(writer, "{}", Block::genesis(&network(1)).line())?;
    for index in 1..blocks {
        writeln!(writer, "{}", maker.add(&message(index)))?;
    }
    writer.into_inner()?.sync_all()?;
    let bytes = file.metadata()?.len();
    Ok(MadeChain { file, blocks, bytes, maker })
}

/// A message of 100 bytes.
pub fn message(number: u64) -> String {
    format!("{number:0>100}")
}

/// Loads and checks a chain.
pub fn load(file: &Path) -> Result<Loaded, StoreError> {
    let names = Names::of(file)?;
    let disk = Arc::new(Folder::open(names.folder()).expect("it is there"));
    let progress = &mut |_, _| ControlFlow::Continue(());
    ChainFile::load(&Files::new(disk, names), &network(1), Start::Keep, 1, NOW, progress)
}
