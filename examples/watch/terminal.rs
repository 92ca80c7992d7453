//! Entries as text, a few lines each.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    sync::Arc,
};

use console::{Alignment, Style, Term, measure_text_width, pad_str, truncate_str};
use serde_json::Value;
use trubrics::testing::Server;

use crate::entry::{Entry, Filter, Kind, Refusal, names, text};

/// Where the output is no terminal.
const WIDTH: usize = 120;
/// How wide the column of names is: at least, and at most where a name is longer.
const LABEL: usize = 16;
const LONGEST_LABEL: usize = 32;
/// How many records of a refused request are shown.
const REFUSED: usize = 5;

pub(crate) struct Terminal {
    filter: Filter,
    counts: [usize; Kind::ALL.len()],
    width: usize,
    bold: Style,
    faint: Style,
    bad: Style,
}

impl Terminal {
    pub(crate) fn new(filter: Filter) -> Self {
        Self {
            filter,
            counts: Default::default(),
            width: WIDTH,
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
        let term = Term::stdout();
        if let Some((_, columns)) = term.size_checked() {
            self.width = usize::from(columns).max(40);
        }
        let mut lines = String::new();
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
        write(&lines)
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

    fn record(&self, lines: &mut String, record: &Value) {
        let field = |name| clean(text(record, name).unwrap_or_default());
        let title = format!(
            "{}  {}  {}",
            self.faint.apply_to(field("timestamp")),
            field("user_id"),
            self.bold.apply_to(clean(&names(record).join(" → "))),
        );
        self.line(lines, &title);
        let mut fields = Vec::new();
        for name in ["prompt", "generation", "assistant_id", "thread_id"] {
            if let Some(value) = text(record, name) {
                fields.push((name, value.to_owned()));
            }
        }
        if let Some(latency) = record["latency"].as_f64() {
            fields.push(("latency", seconds(latency)));
        }
        for (name, value) in record["properties"].as_object().into_iter().flatten() {
            let text = value.as_str().map(str::to_owned);
            fields.push((name, text.unwrap_or_else(|| value.to_string())));
        }
        self.fields(lines, &fields);
    }

    fn refusal(&self, lines: &mut String, refusal: &Refusal) {
        let title = format!(
            "{}  {}",
            self.bad.apply_to(format!("refused {}", refusal.status)),
            clean(&refusal.request),
        );
        self.line(lines, &title);
        for reason in &refusal.reasons {
            self.line(lines, &format!("    {}", clean(reason)));
        }
        for (number, record) in (1..).zip(refusal.records.iter().take(REFUSED)) {
            self.field(
                lines,
                LABEL,
                &format!("record {number}"),
                &record.to_string(),
            );
        }
        if refusal.records.len() > REFUSED {
            let more = refusal.records.len() - REFUSED;
            self.line(lines, &format!("    and {more} more"));
        }
    }

    /// In two columns, the first as wide as its longest name wants.
    fn fields(&self, lines: &mut String, fields: &[(&str, String)]) {
        let widths = fields
            .iter()
            .map(|(name, _)| measure_text_width(&clean(name)));
        let label = widths.max().unwrap_or(0).clamp(LABEL, LONGEST_LABEL);
        for (name, value) in fields {
            self.field(lines, label, name, value);
        }
    }

    fn field(&self, lines: &mut String, label: usize, name: &str, value: &str) {
        // Cut before it is cleaned too: a value may be very long.
        let start: String = value.chars().take(self.width).collect();
        let name = clean(name);
        let label = pad_str(&name, label, Alignment::Left, Some("…"));
        let label = self.faint.apply_to(label);
        self.line(lines, &format!("    {label}  {}", clean(&start)));
    }

    fn line(&self, lines: &mut String, line: &str) {
        let _ = writeln!(lines, "{}", truncate_str(line, self.width, "…"));
    }
}

/// In the unit that makes the figure short.
fn seconds(seconds: f64) -> String {
    let (figure, unit) = match seconds {
        ..1e-3 => (seconds * 1e6, "µs"),
        ..1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    format!("{} {unit}", (figure * 1e3).round() / 1e3)
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// On one line, and without the control characters by which a text could rewrite the screen.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => clean.push(' '),
            control if control.is_control() => clean.extend(control.escape_default()),
            other => clean.push(other),
        }
    }
    clean
}

/// Unlike `print!` it survives a reader that is gone.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
