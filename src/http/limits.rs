//! The limits of a response, and of every time-out.

use std::time::Duration;

/// Bodies are cut here. The reasons of a refused batch may repeat its records, which have 1 MiB by default.
pub(super) const MAX_RESPONSE_BODY: usize = 4 * 1024 * 1024;

/// How long the rest of a response may take once its status is there. The status decides nearly everything, and
/// records wait meanwhile.
pub(super) const RESPONSE_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps instants that are computed from a setting within the range of the clock.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
