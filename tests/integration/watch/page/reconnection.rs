use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;
use trubrics::Event;

use super::{Browser, NAMES, SHOWN, Watch, search, wait_for_rows};

/// A port that leads to a page, and whose connections can be cut.
struct Relay {
    url: String,
    leads_to: Arc<Mutex<SocketAddr>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

fn address(watch: &Watch) -> SocketAddr {
    let address = watch.page.trim_start_matches("http://");
    address.trim_end_matches('/').parse().unwrap()
}

impl Relay {
    fn to(watch: &Watch) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            url: format!("http://{}/", listener.local_addr().unwrap()),
            leads_to: Arc::new(Mutex::new(address(watch))),
            open: Arc::default(),
        };
        let (leads_to, open) = (Arc::clone(&relay.leads_to), Arc::clone(&relay.open));
        thread::spawn(move || {
            for browser in listener.incoming().map_while(Result::ok) {
                // While the program is gone, its connections are refused.
                let Ok(program) = TcpStream::connect(*leads_to.lock().unwrap()) else {
                    continue;
                };
                for (from, to) in [(&browser, &program), (&program, &browser)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                open.lock().unwrap().extend([browser, program]);
            }
        });
        relay
    }

    fn cut(&self) {
        for connection in self.open.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

const LOST: &str = "document.querySelector('#state').textContent.startsWith('no connection')";
const LIVE: &str = "document.querySelector('#state').textContent === 'live'";

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_goes_on_where_a_connection_broke_off() {
    let watch = Watch::start(&[]);
    let relay = Relay::to(&watch);
    watch.deliver([
        Event::new("ada", "First"),
        Event::new("bob", "Second").property("plan", "team"),
    ]);
    let browser = Browser::open(&relay.url, false);
    wait_for_rows(&browser, 2);
    search(&browser, "team");
    wait_for_rows(&browser, 1);
    browser.run("document.activeElement.blur()");
    browser.press("j\u{e007}");
    browser.wait("document.querySelector('details[open] .body')");
    browser.run("window.opened = document.querySelector('details[open]')");

    relay.cut();
    browser.wait(LOST);
    watch.deliver([
        Event::new("ada", "Third").property("plan", "team"),
        Event::new("ada", "Fourth"),
    ]);
    browser.wait(LIVE);
    // Each entry once, the filter, the open entry and the focus as they were.
    wait_for_rows(&browser, 2);
    assert_eq!(browser.run(NAMES), json!(["Third", "Second"]));
    assert_eq!(browser.run(SHOWN), "2 found · 4 entries");
    let is_as_it_was =
        "return opened.open && opened.isConnected && opened.contains(document.activeElement)";
    assert_eq!(browser.run(is_as_it_was), true);

    // A pause stays a pause.
    browser.press("p");
    relay.cut();
    browser.wait(LOST);
    watch.deliver([Event::new("ada", "Fifth").property("plan", "team")]);
    browser.wait("document.querySelector('#pause').textContent === 'Resume (1 new)'");
    assert_eq!(browser.run(NAMES), json!(["Third", "Second"]));
    browser.press("p");
    wait_for_rows(&browser, 3);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn entries_of_an_earlier_run_stay_when_the_program_begins_anew() {
    let watch = Watch::start(&[]);
    let relay = Relay::to(&watch);
    watch.deliver([Event::new("ada", "First"), Event::new("ada", "Second")]);
    let browser = Browser::open(&relay.url, false);
    wait_for_rows(&browser, 2);
    drop(watch);
    browser.wait(LOST);

    let again = Watch::start(&[]);
    *relay.leads_to.lock().unwrap() = address(&again);
    again.deliver([Event::new("ada", "Third")]);
    wait_for_rows(&browser, 3);
    assert_eq!(browser.run(NAMES), json!(["Third", "Second", "First"]));
    assert_eq!(browser.run(SHOWN), "3 entries");
}
