//! The ways of computing guesses, and which of them this CPU has.
//!
//! A kernel looks through one batch at a time and allocates, locks and formats nothing. The
//! fast ones live in files of their own and are the only place of `unsafe` in this crate.

mod portable;

use std::fmt;
use std::str::FromStr;

use super::guess::{Tail, Target};
use super::search::CancelFlag;

/// A way of computing guesses. Having one proves that this CPU can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// The `sha2` crate, one guess at a time: runs everywhere.
    Portable,
}

impl Kernel {
    /// Returns the kernels this CPU can run, slowest first.
    pub fn available() -> Vec<Self> {
        vec![Self::Portable]
    }

    /// Returns the fastest kernel of this CPU, by the order known from measurements.
    pub fn best() -> Self {
        *Self::available().last().expect("the portable kernel is always there")
    }

    /// The lower-case name, as [`FromStr`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
        }
    }

    /// Returns the smallest number that, as the last digits of `tail`, meets `target`.
    ///
    /// Once `cancel` is set the answer comes soon, and may be `None` wrongly.
    pub(super) fn smallest(self, tail: &Tail, target: Target, cancel: &CancelFlag) -> Option<u16> {
        match self {
            Self::Portable => portable::smallest(tail, 0..10_000, target, cancel),
        }
    }

    /// Like [`Kernel::smallest`] for a tail that holds the whole nonce. Any kernel's way with
    /// these few guesses is the portable one.
    pub(super) fn smallest_short(
        self,
        tail: &Tail,
        target: Target,
        cancel: &CancelFlag,
    ) -> Option<u16> {
        portable::smallest(tail, tail.short_lows(), target, cancel)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kernel {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        Self::available()
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| KernelError(name.to_owned()))
    }
}

/// The name of a kernel that does not exist, or that this CPU cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kernel {0:?} on this CPU; it has {available}", available = names())]
pub struct KernelError(String);

fn names() -> String {
    let names: Vec<_> = Kernel::available().into_iter().map(Kernel::name).collect();
    names.join(", ")
}
