//! What a seed makes happen: the programs, and the script of their weather.

use std::{fmt, io::ErrorKind, time::Duration};

use super::{Answer, Program, Query, Random, Rule, SECOND};
use crate::{
    defaults,
    spool::{Fault, Fingerprint, SpoolSettings, WhenFull},
};

/// How long the weather lasts. After that everything works.
pub(super) const STORM: Duration = Duration::from_secs(10 * 60);

/// The projects of the programs. All have the same folder.
pub(super) const KEYS: [&str; 2] = ["key of one project", "key of the other"];
pub(super) const PROJECTS: [usize; 3] = [0, 0, 1];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How the server is for a while.
#[derive(Debug, Clone)]
pub(super) enum Mood {
    Well,
    /// Every request gets this answer.
    Always(Answer),
    /// This many of a hundred requests do.
    Often(u64, Answer),
    /// No body may have more bytes.
    Small(usize),
    /// Each answer takes half a second longer than the one before, until none comes in time.
    Dying,
}

/// Something that happens at one moment.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Server(Mood),
    Track {
        program: usize,
        records: u64,
        padding: usize,
    },
    Flush {
        program: usize,
        timeout: Duration,
    },
    Close {
        program: usize,
        timeout: Duration,
        starts_after: Duration,
    },
    Kill {
        program: usize,
        starts_after: Duration,
    },
    DiskFails(Fault),
    DiskIsFull,
    DiskWorks,
    ClockJumps {
        by: Duration,
        is_ahead: bool,
    },
    Withdraw {
        program: usize,
    },
    Grant {
        program: usize,
    },
    WithdrawElsewhere {
        project: usize,
    },
    GrantElsewhere {
        project: usize,
    },
}

