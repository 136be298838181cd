//! Tests that need a process of their own: they change what all tests of a process share.

use std::process::Command;

const IS_APART: &str = "TEST_IS_APART";

/// Runs `test`, which is the body of the test of this name: in this process if it runs nothing
/// else, and in one of its own otherwise.
pub fn apart(name: &str, test: impl FnOnce()) {
    if std::env::var_os(IS_APART).is_some() {
        return test();
    }
    let mut own = Command::new(std::env::current_exe().unwrap());
    let done = own.args(["--exact", name, "--nocapture"]).env(IS_APART, "").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    print!("{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains(" 1 passed"), "{name}");
}
