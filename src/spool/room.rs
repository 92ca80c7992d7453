//! Where the next records go: the size of segments, the limit of the folder, and the segments that are removed to stay
//! below it.

use std::{
    io,
    time::{Duration, SystemTime},
};

use super::{
    Loaded, Spool, WhenFull,
    disk::{FileSize, ListBounds, Listing, MAX_FILE_BYTES},
    now::Now,
    orphans::Skipped,
    segment::{Contents, Segment, name},
};
use crate::record::Endpoint;

/// The segments aimed at: each that waits is an open file.
const SEGMENTS: u64 = 64;

/// The bounds of a segment's size. A segment is read into memory as a whole.
const MIN_SEGMENT_BYTES: u64 = 1024 * 1024;
const MAX_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// The size up to which runs add to the same segment, and the part of the limit that it is at least.
const SMALL_SEGMENT_BYTES: u64 = 64 * 1024;
const SMALL_SEGMENTS: u64 = 1024;

/// A run that stores its first record reads at most this many names, or a quarter more than the small segments that fit
/// into the limit.
const QUICK_NAMES: u64 = 1024;

/// A run that stores its first record tries this many files: to add to one, and to make room.
const QUICK_TRIES: usize = 8;

/// At most this many segments are removed for a new one, unless it needs the room of more.
const EVICTIONS: usize = 512;

/// What became of a segment that had to go.
enum Evicted {
    /// This many bytes less count for the limit.
    Bytes(u64),
    /// Other processes or this one hold the rest.
    None,
}

impl Spool {
    /// How long a segment may get. Several have to fit into the limit, because the oldest is removed as a whole.
    pub(super) fn segment_bytes(&self) -> u64 {
        let max = self.settings.max_bytes;
        let bytes = (max / SEGMENTS).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
        bytes.min(max / 4).max(1)
    }

    /// How long a segment may be for another run to add to it.
    pub(super) fn small_segment_bytes(&self) -> u64 {
        let bytes = (self.settings.max_bytes / SMALL_SEGMENTS).max(SMALL_SEGMENT_BYTES);
        bytes.min(self.segment_bytes())
    }

    /// Finds or makes the segment for the next records of this endpoint, and sets its limit. None if the limit of the
    /// folder is reached and nothing may be removed.
    pub(super) fn open(
        &mut self,
        endpoint: Endpoint,
        when_full: WhenFull,
        now: Now,
    ) -> io::Result<Option<Segment>> {
        let is_quick = !self.holds_own(endpoint);
        let listing = self.list(is_quick)?;
        let limit = match is_quick {
            true => self.small_segment_bytes(),
            false => self.segment_bytes(),
        };
        self.active_limits[endpoint as usize] = limit;
        if !self.has_stored[endpoint as usize]
            && let Some(segment) = self.reuse(endpoint, &listing)
        {
            return Ok(Some(segment));
        }
        let room = self.make_room(limit, listing, is_quick, when_full, now)?;
        // A client without a segment may always make a small one: the others may be held by a process that hangs.
        let room = room.or(is_quick.then_some(limit));
        match (room, when_full) {
            (Some(limit), _) => {
                self.active_limits[endpoint as usize] = limit;
                self.create(endpoint, now).map(Some)
            }
            (None, WhenFull::Keep) => Ok(None),
            (None, WhenFull::Evict) => Err(io::ErrorKind::QuotaExceeded.into()),
        }
    }

    /// Whether this client has records of this endpoint in the folder.
    fn holds_own(&self, endpoint: Endpoint) -> bool {
        let mut segments = self.segments();
        segments.any(|segment| segment.endpoint() == endpoint && segment.unsettled_own() > 0)
    }

