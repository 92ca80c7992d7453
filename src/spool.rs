//! Records on disk, so that neither a kill nor an outage costs one.
//!
//! # Layout
//!
//! ```text
//! <folder>/                                     what `spool` names; other projects and other programs may use it
//!   3f9a0c12d4e5/                               one project: the fingerprint of its host and key (`fingerprint.rs`)
//!     01789000000123-e-<uuid>.trubrics          a segment: a header, then one line for each record (`entry.rs`)
//!     01789000000456-<uuid>.new                 a segment that has no header yet
//! ```
//!
//! The folder of a project is found by its name, and only that folder is listed. Other projects and foreign files cost
//! nothing, and their records are neither sent with this key nor removed.
//!
//! # Rules
//!
//! * A process that works on a segment holds its lock: one process writes, delivers and removes it. The lock is
//!   released explicitly, because a forked child shares it. A process that ends leaves its segments to the next one
//!   (`orphans.rs`).
//! * A segment has records of one endpoint, and its name says of which. An endpoint that fails does not keep records of
//!   the other one from being loaded.
//! * The first record of a run for an endpoint is added to the newest small segment that no process holds, or goes to a
//!   new one. A run looks at a bounded number of names for that, so many short runs leave few files, and no folder
//!   delays a run.
//! * The limit holds for each project and counts what files take on the disk (`room.rs`). The oldest segments are
//!   removed first. A client that has no records of an endpoint in the folder may always store a small segment, 64 KiB
//!   as a rule, even if other processes hold everything else.
//! * A load takes records from many segments, so that requests are full (`load.rs`). The worker knows each record by a
//!   number of the spool (`in_delivery.rs`). A record that the worker does not acknowledge stays on disk.
//! * A record that the server does not take keeps no segment for itself. When the loaded records of an endpoint are
//!   from 16 segments, such records are moved together (`set_aside.rs`): those of this client into one segment, and
//!   those of other runs into another one.
//! * Each line has the time at which its record was stored. Age is judged for each record: by the monotonic clock for
//!   those of this process, by the wall clock for those of others (`now.rs`).
//! * A file that other users may have written is not delivered (`disk/file_system.rs`).
//!
//! Only the worker thread calls this module.

mod checksum;
mod disk;
mod entry;
mod epoch;
mod fingerprint;
mod forget;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod in_delivery;
mod load;
mod loaded;
mod note;
mod now;
mod orphans;
mod project_folder;
mod random;
mod room;
mod segment;
mod set_aside;
mod settings;
mod store;

