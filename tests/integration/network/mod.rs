//! Several real miners, and some that lie.

mod liars;
mod miners;
