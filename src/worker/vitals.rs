//! What the worker publishes of its work, for callers that ask how the client is.

use std::time::Instant;

use super::{Worker, endpoint_queue::EndpointQueue, spooler::Spooler};

impl Worker {
    /// Publishes how old the oldest records are, and the size of the spool. `waiting` records are not taken yet.
    pub(super) fn publish_health(&mut self, waiting: u64, now: Instant) {
        let in_channel = self.incoming.note_waiting(waiting, now);
        let queued = self.queues.iter_mut().filter_map(EndpointQueue::oldest);
        let unspooled = self.spooler.as_ref().and_then(Spooler::unspooled_since);
        let oldest = queued.chain(in_channel).chain(unspooled).min();
        let health = &self.parts.health;
        health.set_oldest_in_memory(oldest);
        if let Some(spooler) = &self.spooler {
            let (bytes, oldest) = spooler.spool().size_and_oldest();
            health.set_spool(bytes, oldest);
        }
    }
}
