//! What the server does to the client during a storm, and the client's settings.
//!
//! No fault is ambiguous. The server does not record a request that gets no answer, or an answer that is not HTTP. A
//! request that it records gets its status line far within the time-out. So a record that arrives twice is always a
//! fault of the client.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use trubrics::{
    Overflow, Trubrics, TrubricsBuilder,
    testing::{Reply, Server},
};

use super::network::{Fault, Network};
use crate::{chance::Chance, support::Folder};

/// Far above any delay of an answer, or an accepted record would be sent again; only faults that never answer wait for
/// it to pass.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(800);

/// In this many steps, one more fault may take its time: a time-out, or a second under `Retry-After`.
const STEPS_FOR_A_SLOW_FAULT: u64 = 2_000;

/// How the storm of one seed goes.
pub(super) struct Weather {
    capacity: usize,
    overflow: Overflow,
    connections: usize,
    give_up_after: Duration,
    body_limit: Option<usize>,
    spool: Option<Folder>,
}

impl Weather {
    pub(super) fn new(seed: u64, chance: &mut Chance) -> Self {
        Self {
            capacity: chance.pick(&[1, 8, 64, 1_000, 100_000, 100_000]),
            // Any six seeds in a row see both with each of the three ends.
            overflow: if (seed / 3).is_multiple_of(2) {
                Overflow::Block
            } else {
                Overflow::DropNewest
            },
            connections: chance.pick(&[1, 1, 2, 6]),
            give_up_after: chance.pick(&[0, 20, 300, 600_000, 600_000].map(Duration::from_millis)),
            body_limit: chance.one_in(3).then_some(6_000),
            spool: seed.is_multiple_of(4).then(Folder::new),
        }
    }

    /// How many records may be pending. Records in the spool are not limited.
    pub(super) fn most_pending(&self) -> usize {
        match self.spool {
            Some(_) => usize::MAX / 2,
            None => self.capacity,
        }
    }

    /// Whether one request follows the other. The clients that deliver from one folder follow each other too.
    pub(super) fn keeps_order(&self) -> bool {
        self.connections == 1
    }

    pub(super) fn settings(
        &self,
        (server, network): (&Server, &Network),
        chance: &mut Chance,
    ) -> TrubricsBuilder {
        let settings = Trubrics::builder(server.api_key());
        let settings = match &self.spool {
            Some(folder) => settings.spool(&folder.0),
            None => settings,
        };
        settings
            .host(network.host())
            .overflow(self.overflow)
            .queue_capacity(self.capacity)
            .queue_bytes(chance.pick(&[16 * 1024, 256 * 1024, 32 * 1024 * 1024]))
            .max_concurrent_requests(self.connections)
            .flush_interval(Duration::from_secs(1))
            .flush_batch_size(chance.pick(&[1, 5, 20, 100]))
            .max_batch_size(chance.pick(&[1, 7, 30, 100, 100]))
            .max_batch_bytes(chance.pick(&[300, 4 * 1024, 1024 * 1024]))
            .request_timeout(REQUEST_TIMEOUT)
            .connect_timeout(REQUEST_TIMEOUT)
            .give_up_after(self.give_up_after)
            .initial_backoff(Duration::from_millis(1))
            .max_backoff(Duration::from_millis(1 + chance.below(5)))
    }

    /// Makes the weather until `over` is set: bursts of replies with fair spells and outages between them, in step with
    /// the requests that come.
    pub(super) fn rage(
        &self,
        (server, network): (&Server, &Network),
        seed: u64,
        steps: u64,
        over: &AtomicBool,
    ) {
        let (chance, faults) = (&mut Chance::new(seed, 1), &mut Chance::new(seed, 2));
        server.set_refusal(|record| record["properties"]["bad"] == true);
        if let Some(bytes) = self.body_limit {
            server.set_body_limit(bytes);
        }
        let mut slow = 1 + steps / STEPS_FOR_A_SLOW_FAULT;
        let mut freezes = slow;
        let mut replies = 50 + steps / 5;
        while !over.load(SeqCst) {
            server.set_error_details(chance.one_in(2));
            server.set_latency(Duration::from_micros(chance.pick(&[0, 0, 0, 300, 2_000])));
            server.set_unavailable(chance.one_in(8));
            let burst = (1 + chance.below(12)).min(replies);
            replies -= burst;
            server.script((0..burst).map(|_| self.reply(chance, &mut slow)));
            self.disturb(network, faults, burst, &mut freezes);
            let spell = burst + chance.below(burst * 2 + 2);
            let wanted = server.requests().len() + spell as usize;
            // The time bounds an outage in which no caller tracks, and how long the end of the storm waits.
            let _ = server.wait_for_requests(wanted, Duration::from_millis(20));
        }
        server.set_unavailable(false);
        server.set_latency(Duration::ZERO);
        network.calm();
    }

