//! One of the threads that use the client during a storm.

use std::time::{Duration, Instant};

use trubrics::{Event, LlmEvent, Record, Stats, Trubrics};

use super::{
    AMPLE,
    ledger::{Answer, HANDING, Handed, PER_THREAD},
};
use crate::chance::Chance;

/// A machine may be busy; a wait that ignores its time-out lasts far longer than this.
const LATE: Duration = Duration::from_secs(5);

pub(super) struct Caller<'c> {
    pub(super) client: &'c Trubrics,
    chance: Chance,
    capacity: usize,
    next_marker: u64,
    seen: Stats,
    pub(super) handed: Vec<Handed>,
    pub(super) problems: Vec<String>,
}

impl<'c> Caller<'c> {
    pub(super) fn new(client: &'c Trubrics, seed: u64, thread: u64, capacity: usize) -> Self {
        Self {
            client,
            chance: Chance::new(seed, 100 + thread),
            capacity,
            next_marker: thread * PER_THREAD,
            seen: Stats::default(),
            handed: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn step(&mut self) {
        match self.chance.below(100) {
            0..=4 => self.track_sync(),
            5..=8 => self.flush(),
            9..=12 => self.read_stats(),
            _ => self.hand_over(),
        }
    }

    /// Hands a record to the queue, by `track` or by `try_track`.
    pub(super) fn hand_over(&mut self) {
        if self.chance.one_in(4) {
            self.try_track();
        } else {
            let (marker, record) = self.record();
            self.client.track(record);
            self.note(marker, Answer::Taken);
        }
    }

    pub(super) fn try_track(&mut self) {
        let (marker, record) = self.record();
        let answer = match self.client.try_track(record) {
            Ok(()) => Answer::Taken,
            Err(_) => Answer::Returned,
        };
        self.note(marker, answer);
    }

    fn track_sync(&mut self) {
        let (marker, record) = self.record();
        let answer = match self.client.track_sync(record) {
            Ok(()) => Answer::Delivered,
            Err(_) => Answer::Returned,
        };
        self.note(marker, answer);
    }

    fn flush(&mut self) {
        let timeout = Duration::from_millis(self.chance.pick(&[0, 1, 5, 20, 60]));
        let start = Instant::now();
        let _ = self.client.flush(timeout);
        if start.elapsed() > timeout + LATE {
            let problem = format!("flush({timeout:?}) took {:?}", start.elapsed());
            self.problems.push(problem);
        }
    }

    /// Flushes with more time than it takes, when no other caller tracks.
    pub(super) fn flush_all(&mut self) {
        let _ = self.client.flush(AMPLE);
        let pending = self.client.stats().pending;
        if pending > 0 {
            let problem = format!("{pending} pending after a flush with ample time");
            self.problems.push(problem);
        }
    }

    fn read_stats(&mut self) {
        let (before, now) = (self.seen, self.client.stats());
        // A record that finds no room holds its place for a moment.
        let callers = 100;
        if now.delivered < before.delivered
            || now.dropped < before.dropped
            || now.pending > (self.capacity + callers) as u64
        {
            self.problems.push(format!("{now:?} after {before:?}"));
        }
        self.seen = now;
    }

    fn record(&mut self) -> (u64, Record) {
        let chance = &mut self.chance;
        let marker = self.next_marker;
        self.next_marker += 1;
        HANDING.set(marker);
        let size = match chance.below(40) {
            0 => chance.below(20_000),
            1..=6 => chance.below(2_000),
            _ => chance.below(60),
        };
        let text = chance.pick(&["x", "é", "\"", "\n"]).repeat(size as usize);
        let is_bad = chance.one_in(50);
        let is_poison = marker % 131 == 17;
        let is_invalid = chance.one_in(150);
        let is_llm = chance.one_in(3);
        self.handed.push(Handed {
            marker,
            is_llm,
            at: Instant::now(),
            answer: Answer::Returned,
        });
        // The properties are the same in both kinds, but the two share no trait.
        let record = if is_llm {
            let event = LlmEvent::new(marker.to_string(), text, "")
                .property("bad", is_bad)
                .property("poison", is_poison);
            Record::from(if is_invalid {
                event.property("score", f64::NAN)
            } else {
                event
            })
        } else {
            let event = Event::new(marker.to_string(), "Storm")
                .property("text", text)
                .property("bad", is_bad)
                .property("poison", is_poison);
            Record::from(if is_invalid {
                event.property("score", f64::NAN)
            } else {
                event
            })
        };
        (marker, record)
    }

    fn note(&mut self, marker: u64, answer: Answer) {
        HANDING.set(u64::MAX);
        if let Some(last) = self.handed.last_mut() {
            debug_assert_eq!(last.marker, marker);
            last.answer = answer;
        }
    }
}
