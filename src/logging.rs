//! Log lines, written so that the program's logger can harm neither a record nor a caller.

use crate::catch_panic::catch_panic;

/// Target of all log lines.
pub(crate) const TARGET: &str = "trubrics";

/// Runs a log statement and catches a panic of the logger, which is the program's own code.
pub(crate) fn logging(statement: impl FnOnce()) {
    let _ = catch_panic(statement);
}
