//! The store on the real disk: the files are as `sha256sum` and their owner expect them.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use blockchain::chain::testing::{Maker, NOW, data, network};
use blockchain::chain::{Branch, Chain, Dropped, Head};
use blockchain::store::{
    ChainFile, Disk, Files, Folder, Journal, Loaded, Lock, Names, Saved, Start, StoreError, repair,
    verify,
};

/// A folder that is gone when the test is over.
struct TempFolder(PathBuf);

impl TempFolder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("blockchain-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn names(&self) -> Names {
        Names::of(&self.0.join("test.chain")).unwrap()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(Folder::make(&self.0).unwrap())
    }

    fn load(&self, start: Start) -> Result<Loaded, StoreError> {
        let progress = &mut |_, _| ControlFlow::Continue(());
        ChainFile::load(&self.files(), &network(1), start, 2, NOW, progress)
    }

    fn files(&self) -> Files {
        Files::new(self.disk(), self.names())
    }

    fn list(&self) -> Vec<String> {
        self.disk().list().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn grow(chain: &mut Chain, fork: Head, texts: &[&str]) {
    let mut maker = Maker::at(network(1), fork);
    let mut branch = Branch::new(fork);
    for text in texts {
        branch.push(maker.add(text), NOW, &network(1)).unwrap();
    }
    chain.adopt(&branch).unwrap();
}

fn sha256sum_agrees(folder: &Path) -> bool {
    let check = Command::new("sha256sum").args(["-c", "test.hash"]).current_dir(folder).output();
    check.unwrap().status.success()
}

#[test]
fn a_chain_is_there_again_with_versions_of_what_was_replaced() {
    let folder = TempFolder::new("versions");
    let Loaded { mut file, mut chain, mut forks } = folder.load(Start::Keep).unwrap();
    assert_eq!(folder.list(), ["test.chain", "test.forks", "test.hash"]);
    let genesis = *chain.head();
    grow(&mut chain, genesis, &["a", "b"]);
    assert_eq!(file.save(&chain.view(), &mut forks, NOW).unwrap(), Saved::Appended { blocks: 2 });
    assert_eq!(file.save(&chain.view(), &mut forks, NOW).unwrap(), Saved::Same);
    assert!(sha256sum_agrees(&folder.0));
    let old = fs::read(folder.path("test.chain")).unwrap();
    for round in 0..4 {
        let texts: Vec<String> = (0..round + 3).map(|i| format!("{round} {i}")).collect();
        grow(&mut chain, genesis, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        let now = NOW + round * 1_000_000;
        let saved = file.save(&chain.view(), &mut forks, now).unwrap();
        assert_eq!(saved, Saved::Replaced { dropped: round + 2 });
        assert!(sha256sum_agrees(&folder.0));
        if round == 0 {
            // The file up to the fork, and the older version, are the file as it was.
            let version = fs::read(folder.path("test_2026-09-21_14-13-20.chain")).unwrap();
            let genesis = old.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            assert_eq!([&old[..genesis], &version].concat(), old);
        }
    }
    let versions = ["test_2026-09-21_14-13-22.chain", "test_2026-09-21_14-13-23.chain"];
    assert_eq!(folder.list()[3..], versions);
    let Loaded { file, chain: loaded, forks } = folder.load(Start::Keep).unwrap();
    assert_eq!(loaded.head(), chain.head());
    assert_eq!(forks.all().iter().map(Dropped::depth).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(file.saved().length(), 7);
    let new = folder.load(Start::ForceNew).unwrap();
    assert_eq!(new.chain.head().length(), 1);
    assert!(sha256sum_agrees(&folder.0));
}

#[test]
fn journal_and_reports_agree_on_a_sound_folder() {
    let folder = TempFolder::new("journal");
    let (mut journal, found) = Journal::open(folder.files()).unwrap();
    assert_eq!(found, []);
    journal.append(&[data("a"), data("b")]).unwrap();
    journal.append(&[data("c"), data("a")]).unwrap();
    let (mut journal, found) = Journal::open(folder.files()).unwrap();
    assert_eq!(found, [data("a"), data("b"), data("c")]);
    journal.rewrite(&[data("c")]).unwrap();
    journal.append(&[data("d")]).unwrap();
    assert_eq!(Journal::open(folder.files()).unwrap().1, [data("c"), data("d")]);
    folder.load(Start::Keep).unwrap();
    let report = verify(&folder.files(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(report.ok && report.warnings.is_empty());
    assert_eq!((report.length, report.unprocessed), (1, 2));
    let before = folder.list();
    let repair = repair(&folder.files(), NOW, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!((repair.chain_moved_to, repair.journal_moved_to), (None, None));
    assert_eq!(folder.list(), before);
}

#[test]
fn a_second_miner_on_the_same_path_is_refused() {
    let folder = TempFolder::new("lock");
    folder.disk();
    let lock = Lock::take(&folder.names()).unwrap();
    let error = Lock::take(&folder.names()).unwrap_err().to_string();
    let holder = format!("is locked by process {}; stop that one", std::process::id());
    assert!(error.contains("test.chain") && error.contains(&holder), "{error}");
    drop(lock);
    Lock::take(&folder.names()).unwrap();
}
