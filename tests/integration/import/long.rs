use std::{
    env, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trubrics::defaults;

use super::{Import, arrivals, line, lines};
use crate::support::{LONG, server};

/// How many lines the long tests import, unless `TRUBRICS_IMPORT_LINES` says otherwise; the README has the command.
const LINES: usize = 2_000;

/// How many threads the example uses if it is not told.
const THREADS: usize = 4;

fn line_count() -> usize {
    env::var("TRUBRICS_IMPORT_LINES").map_or(LINES, |lines| lines.parse().expect("a number"))
}

#[test]
#[expect(clippy::print_stdout, reason = "the test shows its figures")]
fn a_killed_import_goes_on_and_doubles_at_most_a_request_a_thread() {
    let count = line_count();
    // Each hundredth is no event, and each hundredth is refused.
    let text = |number| match number % 100 {
        3 => format!("no event {number}\n"),
        _ => line(number),
    };
    let text: String = (0..count).map(text).collect();
    let is_refused = |number: u64| number % 100 == 55;
    for seed in 0..5 {
        let mut random = fastrand::Rng::with_seed(seed);
        let import = Import::of(&text);
        let server = server();
        server.set_refusal(move |event| {
            event["properties"]["number"]
                .as_u64()
                .is_some_and(is_refused)
        });
        let latency = Duration::from_millis(2);
        server.set_latency(latency);

        let mut child = import.start(&server, server.api_key());
        let moment = random.usize(count / 10..count * 9 / 10);
        let start = Instant::now();
        while server.accepted() < moment {
            assert!(start.elapsed() < LONG, "{} accepted", server.accepted());
            thread::yield_now();
        }
        // Not always at the moment when a request has arrived.
        let wait = latency.mul_f64(random.f64() * 2.0);
        let start = Instant::now();
        while start.elapsed() < wait {
            thread::yield_now();
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was under way");

        let printed = import.run(&server);
        let arrivals = arrivals(&server);
        for number in 0..count as u64 {
            let is_good = number % 100 != 3 && !is_refused(number);
            assert_eq!(
                arrivals.contains_key(&number),
                is_good,
                "{number}: {printed}"
            );
        }
        let doubles = server.accepted() - arrivals.len();
        println!("seed {seed}: killed at {moment} of {count}, {doubles} doubles\n{printed}");
        let bound = THREADS * defaults::MAX_BATCH_SIZE;
        assert!(doubles <= bound, "{doubles} doubles");

        let letters = import.dead_letters();
        let line = |letter: &Value| letter["line"].as_u64();
        let mut distinct: Vec<_> = letters.iter().map(line).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 2 * count / 100, "each one is written down");
        assert!(
            letters.len() - distinct.len() <= 2,
            "of one batch, if any, twice"
        );
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the test shows its figures")]
fn an_import_delivers_every_line_once() {
    let count = line_count();
    let import = Import::of(&lines(count));
    let (first, second) = (server(), server());
    let latency = env::var("TRUBRICS_IMPORT_LATENCY_MS").map_or(0, |ms| ms.parse().unwrap());
    for server in [&first, &second] {
        server.set_latency(Duration::from_millis(latency));
    }
    let printed = import.run(&first);
    let arrivals = arrivals(&first);
    assert_eq!((first.accepted(), arrivals.len()), (count, count));

    // The limit: full requests, made before, over one connection.
    let bodies = |path: &str, records: &[Value]| -> Vec<_> {
        let body = |records| (path.to_owned(), json!(records).to_string());
        records.chunks(defaults::MAX_BATCH_SIZE).map(body).collect()
    };
    let mut requests = bodies("/publish_events", &first.events());
    requests.extend(bodies("/publish_llm_events", &first.llm_events()));
    let agent = ureq::Agent::new_with_defaults();
    let start = Instant::now();
    for (path, body) in &requests {
        let post = agent.post(format!("{}{path}", second.url()));
        let post = post
            .header("x-api-key", second.api_key())
            .content_type("application/json");
        let reply = post.send(body).unwrap().into_body().read_to_string();
        assert_eq!(reply.unwrap(), r#"{"status":"success"}"#);
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(second.accepted(), count);
    let rate = count as f64 / seconds;
    println!(
        "{printed}ureq alone: {rate:.0} a second, in {} requests",
        requests.len()
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures, for those who want them")]
fn four_threads_import_in_much_less_time_than_one() {
    let count = line_count();
    let mut times = Vec::new();
    for threads in ["1", "4"] {
        let import = Import::of(&lines(count));
        let server = server();
        server.set_latency(Duration::from_millis(20));
        let printed = import.run_with(&server, &["--threads", threads]);
        assert_eq!(server.accepted(), count);
        let requests = server.requests().len();
        let time = printed
            .split(" in ")
            .nth(1)
            .and_then(|rest| rest.split_once(" s,"));
        let (time, _) = time.expect("a time");
        println!("threads: {threads}, requests: {requests}\n{printed}");
        times.push(time.parse::<f64>().expect("seconds"));
    }
    let part = times[1] / times[0];
    println!("four threads take {:.1} % of the time of one", 100.0 * part);
    assert!(part < 0.7, "{times:?}");
}
