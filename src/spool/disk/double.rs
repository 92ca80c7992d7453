//! A disk in memory that counts its operations, and fails as a test says.

#![cfg_attr(
    fuzzing,
    allow(dead_code, reason = "the fuzz target needs a disk that works")
)]

mod file;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Adopted, Disk, FileSize, ListBounds, Listing, SegmentFile};

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    nodes: Vec<Node>,
    operations: Vec<Operation>,
    fault: Option<Fault>,
    refused: Option<Operation>,
    is_full: bool,
    /// Folders and files that another user may write to.
    open_to_others: BTreeSet<PathBuf>,
    /// The least that a file takes, and what its size is a multiple of.
    block: u64,
    says_unlinked: bool,
    before_create: Option<Box<dyn FnOnce() + Send>>,
    synced: Vec<PathBuf>,
    names_read: usize,
}

#[derive(Default)]
struct Node {
    bytes: Vec<u8>,
    is_locked: bool,
}

/// A call of the spool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::spool) enum Operation {
    Prepare,
    Inspect,
    List,
    Measure,
    Create,
    Adopt,
    Remove,
    Read,
    CountLinks,
    Append,
    Truncate,
    Sync,
    SyncFolder,
    ReadNote,
    ReplaceNote,
}

impl Operation {
    fn needs_room(self) -> bool {
        matches!(
            self,
            Self::Prepare | Self::Create | Self::Append | Self::ReplaceNote
        )
    }
}

/// Which operations fail, counted from 0 when the fault is set, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) first: usize,
    /// All that follow fail too.
    pub(crate) lasts: bool,
    pub(crate) error: io::ErrorKind,
    /// How many of a hundred bytes a failing write leaves.
    pub(crate) percent: usize,
}

impl MemoryDisk {
    /// Forgets the operations so far, and fails as `fault` says from here on.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.operations.clear();
        state.fault = fault;
    }

    /// Refuses all operations of one kind, like a folder in which files may be written but not removed.
    /// Refuses to remove files.
    pub(crate) fn refuse_removal(&self, is_refused: bool) {
        self.refuse(is_refused.then_some(Operation::Remove));
    }

    pub(in crate::spool) fn refuse(&self, operation: Option<Operation>) {
        self.state().refused = operation;
    }

    /// Refuses whatever needs room from here on, after half of the bytes of a write, or takes it again.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Another program removes all folders with everything in them. A file that is open can still be read.
    pub(crate) fn remove_folder(&self) {
        let mut state = self.state();
        state.folders.clear();
        state.names.clear();
    }

    /// Another user may write to this folder or file from here on, or may not.
    pub(in crate::spool) fn open_to_others(&self, path: &Path, is_open: bool) {
        let paths = &mut self.state().open_to_others;
        match is_open {
            true => paths.insert(path.into()),
            false => paths.remove(path),
        };
    }

    /// Files take whole blocks of this size.
    pub(in crate::spool) fn set_block(&self, block: u64) {
        self.state().block = block;
    }

    /// Every file is said to have no name, as on a file system that does not count links.
    pub(in crate::spool) fn say_unlinked(&self) {
        self.state().says_unlinked = true;
    }

    /// Does this before the next file is made.
    pub(crate) fn before_create(&self, work: impl FnOnce() + Send + 'static) {
        self.state().before_create = Some(Box::new(work));
    }

    /// The folders that were synced.
    pub(in crate::spool) fn synced(&self) -> Vec<PathBuf> {
        self.state().synced.clone()
    }

    /// How many names were read from folders, ever.
    pub(in crate::spool) fn names_read(&self) -> usize {
        self.state().names_read
    }

    /// Whether the fault has happened.
    pub(in crate::spool) fn has_failed(&self) -> bool {
        let state = self.state();
        let fault = state.fault;
        fault.is_some_and(|fault| state.operations.len() > fault.first)
    }

    /// Whether it says of everything that it is not there.
    pub(in crate::spool) fn denies_everything(&self) -> bool {
        let fault = self.state().fault;
        self.has_failed()
            && fault.is_some_and(|fault| fault.lasts && fault.error == io::ErrorKind::NotFound)
    }

    /// Whether everything after the fault fails too.
    pub(in crate::spool) fn has_lasting_fault(&self) -> bool {
        self.state().fault.is_some_and(|fault| fault.lasts)
    }

    pub(in crate::spool) fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    pub(crate) fn put(&self, name: &Path, bytes: &[u8]) {
        let mut state = self.state();
        state.add_folders(name.parent().unwrap_or(name));
        state.add(name, bytes);
    }

    /// Runs this while another process holds every file that no process holds yet.
    pub(in crate::spool) fn while_all_are_held<T>(&self, work: impl FnOnce() -> T) -> T {
        let set = |nodes: &[usize], is_locked| {
            let mut state = self.state();
            nodes
                .iter()
                .for_each(|node| state.nodes[*node].is_locked = is_locked);
        };
        let named: Vec<_> = self.state().names.values().copied().collect();
        let is_free = |node: &usize| !self.state().nodes[*node].is_locked;
        let free: Vec<_> = named.into_iter().filter(is_free).collect();
        set(&free, true);
        let result = work();
        set(&free, false);
        result
    }

    /// Changes one byte of the file.
    pub(in crate::spool) fn damage(&self, name: &Path, place: usize) {
        let mut state = self.state();
        let node = state.names[name];
        state.nodes[node].bytes[place] ^= 1;
    }

    pub(in crate::spool) fn bytes(&self, name: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.names.get(name)?;
        Some(state.nodes[*node].bytes.clone())
    }

    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        let is_segment = |name: &&PathBuf| name.extension().is_some_and(|end| end == "trubrics");
        self.names().iter().filter(is_segment).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }
}

