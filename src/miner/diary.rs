//! What happened and what is going on, for people who look: events of the last hour, the
//! jobs' rounds, the search under way. Nothing here decides anything.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;

use crate::api::{
    DeepReorganisation, EVENTS_MAX, Event, EventPage, FileReport, Happening, JobReport,
    MiningReport, REORGANISATIONS_MAX,
};
use crate::chain::{DataId, Difficulty, Micros};
use crate::miner::clock::Moment;
use crate::miner::footprint::Room;
use crate::pow::Progress;

/// Time that an event is remembered.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// Notes of a miner, each kind behind a mutex of its own that is held for moments.
#[derive(Debug, Default)]
pub struct Diary {
    events: Mutex<Events>,
    jobs: Mutex<BTreeMap<&'static str, JobReport>>,
    search: Mutex<SearchNotes>,
    files: Mutex<Vec<FileReport>>,
    room: Mutex<Option<Room>>,
}

#[derive(Debug, Default)]
struct Events {
    /// Oldest first.
    others: VecDeque<Event>,
    /// Reorganisations and refused branches, oldest first: a flood of others, which
    /// neighbours can cause, leaves them here.
    of_branches: VecDeque<Event>,
    /// The newest that tells of messages: under load they come by the thousand.
    of_messages: Option<Event>,
    begin: u64,
    last: u64,
    /// Highest id of those that are forgotten.
    forgotten: u64,
}

impl Events {
    fn note(&mut self, at: Micros, what: Happening) {
        self.last = at.max(self.last + 1);
        let event = Event { id: self.last, at, what };
        let (events, max) = match event.what {
            Happening::Messages { .. } => {
                self.of_messages = Some(event);
                return;
            }
            Happening::Reorganisation { .. } | Happening::BranchRefused { .. } => {
                (&mut self.of_branches, REORGANISATIONS_MAX)
            }
            _ => (&mut self.others, EVENTS_MAX),
        };
        if events.len() == max
            && let Some(oldest) = events.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.id);
        }
        events.push_back(event);
    }

    fn all(&self) -> impl Iterator<Item = &Event> {
        self.others.iter().chain(&self.of_branches).chain(&self.of_messages)
    }

    fn page(&self, is_told: impl Fn(&Event) -> bool) -> EventPage {
        let mut events: Vec<Event> = self.all().filter(|event| is_told(event)).cloned().collect();
        events.sort_by_key(|event| event.id);
        EventPage { length: events.len() as u64, events, last: self.last, missed: false }
    }
}

#[derive(Debug, Default)]
struct SearchNotes {
    under_way: Option<NotedSearch>,
    guesses_per_second: f64,
}

#[derive(Debug)]
struct NotedSearch {
    index: u64,
    id: DataId,
    began: Moment,
    progress: Progress,
}

/// Shortest search that is measured: a shorter one measures its own beginning and end.
const MEASURED_MIN: Duration = Duration::from_millis(5);

impl SearchNotes {
    /// Guesses a second of the search under way, or else of the last one.
    fn rate(&self, now: Moment) -> f64 {
        let of = |search: &NotedSearch| {
            let took = now.steady.saturating_sub(search.began.steady);
            let guesses = search.progress.guesses();
            (took > MEASURED_MIN && guesses > 0).then(|| guesses as f64 / took.as_secs_f64())
        };
        self.under_way.as_ref().and_then(of).unwrap_or(self.guesses_per_second)
    }
}

impl Diary {
    pub fn note(&self, at: Micros, what: Happening) {
        self.events.lock().note(at, what);
    }

    /// Notes that the run begins at `at`: its events have higher ids.
    pub fn begins(&self, at: Micros) {
        let mut events = self.events.lock();
        (events.begin, events.last) = (at, at);
    }

    pub fn last_event(&self) -> u64 {
        self.events.lock().last
    }

    /// All that is remembered of what happened after the event `after`, oldest first; `None` if
    /// nothing did. An event from before the run, or of one whose clock was ahead of ours,
    /// misses what happened since.
    pub fn events_after(&self, after: u64) -> Option<EventPage> {
        let events = self.events.lock();
        let is_of_this_run = (events.begin..=events.last).contains(&after);
        if is_of_this_run && after == events.last {
            return None;
        }
        let missed = !is_of_this_run || after < events.forgotten;
        let after = if is_of_this_run { after } else { 0 };
        Some(EventPage { missed, ..events.page(|event| event.id > after) })
    }