    fn list(&self, is_quick: bool) -> io::Result<Listing> {
        let all_small = self.settings.max_bytes / self.small_segment_bytes();
        let read = match is_quick {
            true => {
                usize::try_from(QUICK_NAMES.max(all_small + all_small / 4)).unwrap_or(usize::MAX)
            }
            false => usize::MAX,
        };
        let bounds = ListBounds {
            read,
            returned: usize::MAX,
            wanted: &name::is_segment,
        };
        match self.disk.list(&self.folder, bounds) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Listing::default()),
            listed => listed,
        }
    }

    /// Goes on with the newest small segment that an earlier run left, so that many short runs leave few files.
    fn reuse(&mut self, endpoint: Endpoint, listing: &Listing) -> Option<Segment> {
        let max = self.small_segment_bytes();
        if listing.names.is_empty() || !self.check_folder().unwrap_or(false) {
            return None;
        }
        let names = listing.names.iter();
        let names = names.filter(|name| name::endpoint(name) == Some(endpoint));
        let mut names: Vec<_> = names.filter(|name| name::has_room_behind(name)).collect();
        names.sort_unstable();
        let mut newest = names.into_iter().rev().take(QUICK_TRIES);
        newest.find_map(|name| {
            let size = self.disk.measure(&self.folder.join(name)).ok()?;
            if size.length >= max {
                return None;
            }
            let adopted = self
                .orphans
                .adopt(&*self.disk, &self.folder, name, self.stored);
            let (segment, _) = adopted?;
            // A damaged number may leave no room for another one.
            let has_room = segment.last_number() < u32::MAX / 2;
            if has_room {
                self.last_made = self.last_made.max(name::made_at(name));
            }
            has_room.then_some(segment)
        })
    }

    /// Removes the oldest segments until there is room for a new one of this many bytes. Returns how long it may get,
    /// if there is room.
    fn make_room(
        &mut self,
        needed: u64,
        listing: Listing,
        is_quick: bool,
        when_full: WhenFull,
        now: Now,
    ) -> io::Result<Option<u64>> {
        let max = self.settings.max_bytes;
        let counted = listing
            .names
            .iter()
            .filter(|name| self.orphans.skips(name) != Some(Skipped::Unusable));
        // A file may be gone by now.
        let sizes = counted.filter_map(|name| self.disk.measure(&self.folder.join(name)).ok());
        let mut used: u64 = sizes
            .filter(|size| size.length <= MAX_FILE_BYTES)
            .map(|size| size.disk_bytes)
            .sum();
        used += self.bytes_to_come();
        if used.saturating_add(needed) <= max {
            return Ok(Some(needed));
        }
        if when_full == WhenFull::Keep {
            return Ok(None);
        }
        self.note_orphans(&Endpoint::ALL, listing, now);
        let (mut freed, mut tries) = (0, 0);
        while used.saturating_add(needed) > max {
            let is_enough = tries >= EVICTIONS && freed >= needed;
            if is_enough || is_quick && tries >= QUICK_TRIES {
                break;
            }
            let Evicted::Bytes(bytes) = self.evict(now)? else {
                // Other processes hold the rest. The freed space may be used again.
                let limit = needed.min(freed.max(self.small_segment_bytes()));
                return Ok((freed > 0).then_some(limit));
            };
            used = used.saturating_sub(bytes);
            freed += bytes;
            tries += 1;
        }
        Ok(Some(needed))
    }

    /// How much the segments that are being written may grow.
    fn bytes_to_come(&self) -> u64 {
        let left = |segment: &Segment| {
            let limit = self.active_limits[segment.endpoint() as usize];
            limit.saturating_sub(segment.length())
        };
        self.active.iter().flatten().map(left).sum()
    }

    /// Removes the oldest segment that this process holds and does not deliver, or that no process holds.
    fn evict(&mut self, now: Now) -> io::Result<Evicted> {
        let is_unread_older = match (self.unread.front(), self.sealed.front()) {
            (Some(unread), Some(sealed)) => unread.name() < sealed.name(),
            (unread, _) => unread.is_some(),
        };
        let held = match is_unread_older {
            true => &mut self.unread,
            false => &mut self.sealed,
        };
        let is_own_older = match (held.front().and_then(Segment::name), self.orphans.oldest()) {
            (Some(own), Some(orphan)) => own < orphan,
            (own, _) => own.is_some(),
        };
        if is_own_older && let Some(mut segment) = held.pop_front() {
            if let Err(error) = segment.remove(&*self.disk) {
                held.push_front(segment);
                return Err(error);
            }
            // A file that is open can be read without its name.
            let contents = segment.hand_out_removed();
            return Ok(self.note_evicted(&segment, contents, now));
        }
        let Some(name) = self.orphans.pop_oldest(&Endpoint::ALL) else {
            return Ok(Evicted::None);
        };
        let size = self.disk.measure(&self.folder.join(&name));
        let adopted = self.orphans.adopt(&*self.disk, &self.folder, &name, 0);
        let Some((segment, contents)) = adopted else {
            let is_unusable = self.orphans.skips(&name) == Some(Skipped::Unusable);
            let is_counted = |size: &FileSize| is_unusable && size.length <= MAX_FILE_BYTES;
            let size = size.ok().filter(is_counted);
            return Ok(Evicted::Bytes(size.map_or(0, |size| size.disk_bytes)));
        };
        if let Err(error) = segment.remove(&*self.disk) {
            self.orphans.put_back(name);
            return Err(error);
        }
        Ok(self.note_evicted(&segment, contents, now))
    }

    fn note_evicted(&mut self, segment: &Segment, contents: Contents, now: Now) -> Evicted {
        let mut loaded = Loaded::of(&contents);
        for content in contents.records {
            let is_expired = content.stored_at.is_older_than(self.settings.max_age, now);
            loaded.push(content.into_encoded(), is_expired);
        }
        self.evicted.push(loaded);
        Evicted::Bytes(segment.disk_bytes())
    }

    fn create(&mut self, endpoint: Endpoint, now: Now) -> io::Result<Segment> {
        // Names sort by time, so each one is later than the one before, whatever the clock says.
        let after_last = |last: SystemTime| last.checked_add(Duration::from_millis(1));
        let earliest = self.last_made.and_then(after_last).unwrap_or(now.system);
        let made_at = earliest.max(now.system);
        self.last_made = Some(made_at);
        let epoch = self.note.map(|note| note.epoch);
        let names = || name::make(endpoint, epoch, made_at);
        self.create_named(endpoint, names)
    }

    /// Makes a segment with a temporary and a final name of `names`, which makes new ones after a failure.
    pub(super) fn create_named(
        &self,
        endpoint: Endpoint,
        names: impl Fn() -> (String, String),
    ) -> io::Result<Segment> {
        let create = || Segment::create(&*self.disk, &self.folder, self.stored, endpoint, names());
        let segment = create().or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.prepare()?;
                create()
            }
            _ => Err(error),
        })?;
        if self.settings.sync
            && let Err(error) = self.disk.sync(&self.folder)
        {
            let _ = segment.remove(&*self.disk);
            return Err(error);
        }
        Ok(segment)
    }

    /// Makes the folder. With `spool_sync`, the names of all folders made on the way are on the disk afterwards.
    fn prepare(&self) -> io::Result<()> {
        let made = self.disk.prepare(&self.folder)?;
        let parents = made.iter().filter_map(|folder| folder.parent());
        for parent in parents.filter(|_| self.settings.sync) {
            self.disk.sync(parent)?;
        }
        Ok(())
    }
}
