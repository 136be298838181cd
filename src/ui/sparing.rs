//! The way to miners: only a few questions wait for one miner at a time. So a miner that does
//! not answer holds up the pages about it, and leaves workers for all others.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::api::client::{Delivery, Exchanged, NoAnswer, Transport};
use crate::api::{Address, Request};

/// Questions that one miner may have at a time: a miner that is well answers each in about a
/// millisecond, and three that are silent leave workers.
const AT_ONCE_MAX: usize = 4;

/// For how long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// A transport that is sparing with each miner.
pub struct Sparing {
    inner: Box<dyn Transport>,
    /// Questions under way.
    asked: Mutex<HashMap<Address, usize>>,
    answered: Condvar,
}

struct Turn<'a> {
    sparing: &'a Sparing,
    address: &'a Address,
}

impl Sparing {
    /// Asks by `inner`.
    pub fn new(inner: Box<dyn Transport>) -> Self {
        Self { inner, asked: Mutex::default(), answered: Condvar::new() }
    }

    fn turn<'a>(&'a self, address: &'a Address) -> Result<Turn<'a>, NoAnswer> {
        let until = Instant::now() + PATIENCE;
        let mut asked = self.asked.lock();
        let is_full =
            |asked: &mut HashMap<Address, usize>| asked.get(address) >= Some(&AT_ONCE_MAX);
        self.answered.wait_while_until(&mut asked, is_full, until);
        if is_full(&mut asked) {
            let why = "it has not answered earlier questions".to_owned();
            return Err(NoAnswer { why, sent: Delivery::NotSent });
        }
        *asked.entry(address.clone()).or_default() += 1;
        Ok(Turn { sparing: self, address })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut asked = self.sparing.asked.lock();
        if let Some(count) = asked.get_mut(self.address) {
            *count -= 1;
            if *count == 0 {
                asked.remove(self.address);
            }
        }
        self.sparing.answered.notify_all();
    }
}

impl Transport for Sparing {
    fn exchange(&self, address: &Address, request: &Request, bytes_max: u64) -> Exchanged {
        // One that may wait has a thread of its own.
        let is_short = request.wait().is_zero();
        let _turn = is_short.then(|| self.turn(address)).transpose()?;
        self.inner.exchange(address, request, bytes_max)
    }

    fn resolve(&self, name: &Address) -> Vec<Address> {
        self.inner.resolve(name)
    }

    fn shut_down(&self) {
        self.inner.shut_down();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::{Receiver, bounded};

    use super::*;

    /// A miner that lets everybody wait until the channel is closed.
    struct Silent(Receiver<()>);

    impl Transport for Silent {
        fn exchange(&self, _: &Address, _: &Request, _: u64) -> Exchanged {
            let _ = self.0.recv();
            Ok((200, Vec::new()))
        }

        fn resolve(&self, _: &Address) -> Vec<Address> {
            Vec::new()
        }

        fn shut_down(&self) {}
    }

    #[test]
    fn a_silent_miner_holds_up_few_questions_and_none_to_another() {
        let (answer, silent) = bounded(0);
        let sparing = Sparing::new(Box::new(Silent(silent)));
        let ask = |host: &str, request: &Request| {
            sparing.exchange(&format!("{host}:1").parse().unwrap(), request, 1)
        };
        thread::scope(|scope| {
            let ask = &ask;
            let asked: Vec<_> =
                (0..20).map(|_| scope.spawn(|| ask("silent", &Request::Health))).collect();
            let refused =
                |at: usize| asked.iter().filter(|asked| asked.is_finished()).count() >= at;
            while !refused(20 - AT_ONCE_MAX) {
                thread::yield_now();
            }
            let waits = Request::Events { after: Some(1), wait: 8 };
            let others = [("silent", waits), ("other", Request::Health)];
            let others = others.map(|(host, request)| scope.spawn(move || ask(host, &request)));
            drop(answer);
            let is_answered =
                |asked: thread::ScopedJoinHandle<'_, Exchanged>| asked.join().unwrap().is_ok();
            assert!(others.into_iter().all(is_answered));
            let answered = asked.into_iter().map(is_answered).filter(|ok| *ok).count();
            assert_eq!(answered, AT_ONCE_MAX);
        });
        assert!(ask("silent", &Request::Health).is_ok(), "a turn ends");
    }
}
