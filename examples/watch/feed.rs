//! What the web pages are shown: the latest entries, and a wait for the next.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::entry::{Entry, Kind};

/// As many as the page keeps.
const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How many entries a message may have: a page that opens late gets many.
const MESSAGE: usize = 500;

/// What a program has to be told.
pub(crate) struct Hello {
    pub(crate) host: String,
    pub(crate) api_key: String,
}

pub(crate) struct Feed {
    hello: Hello,
    latest: Mutex<Latest>,
    changed: Condvar,
}

#[derive(Default)]
struct Latest {
    /// As JSON, each with its kind, for the count of those that are gone.
    entries: VecDeque<(Kind, Arc<str>)>,
    bytes: usize,
    /// The number of the first entry that is still here.
    first: u64,
    gone: [u64; Kind::ALL.len()],
}

/// How far one page has read.
#[derive(Default)]
pub(crate) struct Reader {
    next: Option<u64>,
}

impl Feed {
    pub(crate) fn new(hello: Hello) -> Self {
        Self {
            hello,
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
            latest.add(entry.kind(), &shown);
        }
        drop(latest);
        self.changed.notify_all();
    }

    /// The next message for a page, in the words of server-sent events.
    ///
    /// The first one, and the one after a page has fallen behind, has it begin anew. Without news it is a comment,
    /// which finds out whether the page is still there.
    pub(crate) fn next_message(&self, reader: &mut Reader, patience: Duration) -> String {
        let latest = self.lock();
        let Some(next) = reader.next.filter(|next| *next >= latest.first) else {
            reader.next = Some(latest.first);
            return format!("event: hello\ndata: {}\n\n", self.hello_with(latest.gone));
        };
        let (latest, _) = self
            .changed
            .wait_timeout_while(latest, patience, |latest| latest.end() == next)
            .unwrap_or_else(PoisonError::into_inner);
        let skip = next.saturating_sub(latest.first) as usize;
        let entries: Vec<_> = latest
            .entries
            .iter()
            .skip(skip)
            .take(MESSAGE)
            .map(|(_, entry)| Arc::clone(entry))
            .collect();
        drop(latest);
        if entries.is_empty() {
            return ": still here\n\n".to_owned();
        }
        reader.next = Some(next + entries.len() as u64);
        format!("data: [{}]\n\n", entries.join(","))
    }

    fn hello_with(&self, gone: [u64; Kind::ALL.len()]) -> Value {
        let gone: Value = Kind::ALL
            .map(|kind| (kind.name(), gone[kind as usize]))
            .into_iter()
            .collect();
        json!({
            "host": self.hello.host,
            "api_key": self.hello.api_key,
            "most": MOST_ENTRIES,
            "gone": gone,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    fn add(&mut self, kind: Kind, shown: &Value) {
        let shown: Arc<str> = shown.to_string().into();
        self.bytes += shown.len();
        self.entries.push_back((kind, shown));
        while self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            let Some((kind, shown)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= shown.len();
            self.first += 1;
            self.gone[kind as usize] += 1;
        }
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}
