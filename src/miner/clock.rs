//! What time it is: by the host's clock, which people set, and by one that only goes on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::chain::Micros;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds since the Unix epoch by the host's clock: for blocks and for people. It may jump.
    pub wall: Micros,
    /// Time since the miner's start: for deadlines. It never jumps.
    pub steady: Duration,
}

impl Moment {
    /// The time of the host's clock at `steady`, if nobody sets it.
    pub fn wall_at(&self, steady: Duration) -> Micros {
        let ahead = steady.saturating_sub(self.steady).as_micros();
        self.wall.saturating_add(Micros::try_from(ahead).unwrap_or(Micros::MAX))
    }
}

pub trait Clock: Send + Sync {
    fn now(&self) -> Moment;
}

#[derive(Debug)]
pub struct HostClock {
    start: Instant,
}

impl HostClock {
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Moment { wall: Micros::try_from(wall).unwrap_or(0), steady: self.start.elapsed() }
    }
}
