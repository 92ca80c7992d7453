use std::time::{Duration, SystemTime};

use serde_json::json;
use trubrics::{Cost, Event, LlmEvent, Usage};

use super::{Browser, NAMES, SHOWN, Watch, search, wait_for_rows};

/// A conversation of two generations; a tool, and a thumb that comes later and names the generation only.
fn converse(watch: &Watch) {
    let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
    let tool = Event::new("ada", "Tool call")
        .thread_id("thread_7")
        .generation_id("g1")
        .property("gen_ai.tool.name", "search_docs");
    let thumb = Event::feedback("ada", "g1").thumbs_up();
    watch.deliver([
        Event::new("ada", "Opened")
            .thread_id("thread_7")
            .timestamp(at(0)),
        tool.timestamp(at(1)),
        Event::new("bob", "Sign up").timestamp(at(4)),
    ]);
    let generation = |id: &str, prompt: &str| {
        LlmEvent::new("ada", prompt, "Open its menu.")
            .thread_id("thread_7")
            .generation_id(id)
            .usage(Usage::new(1_000, 20))
            .cost(Cost::usd(0.002))
    };
    watch.deliver([
        generation("g1", "How do I export a chart?").timestamp(at(2)),
        generation("g2", "And a table?")
            .timestamp(at(3))
            .error_type("timeout"),
    ]);
    watch.deliver([thumb.timestamp(at(5))]);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn a_conversation_is_one_thread_with_its_steps_and_feedback() {
    let watch = Watch::start(&[]);
    converse(&watch);
    let browser = Browser::open(&watch.page, false);
    wait_for_rows(&browser, 6);
    assert_eq!(
        browser.run(NAMES),
        json!([
            "Opened",
            "Prompt → Generation",
            "Tool call",
            "Feedback",
            "Prompt → Generation",
            "Sign up"
        ])
    );
    let steps = browser.run("return [...document.querySelectorAll('.thread .step .name')].map((name) => name.textContent)");
    assert_eq!(steps, json!(["Tool call", "Feedback"]));
    let head = browser.run(
        "return [...document.querySelector('.thread summary .rest').children].map((part) => part.textContent)",
    );
    assert_eq!(
        head,
        json!([
            "Conversation",
            "✗ 1 failed",
            "2 generations",
            "1 tool call",
            "1 feedback",
            "1 other event",
            "2,000 → 40 tokens",
            "0.004 USD",
            "thread_7"
        ])
    );
    browser.picture("conversation", 1280, 800);
    browser.picture("conversation-narrow", 420, 900);

    // A filter hides entries of a thread, and says so.
    search(&browser, "table");
    wait_for_rows(&browser, 1);
    let part = browser.run("return document.querySelector('.part span').textContent");
    assert_eq!(part, "1 of 5 entries ");
    browser.run("document.querySelector('.part button:not([hidden])').click()");
    wait_for_rows(&browser, 5);
    assert_eq!(browser.run(SHOWN), "1 found · 6 entries");

    // Without groups each entry has its own place.
    search(&browser, "");
    browser.run("document.activeElement.blur()");
    browser.press("g");
    browser.wait("!document.querySelector('.thread') && document.querySelectorAll('#list > li').length === 6");
    assert_eq!(browser.run(NAMES)[0], "Feedback");
    assert_eq!(
        browser.run("return document.querySelectorAll('.step').length"),
        0
    );
    browser.press("g");
    browser.wait("document.querySelector('.thread')");
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn a_long_conversation_shows_its_latest_entries_and_the_rest_on_demand() {
    let watch = Watch::start(&[]);
    watch.deliver((0..50).map(|number| {
        Event::new("ada", format!("Step {number}"))
            .thread_id("t")
            .timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(number))
    }));
    let browser = Browser::open(&watch.page, false);
    wait_for_rows(&browser, 20);
    assert_eq!(browser.run(NAMES)[19], "Step 49");
    browser.run("document.querySelector('.part button').click()");
    wait_for_rows(&browser, 50);
    assert_eq!(browser.run(NAMES)[0], "Step 0");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn an_entry_keeps_the_focus_when_it_joins_a_thread() {
    let watch = Watch::start(&[]);
    watch.deliver([Event::new("ada", "First").thread_id("t")]);
    let browser = Browser::open(&watch.page, false);
    wait_for_rows(&browser, 1);
    browser.press("j");
    watch.deliver([Event::new("ada", "Second").thread_id("t")]);
    wait_for_rows(&browser, 2);
    browser.wait("document.querySelector('.thread')");
    let focused = browser.run("return document.activeElement.querySelector('.name').textContent");
    assert_eq!(focused, "First");
}
