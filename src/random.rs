//! FLOOR 0: random bytes from the kernel.

use rustix::rand::{GetRandomFlags, getrandom};

/// Random bytes; few, so that the kernel gives them all at once. It is asked directly: a
/// static binary in an empty root has neither a C library to look for nor a `/dev/urandom`.
pub fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    const { assert!(COUNT <= 256, "more may come in parts") }
    let mut bytes = [0; COUNT];
    let given = getrandom(&mut bytes, GetRandomFlags::empty());
    assert_eq!(given, Ok(COUNT), "Linux has given random numbers since 3.17");
    bytes
}
