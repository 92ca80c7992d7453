//! A few records to look at, sent by a real client to a server of our own; and two mistakes that a program may make.

use std::{error::Error, time::Duration};

use serde_json::json;
use trubrics::{Cost, Event, Trubrics, Usage, testing::Server};

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
    converse(&client);
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

/// A conversation: an answer for which the model called a tool, the user's thumb, and a call that failed.
fn converse(client: &Trubrics) {
    let user = client
        .for_user("user_1")
        .thread_id("thread_7")
        .assistant_id("gpt-4o");
    user.track(
        user.llm_event(
            "How do I export a chart?",
            "Open its menu, choose Export, and take the format that you want: PNG and SVG for slides, CSV for the data \
             behind it. Each person with access to the chart can export it too.",
        )
        .generation_id("generation_1")
        .latency(Duration::from_millis(1420))
        .time_to_first_token(Duration::from_millis(310))
        .usage(Usage::new(1_200, 310).cache_read_tokens(1_000))
        .cost(Cost::usd(0.0061))
        .property("outcome", "finished"),
    );
    user.tool("search_docs")
        .generation_id("generation_1")
        .arguments(json!({ "query": "export chart" }))
        .finish();
    user.track(user.feedback("generation_1").thumbs_up());
    user.llm_call("And a table?")
        .error_type("timeout")
        .fail("no answer within 30 s");
}
