//! Entries as text: one line each, or as many as its width asks for.

use std::{
    env,
    io::{self, Write as _},
    net::SocketAddr,
    sync::Arc,
};

use console::{Style, Term};
use serde_json::Value;
use time::OffsetDateTime;
use trubrics::testing::Server;

use crate::{
    entry::{Entry, Filter, Kind, Refusal, names, text},
    facts::{Facts, Outcome},
    lines::{Lines, clean},
};

/// Where the output is not a terminal, and `COLUMNS` does not say.
const WIDTH: usize = 120;
/// How many records of a refused request are shown.
const REFUSED: usize = 5;

pub(crate) struct Terminal {
    filter: Filter,
    counts: [usize; Kind::ALL.len()],
    plain: Style,
    bold: Style,
    faint: Style,
    bad: Style,
}

impl Terminal {
    pub(crate) fn new(filter: Filter) -> Self {
        Self {
            filter,
            counts: Default::default(),
            plain: Style::new(),
            bold: Style::new().bold(),
            faint: Style::new().dim(),
            bad: Style::new().red().bold(),
        }
    }

    pub(crate) fn greet(
        &self,
        server: &Server,
        page: SocketAddr,
        only_key: bool,
    ) -> io::Result<()> {
        let keys = if only_key {
            "No other key is accepted."
        } else {
            "Any other key will do too."
        };
        write(&format!(
            "Listening. Set these two for your program, and run it:\n\n  \
             export TRUBRICS_HOST={}\n  export TRUBRICS_API_KEY={}\n\n\
             {keys} The same in a browser: http://{page}/\nCtrl-C ends this.\n\n",
            server.url(),
            server.api_key(),
        ))
    }

    /// Prints those that pass the filter.
    pub(crate) fn show(&mut self, entries: &[Arc<Entry>]) -> io::Result<()> {
        let mut lines = Lines::new(width());
        for entry in entries {
            self.counts[entry.kind() as usize] += 1;
            if !entry.passes(&self.filter) {
                continue;
            }
            match &**entry {
                Entry::Event(record) | Entry::LlmEvent(record) => self.record(&mut lines, record),
                Entry::Refused(refusal) => self.refusal(&mut lines, refusal),
            }
        }
        write(&lines.finish())
    }

    pub(crate) fn sum_up(&self) -> io::Result<()> {
        let [events, llm_events, refused] = self.counts;
        write(&format!(
            "\n{}, {}, {}\n",
            counted(events, "event"),
            counted(llm_events, "LLM event"),
            counted(refused, "refused request"),
        ))
    }

    fn record(&self, lines: &mut Lines, record: &Value) {
        let facts = Facts::of(record);
        lines.begin();
        let when = text(record, "timestamp").unwrap_or_default();
        lines.put(&self.faint, &clean(time_of_day(when)));
        lines.put(
            &self.plain,
            &clean(text(record, "user_id").unwrap_or_default()),
        );
        lines.put(&self.bold, &clean(&names(record).join(" → ")));
        match facts.outcome {
            Outcome::Finished => {}
            Outcome::Failed => lines.put(&self.bad, "✗ failed"),
            Outcome::Interrupted => lines.put(&self.bad, "! interrupted"),
        }
        for words in &facts.words {
            lines.put(&self.plain, &clean(words));
        }
        for (name, value) in facts.rest {
            lines.pair(&self.faint, name, value);
        }
        for name in ["prompt", "generation"] {
            if let Some(said) = text(record, name).filter(|said| !said.is_empty()) {
                lines.labelled(&self.faint, name, said);
            }
        }
    }

    fn refusal(&self, lines: &mut Lines, refusal: &Refusal) {
        lines.begin();
        lines.put(&self.bad, &format!("✗ refused {}", refusal.status));
        lines.put(&self.plain, &clean(&refusal.request));
        for reason in &refusal.reasons {
            lines.next();
            lines.words(&self.plain, &clean(reason));
        }
        for (number, record) in (1..).zip(refusal.records.iter().take(REFUSED)) {
            lines.next();
            lines.put(&self.faint, &format!("record {number}"));
            match record.as_object() {
                Some(fields) => {
                    for (name, value) in fields {
                        lines.pair(&self.faint, name, value);
                    }
                }
                None => lines.put(&self.plain, &clean(&record.to_string())),
            }
        }
        if refusal.records.len() > REFUSED {
            let more = refusal.records.len() - REFUSED;
            lines.next();
            lines.put(&self.plain, &format!("and {more} more"));
        }
    }
}

fn width() -> usize {
    let columns = match Term::stdout().size_checked() {
        Some((_, columns)) => Some(usize::from(columns)),
        None => env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok()),
    };
    columns.unwrap_or(WIDTH).max(40)
}

/// Without the date, if that is today.
fn time_of_day(timestamp: &str) -> &str {
    let today = format!("{}T", OffsetDateTime::now_utc().date());
    timestamp.strip_prefix(&today).unwrap_or(timestamp)
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Unlike `print!` it survives a reader that is gone.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
