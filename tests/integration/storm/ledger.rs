//! Who has each record at the end: the callers' own notes, what `on_drop` was told, the server's record and `stats()`.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::Value;
use trubrics::{DropReason, Dropped, Record, Stats, TrubricsBuilder, testing::Server};

use super::{attempts::Attempts, network::Network};

/// One record as its caller handed it over.
#[derive(Clone, Copy)]
pub(super) struct Handed {
    pub(super) marker: u64,
    pub(super) is_llm: bool,
    pub(super) at: Instant,
    pub(super) answer: Answer,
}

/// What the client said to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// Taken: it has to be delivered or told of as dropped.
    Taken,
    /// Given back with an error.
    Returned,
    /// Delivered on the caller's own thread.
    Delivered,
}

thread_local! {
    /// What this thread is handing over: hooks on it get no JSON of a record that ends before there is any.
    pub(super) static HANDING: Cell<u64> = const { Cell::new(UNKNOWN) };
}

const UNKNOWN: u64 = u64::MAX;

/// What `on_drop` was told.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<(u64, DropReason)>>>);

impl Told {
    /// Sets both hooks, which panic now and then; silently, since no panic hook sees these.
    pub(super) fn listen(&self, settings: TrubricsBuilder) -> TrubricsBuilder {
        let told = self.clone();
        settings
            .before_send(|record: Record| match HANDING.get() % 97 {
                13 => None,
                14 => resume_unwind(Box::new("a storm's panic")),
                _ => Some(record),
            })
            .on_drop(move |dropped| {
                let markers = told.write_down(dropped);
                if markers.iter().any(|marker| marker % 31 == 0) {
                    resume_unwind(Box::new("a storm's panic"));
                }
            })
    }

    fn write_down(&self, dropped: &Dropped<'_>) -> Vec<u64> {
        let mut markers: Vec<u64> = dropped
            .records()
            .map(|json| serde_json::from_str(json).map_or(UNKNOWN, |record| marker(&record)))
            .collect();
        if matches!(dropped.reason(), DropReason::Invalid | DropReason::Hook) && markers.is_empty()
        {
            markers.push(HANDING.get());
        }
        // A count of its own is as wrong as a record that was never handed over.
        markers.resize(dropped.count().max(markers.len()), UNKNOWN);
        let mut told = self.0.lock().unwrap();
        told.extend(markers.iter().map(|marker| (*marker, dropped.reason())));
        markers
    }
}

fn marker(record: &Value) -> u64 {
    let marker = record["user_id"].as_str().and_then(|id| id.parse().ok());
    marker.unwrap_or(UNKNOWN)
}

/// The figures of a storm in which everything agreed.
pub(super) struct Figures {
    handed: usize,
    returned: usize,
    passed: usize,
    clients: Vec<Stats>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            handed,
            returned,
            passed,
            clients,
        } = self;
        let sum = |figure: &dyn Fn(&Stats) -> u64| -> u64 { clients.iter().map(figure).sum() };
        write!(
            f,
            "{handed} handed over = {returned} returned + {} delivered by {} clients + {} dropped (",
            sum(&|stats| stats.delivered),
            clients.len(),
            sum(&|stats| stats.dropped)
        )?;
        let reasons = DropReason::ALL.iter();
        let reasons = reasons.map(|reason| (reason, sum(&|stats| stats.dropped_for(*reason))));
        for (index, (reason, count)) in reasons.filter(|(_, count)| *count > 0).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{reason:?} {count}")?;
        }
        write!(f, "), {passed} were passed by later ones")
    }
}

