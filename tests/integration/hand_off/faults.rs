//! A program that cannot be started again, and a process that delivers while something goes wrong.

use super::*;

#[test]
fn a_program_that_cannot_be_started_prevents_no_start_of_the_next_run() {
    let (server, folder) = (server(), Folder::new());
    let too_long = "x".repeat(4 * 1024 * 1024);
    let client = build(storing(server.url(), &folder).hand_off([too_long]));
    client.track(Event::new("user", "Run"));
    client.close(LONG).expect("all is on disk");
    assert_eq!((folder.records(), stamp(&folder)), (1, None));
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_that_was_removed_prevents_no_start_of_the_next_run() {
    let (server, folder) = (server(), Folder::new());
    fs::create_dir(&folder.0).expect("a folder");
    let program = folder.0.join("program");
    let this = env::current_exe().expect("a program");
    fs::hard_link(&this, &program)
        .or_else(|_| fs::copy(&this, &program).map(drop))
        .expect("a second program");
    let run = run(&server, &folder);
    let mut second = Command::new(&program);
    second.args(run.get_args()).env(REMOVED, "1");
    second.env(FOLDER, &folder.0).env(HOST, server.url());
    assert_succeeds(second);
    assert_eq!((folder.records(), stamp(&folder)), (1, None));
}

#[test]
fn a_withdrawal_ends_the_other_side_soon_also_in_a_back_off() {
    let (server, folder) = (server(), Folder::new());
    let settings = || storing(server.url(), &folder).hand_off_interval(Duration::MAX);
    let client = build(settings());
    client.track(Event::new("user", "Run"));
    client.close(LONG).expect("all is on disk");
    server.script([Reply::status(503).header("retry-after", "3600")]);
    thread::scope(|scope| {
        let other_side = scope.spawn(|| settings().deliver_handed_off());
        server.wait_for_requests(1, LONG).expect("one");
        trubrics::withdraw_in(&folder.0).expect("the disk works");
        let start = Instant::now();
        let stats = other_side.join().expect("no panic").expect("good settings");
        assert!(start.elapsed() < LONG / 2);
        assert_eq!((stats.recovered, stats.dropped), (1, 1));
    });
    assert_eq!((folder.records(), server.requests().len()), (0, 1));
}

#[test]
fn a_run_that_ends_shortly_before_the_other_side_is_delivered() {
    let (server, folder) = (server(), Folder::new());
    let settings = || storing(server.url(), &folder).hand_off_interval(Duration::from_secs(1));
    let track_one = {
        let settings = settings();
        move || {
            let client = build(settings.clone());
            client.track(Event::new("user", "Run"));
            client.close(LONG).expect("all is on disk");
        }
    };
    track_one();
    let later_run = Once::new();
    // It ends after the only look at the folder that the interval has time for.
    let answering = transport_fn(move |_| {
        later_run.call_once(&track_one);
        Ok(Response::new(200))
    });
    let delivered = settings().transport(answering).deliver_handed_off();
    let stats = delivered.expect("good settings");
    assert_eq!((stats.delivered, folder.records()), (2, 0));
}
