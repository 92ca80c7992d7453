use std::time::Duration;

use serde_json::json;
use trubrics::{Event, LlmEvent};

use super::{Watch, post, webdriver::Browser};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const DOWN: &str = "\u{e015}";

/// The names of the entries in the page, from the top.
const NAMES: &str = "return [...document.querySelectorAll('#list > li')].map((row) => row.querySelector('.name').innerText)";

fn deliver_some(watch: &Watch) {
    watch.deliver([
        Event::new("ada@example.com", "Sign up").property("plan", "team").property("referrer", "newsletter"),
        Event::new("bob@example.com", "Sign up").properties(json!({
            "plan": "free", "seats": 3, "utm": { "source": "search", "campaign": ["spring", "charts"] },
        })),
        Event::new("ada@example.com", "Chart exported").property("format", "svg").property("ms", 182.5),
        Event::new("4f0d1c9e-27c3-4d57-9a55-2f0c0d1f7a10", "Feedback <b>given</b>")
            .text("<img src=x onerror=\"document.title='owned'\"> Very good & quick"),
    ]);
    watch.deliver([
        LlmEvent::new("ada@example.com", "How do I export a chart?", "Open its menu, choose Export, and take the format that you want: PNG and SVG for slides, CSV for the data behind it.\n\nWhoever may see the chart may export it too; ask the owner for access if the menu is not there. On a phone, press the chart for a second instead, and the same menu opens.")
            .assistant_id("gpt-4o").thread_id("thread_7").latency(Duration::from_millis(1420)),
        LlmEvent::new("bob@example.com", "And a table?", "The same way: <script>document.title = 'owned'</script>.")
            .assistant_id("gpt-4o").thread_id("thread_8").latency(Duration::from_millis(610)),
    ]);
    assert_eq!(
        post(
            watch,
            r#"[{"user_id": "bob@example.com", "event": "", "timestamp": "2024-10-09T13:21:46Z"}]"#
        ),
        422
    );
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_shows_what_comes_and_filters_it_by_user() {
    let watch = Watch::start(&[]);
    let browser = Browser::open(&watch.page, false);
    browser.wait("document.querySelector('#setup').innerText.includes('TRUBRICS_HOST')");
    browser.picture("empty", 1100, 600);
    deliver_some(&watch);
    browser.wait("document.querySelectorAll('#list > li').length === 7");
    assert_eq!(
        browser.run(NAMES),
        json!([
            "Refused",
            "Prompt → Generation",
            "Prompt → Generation",
            "Feedback <b>given</b>",
            "Chart exported",
            "Sign up",
            "Sign up"
        ])
    );
    browser.picture("light-wide", 1100, 800);

    browser.press("/ada");
    browser.wait("document.querySelectorAll('#list > li').length === 3");
    assert_eq!(
        browser.run(NAMES),
        json!(["Prompt → Generation", "Chart exported", "Sign up"])
    );
    let users = browser
        .run("return [...document.querySelectorAll('#list .user')].map((user) => user.innerText)");
    assert_eq!(users, json!(vec!["ada@example.com"; 3]));
    browser.picture("light-filtered", 1100, 600);

    // What comes now is filtered too, without a word from anybody.
    watch.deliver([
        Event::new("bob@example.com", "Log in"),
        Event::new("ADA", "Log in"),
    ]);
    browser.wait("document.querySelectorAll('#list > li').length === 4");
    assert_eq!(browser.run(NAMES)[0], "Log in");
    let counts = browser.run("return ['all', 'event', 'llm', 'refused'].map((kind) => document.querySelector('#count-' + kind).innerText)");
    assert_eq!(counts, json!(["9", "6", "2", "1"]));

    // The filter outlives a reload.
    browser.run("location.reload()");
    browser.wait("document.querySelectorAll('#list > li').length === 4");
    browser.run("document.activeElement.blur()");
    browser.press(&format!("/{ESCAPE}"));
    browser.wait("document.querySelectorAll('#list > li').length === 9");
    assert_eq!(browser.complaints(), json!([]));

    drop(watch);
    browser.wait("document.querySelector('#state').innerText.startsWith('no connection')");
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_opens_entries_by_keyboard_and_takes_texts_as_texts() {
    let watch = Watch::start(&[]);
    deliver_some(&watch);
    let browser = Browser::open(&watch.page, true);
    browser.wait("document.querySelectorAll('#list > li').length === 7");
    browser.picture("dark-wide", 1100, 800);

    // The refusal, and the latest LLM event.
    browser.press(&format!("{DOWN}{ENTER}{DOWN}{DOWN}{ENTER}"));
    browser.wait("document.querySelectorAll('details[open] .body').length === 2");
    let refused = browser.run("return document.querySelector('.refused').innerText");
    let refused = refused.as_str().unwrap();
    assert!(
        refused.contains("422")
            && refused.contains("record 1 of 1, event: String should have at least 1 character"),
        "{refused}"
    );
    let pair = browser.run(
        "return [...document.querySelectorAll('.body .said span')].map((said) => said.textContent)",
    );
    assert_eq!(pair[0], "How do I export a chart?");
    assert!(pair[1].as_str().unwrap().ends_with("the same menu opens."));
    browser.picture("dark-open", 1100, 1000);
    browser.picture("dark-narrow", 400, 1000);

    browser.run("for (const details of document.querySelectorAll('details')) details.open = true");
    browser.wait("document.querySelectorAll('.body').length === 7");
    let injected =
        browser.run("return document.querySelectorAll('main img, main script, main b').length");
    assert_eq!(
        (injected, browser.run("return document.title")),
        (json!(0), json!("Trubrics watch"))
    );
    let shown = browser.run("return document.querySelector('#list').innerText");
    assert!(shown.as_str().unwrap().contains("<img src=x onerror="));

    // Nothing is wider than a telephone.
    browser.picture("dark-narrow-open", 400, 1400);
    browser.wait("document.documentElement.scrollWidth <= 400");
    browser.press(TAB);
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_keeps_the_latest_ten_thousand_and_stays_quick() {
    let watch = Watch::start(&["--user", "nobody"]);
    let browser = Browser::open(&watch.page, false);
    watch.deliver((0..10_500).map(|number| {
        Event::new(format!("user_{}", number % 100), format!("Step {number}"))
            .property("number", number)
    }));
    browser.wait("document.querySelector('#count-all').innerText === '10,500'");
    assert_eq!(
        browser.run("return document.querySelector('#shown').innerText"),
        "10,000 entries, the latest of 10,500"
    );
    assert_eq!(
        browser.run("return document.querySelectorAll('#list > li').length"),
        200
    );
    assert_eq!(browser.run(NAMES)[0], "Step 10499");

    let millis = browser.run(
        "const begin = performance.now();
         const user = document.querySelector('#user');
         user.value = 'user_42';
         user.dispatchEvent(new Event('input', { bubbles: true }));
         document.body.offsetHeight;
         return performance.now() - begin;",
    );
    assert_eq!(
        browser.run("return document.querySelectorAll('#list > li').length"),
        100
    );
    // Far more than it takes; a list that is drawn whole takes longer still.
    assert!(millis.as_f64().unwrap() < 500.0, "{millis} ms");
    browser.picture("light-narrow", 400, 900);
    browser.run("document.querySelector('#user').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input')); document.querySelector('#more').click()");
    assert_eq!(
        browser.run("return document.querySelectorAll('#list > li').length"),
        400
    );

    // A page that opens late is told the same.
    browser.run("location.reload()");
    browser.wait(
        "document.querySelector('#shown').innerText === '10,000 entries, the latest of 10,500'",
    );

    browser.press("p");
    watch.deliver([Event::new("late", "Late")]);
    browser.wait("document.querySelector('#pause').innerText === 'Resume (1 new)'");
    assert_eq!(browser.run(NAMES)[0], "Step 10499");
    browser.press("p");
    browser.wait("document.querySelector('#list .name').innerText === 'Late'");
    assert_eq!(browser.complaints(), json!([]));
}
