//! An open file of the disk in memory.

use std::io;

use super::{MemoryDisk, Operation, SegmentFile};

struct MemoryFile {
    disk: MemoryDisk,
    node: usize,
}

impl MemoryDisk {
    /// Opens a file.
    pub(super) fn file(&self, node: usize) -> Box<dyn SegmentFile> {
        Box::new(MemoryFile {
            disk: self.clone(),
            node,
        })
    }
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
            (Err(_), None) if state.is_full => bytes.len() / 2,
            _ => bytes.len(),
        };
        state.nodes[self.node]
            .bytes
            .extend_from_slice(&bytes[..written]);
        outcome?;
        if state.is_linked(self.node) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is_linked(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        state.count(Operation::CountLinks)?;
        Ok(state.is_linked(self.node))
    }

    fn disk_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().disk_bytes(self.node))
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
