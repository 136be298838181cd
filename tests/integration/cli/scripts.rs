//! The scripts that people run first: `install` and `network`, with the program of these tests.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::program::PROGRAM;
use tempfile::tempdir;

fn script(name: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut command = Command::new(scripts.join(name));
    command.env_remove("DESTDIR").env_remove("BLOCKCHAIN_PROGRAM");
    command
}

/// Runs `command`; whether it succeeded, and what it said.
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A relative program was looked for in another folder, after the version that was there had
/// been removed.
#[test]
fn install_takes_a_relative_program_and_removes_nothing_for_one_that_does_not_run() {
    let folder = tempdir().unwrap();
    let prefix = folder.path().join("a prefix");
    let installed = prefix.join("bin/blockchain");
    symlink(PROGRAM, folder.path().join("program")).unwrap();
    let install = |program: &str| {
        let mut install = script("install");
        install.current_dir(folder.path()).env("BLOCKCHAIN_PROGRAM", program);
        said(install.arg("--prefix").arg(&prefix))
    };
    let (done, words) = install("program");
    assert!(done && installed.is_file(), "{words}");
    let (done, words) = install("none");
    assert!(!done && words.contains("cannot run "), "{words}");
    assert!(installed.is_file(), "{words}");
    let (done, words) = said(script("install").arg("--uninstall").arg("--prefix").arg(&prefix));
    assert!(done && !installed.exists(), "{words}");
}

/// It looked for the program in `target` all the same, and ended with "No such file".
#[test]
fn network_runs_the_program_where_cargo_built_it() {
    let folder = tempdir().unwrap();
    let release = folder.path().join("built/release");
    fs::create_dir_all(&release).unwrap();
    symlink(PROGRAM, release.join("blockchain")).unwrap();
    let cargo: PathBuf = folder.path().join("bin/cargo");
    fs::create_dir_all(cargo.parent().unwrap()).unwrap();
    fs::write(&cargo, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", cargo.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let network = |arguments: &[&str]| {
        let mut network = script("network");
        network.env("PATH", &path).env("CARGO_TARGET_DIR", folder.path().join("built"));
        said(network.args(arguments).arg("--dir").arg(folder.path().join("miners")))
    };
    let (up, words) = network(&["up", "1", "--port", &free.to_string(), "--difficulty", "1"]);
    let (down, _) = network(&["down"]);
    assert!(up && down && words.contains("miner1 is listening on"), "{words}");
}