use std::{
    collections::VecDeque,
    io, mem,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use self::{
    disk::{Disk, FileSystem, ListBounds, Listing},
    in_delivery::InDelivery,
    note::Note,
    orphans::Orphans,
    segment::{Content, Segment, name},
};
pub(crate) use self::{
    fingerprint::Fingerprint,
    forget::Notice,
    loaded::Loaded,
    now::Now,
    project_folder::{Period, ProjectFolder},
    settings::{SpoolSettings, WhenFull},
};
use crate::record::{Encoded, Endpoint};

pub use self::project_folder::{grant_in, withdraw_in};

#[cfg(test)]
pub(crate) use self::{
    disk::double::{Fault, MemoryDisk},
    random::double as random_double,
};

pub(crate) struct Spool {
    settings: SpoolSettings,
    /// The folder of the project.
    folder: PathBuf,
    disk: Box<dyn Disk>,
    /// What the file `consent` said when it was read last, if it was there.
    note: Option<Note>,
    /// Being written for each endpoint, up to this length. Their own records are in memory too.
    active: [Option<Segment>; Endpoint::ALL.len()],
    active_limits: [u64; Endpoint::ALL.len()],
    /// The time in the name of the newest segment that this client wrote to.
    last_made: Option<SystemTime>,
    /// To be delivered; oldest first.
    sealed: VecDeque<Segment>,
    /// Those of this client that could not be read; oldest first.
    unread: VecDeque<Segment>,
    in_delivery: InDelivery,
    orphans: Orphans,
    /// The folder was scanned, and no other user can put segments there.
    may_recover: bool,
    is_turn_of_orphans: bool,
    /// How many records this client stored, ever.
    stored: u64,
    /// Whether it stored a record for the endpoint.
    has_stored: [bool; Endpoint::ALL.len()],
    /// Removed to make room, and not taken by the worker yet.
    evicted: Vec<Loaded>,
    /// When there was no room, if nothing is known to have changed since.
    full_since: Option<Instant>,
    /// Segments in delivery have records of other processes that could not be read, and are tried with the next load.
    is_inherited_due: bool,
    /// When the unread segments are due again.
    read_again_at: Option<Instant>,
    has_warned_unreadable: bool,
    /// What became of records could not be written down, and was not since.
    owes_acknowledgement: bool,
}

/// The records of a spool that the client lets go.
#[derive(Default)]
pub(crate) struct LeaveSummary {
    /// How many records are there for the next process.
    pub(crate) records: u64,
    /// Records whose file is gone, and that could not be stored again.
    pub(crate) orphaned: Vec<Encoded>,
    /// How many records of such files cannot be read.
    pub(crate) missing: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum StoreOutcome {
    /// All records are on disk.
    Stored,
    /// There is no room for the records that were not taken.
    Full,
}

/// After this time without room, the next call looks at the disk again: another process may have removed segments.
const FULL_LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl Spool {
    /// Does not touch the disk.
    pub(crate) fn new(settings: SpoolSettings) -> Self {
        Self::on_disk(settings, Box::new(FileSystem::default()))
    }

    #[cfg(test)]
    pub(crate) fn in_memory(settings: SpoolSettings, disk: &MemoryDisk) -> Self {
        Self::on_disk(settings, Box::new(disk.clone()))
    }

    fn on_disk(settings: SpoolSettings, disk: Box<dyn Disk>) -> Self {
        Self {
            folder: settings.folder.join(settings.project.to_string()),
            settings,
            disk,
            note: None,
            active: Default::default(),
            active_limits: Default::default(),
            last_made: None,
            sealed: VecDeque::new(),
            unread: VecDeque::new(),
            in_delivery: InDelivery::default(),
            orphans: Orphans::default(),
            may_recover: false,
            is_turn_of_orphans: true,
            stored: 0,
            has_stored: Default::default(),
            evicted: Vec::new(),
            full_since: None,
            is_inherited_due: false,
            read_again_at: None,
            has_warned_unreadable: false,
            owes_acknowledgement: false,
        }
    }

    /// After [`store`](Self::store) found no room: when it is worth another call. Nothing if it is now.
    pub(crate) fn full_until(&self) -> Option<Instant> {
        self.full_since.map(|since| since + FULL_LOOK_INTERVAL)
    }

    pub(crate) fn when_full(&self) -> WhenFull {
        self.settings.when_full
    }

    /// Looks for segments that other processes left, and removes temporary files that were abandoned. Before that, it
    /// writes down what could not be written down before.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or is not there, or when the disk fails again.
    pub(crate) fn scan_for_orphans(&mut self, now: Now) -> io::Result<()> {
        // Without this, a segment would be held until the next records of this client are settled.
        let acknowledged = self.acknowledge(&[]);
        self.orphans.start_over();
        self.full_since = None;
        let is_private = self.check_folder();
        self.orphans.note_failure(&is_private);
        self.may_recover = is_private?;
        self.is_inherited_due = self.has_unloaded_in_delivery();
        self.list_orphans(&Endpoint::ALL, now)?;
        acknowledged
    }

    /// Whether the disk failed since the last scan began, so that segments may have been passed over, or are held
    /// although their records are settled.
    pub(crate) fn needs_scan(&self) -> bool {
        self.owes_acknowledgement || self.orphans.has_failed() || self.has_unloaded_in_delivery()
    }

    /// Whether a segment in delivery has records of other processes that could not be read.
    fn has_unloaded_in_delivery(&self) -> bool {
        self.in_delivery.segments().any(Segment::has_unloaded)
    }

    /// How many own records are gathered in segments that are not full and may be loaded, and their bytes.
    pub(crate) fn held(&self) -> (u64, usize) {
        let active = self.active.iter().flatten();
        let active = active.filter(|segment| self.has_room(segment.endpoint()));
        active.fold((0, 0), |(records, bytes), segment| {
            let own_bytes = segment.own_bytes() as usize;
            (records + segment.unsettled_own(), bytes + own_bytes)
        })
    }

    /// Whether own records are gathered in segments that are not full.
    pub(crate) fn is_gathering(&self) -> bool {
        let mut active = self.active.iter().flatten();
        active.any(|segment| segment.unsettled_own() > 0)
    }

    /// Whether segments are due for delivery, however few records are gathered.
    pub(crate) fn has_sealed(&self) -> bool {
        let mut sealed = self.sealed.iter();
        sealed.any(|segment| self.has_room(segment.endpoint()))
    }

    /// Whether there may be something to deliver that another process left.
    pub(crate) fn has_orphans(&self) -> bool {
        let is_inherited = |endpoint: Endpoint| {
            let active = self.active[endpoint as usize].as_ref();
            active.is_some_and(Segment::has_unloaded)
        };
        let has_orphans =
            |endpoint: &Endpoint| self.orphans.has(*endpoint) || is_inherited(*endpoint);
        self.may_recover && (self.is_inherited_due || self.with_room().iter().any(has_orphans))
    }

    /// How many records this client stored, ever.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// How many of those are settled from the first one on, counted in whole segments.
    pub(crate) fn settled(&self) -> u64 {
        let unsettled = self
            .segments()
            .filter(|segment| segment.unsettled_own() > 0);
        unsettled.map(Segment::start).min().unwrap_or(self.stored)
    }

    /// The bytes of the segments in this process's hands, and when the oldest of them was made whose records count.
    pub(crate) fn size_and_oldest(&self) -> (u64, Option<SystemTime>) {
        let bytes = self.segments().map(Segment::length).sum();
        let counted = self.segments().filter(|segment| segment.counted() > 0);
        let oldest = counted.filter_map(Segment::name).min();
        (bytes, oldest.and_then(name::made_at))
    }

    /// Lets go of all segments. Records whose file was removed are stored again, unless the consent changed since.
    pub(crate) fn leave(&mut self, now: Now) -> LeaveSummary {
        // Without this, what could not be acknowledged before would be delivered twice.
        let _ = self.acknowledge(&[]);
        let mut summary = LeaveSummary::default();
        let held = (self.in_delivery.take_segments())
            .chain(mem::take(&mut self.unread))
            .chain(mem::take(&mut self.sealed))
            .chain(mem::take(&mut self.active).into_iter().flatten());
        // Files that are there stay in this process's hands until the rest is stored: they may have to make room.
        let (linked, gone): (Vec<_>, Vec<_>) = held.partition(Segment::is_linked);
        self.sealed = linked.into();
        for mut segment in gone {
            // What another process left in it was removed on purpose.
            let contents = segment.hand_out_counted();
            summary.missing += contents.missing;
            let orphaned = contents.records.into_iter().map(Content::into_encoded);
            summary.orphaned.extend(orphaned);
        }
        let mut orphaned = mem::take(&mut summary.orphaned);
        if self.is_note_known() {
            // After an error, the rest of them stays where it is.
            let _ = self.store(&mut orphaned, WhenFull::Evict, now);
        }
        summary.orphaned = orphaned;
        summary.records = (self.sealed.drain(..))
            .chain(mem::take(&mut self.active).into_iter().flatten())
            .map(|segment| segment.counted())
            .sum();
        summary
    }

    /// The records that were removed since the last call, to make room.
    pub(crate) fn take_evicted(&mut self) -> Vec<Loaded> {
        mem::take(&mut self.evicted)
    }

    /// Whether no other user can put segments into the folder. Logs the first time that one can.
    fn check_folder(&mut self) -> io::Result<bool> {
        let is_private = self.disk.is_private(&self.folder)?;
        if !is_private {
            self.orphans.warn_once(
                "another user may write to the folder of the spool: what earlier runs left there is not delivered",
            );
        }
        Ok(is_private)
    }

    fn list_orphans(&mut self, endpoints: &[Endpoint], now: Now) -> io::Result<()> {
        let is_wanted = |endpoint| endpoints.contains(&endpoint);
        let wanted = |name: &str| {
            let is_known = self.orphans.skips(name).is_some() || self.holds(name);
            (name::endpoint(name).is_some_and(is_wanted) || name::is_temp(name)) && !is_known
        };
        let bounds = ListBounds {
            read: usize::MAX,
            returned: SCANNED_FILES,
            wanted: &wanted,
        };
        let listed = self.disk.list(&self.folder, bounds);
        self.orphans.note_failure(&listed);
        self.note_orphans(endpoints, listed?, now);
        Ok(())
    }

    fn note_orphans(&mut self, endpoints: &[Endpoint], mut listing: Listing, now: Now) {
        listing.names.retain(|name| !self.holds(name));
        self.orphans
            .set(endpoints, listing, &*self.disk, &self.folder, now);
    }

    /// All segments in this process's hands.
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        let active = self.active.iter().flatten();
        (active.chain(&self.sealed).chain(&self.unread)).chain(self.in_delivery.segments())
    }

    fn holds(&self, name: &str) -> bool {
        self.segments()
            .filter_map(Segment::name)
            .any(|held| held == name)
    }

    fn seal(&mut self, mut segment: Segment) {
        if segment.is_settled() {
            // The first write to it failed. An empty file that cannot be removed does no harm.
            let _ = segment.remove(&*self.disk);
        } else if segment.counted() > 0 {
            segment.close();
            insert_by_age(&mut self.sealed, segment);
        }
    }
}

/// Puts a segment between the older and the newer ones.
fn insert_by_age(segments: &mut VecDeque<Segment>, segment: Segment) {
    let place = segments.partition_point(|other| other.name() < segment.name());
    segments.insert(place, segment);
}

/// A scan takes this many files at a time, so that a large folder does not keep the worker from its other work.
const SCANNED_FILES: usize = 1024;

#[cfg(test)]
mod tests;
