//! Whether the person at the machine asked not to be measured.

use std::{env, ffi::OsString};

/// The first is everybody's (see consoledonottrack.com), the second ours.
const VARIABLES: [&str; 2] = ["DO_NOT_TRACK", "TRUBRICS_DISABLED"];

pub(crate) fn is_asked_for() -> bool {
    is_asked_for_in(env::var_os)
}

/// Any value asks for it but those that say no. A value that is not Unicode counts as well: in doubt, nothing is sent.
fn is_asked_for_in(variable: impl Fn(&'static str) -> Option<OsString>) -> bool {
    VARIABLES.into_iter().filter_map(variable).any(|value| {
        let value = value.to_string_lossy();
        let value = value.trim();
        !(value.is_empty() || value == "0" || value.eq_ignore_ascii_case("false"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_asks_for_it_but_those_that_say_no() {
        let cases = [
            (None, None, false),
            (Some(""), None, false),
            (Some(" "), None, false),
            (Some("0"), None, false),
            (Some("false"), None, false),
            (Some("FALSE"), Some("0"), false),
            (Some("1"), None, true),
            (Some("true"), None, true),
            (Some("no"), None, true),
            (None, Some("1"), true),
            (Some("0"), Some("1"), true),
            (Some("1"), Some("0"), true),
        ];
        for (everybodys, ours, expected) in cases {
            let asked = is_asked_for_in(|name| {
                let value = match name {
                    "DO_NOT_TRACK" => everybodys,
                    "TRUBRICS_DISABLED" => ours,
                    other => panic!("{other} is not a variable of an opt-out"),
                };
                value.map(OsString::from)
            });
            assert_eq!(asked, expected, "{everybodys:?} {ours:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_asks_for_it() {
        use std::os::unix::ffi::OsStringExt;
        assert!(is_asked_for_in(|_| Some(OsString::from_vec(vec![0xff]))));
    }
}
