/// Roles, labels, contrast, and widths.
mod access;
/// A conversation with its steps and its feedback.
mod conversations;
/// A connection that breaks off, and a server that begins anew.
mod reconnection;
/// Ten thousand entries and more.
mod volume;

use std::time::Duration;

use serde_json::{Value, json};
use trubrics::{Event, LlmEvent, Usage};

use super::{
    Watch, post,
    webdriver::{Browser, DOWN, ENTER, ESCAPE},
};

/// The names of the entries in the page, from the top, or `refused` for a request that was refused.
const NAMES: &str = "return [...document.querySelectorAll('#list li:not(.thread)')]
    .map((row) => row.querySelector('.name')?.textContent ?? 'refused')";

const COUNTS: &str = "return ['all', 'event', 'llm', 'failed', 'refused']
    .map((kind) => document.querySelector('#count-' + kind).textContent)";

const SHOWN: &str = "return document.querySelector('#shown').textContent";

fn wait_for_rows(browser: &Browser, rows: usize) {
    browser.wait(&format!(
        "document.querySelectorAll('#list li:not(.thread)').length === {rows}"
    ));
}

/// Types into the field for the search, instead of what it holds.
fn search(browser: &Browser, words: &str) {
    browser.run("document.querySelector('#search').value = ''; document.activeElement.blur()");
    browser.press(&format!("/{words}"));
}

fn answer() -> String {
    let start = "Open its menu, choose Export, and take the format that you want.";
    let line = "\n\nOn a phone, press the chart for a second instead, and the same menu opens.";
    format!("{start}{}", line.repeat(20))
}

