use serde_json::json;
use trubrics::{Event, LlmEvent, Record};

use super::{Browser, COUNTS, NAMES, SHOWN, Watch, search};
use crate::child::tell;

/// The heap in megabytes, and the number of nodes.
fn memory(browser: &Browser) -> (f64, f64) {
    browser.tools("HeapProfiler.collectGarbage", &json!({}));
    browser.tools("Performance.enable", &json!({}));
    let metrics = browser.tools("Performance.getMetrics", &json!({}));
    let metric = |name: &str| {
        let metrics = metrics["metrics"].as_array().unwrap();
        let metric = metrics.iter().find(|metric| metric["name"] == name);
        metric.unwrap()["value"].as_f64().unwrap()
    };
    (metric("JSHeapUsedSize") / 1e6, metric("Nodes"))
}

/// The milliseconds from a change of this field to the end of the frame that shows it.
fn frame(browser: &Browser, field: &str, value: &str) -> f64 {
    let millis = browser.ask(&format!(
        "new Promise((done) => {{
           const field = document.querySelector('#{field}');
           field.value = '{value}';
           const begin = performance.now();
           field.dispatchEvent(new Event('input', {{ bubbles: true }}));
           requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
         }})"
    ));
    millis.as_f64().unwrap()
}

fn record(number: usize) -> Record {
    let user = format!("user_{}", number % 100);
    if number.is_multiple_of(10) {
        let generation = "Open its menu, and choose Export. ".repeat(20);
        return LlmEvent::new(user, format!("Question {number}"), generation)
            .thread_id(format!("thread_{}", number / 100))
            .into();
    }
    Event::new(user, format!("Step {number}"))
        .property("number", number)
        .into()
}

// The bounds are those of a machine that does much else meanwhile.
#[test]
#[ignore = "needs chromium and chromedriver; .ci/run has them"]
fn the_page_keeps_ten_thousand_counts_what_it_keeps_and_stays_quick() {
    let watch = Watch::start(&["--user", "nobody"]);
    let browser = Browser::open(&watch.page, false);
    browser.run(
        "window.longest = 0;
         new PerformanceObserver((list) => list.getEntries().forEach((task) => longest = Math.max(longest, task.duration)))
           .observe({ type: 'longtask' });",
    );
    watch.deliver((0..12_345).map(record));
    let all = "document.querySelector('#shown').textContent === '10,000 of 12,345 kept'";
    browser.wait(all);
    let longest = browser.run("return longest").as_f64().unwrap();
    let counts = browser.run(COUNTS);
    let count = |place: usize| counts[place].as_str().unwrap().replace(',', "");
    let count = |place: usize| count(place).parse::<usize>().unwrap();
    assert_eq!(count(0), 10_000);
    assert_eq!(count(1) + count(2) + count(4), 10_000);
    let (live_heap, _) = memory(&browser);

    // A page that opens late has the same.
    browser.run("location.reload()");
    browser.wait(all);
    let loaded = browser.run("return performance.now()").as_f64().unwrap();
    let rows = browser.run("return document.querySelectorAll('#list li:not(.thread)').length");
    assert!(rows.as_u64() <= Some(120), "{rows} rows");
    let (heap, nodes) = memory(&browser);

    let none = frame(&browser, "search", "no such thing");
    assert_eq!(browser.run(COUNTS), json!(["0", "0", "0", "0", "0"]));
    assert_eq!(browser.run(SHOWN), "0 found · 10,000 of 12,345 kept");
    assert_eq!(
        browser.run("return document.querySelector('#why-none').textContent"),
        "No kept entry passes the filter. 2,345 older entries are not kept and cannot be searched."
    );
    browser.picture("none", 420, 600);
    browser.run("document.querySelector('#all').click()");
    browser.wait("document.querySelector('#list .name')");
    let many = frame(&browser, "search", "export");
    let few = frame(&browser, "user", "user_42");
    frame(&browser, "search", "");
    frame(&browser, "user", "");
    browser.picture("many", 1280, 900);
    tell(&format!(
        "10,000 entries: shown {loaded:.0} ms after the page was asked for; {heap:.0} MB of heap ({live_heap:.0} MB live), \
         {nodes} nodes; a filter takes {none:.0} ms (nothing), {many:.0} ms (many), {few:.0} ms (few); \
         the longest task while they came took {longest:.0} ms"
    ));
    assert!(loaded < 20_000.0 && longest < 5_000.0);
    assert!(none.max(many).max(few) < 2_000.0);
    assert!(heap < 150.0 && nodes < 40_000.0);

    browser.run("document.querySelector('#more').click()");
    browser.wait("document.querySelectorAll('#list li:not(.thread)').length > 120");
    search(&browser, "\"step 2399\"");
    browser.wait("document.querySelectorAll('#list li').length === 1");
    assert_eq!(browser.run(NAMES), json!(["Step 2399"]));
    assert_eq!(browser.complaints(), json!([]));
}
