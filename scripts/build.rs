//! Tells `--version` the target and, in release builds, the commit.
//!
//! Both depend on the sources alone, so builds stay reproducible. `BLOCKCHAIN_BUILD_COMMIT`
//! names the commit where there is no repository (a container, an archive). Other builds
//! than releases name none: each commit would compile everything anew.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BLOCKCHAIN_BUILD_COMMIT");
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown target".into());
    println!("cargo::rustc-env=BLOCKCHAIN_BUILD_TARGET={target}");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let given = std::env::var("BLOCKCHAIN_BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| if is_release { head() } else { None });
    println!("cargo::rustc-env=BLOCKCHAIN_BUILD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The commit that is checked out, if this is a repository.
fn head() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // An archive may have been unpacked inside a repository of something else.
    git(&["ls-files", "--error-unmatch", "scripts/build.rs"])?;
    // The log of HEAD grows with every commit and every checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=scripts/build.rs");
    git(&["rev-parse", "--short=12", "HEAD"])
}
