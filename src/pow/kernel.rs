//! The ways of computing guesses, and which of them this CPU has.
//!
//! A kernel looks through one batch at a time and allocates, locks and formats nothing. The
//! fast ones live in files of their own, the only place of `unsafe` beside one call in `main.rs`.

#[cfg(target_arch = "aarch64")]
mod arm_sha2;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod layout;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(super) mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod schedule;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod unit;

use std::fmt;
use std::iter;
use std::str::FromStr;

use super::guess::{Tail, Target};
use super::search::CancelFlag;

/// A way of computing guesses. Having one proves that this CPU can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// The `sha2` crate, one guess at a time: runs everywhere.
    Portable,
    /// AVX2: eight guesses side by side.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    /// The SHA extensions: several guesses in turn.
    #[cfg(target_arch = "x86_64")]
    ShaNi(sha_ni::ShaNi),
    /// AVX-512: sixteen guesses side by side.
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    /// NEON: four guesses side by side.
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    /// The SHA-2 instructions of Arm: several guesses in turn.
    #[cfg(target_arch = "aarch64")]
    ArmSha2(arm_sha2::ArmSha2),
}

impl Kernel {
    /// Returns the kernels this CPU can run, slowest first.
    pub fn available() -> Vec<Self> {
        let fast: Vec<Option<Self>> = vec![
            #[cfg(target_arch = "x86_64")]
            avx2::Avx2::new().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            sha_ni::ShaNi::new().map(Self::ShaNi),
            #[cfg(target_arch = "x86_64")]
            avx512::Avx512::new().map(Self::Avx512),
            #[cfg(target_arch = "aarch64")]
            neon::Neon::new().map(Self::Neon),
            #[cfg(target_arch = "aarch64")]
            arm_sha2::ArmSha2::new().map(Self::ArmSha2),
        ];
        iter::once(Self::Portable).chain(fast.into_iter().flatten()).collect()
    }

    /// Returns the fastest kernel of this CPU, by the order known from measurements.
    pub fn best() -> Self {
        *Self::available().last().expect("the portable kernel is always there")
    }

    /// The lower-case name, as [`FromStr`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(_) => "sha-ni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::ArmSha2(_) => "arm-sha2",
        }
    }

    /// Returns the smallest number that, as the last digits of `tail`, meets `target`.
    ///
    /// Once `cancel` is set the answer comes soon, and may be `None` wrongly.
    pub(super) fn smallest(self, tail: &Tail, target: Target, cancel: &CancelFlag) -> Option<u16> {
        let hit = match (self, tail.one_block()) {
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(cpu), Some(block)) => Some(cpu.smallest(&block, target, cancel)),
            #[cfg(target_arch = "x86_64")]
            (Self::ShaNi(cpu), Some(block)) => Some(cpu.smallest(&block, target, cancel)),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512(cpu), Some(block)) => Some(cpu.smallest(&block, target, cancel)),
            #[cfg(target_arch = "aarch64")]
            (Self::Neon(cpu), Some(block)) => Some(cpu.smallest(&block, target, cancel)),
            #[cfg(target_arch = "aarch64")]
            (Self::ArmSha2(cpu), Some(block)) => Some(cpu.smallest(&block, target, cancel)),
            // The portable kernel, and a tail of two blocks.
            _ => None,
        };
        match hit {
            None => portable::smallest(tail, 0..10_000, target, cancel),
            // The last word of the hash fits and the rest may not: once in 2^32 guesses.
            Some(Some(low)) if !target.is_last_word_enough() => {
                portable::smallest(tail, low..10_000, target, cancel)
            }
            Some(low) => low,
        }
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

#[cfg(test)]
mod tests;
