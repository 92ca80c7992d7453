//! The settings that leave records out although they are valid.

use std::time::Duration;

use super::TrubricsBuilder;
use crate::settings::NameLimitSettings;

/// Settings that bound how much is sent.
impl TrubricsBuilder {
    /// Sends at most `events` events of this name in each window of the length `per`, so that a loop that tracks does
    /// not fill the queue, the quota or the log. Default: no limit.
    ///
    /// Call it once for each name to limit. A second call for the same name replaces the first. `events` is 0 to
    /// 16,777,215, and `per` at least a millisecond. The limit holds for this client, and not across processes.
    ///
    /// The first event of the name begins the first window. The windows have a fixed length and follow each other, so
    /// a span of `per` that lies across two windows may have twice as many events. A limit takes the same memory
    /// whatever its numbers are.
    ///
    /// The other events are dropped as [`DropReason::RateLimited`](crate::DropReason::RateLimited) and reported to
    /// [`on_drop`](Self::on_drop). They are logged once an episode, which ends after ten seconds without such a drop.
    /// [`flush`](crate::Trubrics::flush) and [`close`](crate::Trubrics::close) count them as dropped. An event over
    /// the limit is not given back by [`try_track`](crate::Trubrics::try_track), which succeeds, and is an error of
    /// [`track_sync`](crate::Trubrics::track_sync).
    ///
    /// The name is the one that [`before_send`](Self::before_send) has left. An event within the limit counts for it
    /// even if it is then invalid or finds no room in the queue. An [`LlmEvent`](crate::LlmEvent) is never limited: the
    /// server makes two events of it, with a name each.
    ///
    /// ```
    /// use std::time::Duration;
    /// use trubrics::{DropReason, Event, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY)
    ///     .at_most("Scroll", 2, Duration::from_secs(3600))
    ///     .transport(recorder.clone())
    ///     .build()?;
    /// for _ in 0..10 {
    ///     client.track(Event::new("user_123", "Scroll"));
    /// }
    /// let _ = client.close(Duration::from_secs(5));
    /// assert_eq!(recorder.events().len(), 2);
    /// assert_eq!(client.stats().dropped_for(DropReason::RateLimited), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at_most(mut self, name: impl Into<String>, events: u32, per: Duration) -> Self {
        self.guard.limit(NameLimitSettings {
            name: name.into(),
            events,
            per,
        });
        self
    }

    /// Sends the records of this share of the users, and none of the others; 0 to 1. Default: 1.
    ///
    /// A user is in the sample or not: all records of a user are sent, or none. That depends on the user id and the
    /// rate alone. It is the same in every process and version of this crate, and on every platform, so users stay in
    /// the sample from run to run. A sample of a higher rate has all users of a lower one. The share is that of the
    /// ids: with few users, or with a few that track most, the share of the records differs from it.
    ///
    /// The id is the one that [`before_send`](Self::before_send) has left. Its UTF-8 bytes are hashed by the 64-bit
    /// FNV-1a function and mixed by the finalizer of MurmurHash3. The user is in if the upper 53 bits of that, divided
    /// by 2^53, are less than the rate.
    ///
    /// With a rate below 1, each record gets the default property `sample_rate`, so that numbers can be scaled up. A
    /// record's own property of that key replaces it. The other records are dropped as
    /// [`DropReason::Sampled`](crate::DropReason::Sampled): counted in [`stats`](crate::Trubrics::stats) and reported
    /// to [`on_drop`](Self::on_drop), but not logged, and no error of [`flush`](crate::Trubrics::flush) or
    /// [`close`](crate::Trubrics::close). [`try_track`](crate::Trubrics::try_track) succeeds for them.
    /// [`track_sync`](crate::Trubrics::track_sync) follows the same rule, and returns an error.
    ///
    /// ```
    /// use trubrics::{Event, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY).sample(0.25).transport(recorder.clone()).build()?;
    /// for user in 0..1000 {
    ///     client.track(Event::new(user.to_string(), "Sign up"));
    /// }
    /// client.close(std::time::Duration::from_secs(5))?;
    /// let events = recorder.events();
    /// assert!((200..300).contains(&events.len()));
    /// assert_eq!(events[0]["properties"]["sample_rate"], 0.25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sample(mut self, rate: f64) -> Self {
        self.guard.sample_rate = Some(rate);
        self
    }
}
