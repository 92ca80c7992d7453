//! Lines of a fixed width, broken between pieces of text.

use console::{Style, measure_text_width, truncate_str};
use serde_json::Value;

/// Where the second line of an entry begins, and each later one.
const INDENT: usize = 4;
const GAP: usize = 2;
/// How wide the names of the two texts of an LLM event are.
const LABEL: usize = 10;

pub(crate) struct Lines {
    text: String,
    width: usize,
    column: usize,
    /// Whether the current line has no piece yet.
    is_fresh: bool,
}

impl Lines {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width,
            column: 0,
            is_fresh: true,
        }
    }

    /// Begins an entry.
    pub(crate) fn begin(&mut self) {
        self.end_line();
        self.column = 0;
        self.is_fresh = true;
    }

    /// Begins another line of the entry.
    pub(crate) fn next(&mut self) {
        self.begin();
        self.text.push_str(&" ".repeat(INDENT));
        self.column = INDENT;
    }

    pub(crate) fn finish(mut self) -> String {
        self.end_line();
        self.text
    }

    fn end_line(&mut self) {
        if self.column > 0 {
            self.text.push('\n');
        }
    }

    /// Adds a piece, on a line of its own if it does not fit into this one.
    pub(crate) fn put(&mut self, style: &Style, piece: &str) {
        self.make_room(measure_text_width(piece), GAP);
        self.push(style, piece);
    }

    /// Adds a sentence, which may be broken between words.
    pub(crate) fn words(&mut self, style: &Style, sentence: &str) {
        for word in sentence.split_whitespace() {
            self.make_room(measure_text_width(word), 1);
            self.push(style, word);
        }
    }

    /// Adds `name=value`. The name is never cut; the value is, at the width of a line.
    pub(crate) fn pair(&mut self, style: &Style, name: &str, value: &Value) {
        let name = format!("{}=", clean(name));
        let name_width = measure_text_width(&name);
        let room = self.width - INDENT;
        // A name that takes nearly a line leaves the next one to its value.
        let room = room
            .checked_sub(name_width)
            .filter(|room| *room >= 8)
            .unwrap_or(room);
        let value = shown(value, room);
        self.make_room(name_width + measure_text_width(&value), GAP);
        self.push(style, &name);
        self.push(&Style::new(), &value);
    }

    /// Adds a line with a text, cut at its end.
    pub(crate) fn labelled(&mut self, style: &Style, label: &str, text: &str) {
        self.next();
        self.push(style, &format!("{label:LABEL$}"));
        self.make_room(0, GAP);
        self.push(&Style::new(), &cut(text, self.width - self.column));
    }

    fn make_room(&mut self, needed: usize, gap: usize) {
        if self.is_fresh {
            return;
        }
        if self.column + gap + needed > self.width {
            self.next();
        } else {
            self.text.push_str(&" ".repeat(gap));
            self.column += gap;
        }
    }

    /// Only a piece that is wider than a line is broken.
    fn push(&mut self, style: &Style, mut piece: &str) {
        loop {
            let end = end_within(piece, self.width.saturating_sub(self.column));
            let (head, tail) = piece.split_at(end);
            self.text.push_str(&style.apply_to(head).to_string());
            self.column += measure_text_width(head);
            self.is_fresh = false;
            if tail.is_empty() {
                return;
            }
            self.next();
            piece = tail;
        }
    }
}

/// How many bytes fit into this many columns.
fn end_within(piece: &str, room: usize) -> usize {
    let mut width = 0;
    for (place, character) in piece.char_indices() {
        width += measure_text_width(character.encode_utf8(&mut [0; 4]));
        if width > room {
            return place;
        }
    }
    piece.len()
}

/// A value on one line, in quotes where one could not see its end.
fn shown(value: &Value, room: usize) -> String {
    let Some(text) = value.as_str() else {
        return cut(&value.to_string(), room);
    };
    let is_plain = |character: char| !character.is_whitespace() && !"\"=".contains(character);
    if !text.is_empty() && text.chars().take(room + 1).all(is_plain) {
        return cut(text, room);
    }
    let start: String = text.chars().take(room).collect();
    let quoted = start.replace('"', "\\\"");
    let whole = if start.len() < text.len() { "…" } else { "" };
    format!("\"{}\"", cut(&(quoted + whole), room - 2))
}

fn cut(text: &str, room: usize) -> String {
    // Cut before it is cleaned too: a text may be very long.
    let start: String = text.chars().take(room + 1).collect();
    truncate_str(&clean(&start), room, "…").into_owned()
}

/// On one line, and without the characters by which a text could rewrite the screen or turn it around.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => clean.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                clean.extend(character.escape_unicode());
            }
            control if control.is_control() => clean.extend(control.escape_default()),
            other => clean.push(other),
        }
    }
    clean
}
