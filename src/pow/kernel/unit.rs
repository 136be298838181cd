//! What kernels with instructions of their own share: the proof that this CPU has them, and the
//! frame around the operations of a vector unit.

/// Makes the type whose existence proves that this CPU, and the system, can do something.
macro_rules! proof {
    ($unit:ident, $has:expr) => {
        #[doc = concat!("Proof of `", stringify!($has), "`.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $unit(());

        impl $unit {
            pub(super) fn new() -> Option<Self> {
                ($has).then_some(Self(()))
            }
        }
    };
}
pub(super) use proof;

/// Makes a kernel of a vector unit of `$count` lanes: its operations are instructions of
/// `$feature`. It has `$streams` vectors of guesses under way in turns.
macro_rules! vector_unit {
    (
        $unit:ident, $feature:tt if $has:expr, $count:literal x u32 in $words:ty, $streams:literal streams;
        $(fn $name:ident$(<const $bits:ident: i32>)?($me:ident $(, $of:ident: $type:ty)*) -> $result:ty {
            $($body:tt)*
        })*
    ) => {
        $crate::pow::kernel::unit::proof!($unit, $has);

        impl $unit {
            pub(super) fn smallest(
                self,
                block: &$crate::pow::guess::OneBlock,
                target: $crate::pow::guess::Target,
                cancel: &$crate::pow::search::CancelFlag,
            ) -> Option<u16> {
                #[target_feature(enable = $feature)]
                fn smallest(
                    unit: $unit,
                    block: &$crate::pow::guess::OneBlock,
                    target: $crate::pow::guess::Target,
                    cancel: &$crate::pow::search::CancelFlag,
                ) -> Option<u16> {
                    lanes::smallest::<_, $streams>(unit, block, target, cancel)
                }
                // SAFETY: `self` exists, so the CPU has the feature.
                unsafe { smallest(self, block, target, cancel) }
            }
        }

        impl lanes::Lanes for $unit {
            type Words = $words;
            const COUNT: usize = $count;
            $(
                #[inline(always)]
                fn $name$(<const $bits: i32>)?($me $(, $of: $type)*) -> $result {
                    // SAFETY: `self` exists, so the CPU has the instructions; one that reads memory
                    // says itself why it may.
                    unsafe { $($body)* }
                }
            )*
        }
    };
}
pub(super) use vector_unit;