/// A script, and the programs that it happens to.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) programs: Vec<Program>,
    /// Which kinds of weather there are: with few of them, the checks are stricter.
    has_disk_weather: bool,
    has_clock_weather: bool,
    has_consent_weather: bool,
    has_ends: bool,
    pub(super) events: Vec<(Duration, Event)>,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut plan = Self {
            seed,
            has_disk_weather: random.percent(50),
            has_clock_weather: random.percent(50),
            has_consent_weather: random.percent(40),
            has_ends: random.percent(80),
            programs: PROJECTS
                .iter()
                .map(|project| program(KEYS[*project], &mut random))
                .collect(),
            events: Vec::new(),
        };
        plan.add_moods(&mut random);
        plan.add_events(&mut random);
        plan.events.sort_by_key(|(at, _)| *at);
        plan
    }

    fn add_moods(&mut self, random: &mut Random) {
        let mut at = Duration::ZERO;
        while at < STORM {
            self.events.push((at, Event::Server(mood(random))));
            at += SECOND + milliseconds(random.below(90_000));
        }
    }

    fn add_events(&mut self, random: &mut Random) {
        let mut at = Duration::ZERO;
        while at < STORM {
            let event = self.event(random);
            self.events.extend(event.map(|event| (at, event)));
            // Now and then the programs rest, and now and then much happens at once.
            at += match random.below(30) {
                0 => milliseconds(random.below(90_000)),
                1..5 => milliseconds(random.below(20)),
                _ => milliseconds(random.below(3_000)),
            };
        }
    }

    fn event(&self, random: &mut Random) -> Option<Event> {
        let program = random.below(PROJECTS.len() as u64) as usize;
        let project = PROJECTS[program];
        Some(match random.below(40) {
            0..24 => Event::Track {
                program,
                records: random.below(60),
                padding: 10 + random.below(400) as usize,
            },
            24..27 => Event::Flush {
                program,
                timeout: timeout(random, 20_000),
            },
            27 if self.has_ends => Event::Close {
                program,
                timeout: timeout(random, 8_000),
                starts_after: milliseconds(random.below(20_000)),
            },
            28 | 29 if self.has_ends => Event::Kill {
                program,
                starts_after: milliseconds(random.below(20_000)),
            },
            30 if self.has_disk_weather => Event::DiskFails(fault(random)),
            31 if self.has_disk_weather => Event::DiskIsFull,
            32 | 33 if self.has_disk_weather => Event::DiskWorks,
            34 if self.has_clock_weather => jump(random),
            35 if self.has_consent_weather => Event::Withdraw { program },
            36 if self.has_consent_weather => Event::WithdrawElsewhere { project },
            37 | 38 if self.has_consent_weather => match random.percent(50) {
                true => Event::Grant { program },
                false => Event::GrantElsewhere { project },
            },
            _ => return None,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, program) in self.programs.iter().enumerate() {
            writeln!(f, "program {number}: {program:?}")?;
        }
        for (at, event) in &self.events {
            writeln!(f, "{:9.3} s  {event:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

fn program(key: &'static str, random: &mut Random) -> Program {
    let is_small = random.percent(15);
    let spool = SpoolSettings {
        folder: "spool".into(),
        project: Fingerprint::of(defaults::HOST, key),
        max_bytes: match is_small {
            true => 64 * 1024 + random.below(256 * 1024),
            false => defaults::SPOOL_MAX_BYTES,
        },
        max_age: match random.percent(25) {
            true => SECOND * (60 + random.below(240) as u32),
            false => 7 * DAY,
        },
        sync: random.percent(20),
        when_full: match is_small && random.percent(40) {
            true => WhenFull::Keep,
            false => WhenFull::Evict,
        },
    };
    Program {
        seed: random.next(),
        key,
        requests: 1 + random.below(4) as usize * random.below(2) as usize,
        queue_capacity: match random.percent(20) {
            true => 20 + random.below(400) as usize,
            false => defaults::QUEUE_CAPACITY,
        },
        spool: random.percent(75).then_some(spool),
    }
}

fn mood(random: &mut Random) -> Mood {
    let answers = [
        Answer::Status(500),
        Answer::Status(503),
        Answer::Slow(503, Duration::ZERO),
        Answer::Slow(200, SECOND * random.below(15) as u32),
        Answer::After(429, random.below(20)),
        Answer::After(503, random.below(400)),
        Answer::Closed,
        Answer::Reset,
        Answer::Refused,
        Answer::Silence,
        Answer::Unheard,
        Answer::Status(401),
        Answer::Status(404),
    ];
    let answer = answers[random.below(answers.len() as u64) as usize].clone();
    match random.below(10) {
        0 | 1 => Mood::Always(answer),
        2..5 => Mood::Often(random.below(100), answer),
        5 => Mood::Small(500 + random.below(20_000) as usize),
        6 => Mood::Dying,
        _ => Mood::Well,
    }
}

fn fault(random: &mut Random) -> Fault {
    let errors = [
        ErrorKind::StorageFull,
        ErrorKind::PermissionDenied,
        ErrorKind::Other,
    ];
    Fault {
        first: random.below(20) as usize,
        lasts: random.percent(50),
        error: errors[random.below(errors.len() as u64) as usize],
        percent: random.below(101) as usize,
    }
}

/// A little, beyond the age of records, or beyond the age that the spool allows.
fn jump(random: &mut Random) -> Event {
    let by = [SECOND, 60 * SECOND, DAY, 30 * DAY][random.below(4) as usize];
    Event::ClockJumps {
        by: by.mul_f64(0.5 + random.below(100) as f64 / 100.0),
        is_ahead: random.percent(50),
    }
}

fn timeout(random: &mut Random, most: u64) -> Duration {
    match random.below(4) {
        0 => milliseconds(random.below(200)),
        _ => milliseconds(random.below(most)),
    }
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Records that the server never accepts: it fails because of some, and refuses others.
pub(super) fn is_poison(record: u32) -> bool {
    record % 1_999 == 11
}

pub(super) fn is_refused(record: u32) -> bool {
    record % 97 == 5
}

/// The server as the script has it.
pub(super) fn rule(events: &[(Duration, Event)]) -> Rule {
    let moods = events.iter().filter_map(|(at, event)| match event {
        Event::Server(mood) => Some((*at, mood.clone())),
        _ => None,
    });
    let moods: Vec<_> = moods.collect();
    let mut dying = 0;
    Box::new(move |query: &mut Query<'_>| {
        let mood = moods
            .iter()
            .rfind(|(at, _)| query.at < STORM && *at <= query.at);
        let mood = mood.map_or(&Mood::Well, |(_, mood)| mood);
        dying = match mood {
            Mood::Dying => dying + 1,
            _ => 0,
        };
        let answer = match mood {
            Mood::Well => None,
            Mood::Always(answer) => Some(answer.clone()),
            Mood::Often(percent, answer) => query.random.percent(*percent).then(|| answer.clone()),
            Mood::Small(bytes) => (query.bytes > *bytes).then_some(Answer::Status(413)),
            Mood::Dying => Some(Answer::Slow(200, SECOND / 2 * dying)),
        };
        answer_for(query.records, answer)
    })
}

/// What the server does with these records if it would answer so otherwise.
fn answer_for(records: &[u32], answer: Option<Answer>) -> Answer {
    let refused = records.iter().enumerate();
    let refused = refused.filter(|(_, record)| is_refused(**record));
    let refused: Vec<_> = refused.map(|(place, _)| place).collect();
    match answer {
        Some(answer) if !answer.accepts() => answer,
        _ if records.iter().any(|record| is_poison(*record)) => Answer::Status(500),
        _ if !refused.is_empty() => Answer::Bad(refused),
        answer => answer.unwrap_or(Answer::Status(200)),
    }
}
