//! An error and its causes as one text.

use std::{error::Error, fmt};

/// The text of an error, followed by those of its causes.
pub(crate) fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        // Some errors of other crates repeat their cause.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = deeper.source();
    }
    text
}

/// Writes an error for `Debug`, which a program shows when its `main` returns the error.
pub(crate) fn debug(
    error: &(dyn Error + 'static),
    name: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    f.debug_tuple(name).field(&text(error)).finish()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error, &'static str);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.1)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn each_cause_is_told_once() {
        let cause = || io::Error::other("the disk is full");
        for (outer, expected) in [
            ("not stored", "not stored: the disk is full"),
            (
                "not stored: the disk is full",
                "not stored: the disk is full",
            ),
        ] {
            assert_eq!(text(&Outer(cause(), outer)), expected);
        }
        assert_eq!(text(&cause()), "the disk is full");
    }
}
