//! The entry point of the target `answers` in `fuzz/`: from the bytes of a server to the records of a batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Batch, Settled};
use crate::{
    accounting::{Accounting, Budget, Outcome, Unsettled},
    consent::{Consent, ConsentCell},
    deadline::after,
    exchange::Exchange,
    hooks::ClientId,
    http::fuzzing::{KEY, Server, transport_to},
    record::{Encoded, Endpoint},
    reply::Verdict,
};

const GIVE_UP_AFTER: Duration = Duration::from_secs(400);

/// The time between an attempt that failed and the next.
const REST: Duration = Duration::from_secs(100);

/// The server's own words may be as long, with the sign of a cut.
const MAX_DETAIL: usize = 301;

const HOST: &str = "http://example.com";

/// Delivers a batch to a server that answers as these bytes say. The first three choose the batch, how the server is
/// read, and after which failures the batch is split in two.
///
/// # Panics
/// If a record is not settled exactly once, the counters do not add up, more attempts are made than the answers
/// explain, or a refusal is longer than it may be or has the key in it.
pub fn deliver(bytes: &[u8]) {
    let Some(([shape, read, splits], script)) = bytes.split_first_chunk() else {
        return;
    };
    let (records, text) = (1 + usize::from(shape & 15), [0, 100, 1_000, 3_000]);
    let text = text[usize::from(shape >> 4 & 3)];
    let read = [1, 7, 100, 100_000][usize::from(read & 3)];
    let server = Server::of(script, read, shape & 128 == 0);
    let mut run = Run::new(&server, records, *splits);
    run.deliver(batch(&run.accounting, records, text));
    let answers = script.len() / 16 + 1;
    let most = 10 * (records + answers);
    assert!(run.attempts <= most, "{} attempts", run.attempts);
}

fn batch(accounting: &Arc<Accounting>, records: usize, text: usize) -> Batch {
    let record = |index| {
        let json = format!(r#"{{"text":"{}","n":{index}}}"#, "x".repeat(text));
        let json = json.into_bytes().into_boxed_slice();
        let endpoint = Endpoint::Events;
        let record = Encoded {
            json,
            endpoint,
            spool_entry: None,
        };
        let reserved = accounting.budget().reserve(record.cost());
        assert!(reserved.is_ok(), "there is room");
        record
    };
    let records = Unsettled::of((0..records).map(record).collect(), accounting.clone());
    Batch::new(Endpoint::Events, 0, records, Instant::now())
}

struct Run {
    accounting: Arc<Accounting>,
    exchange: Exchange,
    /// How often each record was settled.
    settled: Vec<u32>,
    /// A bit for each failure in turn: whether the batch is split in two after it.
    splits: u8,
    attempts: usize,
}

impl Run {
    fn new(server: &Server, records: usize, splits: u8) -> Self {
        let client = ClientId::MIN;
        let budget = Budget::new(usize::MAX, usize::MAX);
        let accounting = Arc::new(Accounting::new(client, budget, None));
        let transport = transport_to(server, HOST, None).expect("a usable host");
        let exchange = Exchange::new(
            client,
            accounting.clone(),
            Arc::new(ConsentCell::new(Consent::Granted)),
            Arc::new(transport),
            KEY.into(),
            HOST,
        );
        Self {
            accounting,
            exchange,
            settled: vec![0; records],
            splits,
            attempts: 0,
        }
    }

    /// Attempts the batch and its parts until nothing is left.
    fn deliver(&mut self, batch: Batch) {
        let mut now = Instant::now();
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            while batch.front().is_some() {
                let (verdict, bytes) = self.attempt(&batch);
                if let Verdict::Later {
                    after: rest, body, ..
                } = &verdict
                {
                    let rest = rest.unwrap_or_default().clamp(REST, 2 * REST);
                    now = after(now, rest);
                    batch.halve_if_cut_off(bytes, *body);
                    self.splits = self.splits.rotate_right(1);
                    if self.splits & 128 != 0 {
                        batches.extend(batch.split_off());
                    }
                }
                let settled = batch.apply(verdict, now, GIVE_UP_AFTER);
                self.settle(settled);
            }
        }
        assert!(
            self.settled.iter().all(|count| *count == 1),
            "{:?}",
            self.settled
        );
        assert_eq!(self.accounting.stats().pending, 0);
    }

    fn attempt(&mut self, batch: &Batch) -> (Verdict, usize) {
        self.attempts += 1;
        let deadline = after(Instant::now(), Duration::from_secs(600));
        let attempt = batch.attempt(Vec::new(), deadline, 0);
        let verdict = self.exchange.attempt(&attempt);
        if let Some((refusal, _)) = verdict.refusal() {
            let detail = refusal.detail.as_deref().unwrap_or_default();
            assert!(!detail.contains(KEY), "{detail}");
            assert!(!detail.contains(char::is_control), "{detail:?}");
            assert!(detail.chars().count() <= MAX_DETAIL, "{detail}");
        }
        if let Some(failure) = self.exchange.last_failure() {
            let shown = format!("{failure} {failure:?}");
            assert!(!shown.contains(KEY), "{shown}");
        }
        (verdict, attempt.body.len())
    }

    fn settle(&mut self, settled: Settled) {
        let Some((records, outcome)) = settled else {
            return;
        };
        let before = self.accounting.stats();
        for record in records.iter() {
            let text = std::str::from_utf8(&record.json).expect("text");
            let (_, number) = text.rsplit_once(':').expect("a number");
            let index: usize = number.trim_end_matches('}').parse().expect("a number");
            self.settled[index] += 1;
        }
        let count = records.len() as u64;
        records.settle(&outcome);
        let stats = self.accounting.stats();
        assert_eq!(stats.tracked, self.settled.len() as u64);
        assert_eq!(
            stats.tracked,
            stats.delivered + stats.dropped + stats.pending
        );
        let delivered = u64::from(outcome == Outcome::Delivered) * count;
        assert_eq!(stats.delivered, before.delivered + delivered);
    }
}
