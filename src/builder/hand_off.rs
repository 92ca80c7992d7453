//! The settings of a hand-off, and the delivery on its other side.

use std::{
    ffi::OsString,
    thread,
    time::{Duration, Instant},
};

use super::TrubricsBuilder;
use crate::{client::Trubrics, deadline::after, error::ConfigError, settings::Duty, stats::Stats};

/// How often the process that delivers looks whether the consent was withdrawn.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The time of the last attempt of the process that delivers.
const LAST_ATTEMPT: Duration = Duration::from_secs(5);

/// Settings for a command-line tool whose records another process delivers.
impl TrubricsBuilder {
    /// Leaves the delivery to another process, so that a run of a command-line tool ends in milliseconds, whatever the
    /// network does. Default: none, and the client delivers its records itself.
    ///
    /// The client stores its records in the [`spool`](Self::spool), and makes no request for them. When it is closed,
    /// or its last handle is dropped, and records wait in the spool, it starts this program with these arguments, at
    /// most once every [`hand_off_interval`](Self::hand_off_interval), also if several runs end at once. There, the
    /// program calls [`deliver_handed_off`](Self::deliver_handed_off) with the same settings. Choose arguments that
    /// nothing else has, such as a hidden sub-command, and do not put secrets in them: other users can read them.
    ///
    /// The process that delivers has the environment of this one, with `TRUBRICS_HAND_OFF=1` in it. It has no terminal
    /// and no output, is in a process group of its own, and its folder is the root on Unix and the folder for temporary
    /// files elsewhere. On Unix it inherits no file descriptor below 10 that this program was started with; those that
    /// Rust opens are never inherited. If it cannot be started, one `warn` line says so, and the records wait for the
    /// next run.
    ///
    /// [`close`](crate::Trubrics::close) returns as soon as the records are on disk. If the disk hangs, it returns
    /// after its timeout, or after a second where that is more. The start of the process takes some milliseconds; it
    /// reads the folder and has no time-out of its own. [`flush`](crate::Trubrics::flush) waits for the disk, too.
    /// [`track_sync`](crate::Trubrics::track_sync) and [`deliver`](crate::Trubrics::deliver) fail at once, unless the
    /// client has a [`transport`](Self::transport) of its own: the default one is not made, because that takes
    /// milliseconds. A process that `deliver_handed_off` runs in never starts another.
    ///
    /// [`build`](Self::build) fails without a spool, if its path is relative, without arguments, and with
    /// [`Overflow::Block`](crate::Overflow::Block).
    ///
    /// ```no_run
    /// use std::env;
    /// use trubrics::{AnonymousId, Event, State, TrubricsBuilder};
    ///
    /// const DELIVER: &str = "deliver-telemetry";
    ///
    /// let folder = env::home_dir().ok_or("no home")?.join(".local/state/my_tool");
    /// let settings = TrubricsBuilder::from_env()?
    ///     .spool(folder.join("telemetry"))
    ///     .hand_off([DELIVER]);
    /// if env::args().nth(1).is_some_and(|argument| argument == DELIVER) {
    ///     settings.deliver_handed_off()?;
    ///     return Ok(());
    /// }
    /// let client = settings.build()?;
    /// if client.state() == State::On {
    ///     let user_id = AnonymousId::in_file(folder.join("user-id"))?;
    ///     client.track(Event::new(user_id, "Run"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hand_off(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.hand_off.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// How often a [`hand_off`](Self::hand_off) may start a process, and for how long that process waits for the
    /// records of later runs; at least a second. Default: 10 s,
    /// [`defaults::HAND_OFF_INTERVAL`](crate::defaults::HAND_OFF_INTERVAL).
    pub fn hand_off_interval(mut self, interval: Duration) -> Self {
        self.hand_off.interval = interval;
        self
    }

    /// Delivers the records that other runs left in the spool, and returns when its time is over: the other side of a
    /// [`hand_off`](Self::hand_off).
    ///
    /// It blocks for [`hand_off_interval`](Self::hand_off_interval), because runs that end meanwhile start no other
    /// process, and then for at most five seconds if a request is under way. Failed requests are retried. It returns
    /// within 100 ms if the consent is [withdrawn](crate::withdraw_in), and at once if the client is off. Records that
    /// are not delivered stay in the spool. The figures are those of this call: `recovered` records were found, and
    /// `left_in_spool` are left.
    ///
    /// # Errors
    ///
    /// When a setting cannot be used, which the error names, `hand_off` is not set, or a thread cannot be started.
    /// A failure of the network is not an error: the figures show it.
    pub fn deliver_handed_off(mut self) -> Result<Stats, ConfigError> {
        if self.hand_off.arguments.is_none() {
            let problem = "is not set: no process leaves its records to this one";
            return Err(ConfigError::new("hand_off", problem));
        }
        self.worker.duty = Duty::Deliver;
        let interval = self.hand_off.interval;
        let client = self.start()?;
        wait_for_later_runs(&client, interval);
        // Records that are not delivered stay in the spool, for the next process.
        let _ = client.close(LAST_ATTEMPT);
        Ok(client.stats())
    }
}

/// Waits while runs may end that start no process of their own.
fn wait_for_later_runs(client: &Trubrics, interval: Duration) {
    let end = after(Instant::now(), interval);
    while client.may_send() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(LOOK_INTERVAL));
    }
}
