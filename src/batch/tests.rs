use super::*;
use crate::accounting::tests::unsettled;

mod limits;
mod refusals;
mod retries;

const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

fn record(id: usize) -> Encoded {
    Encoded {
        json: id.to_string().into_bytes().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

fn records(count: usize) -> Unsettled {
    unsettled((0..count).map(record))
}

fn ids(records: &Unsettled) -> Vec<usize> {
    let id = |record: &Encoded| {
        std::str::from_utf8(&record.json)
            .expect("UTF-8")
            .parse()
            .expect("an id")
    };
    records.iter().map(id).collect()
}

fn batch_of(count: usize) -> Batch {
    Batch::new(Endpoint::Events, 0, records(count), Instant::now())
}

fn refusal(status: u16) -> Refusal {
    Refusal {
        status,
        detail: None,
    }
}

/// The outcome of a batch that a made-up server judged until it was done.
#[derive(Debug, Default)]
struct Judged {
    requests: usize,
    delivered: Vec<usize>,
    dropped: Vec<usize>,
}

fn deliver(count: usize, server: impl Fn(&[usize]) -> Verdict) -> Judged {
    let now = Instant::now();
    let mut batch = batch_of(count);
    let mut judged = Judged::default();
    while let Some(front) = batch.front() {
        judged.requests += 1;
        assert!(judged.requests <= 2 * count, "it does not end");
        let verdict = server(&ids(front));
        match batch.apply(verdict, now, GIVE_UP_AFTER) {
            Some((records, Outcome::Delivered)) => judged.delivered.extend(ids(&records)),
            Some((records, Outcome::Dropped(..))) => judged.dropped.extend(ids(&records)),
            None => {}
        }
    }
    judged
}

/// Why these records are dropped, and how many there are.
fn dropped(settled: Settled) -> Option<(DropReason, usize)> {
    match settled? {
        (records, Outcome::Dropped(reason, _)) => Some((reason, records.len())),
        (_, Outcome::Delivered) => panic!("they are delivered"),
    }
}

/// Refuses an array that holds one of the bad ones, and says which or not.
fn refuses(bad: &[usize], names: bool) -> impl Fn(&[usize]) -> Verdict {
    move |ids| {
        let found: Vec<_> = (0..ids.len())
            .filter(|index| bad.contains(&ids[*index]))
            .collect();
        if found.is_empty() {
            return Verdict::Delivered;
        }
        Verdict::Invalid {
            bad: if names { found } else { Vec::new() },
            refusal: refusal(422),
        }
    }
}
