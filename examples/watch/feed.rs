//! What the web pages are shown: the latest entries, and a wait for the next.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::json;

use crate::entry::Entry;

/// As many as the page keeps.
const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How many entries a message may have: a page that opens late gets many.
const MESSAGE: usize = 500;

/// The address and the key for a program.
pub(crate) struct Hello {
    pub(crate) host: String,
    pub(crate) api_key: String,
}

pub(crate) struct Feed {
    hello: Hello,
    /// Different each time: numbers of entries are good for one run.
    run: String,
    latest: Mutex<Latest>,
    changed: Condvar,
}

#[derive(Default)]
struct Latest {
    /// As JSON.
    entries: VecDeque<Arc<str>>,
    bytes: usize,
    /// The number of the first entry that is still here.
    first: u64,
}

/// How far one page has read.
pub(crate) struct Reader {
    is_greeted: bool,
    next: u64,
}

impl Feed {
    pub(crate) fn new(hello: Hello) -> Self {
        Self {
            hello,
            run: trubrics::anonymous_id(),
            latest: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn add(&self, entries: &[Arc<Entry>]) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64;
        let mut latest = self.lock();
        for entry in entries {
            let mut shown = entry.to_json();
            shown["received"] = now.into();
            latest.add(shown.to_string().into());
        }
        drop(latest);
        self.changed.notify_all();
    }

    /// A reader that goes on after what the page has: the run and the number of the next entry, as `run:12`.
    ///
    /// A page without either, or of another run, gets all.
    pub(crate) fn reader(&self, after: Option<&str>) -> Reader {
        let next = after
            .and_then(|after| after.strip_prefix(&self.run)?.strip_prefix(':'))
            .and_then(|next| next.parse().ok());
        Reader {
            is_greeted: false,
            next: next.unwrap_or(0),
        }
    }

    /// The next message for a page, in the words of server-sent events.
    ///
    /// The first one is a greeting. Without news it is a comment, which finds out whether the page is still there.
    pub(crate) fn next_message(&self, reader: &mut Reader, patience: Duration) -> String {
        if !reader.is_greeted {
            reader.is_greeted = true;
            let hello = json!({
                "run": self.run,
                "host": self.hello.host,
                "api_key": self.hello.api_key,
                "most": MOST_ENTRIES,
            });
            return format!("event: hello\ndata: {hello}\n\n");
        }
        let (latest, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, |latest| latest.end() <= reader.next)
            .unwrap_or_else(PoisonError::into_inner);
        // A slow page has missed those that are gone.
        let from = reader.next.max(latest.first);
        let entries: Vec<_> = latest
            .entries
            .iter()
            .skip((from - latest.first) as usize)
            .take(MESSAGE)
            .map(Arc::clone)
            .collect();
        drop(latest);
        if entries.is_empty() {
            return ": still here\n\n".to_owned();
        }
        reader.next = from + entries.len() as u64;
        let entries = entries.join(",");
        format!("data: {{\"from\":{from},\"entries\":[{entries}]}}\n\n")
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn add(&mut self, shown: Arc<str>) {
        self.bytes += shown.len();
        self.entries.push_back(shown);
        while self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            let Some(shown) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= shown.len();
            self.first += 1;
        }
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}
