//! The segments that another process left, or holds.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind},
    path::Path,
};

use log::warn;

use super::{
    disk::{Disk, Listing, MAX_FILE_BYTES},
    epoch::Epoch,
    note::Note,
    now::Now,
    segment::{Adoption, Contents, Segment, name},
};
use crate::{
    logging::{TARGET, logging},
    record::Endpoint,
};

#[derive(Default)]
pub(super) struct Orphans {
    /// Those of each endpoint, oldest first.
    names: [VecDeque<String>; Endpoint::ALL.len()],
    /// Whether there are more in the folder.
    is_cut: [bool; Endpoint::ALL.len()],
    /// Those that were tried since the last scan, and could not be taken over.
    skipped: HashMap<String, Skipped>,
    /// The disk failed since the last scan began.
    has_failed: bool,
    has_warned: bool,
    /// Those of another epoch are not delivered.
    epoch: Option<Epoch>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Skipped {
    /// Another process holds it.
    Held,
    /// It cannot be read, is gone, has another version, or may have been written by another user.
    Unusable,
}

impl Orphans {
    /// Whether there may be segments for this endpoint.
    pub(super) fn has(&self, endpoint: Endpoint) -> bool {
        !self.names[endpoint as usize].is_empty() || self.is_cut[endpoint as usize]
    }

    /// Those of the endpoints for which another part of the folder has to be listed to find segments.
    pub(super) fn unlisted(&self, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let is_unlisted = |endpoint: &Endpoint| {
            self.names[*endpoint as usize].is_empty() && self.is_cut[*endpoint as usize]
        };
        endpoints.iter().copied().filter(is_unlisted).collect()
    }

    pub(super) fn oldest(&self) -> Option<&str> {
        let oldest = self.names.iter().filter_map(VecDeque::front);
        oldest.min().map(String::as_str)
    }

    /// Why the file of this name is passed over, if it is.
    pub(super) fn skips(&self, name: &str) -> Option<Skipped> {
        self.skipped.get(name).copied()
    }

    /// A scan begins, after which every file can be tried once more.
    pub(super) fn start_over(&mut self) {
        self.skipped.clear();
        self.has_failed = false;
    }

    /// Whether the disk failed since the last scan began, so that segments may have been passed over.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Notes whether the disk failed. What does not exist, or is not a file, holds no records.
    pub(super) fn note_failure<T>(&mut self, outcome: &io::Result<T>) {
        let has_no_records = |error: &io::Error| {
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput)
        };
        self.has_failed |= outcome.as_ref().is_err_and(|error| !has_no_records(error));
    }

    /// Keeps the segments of a listing of these endpoints, and removes temporary files that were abandoned.
    pub(super) fn set(
        &mut self,
        endpoints: &[Endpoint],
        listing: Listing,
        disk: &dyn Disk,
        folder: &Path,
        now: Now,
    ) {
        let mut names = listing.names;
        for name in names.extract_if(.., |name| name::is_abandoned_temp(name, now.system)) {
            let _ = disk.remove(&folder.join(name));
        }
        names.retain(|name| name::is_segment(name) && self.skips(name) != Some(Skipped::Unusable));
        names.sort_unstable();
        let is_cut = listing.is_cut && !names.is_empty();
        for endpoint in endpoints {
            let of_endpoint = |name: &mut String| name::endpoint(name) == Some(*endpoint);
            self.names[*endpoint as usize] = names.extract_if(.., of_endpoint).collect();
            self.is_cut[*endpoint as usize] = is_cut;
        }
    }

    pub(super) fn clear(&mut self) {
        self.names = Default::default();
        self.is_cut = Default::default();
    }

    /// Takes the name of the oldest segment of these endpoints.
    pub(super) fn pop_oldest(&mut self, endpoints: &[Endpoint]) -> Option<String> {
        let with_names = endpoints.iter().filter_map(|endpoint| {
            let oldest = self.names[*endpoint as usize].front()?;
            Some((oldest, *endpoint))
        });
        let (_, endpoint) = with_names.min_by_key(|(oldest, _)| *oldest)?;
        self.names[endpoint as usize].pop_front()
    }

    pub(super) fn put_back(&mut self, name: String) {
        if let Some(endpoint) = name::endpoint(&name) {
            self.names[endpoint as usize].push_front(name);
        }
    }

    /// Takes over the oldest segment of these endpoints that can be. Removes those without a record on the way.
    pub(super) fn adopt_oldest(
        &mut self,
        endpoints: &[Endpoint],
        disk: &dyn Disk,
        folder: &Path,
    ) -> Option<(Segment, Contents)> {
        while let Some(name) = self.pop_oldest(endpoints) {
            if let Some((segment, contents)) = self.adopt(disk, folder, &name, 0) {
                if !contents.is_empty() {
                    return Some((segment, contents));
                }
                let removed = segment.remove(disk);
                if removed.is_err() {
                    // Each part of a folder would be listed again without end.
                    self.skipped.insert(name, Skipped::Unusable);
                }
                self.note_failure(&removed);
            }
        }
        None
    }

    /// Delivers segments of this epoch only, from here on.
    pub(super) fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = Some(epoch);
    }

    /// Whether a segment is of another epoch than this client. Removes it if it is from before the last withdrawal.
    fn is_of_other_epoch(&mut self, disk: &dyn Disk, folder: &Path, name: &str) -> bool {
        let is_other = |epoch| !name::is_of(name, epoch);
        if !self.epoch.is_some_and(is_other) {
            return false;
        }
        // It may be of a later one, which this client does not know yet.
        let note = Note::read(disk, folder);
        self.note_failure(&note);
        if let Ok(Some(note)) = note
            && is_other(note.epoch)
        {
            let _ = disk.remove(&folder.join(name));
        }
        true
    }

    /// Takes over the segment of this name, if that can be done.
    pub(super) fn adopt(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        name: &str,
        start: u64,
    ) -> Option<(Segment, Contents)> {
        if self.is_of_other_epoch(disk, folder, name) {
            self.skipped.insert(name.into(), Skipped::Held);
            return None;
        }
        let adopted = match disk.measure(&folder.join(name)) {
            // It is not a segment, and would take much memory.
            Ok(size) if size.length > MAX_FILE_BYTES => Ok(Adoption::Foreign),
            Ok(_) => Segment::adopt(disk, folder, name, start),
            Err(error) => Err(error),
        };
        self.note_failure(&adopted);
        let skipped = match adopted {
            Ok(Adoption::Taken(segment, contents)) => return Some((*segment, contents)),
            Ok(Adoption::Held) => Skipped::Held,
            Ok(Adoption::Unsafe) => {
                self.warn_once(
                    "a file of the spool may have been written by another user: it stays there",
                );
                Skipped::Unusable
            }
            Ok(Adoption::Foreign) | Err(_) => Skipped::Unusable,
        };
        self.skipped.insert(name.into(), skipped);
        None
    }

    /// Logs the first file or folder that is not safe.
    pub(super) fn warn_once(&mut self, what: &str) {
        if !std::mem::replace(&mut self.has_warned, true) {
            logging(|| warn!(target: TARGET, "{what}"));
        }
    }
}
