//! The records that a program tracks.

use std::collections::BTreeSet;

use super::{Random, SECOND, Simulation};
use crate::record::Endpoint;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Traffic {
    /// Twenty events every half second for 15 s.
    Events,
    /// The same, half of them LLM events.
    Both,
    /// Twenty events at once, and nothing after them.
    OneBatch,
    /// A thousand events at once, and nothing after them.
    Burst,
    /// One event among LLM events.
    OneEvent,
}

impl Traffic {
    pub(super) const ALL: [Self; 5] = [
        Self::Events,
        Self::Both,
        Self::OneBatch,
        Self::Burst,
        Self::OneEvent,
    ];

    /// Rounds of half a second, and the records of each.
    fn rounds(self) -> (u32, u32) {
        match self {
            Self::OneBatch => (1, 20),
            Self::Burst => (1, 1_000),
            Self::Events | Self::Both | Self::OneEvent => (30, 20),
        }
    }

    /// Whether this is the last round.
    pub(super) fn ends_with(self, round: u32) -> bool {
        round + 1 == self.rounds().0
    }

    /// How many records there are.
    pub(super) fn len(self) -> u32 {
        let (rounds, each) = self.rounds();
        rounds * each
    }

    /// The only event of [`OneEvent`](Self::OneEvent).
    const EVENT: u32 = 7;

    fn endpoint(self, number: u32) -> Endpoint {
        let is_event = match self {
            Self::Both => number.is_multiple_of(2),
            Self::OneEvent => number == Self::EVENT,
            Self::Events | Self::OneBatch | Self::Burst => true,
        };
        match is_event {
            true => Endpoint::Events,
            false => Endpoint::LlmEvents,
        }
    }

    /// Tracks all records. `after_round` is called half a second after those of each round were tracked.
    pub(super) fn track(
        self,
        simulation: &mut Simulation,
        mut after_round: impl FnMut(&mut Simulation, u32),
    ) {
        let (rounds, each) = self.rounds();
        for round in 0..rounds {
            for number in round * each..(round + 1) * each {
                simulation.track(self.endpoint(number), 10);
            }
            simulation.run_for(SECOND / 2);
            after_round(simulation, round);
        }
    }

    /// Chooses this many bad records that are at least so far from each other.
    pub(super) fn choose_bad(
        self,
        count: usize,
        distance: u32,
        random: &mut Random,
    ) -> BTreeSet<u32> {
        if self == Self::OneEvent {
            return [Self::EVENT].into();
        }
        let mut bad = BTreeSet::new();
        while bad.len() < count {
            let number = random.below(self.len().into()) as u32;
            if bad
                .iter()
                .all(|other: &u32| other.abs_diff(number) >= distance)
            {
                bad.insert(number);
            }
        }
        bad
    }
}
