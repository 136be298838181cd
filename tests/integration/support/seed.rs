//! What a run follows from: numbers of variables, and a seed.

/// The number in this variable, or else this one.
pub fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The seed that is given, or a new one.
pub fn seed() -> u64 {
    number_from("BLOCKCHAIN_SEED", fastrand::u64(..))
}
