//! The names of all files that belong to one CHAIN_PATH.

use std::io;
use std::path::{Path, PathBuf};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::error::StoreError;
use crate::chain::Micros;

/// How the time stands in the name of an older version, in UTC.
const VERSION_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]_[hour]-[minute]-[second]");

/// Links that are followed one after the other.
const LINKS_MAX: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    path: PathBuf,
    stem: String,
    joint: char,
    /// The chain, one block a line.
    pub chain: String,
    pub hash: String,
    pub data: String,
    /// How a reorganisation goes on after a crash.
    pub redo: String,
    /// When and why the branches in older versions were dropped.
    pub forks: String,
    /// Neighbours that are remembered over a restart.
    pub neighbours: String,
    pub lock: String,
}

impl Names {
    /// The names that follow from `path`, which is taken as it is.
    ///
    /// # Errors
    /// [`StoreError::Path`] if `path` names no file, or one that `sha256sum` would spell otherwise.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let unusual = |c: char| c.is_control() || c == '\\';
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| !name.contains(unusual)) else {
            return Err(StoreError::Path { path: path.to_owned() });
        };
        // `x` and `x.chain` share no file: those of the former are joined by another character.
        let stem = name.strip_suffix(".chain").filter(|stem| !stem.is_empty());
        let (stem, joint) = stem.map_or((name, '-'), |stem| (stem, '.'));
        let beside = |ending: &str| format!("{stem}{joint}{ending}");
        Ok(Self {
            path: path.to_owned(),
            chain: name.to_owned(),
            hash: beside("hash"),
            data: beside("data"),
            redo: beside("redo"),
            forks: beside("forks"),
            neighbours: beside("neighbours"),
            lock: beside("lock"),
            stem: stem.to_owned(),
            joint,
        })
    }

    /// The names that follow from `path` once links are followed: the files lie where the
    /// link leads, and the link stays. A file or folder that is not there yet is no link.
    pub fn resolve(path: &Path) -> Result<Self, StoreError> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let Ok(target) = std::fs::read_link(&path) else { break };
            path = path.parent().unwrap_or(Path::new("")).join(target);
        }
        Self::of(&path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// A file beside the chain as a user would write its path.
    pub fn shown(&self, name: &str) -> String {
        self.folder().join(name).display().to_string()
    }

    /// Adds to an error of the disk what was tried, and with which file.
    pub(super) fn failed(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Disk { action, file: self.shown(name), source }
    }

    pub(super) fn unfinished(name: &str) -> String {
        format!("{name}.tmp")
    }

    /// The name of an older version set aside at `now`; `taken` are the names in the folder.
    /// Of two in the same second, the later one goes under the next.
    pub(super) fn version(&self, ending: &str, now: Micros, taken: &[String]) -> String {
        let mut second = i64::try_from(now / 1_000_000).unwrap_or(0);
        loop {
            let time = OffsetDateTime::from_unix_timestamp(second)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH)
                .format(VERSION_TIME)
                .expect("a date and time can be written");
            let name = format!("{}_{time}{}{ending}", self.stem, self.joint);
            if !taken.contains(&name) {
                return name;
            }
            second += 1;
        }
    }

    /// When the older version of this name was set aside, as its name says.
    pub(super) fn time_of_version(&self, name: &str) -> Micros {
        let time = name.strip_prefix(self.stem.as_str()).and_then(|rest| rest.get(1..20));
        let time = time.and_then(|time| PrimitiveDateTime::parse(time, VERSION_TIME).ok());
        time.map_or(0, |time| time.assume_utc().unix_timestamp().max(0) as Micros * 1_000_000)
    }

    /// The kind of file that `name` is: `chain`, `hash`, `journal`, `forks`, `redo`, `neighbours`,
    /// `version` or `log`; `None` for what does not belong to this chain path.
    pub fn kind_of(&self, name: &str) -> Option<&'static str> {
        let kinds = [
            (&self.chain, "chain"),
            (&self.hash, "hash"),
            (&self.data, "journal"),
            (&self.forks, "forks"),
            (&self.redo, "redo"),
            (&self.neighbours, "neighbours"),
        ];
        let known = kinds.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let is_log = || name == "miner.log" || name.starts_with("miner.log.");
        known
            .or_else(|| self.is_version(name).then_some("version"))
            .or_else(|| is_log().then_some("log"))
    }

    /// Those of `names` that are older versions of the chain file, oldest first.
    pub(super) fn versions<'a>(&self, names: &'a [String]) -> Vec<&'a String> {
        let mut versions: Vec<_> = names.iter().filter(|name| self.is_version(name)).collect();
        versions.sort_unstable();
        versions
    }

    fn is_version(&self, name: &str) -> bool {
        let time = name
            .strip_prefix(self.stem.as_str())
            .and_then(|rest| rest.strip_prefix('_'))
            .and_then(|rest| rest.strip_suffix("chain")?.strip_suffix(self.joint));
        let pattern = "dddd-dd-dd_dd-dd-dd";
        let fits = |(a, b): (u8, u8)| if b == b'd' { a.is_ascii_digit() } else { a == b };
        name != self.chain
            && time.is_some_and(|time| {
                time.len() == pattern.len() && time.bytes().zip(pattern.bytes()).all(fits)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Names {
        Names::of(Path::new(path)).unwrap()
    }

    #[test]
    fn all_names_follow_from_the_chain_path() {
        let found = names("some/where/test.chain");
        let all = [&found.chain, &found.hash, &found.data, &found.lock];
        assert_eq!(all, ["test.chain", "test.hash", "test.data", "test.lock"]);
        assert_eq!(found.shown(&found.hash), "some/where/test.hash");
        assert_eq!(names("test.chain").shown("test.hash"), "test.hash");
        let found = names("plain");
        assert_eq!([&found.chain, &found.hash], ["plain", "plain-hash"]);
        assert_eq!(found.version("chain", 0, &[]), "plain_1970-01-01_00-00-00-chain");
        assert_eq!(names(".chain").hash, ".chain-hash");
        for bad in ["", "/", "a/..", "a\nb.chain", "a\\b.chain"] {
            assert!(Names::of(Path::new(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn versions_are_named_by_utc_and_never_twice() {
        let names = names("test.chain");
        let now = 1_790_000_000_123_456;
        let first = names.version("chain", now, &[]);
        assert_eq!(first, "test_2026-09-21_14-13-20.chain");
        let taken = [first, "test_2026-09-21_14-13-21.chain".into()];
        assert_eq!(names.version("chain", now, &taken), "test_2026-09-21_14-13-22.chain");
        assert_eq!(names.version("data", u64::MAX, &[]).len(), taken[0].len() - 1);
    }

    #[test]
    fn only_files_of_the_exact_pattern_are_versions() {
        let names = names("test.chain");
        let all = [
            "test_2026-09-21_14-13-20.chain",
            "test_2025-09-21_14-13-20.chain",
            "test_2026-09-21_14-13-20.data",
            "test_2026-09-21_14-13-2x.chain",
            "test_2026-09-21_14-13-200.chain",
            "test2_2026-09-21_14-13-20.chain",
            "test_.chain",
            "test.chain",
        ]
        .map(String::from);
        assert_eq!(names.versions(&all), [&all[1], &all[0]]);
    }
}
