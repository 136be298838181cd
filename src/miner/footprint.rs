//! What the miner takes of its host, and what that leaves: memory, processor time, descriptors,
//! disk. Read from `/proc`, control groups and the file system when somebody looks; what a host
//! does not tell is missing.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use rustix::param::{clock_ticks_per_second, page_size};

use crate::miner::Miner;

/// The part of a miner that is in trouble while its disk is nearly full.
const DISK: &str = "disk";

/// Free bytes below which a disk is nearly full: what a full journal (32 MiB) takes together with
/// its rewrite, and the logs. Less on a disk of which this is more than one part in
/// [`SMALL_DISK_PART`].
const FREE_MIN: u64 = 100 << 20;

/// See [`FREE_MIN`].
const SMALL_DISK_PART: u64 = 20;

const MIB: f64 = 1_048_576.0;

const GROUPS: &str = "/sys/fs/cgroup";

#[derive(Debug, PartialEq)]
pub struct Footprint {
    pub resident: u64,
    pub cpu_seconds: f64,
    pub descriptors: u64,
    /// Number that it may open.
    pub descriptors_max: u64,
}

impl Footprint {
    /// Of the process with this folder in `/proc`; `None` once it has ended.
    pub fn of(process: &str) -> Option<Self> {
        let folder = Path::new("/proc").join(process);
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        Some(Self {
            resident: resident_pages(&read("statm")?)? * page_size() as u64,
            cpu_seconds: ticks(&read("stat")?)? as f64 / clock_ticks_per_second() as f64,
            descriptors: fs::read_dir(folder.join("fd")).ok()?.count() as u64,
            descriptors_max: descriptors_max(&read("limits")?)?,
        })
    }
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.parse().ok()
}

/// Time of a process in its own code and in the kernel. Its name, in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || rest.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn descriptors_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes of memory that this process may take: of its control group or one above it, or else of
/// the host.
pub fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_group = |file: PathBuf| fs::read_to_string(file).ok()?.trim().parse().ok();
    let host = rustix::system::sysinfo();
    let of_host = host.totalram as u64 * u64::from(host.mem_unit);
    limit_files(&groups).into_iter().filter_map(of_group).chain([of_host]).min()
}

/// The files that may hold a limit, by what `/proc/self/cgroup` says. In a container a group may
/// lie at the root, whatever its path is outside.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => (PathBuf::from(GROUPS), "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (Path::new(GROUPS).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let above = Path::new(path.trim_start_matches('/')).ancestors();
        files.extend(above.map(|group| root.join(group).join(file)));
    }
    files
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Left for this user.
    pub free: u64,
    pub total: u64,
}

impl Room {
    /// On the disk of a folder.
    pub fn of(folder: &Path) -> Option<Self> {
        let disk = statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Self { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
    }

    /// A warning to the owner before messages are refused.
    fn trouble(self) -> Option<String> {
        let is_short = self.free < FREE_MIN.min(self.total / SMALL_DISK_PART);
        is_short.then(|| {
            let free = self.free as f64 / MIB;
            format!("only {free:.1} MiB are free on the disk of the chain file; without room, messages are refused")
        })
    }
}

impl Miner {
    /// Notes the room on the disk of its files, and that it is short.
    pub fn look_at_room(&self, folder: &Path) {
        let Some(room) = Room::of(folder) else { return };
        self.diary.set_room(room);
        self.note_trouble(DISK, room.trouble());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_time_and_descriptors() {
        let ours = Footprint::of("self").unwrap();
        assert!(ours.resident > 1 << 20 && ours.descriptors >= 3, "{ours:?}");
        assert!(ours.descriptors_max >= ours.descriptors && ours.cpu_seconds >= 0.0, "{ours:?}");
        assert_eq!(Footprint::of("0"), None);
        let limit = memory_limit().unwrap();
        assert!(limit > ours.resident, "{limit} {ours:?}");
    }

    #[test]
    fn a_process_may_have_any_name() {
        let stat = "42 (a) b ( c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("42 (a"), None);
        assert_eq!(resident_pages("1000 250 100 5 0 50 0\n"), Some(250));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024  4096  files\n";
        assert_eq!(descriptors_max(limits), Some(1024));
    }

    #[test]
    fn limits_are_looked_for_in_the_group_and_above_it() {
        let files = |groups| {
            let files = limit_files(groups);
            files.iter().map(|file| file.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            files("0::/system.slice/a.service\n"),
            ["/system.slice/a.service/", "/system.slice/", "/"]
                .map(|group| format!("/sys/fs/cgroup{group}memory.max"))
        );
        assert_eq!(
            files("5:cpu:/a\n4:hugetlb,memory:/docker/b\n1:name=systemd:/a\n"),
            ["/docker/b/", "/docker/", "/"]
                .map(|group| format!("/sys/fs/cgroup/memory{group}memory.limit_in_bytes"))
        );
    }

    #[test]
    fn a_disk_is_nearly_full_before_it_is_full() {
        let short = |free: u64, total: u64| Room { free, total }.trouble().is_some();
        assert!(!short(FREE_MIN, 1 << 40));
        assert!(short(FREE_MIN - 1, 1 << 40));
        // 100 MiB are most of a small disk.
        assert!(!short(1 << 20, 20 << 20));
        assert!(short((1 << 20) - 1, 20 << 20));
        // Some file systems in memory have no size.
        assert!(!short(0, 0));
    }
}
