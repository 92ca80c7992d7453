//! The text of the file of a choice.

use super::{
    choice::{Choice, MadeChoice},
    instant::{instant, parse_instant},
};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Content {
    pub(super) made: Option<MadeChoice>,
    pub(super) notice_shown: bool,
}

const MAX_VERSION_BYTES: usize = 64;

impl Content {
    /// None for a text that this crate does not write: the lines have an order, and all of a choice's are there. Line
    /// ends of Windows, and blanks at the end of the text, may be an editor's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.trim_end().lines().peekable();
        let mut line = |key: &str| {
            let value = lines.peek()?.strip_prefix(key)?.strip_prefix(": ")?;
            lines.next();
            Some(value)
        };
        let made = match line("choice") {
            Some(choice) => Some(MadeChoice {
                choice: Choice::ALL
                    .into_iter()
                    .find(|known| known.as_str() == choice)?,
                at: parse_instant(line("made")?)?,
                by: line("by").filter(|by| is_version(by))?.to_owned(),
            }),
            None => None,
        };
        let notice_shown = match line("notice") {
            Some("shown") => true,
            Some(_) => return None,
            None => false,
        };
        lines
            .next()
            .is_none()
            .then_some(Self { made, notice_shown })
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        if let Some(MadeChoice { choice, at, by }) = &self.made {
            text = format!("choice: {choice}\nmade: {}\nby: {by}\n", instant(*at));
        }
        if self.notice_shown {
            text.push_str("notice: shown\n");
        }
        text
    }
}

fn is_version(text: &str) -> bool {
    (1..=MAX_VERSION_BYTES).contains(&text.len())
        && text.trim() == text
        && !text.contains(char::is_control)
}
