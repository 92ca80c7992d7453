//! A few records to look at, sent by a real client to a server of our own; and what a program may get wrong.

use std::{error::Error, time::Duration};

use serde_json::json;
use trubrics::{Event, LlmEvent, Trubrics, testing::Server};

use crate::entry::Entry;

pub(crate) fn entries() -> Result<Vec<Entry>, Box<dyn Error>> {
    let server = Server::start()?;
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .build()?;
    client.track(Event::new("user_1", "Sign up").property("plan", "team"));
    client.track(Event::new("user_2", "Sign up").properties(json!({
        "plan": "free", "referrer": { "name": "newsletter", "week": 12 },
    })));
    client.track(
        LlmEvent::new(
            "user_1",
            "How do I export a chart?",
            "Open its menu, choose Export, and take the format that you want: PNG and SVG for slides, CSV for the data \
             behind it. Whoever may see the chart may export it too.",
        )
        .assistant_id("gpt-4o")
        .thread_id("thread_7")
        .latency(Duration::from_millis(1420)),
    );
    client.track(Event::new("user_1", "Converted").property("seats", 12));
    client.close(Duration::from_secs(10))?;

    let url = format!("{}/publish_events", server.url());
    let nameless =
        json!([{ "user_id": "user_3", "event": "", "timestamp": "2024-10-09T13:21:46Z" }]);
    for key in [Some(server.api_key()), None] {
        let mut request = ureq::post(&url).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        // Both are refused, which is the point.
        let _ = request.send(nameless.to_string());
    }

    let requests = server.take_requests(Duration::ZERO);
    Ok(requests.iter().flat_map(Entry::of).collect())
}
