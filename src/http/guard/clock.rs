//! The time, looked at once for all that happens at once.

use std::time::{Duration, Instant, SystemTime};

use rustix::event::Timespec;
use time::OffsetDateTime;
use time::macros::format_description;

/// Between two lines of the log about strangers at their limits.
const SELDOM: Duration = Duration::from_secs(10);

/// The time as it was when it was looked at last.
pub struct Now {
    pub now: Instant,
    /// For the `Date` header.
    pub date: String,
    second: u64,
    said: Option<Instant>,
}

impl Now {
    pub fn look() -> Self {
        let mut clock = Self { now: Instant::now(), date: String::new(), second: 0, said: None };
        clock.tick();
        clock
    }

    pub fn tick(&mut self) {
        self.now = Instant::now();
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second || self.date.is_empty() {
            self.second = second;
            self.date = date(now.into());
        }
    }

    pub fn until(&self, then: Instant) -> Timespec {
        let wait = then.saturating_duration_since(self.now);
        Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
    }

    /// Says something, unless something was said a moment ago: strangers must not fill the log.
    pub fn seldom(&mut self, say: impl FnOnce()) {
        if self.said.is_none_or(|said| self.now - said >= SELDOM) {
            self.said = Some(self.now);
            say();
        }
    }
}

fn date(now: OffsetDateTime) -> String {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    now.format(form).expect("all of these parts are there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(date(then.into()), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
