//! A disk in memory that counts its operations, and fails when it is told to.

#![cfg_attr(
    fuzzing,
    allow(dead_code, reason = "the fuzz targets need a disk that is well")
)]

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Disk, SegmentFile};

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(in crate::spool) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    has_folder: bool,
    names: BTreeMap<PathBuf, usize>,
    nodes: Vec<Node>,
    operations: Vec<Operation>,
    fault: Option<Fault>,
    refused: Option<Operation>,
}

#[derive(Default)]
struct Node {
    bytes: Vec<u8>,
    is_locked: bool,
}

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::spool) enum Operation {
    Prepare,
    List,
    Create,
    Adopt,
    Remove,
    Read,
    Append,
    Truncate,
    Sync,
    SyncFolder,
}

/// Which operations fail, counted from 0 when the fault is set, and how.
#[derive(Debug, Clone, Copy)]
pub(in crate::spool) struct Fault {
    pub(in crate::spool) first: usize,
    /// All that follow fail too.
    pub(in crate::spool) lasts: bool,
    pub(in crate::spool) error: io::ErrorKind,
    /// How many of a hundred bytes a failing write leaves.
    pub(in crate::spool) percent: usize,
}

impl MemoryDisk {
    /// Forgets what was done so far, and fails as `fault` says from here on.
    pub(in crate::spool) fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.operations.clear();
        state.fault = fault;
    }

    /// Has all operations of one kind refused, as they are where one may read and write but not remove.
    pub(in crate::spool) fn refuse(&self, operation: Option<Operation>) {
        self.state().refused = operation;
    }

    /// Somebody removes the folder, with all that is in it; who has a file open can still read it.
    pub(in crate::spool) fn remove_folder(&self) {
        let mut state = self.state();
        state.has_folder = false;
        state.names.clear();
    }

    /// Whether the fault has come.
    pub(in crate::spool) fn has_failed(&self) -> bool {
        let state = self.state();
        let fault = state.fault;
        fault.is_some_and(|fault| state.operations.len() > fault.first)
    }

    /// Whether it says of all that is there that it is not.
    pub(in crate::spool) fn denies_everything(&self) -> bool {
        let fault = self.state().fault;
        self.has_failed()
            && fault.is_some_and(|fault| fault.lasts && fault.error == io::ErrorKind::NotFound)
    }

    /// Whether all that follows fails too.
    pub(in crate::spool) fn has_lasting_fault(&self) -> bool {
        self.state().fault.is_some_and(|fault| fault.lasts)
    }

    pub(in crate::spool) fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    pub(in crate::spool) fn put(&self, name: &Path, bytes: &[u8]) {
        let mut state = self.state();
        state.has_folder = true;
        state.add(name, bytes);
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

    pub(in crate::spool) fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }

    fn file(&self, node: usize) -> Box<dyn SegmentFile> {
        Box::new(MemoryFile {
            disk: self.clone(),
            node,
        })
    }
}

impl State {
    fn count(&mut self, operation: Operation) -> io::Result<()> {
        let index = self.operations.len();
        self.operations.push(operation);
        if self.refused == Some(operation) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        match self.fault {
            Some(fault) if index == fault.first || index > fault.first && fault.lasts => {
                Err(fault.error.into())
            }
            _ => Ok(()),
        }
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
}

impl Disk for MemoryDisk {
    fn prepare(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count(Operation::Prepare)?;
        state.has_folder = true;
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut state = self.state();
        state.count(Operation::List)?;
        if !state.has_folder {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = state.names.iter().map(|(path, node)| {
            assert_eq!(path.parent(), Some(folder));
            let name = path.file_name().and_then(|name| name.to_str());
            let length = state.nodes[*node].bytes.len() as u64;
            (name.expect("a name").to_owned(), length)
        });
        Ok(files.collect())
    }

    fn create(&self, _: &Path, name: &Path, bytes: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        let mut state = self.state();
        state.count(Operation::Create)?;
        if !state.has_folder {
            return Err(io::ErrorKind::NotFound.into());
        }
        let node = state.add(name, bytes);
        state.nodes[node].is_locked = true;
        Ok(self.file(node))
    }

    fn adopt(&self, name: &Path) -> io::Result<Option<Box<dyn SegmentFile>>> {
        let mut state = self.state();
        state.count(Operation::Adopt)?;
        let Some(node) = state.names.get(name).copied() else {
            return Ok(None);
        };
        if std::mem::replace(&mut state.nodes[node].is_locked, true) {
            return Ok(None);
        }
        Ok(Some(self.file(node)))
    }

    fn remove(&self, name: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count(Operation::Remove)?;
        let removed = state.names.remove(name);
        removed.map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync(&self, _: &Path) -> io::Result<()> {
        self.state().count(Operation::SyncFolder)
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    node: usize,
}

impl SegmentFile for MemoryFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut state = self.disk.state();
        state.count(Operation::Read)?;
        Ok(state.nodes[self.node].bytes.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.count(Operation::Append);
        let written = match (&outcome, state.fault) {
            (Err(_), Some(fault)) => bytes.len() * fault.percent / 100,
            _ => bytes.len(),
        };
        state.nodes[self.node]
            .bytes
            .extend_from_slice(&bytes[..written]);
        outcome?;
        if state.names.values().any(|node| *node == self.node) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is_linked(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        state.count(Operation::Read)?;
        Ok(state.names.values().any(|node| *node == self.node))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.count(Operation::Truncate)?;
        state.nodes[self.node].bytes.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().count(Operation::Sync)
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.disk.state().nodes[self.node].is_locked = false;
    }
}
