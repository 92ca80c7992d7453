//! Whole processes, from their start to their end.

use std::{net::TcpListener, time::Duration, time::Instant};

use trubrics::Trubrics;

use crate::{
    limits::{self, BarePipe, PipeEvent},
    process::child as child_process,
    sink::{BlackHole, Sink},
    table::{Unit::Milliseconds, compare},
};

const TURNS: usize = 25;
/// Each takes as long as the client's drop may take.
const STUCK_TURNS: usize = 3;

pub(crate) fn run() {
    let sink = Sink::start(Duration::ZERO);
    let refused = {
        let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}", closed.local_addr().expect("a bound socket"))
    };
    let hole = BlackHole::open();
    for (what, url, turns) in [
        ("process with one event, server near", sink.url(), TURNS),
        ("process with one event, refused", refused, TURNS),
        (
            "process with one event, black hole",
            hole.url(),
            STUCK_TURNS,
        ),
    ] {
        compare(
            what,
            Milliseconds,
            turns,
            &mut || wall("client", &url),
            &mut [
                ("bare pipe, server near", &mut || wall("pipe", &sink.url())),
                ("does nothing", &mut || wall("nothing", &url)),
            ],
        );
    }
}

fn wall(who: &str, url: &str) -> f64 {
    let start = Instant::now();
    let status = child_process("start", &[who, url]).status();
    assert!(status.expect("a child").success(), "{who} failed");
    start.elapsed().as_secs_f64() * 1000.0
}

pub(crate) fn child(who: &str, url: &str) {
    match who {
        "client" => {
            let client = Trubrics::builder("bench-key").host(url);
            let client = client.build().expect("good settings");
            client.track(limits::event(0));
        }
        "pipe" => {
            let pipe = BarePipe::start(url);
            pipe.send(PipeEvent::new(0));
            pipe.close();
        }
        _ => {}
    }
}
