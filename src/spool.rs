//! Records on disk, so that neither a kill nor a dead network costs one.
//!
//! A folder holds segments, and a segment holds records as lines; `entry.rs` has their form. Whoever works on a segment holds its
//! lock: one process writes it, delivers it and removes it; one that ends leaves what is not delivered to whoever comes
//! next. Only the worker thread is ever here.

mod checksum;
mod disk;
mod entry;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod room;
mod segment;

use std::{
    collections::VecDeque,
    io, mem,
    num::NonZeroU32,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use self::{
    disk::{Disk, FileSystem},
    segment::{Segment, name},
};
use crate::record::Encoded;

/// What `spool` and its neighbours in the builder say.
#[derive(Debug, Clone)]
pub(crate) struct SpoolSettings {
    pub(crate) folder: PathBuf,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
    pub(crate) sync: bool,
}

pub(crate) struct Spool {
    settings: SpoolSettings,
    disk: Box<dyn Disk>,
    /// Being written; its records are in memory too.
    active: Option<Segment>,
    /// Written by us, to be delivered; oldest first.
    sealed: VecDeque<Segment>,
    /// Being delivered.
    current: Option<Segment>,
    /// LeaveSummary by others, perhaps; oldest first.
    orphans: VecDeque<String>,
    is_turn_of_orphans: bool,
    /// Records that we wrote, ever, and how many of them, from the first on, are settled in whole segments.
    stored: u64,
    settled: u64,
    /// What had to go to make room, for the worker to tell of.
    evicted: Vec<Loaded>,
}

/// Records that are to be delivered next, or that had to go.
pub(crate) struct Loaded {
    pub(crate) records: Vec<Encoded>,
    /// How many more there should be, but cannot be read.
    pub(crate) missing: u64,
    /// Somebody else left them.
    pub(crate) is_recovered: bool,
    /// They are older than they may be.
    pub(crate) is_expired: bool,
}

/// What became of the records of a spool that nobody works on any more.
#[derive(Default)]
pub(crate) struct LeaveSummary {
    /// How many are there for whoever comes next.
    pub(crate) records: u64,
    /// Those whose file is gone, and that could not be stored anew.
    pub(crate) orphaned: Vec<Encoded>,
    /// How many of theirs cannot be read.
    pub(crate) missing: u64,
}

impl Spool {
    pub(crate) fn new(settings: SpoolSettings) -> Self {
        Self::on_disk(settings, Box::new(FileSystem))
    }

    fn on_disk(settings: SpoolSettings, disk: Box<dyn Disk>) -> Self {
        Self {
            settings,
            disk,
            active: None,
            sealed: VecDeque::new(),
            current: None,
            orphans: VecDeque::new(),
            is_turn_of_orphans: true,
            stored: 0,
            settled: 0,
            evicted: Vec::new(),
        }
    }

    /// Writes the records to the disk, and takes those that are there. On an error, the rest is as it was.
    pub(crate) fn store(&mut self, records: &mut Vec<Encoded>, now: SystemTime) -> io::Result<()> {
        while !records.is_empty() {
            let mut active = match self.active.take() {
                Some(active) => active,
                None => self.create(now)?,
            };
            let count = records.len();
            let result = active.store(records, self.segment_bytes(), self.settings.sync);
            self.stored += (count - records.len()) as u64;
            // What somebody removed is no failure of the disk: the next one is made anew.
            let is_gone = result.is_err() && !active.is_linked();
            let has_room = active.length() < self.segment_bytes();
            if has_room && (result.is_ok() || active.can_retry_append()) {
                self.active = Some(active);
            } else {
                self.seal(active);
            }
            if !is_gone {
                result?;
            }
        }
        Ok(())
    }

    /// Looks for segments that somebody left, and removes what never became one.
    pub(crate) fn scan_for_orphans(&mut self, now: SystemTime) -> io::Result<()> {
        let files = self.disk.list(&self.settings.folder)?;
        self.note_orphans(files, now);
        Ok(())
    }

    /// The next records to deliver, when the last ones are settled: ours and those of others by turns. What is being
    /// written is among ours if it is due.
    pub(crate) fn load(
        &mut self,
        is_due: bool,
        may_recover: bool,
        now: SystemTime,
    ) -> Option<Loaded> {
        if self.is_turn_of_orphans
            && may_recover
            && let Some(loaded) = self.load_orphans(now)
        {
            self.is_turn_of_orphans = false;
            return Some(loaded);
        }
        self.is_turn_of_orphans = true;
        if let Some(loaded) = self.load_ours(is_due, now) {
            return Some(loaded);
        }
        if may_recover {
            self.load_orphans(now)
        } else {
            None
        }
    }

    /// Writes down that these records of the segment in delivery have met their fate; the file goes with the last one.
    pub(crate) fn acknowledge(&mut self, numbers: &[NonZeroU32]) -> io::Result<()> {
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        let written = current.acknowledge(numbers, self.settings.sync);
        if !current.is_settled() {
            self.current = Some(current);
            return written;
        }
        if current.is_ours() {
            self.settled += current.record_count();
        }
        // Without the file, nothing has to be written down in it.
        current.remove(&*self.disk)
    }

    /// Whether what is in delivery has become older than it may be.
    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.is_older_than(self.settings.max_age, now))
    }

    /// How many of our records are on disk and not in delivery, apart from full segments, and their bytes.
    pub(crate) fn held(&self) -> (u64, usize) {
        let active = self.active.as_ref();
        active
            .map(|active| (active.unsettled(), active.length() as usize))
            .unwrap_or_default()
    }

    pub(crate) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    pub(crate) fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    /// Records that we wrote, ever.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// How many of those, from the first on, have met their fate, counted in whole segments.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// Lets go of everything.
    pub(crate) fn leave(&mut self, now: SystemTime) -> LeaveSummary {
        // What could not be acknowledged before would be delivered twice.
        let _ = self.acknowledge(&[]);
        let mut left = LeaveSummary::default();
        let waiting = mem::take(&mut self.sealed)
            .into_iter()
            .chain(self.active.take());
        // What is there stays in our hands until the rest has another place: it may have to go for that.
        let (there, gone): (Vec<_>, Vec<_>) = waiting.partition(Segment::is_linked);
        self.sealed = there.into();
        let current = self.current.take_if(|current| !current.is_linked());
        // Somebody removed their files: nobody would find what is in them.
        for mut segment in current.into_iter().chain(gone) {
            let loaded = segment.read();
            left.missing += loaded.missing;
            left.orphaned.extend(loaded.records);
        }
        // An error leaves the rest of them where they are.
        let _ = self.store(&mut left.orphaned, now);
        left.records = (self.current.take().into_iter())
            .chain(self.sealed.drain(..))
            .chain(self.active.take())
            .map(|segment| segment.unsettled())
            .sum();
        left
    }

    /// What had to go since the last call, because the folder held too much.
    pub(crate) fn take_evicted(&mut self) -> Vec<Loaded> {
        mem::take(&mut self.evicted)
    }

    fn load_ours(&mut self, is_due: bool, now: SystemTime) -> Option<Loaded> {
        if let Some(mut segment) = self.sealed.pop_front() {
            let loaded = segment.read();
            return Some(self.deliver(segment, loaded, now));
        }
        let mut segment = self.active.take_if(|_| is_due)?;
        let loaded = segment.take_written();
        Some(self.deliver(segment, loaded, now))
    }

    fn load_orphans(&mut self, now: SystemTime) -> Option<Loaded> {
        let (segment, loaded) = self.adopt_orphan()?;
        Some(self.deliver(segment, loaded, now))
    }

    /// Takes over the oldest segment that somebody left and nobody else took; removes the empty ones on the way.
    fn adopt_orphan(&mut self) -> Option<(Segment, Loaded)> {
        while let Some(name) = self.orphans.pop_front() {
            // One that cannot be read is left to whoever can.
            let adopted = Segment::adopt(&*self.disk, &self.settings.folder, &name);
            if let Ok(Some((segment, loaded))) = adopted {
                if !segment.is_settled() || loaded.missing > 0 {
                    return Some((segment, loaded));
                }
                let _ = segment.remove(&*self.disk);
            }
        }
        None
    }

    fn deliver(&mut self, segment: Segment, mut loaded: Loaded, now: SystemTime) -> Loaded {
        loaded.is_expired = segment.is_older_than(self.settings.max_age, now);
        if !segment.is_settled() {
            self.current = Some(segment);
        } else if segment.is_ours() {
            // Nothing of it can be read: the file stays, for somebody with better luck.
            self.settled += segment.record_count();
        } else {
            // Nothing that is left of it can be read, ever.
            let _ = segment.remove(&*self.disk);
        }
        loaded
    }

    fn create(&mut self, now: SystemTime) -> io::Result<Segment> {
        let made = self
            .make_room(now)
            .and_then(|()| Segment::create(&*self.disk, &self.settings.folder, now));
        let segment = made.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.disk.prepare(&self.settings.folder)?;
                Segment::create(&*self.disk, &self.settings.folder, now)
            }
            _ => Err(error),
        })?;
        if self.settings.sync
            && let Err(error) = self.disk.sync(&self.settings.folder)
        {
            let _ = segment.remove(&*self.disk);
            return Err(error);
        }
        Ok(segment)
    }

    /// Removes what never became a segment, and keeps the names of those that are not in our hands.
    fn note_orphans(&mut self, files: Vec<(String, u64)>, now: SystemTime) {
        let mut names: Vec<_> = files.into_iter().map(|(name, _)| name).collect();
        for name in names.extract_if(.., |name| name::is_abandoned_temp(name, now)) {
            let _ = self.disk.remove(&self.settings.folder.join(name));
        }
        names.retain(|name| name::made_at(name).is_some() && !self.holds(name));
        names.sort_unstable();
        self.orphans = names.into();
    }

    fn holds(&self, name: &str) -> bool {
        let ours = self.active.iter().chain(&self.current).chain(&self.sealed);
        ours.filter_map(Segment::name).any(|held| held == name)
    }

    fn seal(&mut self, mut segment: Segment) {
        if segment.is_settled() {
            // Nothing came into it: there is nothing to keep, and an empty file that stays does no harm.
            let _ = segment.remove(&*self.disk);
        } else {
            segment.take_written();
            self.sealed.push_back(segment);
        }
    }
}

#[cfg(test)]
mod tests;
