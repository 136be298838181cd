//! The `blockchain` program: the command line, and the server process of a miner, which is
//! this same program.

use std::ffi::OsString;
use std::hint::black_box;
use std::process::ExitCode;

use blockchain::api::PAGE_BYTES_MAX;
use blockchain::api::link::SERVER_ARGUMENT;
use blockchain::{cli, server, signals};

fn main() -> ExitCode {
    // Without it a limit of file sizes ends the process at a write, which is bad, but no reason
    // not to begin.
    _ = signals::let_writes_fail();
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    names::ask_hosts_and_dns_alone();
    keep_freed_memory();
    // Before clap sees it: completions and help would list it.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == SERVER_ARGUMENT => serve(arguments),
        _ => cli::run(),
    }
}

/// Lets memory for a page of blocks be had again without asking the kernel for it each time,
/// page by page: that took half of the time of such an answer.
///
/// The C library gives freed pieces back at once that are larger than any before (mallopt(3),
/// `M_MMAP_THRESHOLD`, which is dynamic). This one is never touched, so it takes no memory.
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(PAGE_BYTES_MAX as usize)));
}

/// Is the server process that a miner started, with the level of its log and the host's names as
/// arguments.
fn serve(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let level = arguments.next().and_then(|level| level.to_str()?.parse().ok());
    let names = arguments.filter_map(|name| name.into_string().ok()).collect();
    match server::run_on_standard_streams(level.unwrap_or(log::LevelFilter::Info), names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blockchain: the server process cannot go on: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Names of hosts in a static program.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
#[allow(unsafe_code, reason = "only the C library can say whom it asks")]
mod names {
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        /// nss.h: asks these services for this database, whatever nsswitch.conf says.
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }

    /// Lets names be looked up in /etc/hosts and by DNS, which are in the program. For other
    /// services that /etc/nsswitch.conf names (mdns, resolve, myhostname), the C library would
    /// load libraries of the host: with a host's C library of another version, that ends in a
    /// segmentation fault.
    pub fn ask_hosts_and_dns_alone() {
        // SAFETY: both are strings that end with a zero and live for ever, and no other thread
        // runs yet that could look a name up meanwhile.
        let set = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
        debug_assert_eq!(set, 0);
    }
}