    /// Chooses the next faults of the network.
    fn disturb(&self, network: &Network, chance: &mut Chance, requests: u64, freezes: &mut u64) {
        network.script((0..requests).map(|_| self.fault(chance)));
        network.set_resetting(chance.one_in(20));
        // Long enough for the search for a poison record.
        if chance.one_in(5) {
            network.set_poisonous(chance.one_in(2));
        }
        if chance.one_in(12) && *freezes > 0 {
            *freezes -= 1;
            match chance.one_in(2) {
                true => network.freeze(REQUEST_TIMEOUT / 8),
                false => network.freeze_beyond(REQUEST_TIMEOUT),
            }
        }
    }

    fn fault(&self, chance: &mut Chance) -> Fault {
        match chance.below(16) {
            0 => Fault::Early(
                match chance.pick(&[400, 401, 413, 413, 422, 429, 500, 503]) {
                    401 if self.spool.is_some() => 503,
                    status => status,
                },
            ),
            1 => Fault::Interim(chance.pick(&INTERIM)),
            2 => Fault::Reset,
            _ => Fault::Pass,
        }
    }

    fn reply(&self, chance: &mut Chance, slow: &mut u64) -> Reply {
        if chance.one_in(25) && *slow > 0 {
            *slow -= 1;
            return match chance.below(5) {
                0 => Reply::hang(),
                // The status stands, whatever becomes of the body.
                1 => self.recorded(chance).header("content-length", "500"),
                2 => Reply::raw("HTTP/1.1 102 Wait\r\nx: y\r\n").drip(Duration::from_millis(30)),
                3 => Reply::raw("HTTP/1.1 20"),
                _ => Reply::status(503).header("retry-after", "1"),
            };
        }
        match chance.below(20) {
            0..=5 => Reply::accept(),
            6..=7 => self.success(chance),
            8..=11 => later(chance),
            12 => Reply::close(),
            13 => Reply::close().delay(Duration::from_millis(chance.below(5))),
            14 => Reply::raw("\0\u{1}SSH-2.0 garbage\r\n\r\n").close_after(),
            15 => Reply::raw("HTTP/1.1 503 Busy\r\nretry-after: 0\r\nconten").close_after(),
            16 => invalid(chance),
            17 => Reply::status(413),
            18 => self
                .refuse(chance.pick(&[302, 404, 405, 418]))
                .header("location", "/"),
            _ if chance.one_in(3) => self.refuse(chance.pick(&[401, 403])),
            _ => self.success(chance).close_after(),
        }
    }

    /// Refuses the request. With a spool its records would wait for minutes.
    fn refuse(&self, status: u16) -> Reply {
        match self.spool {
            Some(_) => Reply::status(503),
            None => Reply::status(status),
        }
    }

    /// Records the records, and says so in one way or another.
    fn success(&self, chance: &mut Chance) -> Reply {
        let reply = self.recorded(chance);
        match chance.below(5) {
            0 => reply.body("\0no JSON"),
            1 => reply.drip(Duration::from_micros(20)),
            2 => reply.header("content-length", "64").close_after(),
            3 => reply.header("retry-after", "3600"),
            _ => reply,
        }
    }

    fn recorded(&self, chance: &mut Chance) -> Reply {
        match self.body_limit {
            // A scripted success takes no look at the records; of a body that was too large to keep, it records none.
            Some(_) => Reply::accept(),
            None => Reply::status(chance.pick(&[200, 201, 202, 204])),
        }
    }
}

const INTERIM: [&str; 4] = [
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n",
    "HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
];

/// Puts the client off, in every form there is but a long wait: a client keeps to it, and would outlast the storm.
fn later(chance: &mut Chance) -> Reply {
    let reply = Reply::status(chance.pick(&[408, 425, 429, 500, 502, 503, 504, 599]));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    match chance.below(9) {
        0 => reply.header("retry-after", "0"),
        1 => reply.header("retry-after", date),
        2 => reply.header("retry-after", date).header("date", date),
        3 => reply.header("retry-after", "soon"),
        4 => reply.header("retry-after", "-1"),
        5 => reply.header("retry-after", "9".repeat(100)),
        6 => reply.body(r#"{"detail":"busy"}"#).close_after(),
        7 => reply.header("content-length", "64").close_after(),
        _ => reply,
    }
}

/// Refuses an array with indexes that may or may not be of use.
fn invalid(chance: &mut Chance) -> Reply {
    let reply = Reply::status(chance.pick(&[400, 422]));
    let index = chance.pick(&[0, 0, 1, 3, 10, 99, 100]);
    match chance.below(4) {
        0 => reply,
        1 => reply.body("<h1>no</h1>"),
        2 => reply.body(format!(
            r#"{{"detail":[{{"loc":["body",{index},"event"],"msg":"bad"}}]}}"#
        )),
        _ => reply.body(format!(
            r#"{{"detail":[{{"loc":["body",0],"msg":"bad"}},{{"loc":["body",{index}]}}]}}"#
        )),
    }
}
