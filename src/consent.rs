//! Whether a client may take, store and send records, as all of its threads see it.

use std::fmt;

use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Whether the person that records are about agreed to them; see [`Trubrics::withdraw`](crate::Trubrics::withdraw).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Consent {
    /// Records are taken and delivered.
    #[default]
    Granted,
    /// The person was not asked yet. Nothing is stored on disk or sent before
    /// [`grant`](crate::Trubrics::grant). [`WhileUndecided`] says whether records wait.
    Undecided,
    /// Records are dropped as [`DropReason::Withdrawn`](crate::DropReason::Withdrawn).
    Withdrawn,
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "granted",
            Self::Undecided => "undecided",
            Self::Withdrawn => "withdrawn",
        })
    }
}

/// What [`track`](crate::Trubrics::track) does while the consent is [`Undecided`](Consent::Undecided).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WhileUndecided {
    /// Keeps the records in memory, within [`queue_capacity`](crate::TrubricsBuilder::queue_capacity) and
    /// [`queue_bytes`](crate::TrubricsBuilder::queue_bytes). A [`grant`](crate::Trubrics::grant) sends them with the
    /// timestamps that they have, and a withdrawal or a close drops them.
    #[default]
    Wait,
    /// Drops the records as [`DropReason::Undecided`](crate::DropReason::Undecided).
    Drop,
}

/// The consent of a client, and how often it was withdrawn. Both change in one step.
///
/// A withdrawal is counted by the thread that learns of it. The worker then forgets all records, and notes up to which
/// withdrawal it has done so. Only the worker grants, and only if it has forgotten the last withdrawal.
pub(crate) struct ConsentCell(AtomicU64);

/// The lower bits hold the consent, the others count the withdrawals.
const STATE_BITS: u32 = 2;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

const GRANTED: u64 = 0;
const UNDECIDED: u64 = 1;
const WITHDRAWN: u64 = 2;

impl ConsentCell {
    pub(crate) fn new(consent: Consent) -> Self {
        let (count, state) = match consent {
            Consent::Granted => (0, GRANTED),
            Consent::Undecided => (0, UNDECIDED),
            // The worker forgets the records of earlier runs.
            Consent::Withdrawn => (1, WITHDRAWN),
        };
        Self(AtomicU64::new(count << STATE_BITS | state))
    }

    pub(crate) fn get(&self) -> Consent {
        match self.0.load(SeqCst) & STATE_MASK {
            GRANTED => Consent::Granted,
            UNDECIDED => Consent::Undecided,
            _ => Consent::Withdrawn,
        }
    }

    /// How often the consent was withdrawn.
    pub(crate) fn withdrawals(&self) -> u64 {
        self.0.load(SeqCst) >> STATE_BITS
    }

    /// Whether records may be sent that were taken after this many withdrawals.
    pub(crate) fn permits(&self, withdrawals: u64) -> bool {
        self.0.load(SeqCst) == withdrawals << STATE_BITS | GRANTED
    }

    /// Withdraws the consent.
    pub(crate) fn withdraw(&self) {
        self.count(|_| WITHDRAWN);
    }

    /// Another process withdrew the consent and granted it again: earlier records are to be forgotten.
    pub(crate) fn withdraw_earlier(&self) {
        self.count(|state| state);
    }

    /// Grants the consent, unless it was withdrawn again after this many withdrawals. Returns whether it did.
    pub(crate) fn grant(&self, withdrawals: u64) -> bool {
        let granted = |word: u64| {
            let is_latest = word >> STATE_BITS == withdrawals;
            is_latest.then_some(withdrawals << STATE_BITS | GRANTED)
        };
        self.0.fetch_update(SeqCst, SeqCst, granted).is_ok()
    }

    /// Counts a withdrawal, and changes the state.
    fn count(&self, state: impl Fn(u64) -> u64) {
        let counted = |word: u64| {
            let count = (word >> STATE_BITS) + 1;
            Some(count << STATE_BITS | state(word & STATE_MASK))
        };
        // It always changes.
        let _ = self.0.fetch_update(SeqCst, SeqCst, counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_before_the_last_withdrawal_has_no_effect() {
        let cell = ConsentCell::new(Consent::Granted);
        assert!(cell.permits(0));
        cell.withdraw();
        let seen = cell.withdrawals();
        cell.withdraw();
        assert!(!cell.grant(seen));
        assert_eq!(cell.get(), Consent::Withdrawn);
        assert!(cell.grant(cell.withdrawals()));
        assert!(cell.permits(2) && !cell.permits(0));
    }

    #[test]
    fn records_of_before_are_not_permitted_after_a_grant_elsewhere() {
        let cell = ConsentCell::new(Consent::Granted);
        cell.withdraw_earlier();
        assert_eq!(cell.get(), Consent::Granted);
        assert!(!cell.permits(0) && cell.permits(1));
    }

    #[test]
    fn each_consent_has_a_word() {
        for (consent, word) in [
            (Consent::Granted, "granted"),
            (Consent::Undecided, "undecided"),
            (Consent::Withdrawn, "withdrawn"),
        ] {
            assert_eq!(ConsentCell::new(consent).get(), consent);
            assert_eq!(consent.to_string(), word);
        }
    }
}
