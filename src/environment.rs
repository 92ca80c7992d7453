//! The variables of the process's environment, and which values of them mean yes.

use std::{env, ffi::OsString};

/// Looks a variable up. Tests pass an environment of their own.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(crate) fn of_process(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// Whether a variable that asks for something is set: any value asks but an empty one, `0` and `false`. A value that is
/// not Unicode asks, too.
pub(crate) fn asks(environment: Environment<'_>, name: &str) -> bool {
    text(environment, name).is_some_and(|value| !says_no(&value))
}

/// The value of a variable without blanks around it; none if that is empty.
pub(crate) fn text(environment: Environment<'_>, name: &str) -> Option<String> {
    let value = environment(name)?;
    let value = value.to_string_lossy();
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

pub(crate) fn says_no(value: &str) -> bool {
    value == "0" || value.eq_ignore_ascii_case("false")
}

/// An environment of these variables alone.
#[cfg(test)]
pub(crate) fn of<'a>(
    variables: &'a [(&'a str, &'a str)],
) -> impl Fn(&str) -> Option<OsString> + use<'a> {
    |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_asks_but_those_that_say_no() {
        let cases = [
            ("", false),
            (" ", false),
            ("0", false),
            (" 0\n", false),
            ("false", false),
            ("FALSE", false),
            ("1", true),
            ("true", true),
            ("no", true),
            ("00", true),
        ];
        for (value, expected) in cases {
            assert_eq!(asks(&of(&[("NAME", value)]), "NAME"), expected, "{value:?}");
        }
        assert!(!asks(&of(&[("OTHER", "1")]), "NAME"));
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_asks() {
        use std::os::unix::ffi::OsStringExt;
        assert!(asks(&|_| Some(OsString::from_vec(vec![0xff])), "NAME"));
    }

    #[test]
    fn the_environment_of_the_process_is_as_it_is() {
        // Cargo sets it for tests.
        let path = of_process("PATH");
        assert!(path.is_some());
        assert_eq!(path, env::var_os("PATH"));
        assert_eq!(of_process("TRUBRICS_NEVER_SET"), None);
    }
}
