//! smoke

/// The README's table of settings, beside the constants.
mod readme;
/// The requests that every field and option lead to.
mod wire;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use trubrics::*;
#[test]
fn smoke() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let s = seen.clone();
    let client = Trubrics::builder("key")
        .transport(move |r: &Request<'_>| -> Result<Response, TransportError> {
            s.lock()
                .unwrap()
                .push(format!("{} {}", r.url(), String::from_utf8_lossy(r.body())));
            Ok(Response::new(200))
        })
        .build()
        .unwrap();
    client.track(
        Event::new("u", "e")
            .property("a", 1)
            .property("b", "x\"y")
            .property("a", 2)
            .properties(serde_json::json!({"z": {"q":[1,2,"}"]}, "b": null})),
    );
    client.track(LlmEvent::new("u", "p", "g").latency(Duration::from_millis(1420)));
    client.track_sync(Event::new("u", "sync")).unwrap();
    client.flush(Duration::from_secs(5)).unwrap();
    for x in seen.lock().unwrap().iter() {
        println!("{x}");
    }
    println!("{:?}", client);
    client.close(Duration::from_secs(1)).unwrap();
    client.track(Event::new("u", "late"));
    println!("{:?}", client.stats());
    println!("{:?}", client.flush(Duration::from_secs(1)));
}