fn deliver_some(watch: &Watch) {
    watch.deliver([
        Event::new("ada@example.com", "Sign up").property("plan", "team").property("referrer", "newsletter"),
        Event::new("bob@example.com", "Sign up").properties(json!({
            "plan": "free", "seats": 3, "utm": { "source": "search", "campaign": ["spring", "charts"] },
        })),
        Event::new("ada@example.com", "Chart exported").property("format", "svg").property("big", u64::MAX),
        Event::new("4f0d1c9e-27c3-4d57-9a55-2f0c0d1f7a10", "Comment <b>given</b>")
            .text("<img src=x onerror=\"document.title='owned'\"> Very good & quick"),
    ]);
    watch.deliver([
        LlmEvent::new("ada@example.com", "How do I export a chart?", answer())
            .thread_id("thread_7")
            .latency(Duration::from_millis(1420))
            .usage(Usage::new(12_345, 310).cache_read_tokens(10_000)),
        LlmEvent::new(
            "bob@example.com",
            "And a table?",
            "The same way: <script>document.title = 'owned'</script>.",
        )
        .thread_id("thread_8")
        .error_type("timeout")
        .property("error_message", "no answer within 30 s"),
    ]);
    let nameless =
        r#"[{"user_id": "bob@example.com", "event": "", "timestamp": "2024-10-09T13:21:46Z"}]"#;
    assert_eq!(post(watch, nameless), 422);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_shows_what_comes_and_filters_it_by_user() {
    let watch = Watch::start(&[]);
    let browser = Browser::open(&watch.page, false);
    browser.wait("document.querySelector('#setup').innerText.includes('TRUBRICS_HOST')");
    browser.picture("empty", 1280, 600);
    deliver_some(&watch);
    wait_for_rows(&browser, 7);
    assert_eq!(
        browser.run(NAMES),
        json!([
            "refused",
            "Prompt → Generation",
            "Prompt → Generation",
            "Comment <b>given</b>",
            "Chart exported",
            "Sign up",
            "Sign up"
        ])
    );
    assert_eq!(browser.run(COUNTS), json!(["7", "4", "2", "1", "1"]));
    browser.picture("light-wide", 1280, 800);

    browser.run("document.querySelector('#user').focus()");
    browser.press("ada");
    wait_for_rows(&browser, 3);
    assert_eq!(
        browser.run(NAMES),
        json!(["Prompt → Generation", "Chart exported", "Sign up"])
    );
    assert_eq!(browser.run(COUNTS), json!(["3", "2", "1", "0", "0"]));
    assert_eq!(browser.run(SHOWN), "3 found · 7 entries");

    // Later entries are filtered too.
    watch.deliver([
        Event::new("bob@example.com", "Log in"),
        Event::new("ADA", "Log in"),
    ]);
    wait_for_rows(&browser, 4);
    assert_eq!(browser.run(NAMES)[0], "Log in");
    assert_eq!(browser.run(SHOWN), "4 found · 9 entries");

    // The filter outlives a reload.
    browser.run("location.reload()");
    wait_for_rows(&browser, 4);
    browser.run("document.querySelector('#user').focus()");
    browser.press(ESCAPE);
    wait_for_rows(&browser, 9);
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_search_finds_names_users_texts_and_properties() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    let browser = Browser::open(&watch.page, false);
    wait_for_rows(&browser, 7);
    let found = |words: &str| -> Vec<Value> {
        search(&browser, words);
        // Two frames: the first may have been asked for before the last key.
        browser.wait("true");
        browser.wait("true");
        let names = browser.run(NAMES);
        names.as_array().unwrap().clone()
    };
    assert_eq!(found("EXPORTED"), ["Chart exported"]);
    assert_eq!(found("4f0d1c9e"), ["Comment <b>given</b>"]);
    assert_eq!(found("\"same menu opens\""), ["Prompt → Generation"]);
    assert_eq!(found("menu same"), ["Prompt → Generation"]);
    assert_eq!(found("\"menu same\""), Vec::<Value>::new());
    assert_eq!(found("referrer"), ["Sign up"]);
    assert_eq!(found("campaign=spring seats=3"), ["Sign up"]);
    assert_eq!(found("\"very good & quick\""), ["Comment <b>given</b>"]);
    assert_eq!(found("422"), ["refused"]);
    assert_eq!(found("no answer within"), ["Prompt → Generation"]);
    assert_eq!(found("18446744073709551615"), ["Chart exported"]);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn failures_have_a_sign_a_word_and_a_filter() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    watch.deliver([Event::new("ada", "Tool call")
        .property("outcome", "interrupted")
        .property("duration", 0.0123)]);
    let browser = Browser::open(&watch.page, false);
    wait_for_rows(&browser, 8);
    let marks = browser
        .run("return [...document.querySelectorAll('.mark')].map((mark) => mark.textContent)");
    assert_eq!(marks, json!(["! interrupted", "✗ refused 422", "✗ failed"]));
    let error = browser.run("return document.querySelector('.failed .error').textContent");
    assert_eq!(error, "timeout: no answer within 30 s");

    browser.run("document.querySelector('[value=failed]').click()");
    wait_for_rows(&browser, 1);
    assert_eq!(browser.run(NAMES), json!(["Prompt → Generation"]));
    browser.run("document.querySelector('[value=refused]').click()");
    browser.wait("document.querySelector('#list .refused')");
    assert_eq!(browser.run(NAMES), json!(["refused"]));
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn figures_stand_above_a_long_text_which_is_folded() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    let browser = Browser::open(&watch.page, true);
    wait_for_rows(&browser, 7);
    search(&browser, "12345");
    wait_for_rows(&browser, 1);
    let facts = browser
        .run("return [...document.querySelectorAll('.fact')].map((fact) => fact.textContent)");
    assert_eq!(
        facts,
        json!(["1.42 s", "12,345 (10,000 cached) → 310 tokens"])
    );
    browser.press(&format!("{ENTER}{ENTER}"));
    browser.wait("document.querySelector('.body .generation')");
    let said = "document.querySelector('.body .generation')";
    let is_above = browser.run(&format!(
        "return [...document.querySelectorAll('.fact')].every((fact) =>
            fact.getBoundingClientRect().bottom <= {said}.getBoundingClientRect().top)"
    ));
    assert_eq!(is_above, true);

    let whole = answer();
    let button = browser.run(&format!(
        "return {said}.querySelector('button').textContent"
    ));
    assert_eq!(
        button,
        format!("Show all 1,{} characters", whole.len() - 1_000)
    );
    let start = browser.run(&format!("return {said}.firstChild.textContent"));
    assert!(whole.starts_with(start.as_str().unwrap().trim_end_matches('…')));
    assert!(start.as_str().unwrap().len() < 900);
    browser.picture("dark-folded", 1280, 1000);
    browser.run(&format!("{said}.querySelector('button').click()"));
    assert_eq!(browser.run(&format!("return {said}.textContent")), whole);
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_is_used_by_keys_which_it_lists() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    let browser = Browser::open(&watch.page, true);
    browser.tools(
        "Browser.grantPermissions",
        &json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }),
    );
    wait_for_rows(&browser, 7);

    browser.press("?");
    browser.wait("document.querySelector('#keys').open");
    let listed = browser.run("return document.querySelector('#keys').innerText");
    for key in ["/", "j", "k", "Enter", "c", "p", "g", "Esc", "?"] {
        assert!(listed.as_str().unwrap().contains(key), "{key}: {listed}");
    }
    browser.press(ESCAPE);
    browser.wait("!document.querySelector('#keys').open");

    // The refusal, and the latest event but one.
    browser.press(&format!("{DOWN}{ENTER}jjjjk{DOWN}{ENTER}"));
    browser.wait("document.querySelectorAll('details[open] .body').length === 2");
    let refused = browser.run("return document.querySelector('.refused').innerText");
    let refused = refused.as_str().unwrap();
    assert!(
        refused.contains("record 1 of 1, event: String should have at least 1 character"),
        "{refused}"
    );
    browser.press("c");
    browser.wait("document.querySelector('#notice').textContent === 'Copied as JSON'");
    let copied = browser.ask("navigator.clipboard.readText()");
    let copied = copied.as_str().unwrap();
    let record: Value = serde_json::from_str(copied).expect("JSON");
    assert_eq!(record["event"], "Chart exported");
    assert_eq!(record["properties"]["format"], "svg");
    assert!(
        copied.contains(r#""big": 18446744073709551615"#),
        "{copied}"
    );
    browser.press(ESCAPE);
    browser.wait("document.querySelectorAll('details[open]').length === 1");
    browser.picture("dark-open", 1280, 1000);

    browser.press("p");
    watch.deliver([Event::new("late", "Late")]);
    browser.wait("document.querySelector('#pause').textContent === 'Resume (1 new)'");
    wait_for_rows(&browser, 7);
    browser.press("p");
    wait_for_rows(&browser, 8);
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn no_text_becomes_html_and_nothing_is_loaded() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    let browser = Browser::open(&watch.page, true);
    wait_for_rows(&browser, 7);
    browser.run("for (const details of document.querySelectorAll('details')) details.open = true");
    browser.wait("document.querySelectorAll('.body').length === 7");
    let made = browser.run("return document.querySelectorAll('main img, main script').length");
    assert_eq!(made, 0);
    assert_eq!(browser.run("return document.title"), "Trubrics watch");
    let shown = browser.run("return document.querySelector('#list').textContent");
    for expected in [
        "<img src=x onerror=",
        "<script>document",
        "Comment <b>given</b>",
    ] {
        assert!(shown.as_str().unwrap().contains(expected), "{expected}");
    }
    let loaded = browser.run(
        "return performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)",
    );
    assert_eq!(loaded, json!([]), "the feed is not loaded to its end");
    assert_eq!(browser.complaints(), json!([]));

    // The browser itself takes no text for HTML here.
    let taken = browser.run(
        "try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch { return 'refused'; }",
    );
    assert_eq!(taken, "refused");
}
