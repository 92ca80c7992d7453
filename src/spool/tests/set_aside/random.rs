//! Records are stored, left by other runs, loaded, moved and settled at random.

use std::collections::{BTreeSet, HashSet};

use super::*;

/// What a test knows of the records.
struct Model {
    seed: u64,
    spool: Spool,
    random: fastrand::Rng,
    /// Loaded and not settled.
    loaded: Vec<Encoded>,
    /// Stored, and not settled.
    left: BTreeSet<String>,
    made: u32,
}

impl Model {
    fn step(&mut self, disk: &MemoryDisk, now: Now) {
        let count = self.random.u32(1..4);
        match self.random.u32(0..5) {
            0 => {
                let mut new = records("a", self.made..self.made + count);
                let texts = texts(&new);
                store_all(&mut self.spool, &mut new, now);
                self.left.extend(texts);
            }
            1 => {
                let prefix = format!("x{}.", self.made);
                leave_behind(disk, &prefix, count, now);
                self.left
                    .extend((0..count).map(|number| format!("{prefix}{number}")));
                self.spool.scan_for_orphans(now).expect("the disk works");
            }
            2 => {
                let (is_due, may_recover) = (self.random.bool(), self.random.bool());
                let loaded = self.spool.load(is_due, may_recover, now);
                self.loaded
                    .extend(loaded.into_iter().flat_map(|loaded| loaded.records));
            }
            3 => {
                let records = self.loaded.iter_mut();
                let may_move = |one: &&mut Encoded| {
                    one.spool_entry
                        .is_some_and(|entry| self.spool.may_set_aside(entry))
                };
                let some = records
                    .filter(may_move)
                    .filter(|_| self.random.bool())
                    .collect();
                let moved = self.spool.set_aside(Endpoint::Events, some, now);
                moved.expect("the disk works");
            }
            _ => {
                let is_settled = |_: &mut Encoded| self.random.u32(0..3) == 0;
                let settled: Vec<_> = self.loaded.extract_if(.., is_settled).collect();
                for text in texts(&settled) {
                    assert!(
                        self.left.remove(&text),
                        "{text} was settled before, seed {}",
                        self.seed
                    );
                }
                let entries = entries(&settled);
                self.spool.acknowledge(&entries).expect("the disk works");
            }
        }
        self.made += count;
    }

    fn check(&self) {
        let entries: HashSet<_> = entries(&self.loaded).into_iter().collect();
        assert_eq!(
            entries.len(),
            self.loaded.len(),
            "two records have one entry, seed {}",
            self.seed
        );
        let bytes: usize = self.loaded.iter().map(|one| one.json.len()).sum();
        assert_eq!(self.spool.in_delivery.load_of(Endpoint::Events).1, bytes);
    }
}

fn store_all(spool: &mut Spool, records: &mut Vec<Encoded>, now: Now) {
    store(spool, records, now).expect("there is room");
    assert!(records.is_empty());
}

#[test]
fn records_that_are_moved_at_random_are_settled_once_or_left() {
    for seed in 0..100 {
        let disk = MemoryDisk::default();
        let mut random = fastrand::Rng::with_seed(seed);
        // With a small limit, files of records that are moved get full.
        let max_bytes = random.choice([60_000, 400_000, ROOM]).unwrap_or(ROOM);
        let mut model = Model {
            seed,
            spool: spool(&disk, with_max_bytes(max_bytes)),
            random,
            loaded: Vec::new(),
            left: BTreeSet::new(),
            made: 0,
        };
        for second in 0..80 {
            model.step(&disk, at(second));
            model.check();
        }
        let left = model.spool.leave(at(80));
        assert_eq!((left.missing, left.orphaned.len()), (0, 0));
        drop(model.spool);
        let found = deliver_all(&disk).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(found, model.left, "seed {seed}");
        assert_eq!(disk.segments(), 0);
    }
}
