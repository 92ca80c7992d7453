//! The part of the service that its transports call: they pass requests in, and wait and end with it.

use std::{
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use super::{DEFAULT_BODY_LIMIT, Service, Settings};
use crate::testing::{
    ReceivedRequest, Reply,
    received::Head,
    reply::Kind,
    rules::{self, Accepted, Answer},
};

/// The decision about a request that was kept.
pub(in crate::testing) struct Outcome {
    /// None if the reply is raw bytes, a close or a hang.
    pub(in crate::testing) answer: Option<Answer>,
    pub(in crate::testing) reply: Reply,
    pub(in crate::testing) delay: Duration,
}

impl Service {
    pub(in crate::testing) fn body_limit(&self) -> usize {
        self.lock()
            .settings
            .body_limit
            .unwrap_or(DEFAULT_BODY_LIMIT)
    }

    /// Decides the answer to a request and keeps both. `body` is none if it is longer than the limit.
    ///
    /// The records are kept before the answer is written, so a client that has its answer finds them.
    pub(in crate::testing) fn receive(
        &self,
        head: Head,
        body: Option<Vec<u8>>,
        connection: u64,
    ) -> Outcome {
        let (mut reply, settings) = self.next_reply();
        let is_too_large = body.is_none();
        let mut request = ReceivedRequest {
            head: Arc::new(head),
            body: Arc::new(body.unwrap_or_default()),
            status: None,
            answer: Arc::default(),
            connection,
        };
        let mut answer = match reply.kind {
            Kind::Judge if is_too_large => Some(rules::too_large()),
            Kind::Judge => Some(rules::judge(&request, &self.api_key, &settings)),
            Kind::Status(status) => Some(rules::scripted(&request, status)),
            Kind::Raw(_) | Kind::Close | Kind::Hang => None,
        };
        if let Some(answer) = &mut answer {
            let is_given = |name: &String| {
                let mut given = reply.headers.iter();
                given.any(|(given, _)| given.eq_ignore_ascii_case(name))
            };
            answer.headers.retain(|(name, _)| !is_given(name));
            answer.headers.append(&mut reply.headers);
            if let Some(body) = reply.body.take() {
                answer.body = body;
            }
            request.status = Some(answer.status);
            request.answer = Arc::new(answer.body.clone());
        }
        self.keep(request, answer.as_ref().and_then(|answer| answer.accepted));
        Outcome {
            answer,
            delay: settings.latency.saturating_add(reply.delay),
            reply,
        }
    }

    /// Waits for `time`; returns false, and at once, when the service is stopped.
    pub(in crate::testing) fn pause(&self, time: Duration) -> bool {
        !self.wait_while(time, |state| !state.stopped).stopped
    }

    /// How often the requests under way were broken off.
    pub(in crate::testing) fn breaks(&self) -> u64 {
        self.lock().breaks
    }

    /// Waits for `time`. Returns false, and at once, when requests are broken off that were under way after so many
    /// breaks.
    pub(in crate::testing) fn pause_unless_broken_off(&self, time: Duration, breaks: u64) -> bool {
        let state = self.wait_while(time, |state| state.breaks == breaks);
        state.breaks == breaks
    }

    /// Breaks off the requests that wait for their answers.
    pub(in crate::testing) fn break_off(&self) {
        self.lock().breaks += 1;
        self.changed.notify_all();
    }

    /// Keeps an open connection; returns false when the service is stopped.
    ///
    /// The check and the insertion are one step, so [`stop`](Self::stop) never misses a connection.
    pub(in crate::testing) fn register(&self, number: u64, stream: &Arc<TcpStream>) -> bool {
        let mut state = self.lock();
        if !state.stopped {
            state.connections.insert(number, Arc::clone(stream));
        }
        !state.stopped
    }

    /// Closes one connection.
    pub(in crate::testing) fn unregister(&self, number: u64) {
        let stream = self.lock().connections.remove(&number);
        if let Some(stream) = stream {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends every wait of a reply, and every read and write of a connection.
    pub(in crate::testing) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for stream in state.connections.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Returns the reply to a request that has just been read, and the settings that it is judged by.
    fn next_reply(&self) -> (Reply, Settings) {
        let mut state = self.lock();
        let settings = state.settings.clone();
        let scripted = if settings.unavailable {
            Some(Reply::status(503))
        } else {
            state.script.pop_front()
        };
        (scripted.unwrap_or_else(Reply::accept), settings)
    }

    fn keep(&self, request: ReceivedRequest, accepted: Option<Accepted>) {
        let mut state = self.lock();
        if let Some(Accepted { endpoint, records }) = accepted {
            state.accepted += records;
            state.batches.push((endpoint, Arc::clone(&request.body)));
        }
        state.requests.push(request);
        drop(state);
        self.changed.notify_all();
    }
}
