//! Log lines, written so that the program's logger can harm neither a record nor a caller.

use crate::catch_panic::catch_panic;

/// Target of all log lines.
pub(crate) const TARGET: &str = "trubrics";

/// Runs a log statement and catches a panic of the logger, which is the program's own code.
pub(crate) fn logging(statement: impl FnOnce()) {
    let _ = catch_panic(statement);
}

/// What a thread logs, as a test reads it.
#[cfg(test)]
pub(crate) mod double {
    use std::cell::RefCell;

    thread_local! {
        static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    }

    struct Log;

    impl log::Log for Log {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            LINES.with_borrow_mut(|lines| {
                if let Some(lines) = lines {
                    lines.push(format!("{} {}", record.level(), record.args()));
                }
            });
        }

        fn flush(&self) {}
    }

    /// The lines that this thread logs during `work`, each with its level.
    pub(crate) fn lines(work: impl FnOnce()) -> Vec<String> {
        // The first test of a process sets it.
        let _ = log::set_logger(&Log);
        log::set_max_level(log::LevelFilter::Trace);
        LINES.set(Some(Vec::new()));
        work();
        LINES.take().unwrap_or_default()
    }
}
