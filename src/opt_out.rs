//! Whether the person at the machine asked not to be measured.

use crate::environment::{Environment, asks};

/// The first is everybody's (see consoledonottrack.com), the second ours.
const VARIABLES: [&str; 2] = ["DO_NOT_TRACK", "TRUBRICS_DISABLED"];

/// The first variable that asks for it.
pub(crate) fn variable(environment: Environment<'_>) -> Option<&'static str> {
    VARIABLES.into_iter().find(|name| asks(environment, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::of;

    #[test]
    fn the_variable_that_asks_for_it_is_named() {
        let (everybodys, ours) = ("DO_NOT_TRACK", "TRUBRICS_DISABLED");
        let cases: [(&[_], _); 6] = [
            (&[], None),
            (&[(everybodys, "0"), (ours, "false")], None),
            (&[(everybodys, "1")], Some(everybodys)),
            (&[(everybodys, "0"), (ours, "1")], Some(ours)),
            (&[(everybodys, "1"), (ours, "1")], Some(everybodys)),
            (&[("DO_NOT_TRACK_ME", "1")], None),
        ];
        for (variables, expected) in cases {
            assert_eq!(variable(&of(variables)), expected, "{variables:?}");
        }
    }
}