    pub fn events(&self, now: Micros) -> EventPage {
        let since = now.saturating_sub(REMEMBERED.as_micros() as Micros);
        self.events.lock().page(|event| event.at >= since)
    }

    /// The deepest reorganisation of the last hour before `now`, if it was deeper than `than`.
    pub fn deepest_reorganisation(&self, now: Micros, than: u64) -> Option<DeepReorganisation> {
        let since = now.saturating_sub(REMEMBERED.as_micros() as Micros);
        let events = self.events.lock();
        let depths =
            events.of_branches.iter().filter(|event| event.at >= since).filter_map(|event| {
                let Happening::Reorganisation { dropped: depth, .. } = event.what else {
                    return None;
                };
                (depth > than).then_some(DeepReorganisation { depth, at: event.at })
            });
        depths.max_by_key(|it| it.depth)
    }

    /// Notes that a round of `job` begins.
    pub fn job_begins(&self, job: &'static str, at: Micros) {
        let mut jobs = self.jobs.lock();
        let report = jobs.entry(job).or_insert_with(|| JobReport {
            job: job.to_owned(),
            last_run: None,
            took: None,
            next_run: None,
            error: None,
        });
        (report.last_run, report.took) = (Some(at), None);
    }

    /// Notes that a round of `job` has ended; the next tick comes after `next`.
    pub fn job_ended(&self, job: &'static str, at: Micros, next: Option<Duration>) {
        if let Some(report) = self.jobs.lock().get_mut(job) {
            report.took = report.last_run.map(|began| at.saturating_sub(began));
            report.next_run = next.map(|next| at.saturating_add(next.as_micros() as Micros));
        }
    }

    pub fn set_files(&self, files: Vec<FileReport>) {
        *self.files.lock() = files;
    }

    /// Files of the miner, as the last backup saw them.
    pub fn files(&self) -> Vec<FileReport> {
        self.files.lock().clone()
    }

    pub fn set_room(&self, room: Room) {
        *self.room.lock() = Some(room);
    }

    /// The room on the disk of its files, as the last backup saw it.
    pub fn room(&self) -> Option<Room> {
        *self.room.lock()
    }

    /// The jobs, in the order of their names. `error` says what is wrong with one.
    pub fn jobs(&self, error: impl Fn(&str) -> Option<String>) -> Vec<JobReport> {
        let mut jobs: Vec<JobReport> = self.jobs.lock().values().cloned().collect();
        for job in &mut jobs {
            job.error = error(&job.job);
        }
        jobs
    }

    /// Notes an estimate of the hash rate, for as long as nothing better was measured.
    pub fn estimate(&self, guesses_per_second: f64) {
        let mut search = self.search.lock();
        if search.guesses_per_second == 0.0 {
            search.guesses_per_second = guesses_per_second;
        }
    }

    pub fn search_begins(&self, index: u64, id: DataId, began: Moment, progress: Progress) {
        self.search.lock().under_way = Some(NotedSearch { index, id, began, progress });
    }

    /// Notes that a search is over, after so many guesses in so long.
    pub fn search_ended(&self, guesses: u64, took: Duration) {
        let mut search = self.search.lock();
        search.under_way = None;
        if took > MEASURED_MIN {
            search.guesses_per_second = guesses as f64 / took.as_secs_f64();
        }
    }

    /// Guesses a second of the search under way, or else of the last one.
    pub fn guesses_per_second(&self, now: Moment) -> f64 {
        self.search.lock().rate(now)
    }

    pub fn mining(&self, difficulty: Difficulty, now: Moment) -> Option<MiningReport> {
        let search = self.search.lock();
        let NotedSearch { index, id, began, .. } = search.under_way.as_ref()?;
        let (index, id, since) = (*index, *id, began.wall);
        let guesses_per_second = search.rate(now);
        let expected = 16_f64.powi(i32::from(difficulty.zeros())) / guesses_per_second;
        let expected_seconds = if expected.is_finite() { expected } else { 0.0 };
        Some(MiningReport { index, id, difficulty, since, guesses_per_second, expected_seconds })
    }
}

#[cfg(test)]
mod tests;
