//! The figures of a record in words: how it ended, its times, tokens and cost, and what a user thought of it.

use serde_json::Value;

pub(crate) struct Facts<'r> {
    pub(crate) outcome: Outcome,
    /// Such as `1.42 s` and `1,200 → 310 tokens`, in the order in which they are shown.
    pub(crate) words: Vec<String>,
    /// The other fields and properties: errors first, ids last.
    pub(crate) rest: Vec<(&'r str, &'r Value)>,
}

/// How a call or a step ended; an event without an outcome is finished.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Finished,
    Failed,
    Interrupted,
}

impl<'r> Facts<'r> {
    pub(crate) fn of(record: &'r Value) -> Self {
        let own = ["latency", "assistant_id", "thread_id"].into_iter();
        let own = own.filter_map(|name| Some((name, record.get(name)?)));
        let properties = record["properties"].as_object().into_iter().flatten();
        let properties = properties.map(|(name, value)| (name.as_str(), value));
        let mut fields = Fields(own.chain(properties).collect());

        let outcome = fields.text("outcome");
        let mut words = Vec::new();
        words.extend(fields.text("gen_ai.tool.name").map(str::to_owned));
        words.extend(fields.text("retrieval.name").map(str::to_owned));
        words.extend(fields.number("retrieval.results").map(results));
        words.extend(fields.number("latency").map(seconds));
        // Another program's `duration` may be in any unit; that of a step or a call has an outcome beside it.
        if outcome.is_some() {
            words.extend(fields.number("duration").map(seconds));
        }
        let first_token = fields.number("gen_ai.response.time_to_first_chunk");
        words.extend(first_token.map(|time| format!("first token {}", seconds(time))));
        words.extend(fields.tokens());
        words.extend(fields.cost());
        words.extend(fields.text("gen_ai.response.model").map(str::to_owned));
        words.extend(fields.feedback());
        let rest = fields.others();
        let has_error = rest.iter().any(|(name, _)| *name == "error.type");
        let outcome = match outcome {
            Some("interrupted") => Outcome::Interrupted,
            Some("failed") => Outcome::Failed,
            _ if has_error => Outcome::Failed,
            _ => Outcome::Finished,
        };
        Self {
            outcome,
            words,
            rest,
        }
    }
}

/// Those that are not taken are left for `others`.
struct Fields<'r>(Vec<(&'r str, &'r Value)>);

impl<'r> Fields<'r> {
    fn take<T>(&mut self, name: &str, read: impl Fn(&'r Value) -> Option<T>) -> Option<T> {
        let place = self.0.iter().position(|(field, _)| *field == name)?;
        let value = read(self.0[place].1)?;
        self.0.remove(place);
        Some(value)
    }

    fn text(&mut self, name: &str) -> Option<&'r str> {
        self.take(name, Value::as_str)
    }

    fn number(&mut self, name: &str) -> Option<f64> {
        self.take(name, Value::as_f64)
    }

    /// `1,200 (1,000 cached) → 310 (200 reasoning) tokens`
    fn tokens(&mut self) -> Option<String> {
        let mut side = |total: &str, parts: &[(&str, &str)]| {
            let total = self.number(&format!("gen_ai.usage.{total}"))?;
            let parts = parts.iter().filter_map(|(name, word)| {
                let part = self.number(&format!("gen_ai.usage.{name}"))?;
                Some(format!("{} {word}", figure(part)))
            });
            let parts = parts.collect::<Vec<_>>().join(", ");
            let open = if parts.is_empty() { "" } else { " (" };
            let close = if parts.is_empty() { "" } else { ")" };
            Some(format!("{}{open}{parts}{close}", figure(total)))
        };
        let input = [
            ("cache_read.input_tokens", "cached"),
            ("cache_write.input_tokens", "into cache"),
        ];
        let input = side("input_tokens", &input);
        let output = side("output_tokens", &[("reasoning.output_tokens", "reasoning")]);
        match (input, output) {
            (Some(input), Some(output)) => Some(format!("{input} → {output} tokens")),
            (Some(input), None) => Some(format!("{input} tokens in")),
            (None, Some(output)) => Some(format!("{output} tokens out")),
            (None, None) => None,
        }
    }

    fn cost(&mut self) -> Option<String> {
        let amount = self.number("cost.amount")?;
        let currency = self.text("cost.currency").unwrap_or_default();
        Some(
            format!("{} {currency}", figure(amount))
                .trim_end()
                .to_owned(),
        )
    }

    fn feedback(&mut self) -> Vec<String> {
        let thumb = self.text("feedback.thumb");
        let label = self.text("feedback.label");
        let mut words: Vec<_> = thumb
            .map(|thumb| format!("thumb {thumb}"))
            .into_iter()
            .collect();
        if let Some(score) = self.number("feedback.score") {
            let ends = ["feedback.score_min", "feedback.score_max"];
            let range = ends.map(|end| self.number(end).map(figure));
            words.push(match range {
                [Some(min), Some(max)] => format!("score {} of {min} to {max}", figure(score)),
                _ => format!("score {}", figure(score)),
            });
        }
        words.extend(label.map(str::to_owned));
        words
    }

    fn others(self) -> Vec<(&'r str, &'r Value)> {
        let mut others = self.0;
        // It is stable: within a rank the names keep their order.
        others.sort_by_key(|(name, _)| match name {
            _ if name.starts_with("error") => 0,
            _ if name.ends_with("_id") || name.ends_with(".id") => 2,
            _ => 1,
        });
        others
    }
}

fn results(count: f64) -> String {
    let plural = if count == 1.0 { "" } else { "s" };
    format!("{} result{plural}", figure(count))
}

/// `182 ms` below a second, `1.42 s` from there.
pub(crate) fn seconds(seconds: f64) -> String {
    // From here on three digits of milliseconds round to a second.
    if seconds < 0.9995 {
        // Hundredths are enough.
        format!("{} ms", figure((seconds * 1e5).round() / 1e2))
    } else {
        format!("{} s", figure(seconds))
    }
}

/// At least the whole part, with thousands separators, and at least three digits: `12,345`, `1.42`, `0.00035`.
pub(crate) fn figure(number: f64) -> String {
    let magnitude = number.abs().log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut figure = String::new();
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place) % 3 == 0 && !figure.ends_with('-') {
            figure.push(',');
        }
        figure.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        figure.push('.');
        figure.push_str(fraction);
    }
    figure
}