/// Settles the accounts after the close. With `in_order`, the records of one thread have to arrive at their endpoint in
/// the order in which it handed them over, unless two requests of the record's batch failed. The error says everything
/// that does not agree.
pub(super) fn settle(
    handed: &[Handed],
    told: &Told,
    (server, network): (&Server, &Network),
    in_order: bool,
    clients: Vec<Stats>,
) -> Result<Figures, Vec<String>> {
    let mut problems = Vec::new();
    let mut check = |agrees: bool, problem: &dyn Fn() -> String| {
        if !agrees && problems.len() < 20 {
            problems.push(problem());
        }
    };

    let by_marker: HashMap<u64, Handed> = handed.iter().map(|one| (one.marker, *one)).collect();
    let told = told.0.lock().unwrap();
    let mut dropped: HashMap<u64, Vec<DropReason>> = HashMap::new();
    for (marker, reason) in told.iter() {
        dropped.entry(*marker).or_default().push(*reason);
    }
    let mut delivered: HashMap<u64, usize> = HashMap::new();
    let attempts = Attempts::new(network.attempts());
    let (mut arrived, mut passed) = (0, 0);
    for (is_llm, records) in [(false, server.events()), (true, server.llm_events())] {
        let mut newest: HashMap<u64, u64> = HashMap::new();
        arrived += records.len() as u64;
        for marker in records.iter().map(marker) {
            *delivered.entry(marker).or_default() += 1;
            let Some(one) = by_marker.get(&marker) else {
                check(false, &|| {
                    format!("{marker} arrived, which no caller handed over")
                });
                continue;
            };
            check(one.is_llm == is_llm, &|| {
                format!("{marker} arrived at the wrong endpoint")
            });
            if in_order && one.answer == Answer::Taken {
                let newest = newest.entry(marker / PER_THREAD).or_insert(marker);
                if marker < *newest {
                    passed += 1;
                    let failures = attempts.failures_before(*newest, marker, one.at);
                    check(failures >= 2, &|| {
                        format!(
                            "{marker} arrived after {newest}, and {failures} requests of its batch failed before"
                        )
                    });
                }
                *newest = marker.max(*newest);
            }
        }
    }

    for Handed { marker, answer, .. } in by_marker.values() {
        let arrivals = delivered.get(marker).copied().unwrap_or_default();
        let drops = dropped.get(marker).map(Vec::as_slice).unwrap_or_default();
        let agrees = match answer {
            Answer::Taken => arrivals + drops.len() == 1,
            Answer::Returned => arrivals == 0 && drops.is_empty(),
            Answer::Delivered => arrivals == 1 && drops.is_empty(),
        };
        check(agrees, &|| {
            let outcomes = attempts.outcomes(*marker);
            format!(
                "{marker} was {answer:?}, arrived {arrivals} times, was dropped for {drops:?}: {outcomes:?}"
            )
        });
    }
    for marker in dropped.keys() {
        check(by_marker.contains_key(marker), &|| {
            format!("{marker} was dropped, which no caller handed over")
        });
    }

    let returned = handed
        .iter()
        .filter(|one| one.answer == Answer::Returned)
        .count();
    let mut equal = |what: &str, ours: u64, theirs: u64| {
        check(ours == theirs, &|| {
            format!("{what}: {theirs} by stats(), {ours} by count")
        });
    };
    let sum = |figure: &dyn Fn(&Stats) -> u64| -> u64 { clients.iter().map(figure).sum() };
    equal(
        "tracked",
        (handed.len() - returned) as u64,
        sum(&|stats| stats.tracked),
    );
    equal("delivered", arrived, sum(&|stats| stats.delivered));
    equal("dropped", told.len() as u64, sum(&|stats| stats.dropped));
    equal("pending", 0, sum(&|stats| stats.pending));
    equal(
        "left in the spool",
        sum(&|stats| stats.recovered),
        sum(&|stats| stats.left_in_spool),
    );
    for &reason in DropReason::ALL {
        let count = told.iter().filter(|(_, other)| *other == reason).count();
        let name = format!("dropped for {reason:?}");
        equal(&name, count as u64, sum(&|stats| stats.dropped_for(reason)));
    }
    for stats in &clients {
        let ends = stats.delivered + stats.dropped + stats.pending + stats.left_in_spool;
        equal("the sum", ends, stats.tracked + stats.recovered);
    }

    if problems.is_empty() {
        Ok(Figures {
            handed: handed.len(),
            returned,
            passed,
            clients,
        })
    } else {
        Err(problems)
    }
}

/// Markers of one thread are all of one million.
pub(super) const PER_THREAD: u64 = 1_000_000;
