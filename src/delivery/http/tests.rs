//! The transport against servers of the test's own.
