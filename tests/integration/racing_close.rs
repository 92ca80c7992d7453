//! Threads that go on tracking while the client is closed without time.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::never;
use trubrics::{DropReason, Event, Response, Trubrics, transport_fn};

#[test]
fn a_close_without_time_leaves_no_record_behind_that_was_let_in() {
    const ROUNDS: usize = 150;
    const THREADS: usize = 8;
    for round in 0..ROUNDS {
        let client = Trubrics::builder("key")
            .transport(transport_fn(|_| Ok(Response::new(200))))
            .on_drop(|dropped| {
                if dropped.reason() == DropReason::CloseTimeout {
                    // Time for a thread that had begun to track when the client was closed.
                    let _ = never::<()>().recv_timeout(Duration::from_millis(5));
                }
            })
            .build()
            .expect("a client");
        let tracked = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    // Until the client is closed, and a little longer.
                    while client.stats().dropped < 50 {
                        client.track(Event::new("user", "Sign up"));
                        tracked.fetch_add(1, SeqCst);
                    }
                });
            }
            while tracked.load(SeqCst) < 100 {
                thread::yield_now();
            }
            let _ = client.close(Duration::ZERO);
        });
        // The worker may have been let go, and still be at work on the end of its records.
        let deadline = Instant::now() + Duration::from_secs(5);
        while client.stats().pending > 0 && Instant::now() < deadline {
            let _ = client.close(Duration::from_millis(1));
        }
        let stats = client.stats();
        assert_eq!(stats.pending, 0, "round {round}: {stats:?}");
        assert_eq!(stats.tracked, tracked.into_inner(), "round {round}");
        assert_eq!(stats.tracked, stats.delivered + stats.dropped);
    }
}