impl State {
    fn count(&mut self, operation: Operation) -> io::Result<()> {
        let index = self.operations.len();
        self.operations.push(operation);
        if self.refused == Some(operation) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if self.is_full && operation.needs_room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match self.fault {
            Some(fault) if index == fault.first || index > fault.first && fault.lasts => {
                Err(fault.error.into())
            }
            _ => Ok(()),
        }
    }

    fn folder(&self, folder: &Path) -> io::Result<()> {
        let is_there = self.folders.contains(folder);
        is_there.then_some(()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn add(&mut self, name: &Path, bytes: &[u8]) -> usize {
        self.nodes.push(Node {
            bytes: bytes.to_vec(),
            is_locked: false,
        });
        let node = self.nodes.len() - 1;
        self.names.insert(name.into(), node);
        node
    }

    fn add_folders(&mut self, folder: &Path) -> Vec<PathBuf> {
        let folders = folder
            .ancestors()
            .filter(|folder| !folder.as_os_str().is_empty());
        let absent = folders.filter(|folder| !self.folders.contains(*folder));
        let mut absent: Vec<_> = absent.map(Path::to_path_buf).collect();
        absent.reverse();
        self.folders.extend(absent.iter().cloned());
        absent
    }

    fn disk_bytes(&self, node: usize) -> u64 {
        let length = self.nodes[node].bytes.len() as u64;
        length.next_multiple_of(self.block.max(1))
    }

    fn is_linked(&self, node: usize) -> bool {
        !self.says_unlinked && self.names.values().any(|named| *named == node)
    }
}

impl Disk for MemoryDisk {
    fn prepare(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.count(Operation::Prepare)?;
        Ok(state.add_folders(folder))
    }

    fn is_private(&self, folder: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.count(Operation::Inspect)?;
        state.folder(folder)?;
        let is_open = |folder: &Path| state.open_to_others.contains(folder);
        Ok(!is_open(folder) && !folder.parent().is_some_and(is_open))
    }

    fn list(&self, folder: &Path, bounds: ListBounds<'_>) -> io::Result<Listing> {
        let mut state = self.state();
        state.count(Operation::List)?;
        state.folder(folder)?;
        let mut listing = Listing::default();
        let mut names_read = 0;
        for path in state.names.keys() {
            if path.parent() != Some(folder) {
                continue;
            }
            if names_read >= bounds.read || listing.names.len() >= bounds.returned {
                listing.is_cut = true;
                break;
            }
            names_read += 1;
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.expect("a name").to_owned();
            if (bounds.wanted)(&name) {
                listing.names.push(name);
            }
        }
        state.names_read += names_read;
        Ok(listing)
    }

    fn measure(&self, name: &Path) -> io::Result<FileSize> {
        let mut state = self.state();
        state.count(Operation::Measure)?;
        let node = state.names.get(name).copied();
        let node = node.ok_or(io::ErrorKind::NotFound)?;
        Ok(FileSize {
            length: state.nodes[node].bytes.len() as u64,
            disk_bytes: state.disk_bytes(node),
        })
    }

    fn create(&self, _: &Path, name: &Path, bytes: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        let before = self.state().before_create.take();
        before.into_iter().for_each(|work| work());
        let mut state = self.state();
        state.count(Operation::Create)?;
        state.folder(name.parent().unwrap_or(name))?;
        let node = state.add(name, bytes);
        state.nodes[node].is_locked = true;
        Ok(self.file(node))
    }

    fn adopt(&self, name: &Path) -> io::Result<Adopted> {
        let mut state = self.state();
        state.count(Operation::Adopt)?;
        let Some(node) = state.names.get(name).copied() else {
            return Ok(Adopted::Held);
        };
        if state.open_to_others.contains(name) {
            return Ok(Adopted::Unsafe);
        }
        if std::mem::replace(&mut state.nodes[node].is_locked, true) {
            return Ok(Adopted::Held);
        }
        Ok(Adopted::File(self.file(node)))
    }

    fn remove(&self, name: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count(Operation::Remove)?;
        let removed = state.names.remove(name);
        removed.map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn read_note(&self, name: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.state();
        state.count(Operation::ReadNote)?;
        let node = state.names.get(name);
        Ok(node.map(|node| state.nodes[*node].bytes.clone()))
    }

    fn replace_note(&self, _: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.count(Operation::ReplaceNote)?;
        state.folder(name.parent().unwrap_or(name))?;
        state.add(name, bytes);
        Ok(())
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count(Operation::SyncFolder)?;
        state.synced.push(folder.into());
        Ok(())
    }
}
