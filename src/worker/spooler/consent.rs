//! The consent as other processes note it in the spool, and the end of all records after a withdrawal.

use std::{io, time::Instant};

use super::{SCAN_INTERVAL, Spooler};
use crate::{
    accounting::Outcome,
    clock,
    consent::Consent,
    drop_reason::DropReason,
    spool::{Loaded, Notice},
};

impl Spooler {
    /// Reads what other processes noted of the consent. After a withdrawal, the worker forgets all records in its next
    /// step.
    ///
    /// # Errors
    ///
    /// When that cannot be read. Nothing may be stored or sent then.
    pub(in crate::worker) fn look(&mut self) -> io::Result<Notice> {
        self.looked_at = clock::now();
        let notice = self.spool.look();
        self.noticed_since += u64::from(matches!(notice, Ok(Notice::Withdrawn | Notice::Granted)));
        match notice {
            Ok(Notice::Withdrawn) => self.consent.withdraw(),
            Ok(Notice::Granted) => self.consent.withdraw_earlier(),
            Ok(Notice::Same) => {}
            Err(ref error) => {
                let error = io::Error::new(error.kind(), error.to_string());
                self.disk_state.log(&Err(error));
            }
        }
        notice
    }

    /// Whether records may be written: no other process noted anything since the client forgot its records. Otherwise
    /// records from before a withdrawal would get into a segment of the epoch after it.
    pub(in crate::worker) fn may_write(&mut self) -> bool {
        matches!(self.look(), Ok(Notice::Same)) && self.noticed_since == 0
    }

    /// How many withdrawals of other processes were noticed since records were forgotten.
    pub(in crate::worker) fn noticed_since(&self) -> u64 {
        self.noticed_since
    }

    pub(in crate::worker) fn looked_at(&self) -> Instant {
        self.looked_at
    }

    /// When to look for a grant of another process.
    pub(in crate::worker) fn next_look(&self) -> Instant {
        self.looked_at + SCAN_INTERVAL
    }

    /// Notes a withdrawal for other processes and later runs.
    pub(in crate::worker) fn note_withdrawal(&mut self) -> io::Result<()> {
        self.spool.note_withdrawal()
    }

    /// Notes a grant. Returns whether earlier records are to be forgotten, which counts as a withdrawal that was
    /// noticed. Records that wait for the first decision stay.
    pub(in crate::worker) fn note_grant(&mut self) -> io::Result<bool> {
        let ends_earlier = self.spool.note_grant()? && self.consent.get() != Consent::Undecided;
        if ends_earlier {
            self.consent.withdraw_earlier();
            self.noticed_since += 1;
        }
        Ok(ends_earlier)
    }

    /// Removes all records of the project from the disk, and drops those that are not with the worker. Those that other
    /// processes stored since the last grant stay, unless a caller of this client withdrew the consent: `is_own`.
    ///
    /// # Errors
    ///
    /// The first error of the disk. Records that cannot be removed are dropped too.
    pub(in crate::worker) fn forget(&mut self, is_own: bool) -> io::Result<()> {
        let accounting = self.accounting.clone();
        let drop_all = |loaded: Loaded| {
            accounting.recover(loaded.recovered);
            accounting.lose_on_disk(DropReason::Corrupted, loaded.missing);
            let outcome = Outcome::Dropped(DropReason::Withdrawn, None);
            accounting.settle(&loaded.records, &outcome);
        };
        let forgotten = match is_own {
            true => self.spool.forget(drop_all),
            false => self.spool.forget_earlier(drop_all),
        };
        self.noticed_since = 0;
        self.accounting.forget_on_disk();
        self.set_flush_target();
        // After a grant, other processes may have left segments that the last scan did not find.
        self.next_scan = Some(clock::now());
        forgotten
    }
}
