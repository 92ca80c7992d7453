//! Promises: the status that the server sent decides, whatever follows it; a request on a stale connection is sent
//! again; the error of a request says whether the body was still on its way; the key stays out of the trace log.
//!
//! The top layer of a connection to the server. It hands the bytes of `ureq` on and keeps track of one request and its
//! response:
//! - The head of the response is read here, and `ureq` gets a clean one: see [`ResponseHead`].
//! - Between two parts of a large body it looks for a response. Once there is one, the rest of the body is not sent,
//!   and
//!   the connection is not used again.
//! - A connection that is lost before a byte of the response has come is stale when it carried a request before. That
//!   is an error of its own, so that the caller can send the request again.

use std::{
    error::Error as StdError,
    fmt,
    io::{self, ErrorKind},
    time::Instant,
};

use ureq::{
    Error,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    },
};

use super::{
    api_key,
    head::{NotHttp, ResponseHead},
    keep_reading::loss,
    limits::RESPONSE_BODY_TIMEOUT,
    socket::{Deadline, poll},
};

/// Holds the clean head, and then parts of the body.
const INPUT_BUFFER: usize = 8 * 1024;

/// Puts the layer over the connections to the server.
#[derive(Debug)]
pub(super) struct ExchangeConnector {
    /// With an HTTP proxy the chain of connectors runs twice for one connection, first to the proxy itself.
    pub(super) has_proxy: bool,
    /// Whether a read without a wait leaves TLS intact.
    pub(super) can_poll_tls: bool,
}

impl<In: Transport> Connector<In> for ExchangeConnector {
    type Out = Either<In, Exchange<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let is_to_server = details.config.proxy().is_some() == self.has_proxy;
        Ok(chained.map(|inner| {
            if is_to_server {
                let can_poll = self.can_poll_tls || !inner.is_tls();
                Either::B(Exchange::new(inner, can_poll))
            } else {
                Either::A(inner)
            }
        }))
    }
}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct Exchange<T> {
    inner: T,
    can_poll: bool,
    /// What `ureq` reads.
    input: LazyBuffers,
    head: ResponseHead,
    phase: Phase,
    /// How many parts of the request were handed down. The first one is its head.
    sent_parts: usize,
    /// When the status was there.
    status_since: Option<Instant>,
    /// The connection has carried a whole exchange before.
    has_served: bool,
    is_reusable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Sending,
    /// The response is there, or cannot come: the rest of the request is not sent.
    Discarding,
    AwaitingHead,
    Body,
}

impl<T: Transport> Exchange<T> {
    pub(super) fn new(inner: T, can_poll: bool) -> Self {
        Self {
            inner,
            can_poll,
            input: LazyBuffers::new(INPUT_BUFFER, 1),
            head: ResponseHead::default(),
            phase: Phase::Sending,
            sent_parts: 0,
            status_since: None,
            has_served: false,
            is_reusable: true,
        }
    }

    fn begin_request(&mut self) {
        self.head = ResponseHead::default();
        self.phase = Phase::Sending;
        self.sent_parts = 0;
        self.status_since = None;
        self.has_served = true;
    }

    /// Whether a part of the body was handed down.
    fn has_sent_body(&self) -> bool {
        self.sent_parts > 1
    }

    /// Looks for a response without waiting for one, and stops sending if there is one or the server has closed.
    fn look_for_response(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let is_over = match self.inner.await_input(poll(timeout)) {
            Ok(true) => {
                self.read_head()?;
                self.head.has_status()
            }
            Ok(false) => true,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => false,
            Err(Error::Timeout(_)) => false,
            Err(error) if loss(&error).is_some() => true,
            Err(error) => return Err(error),
        };
        if is_over {
            self.phase = Phase::Discarding;
            self.is_reusable = false;
        }
        Ok(())
    }

    /// Reads the part of the head that has arrived.
    fn read_head(&mut self) -> Result<(), Error> {
        let buffers = self.inner.buffers();
        let used = self.head.read(buffers.input());
        let used = used.map_err(|NotHttp| Error::Other(Box::new(ExchangeError::NotHttp)))?;
        buffers.input_consume(used);
        if self.head.has_status() && self.status_since.is_none() {
            self.status_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Waits for the head, and hands it to `ureq`. Once the status is there, no error counts.
    fn await_head(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let deadline = Deadline::new(timeout);
        loop {
            self.read_head()?;
            if self.head.is_complete() {
                break;
            }
            if let Err(error) = self.await_more_of_head(timeout, &deadline) {
                if !self.head.has_status() {
                    return Err(self.explain(error));
                }
                self.head.cut();
            }
        }
        let head = self.head.clean();
        self.input.input_append_buf()[..head.len()].copy_from_slice(&head);
        self.input.input_appended(head.len());
        self.phase = Phase::Body;
        Ok(true)
    }

    fn await_more_of_head(
        &mut self,
        timeout: NextTimeout,
        deadline: &Deadline,
    ) -> Result<(), Error> {
        let mut left = deadline.left()?;
        if let Some(since) = self.status_since {
            left = left.min(RESPONSE_BODY_TIMEOUT.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
        }
        let timeout = NextTimeout {
            after: left.into(),
            ..timeout
        };
        match self.inner.await_input(timeout)? {
            true => Ok(()),
            false => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
        }
    }

    fn await_body(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.inner.buffers().input().is_empty() && !self.inner.await_input(timeout)? {
            return Ok(false);
        }
        let source = self.inner.buffers();
        let room = self.input.input_append_buf();
        let count = source.input().len().min(room.len());
        room[..count].copy_from_slice(&source.input()[..count]);
        source.input_consume(count);
        self.input.input_appended(count);
        Ok(count > 0)
    }

    /// Says of an error before the response what it means for the request.
    fn explain(&self, error: Error) -> Error {
        let kind = loss(&error);
        if self.head.has_begun() {
            return error;
        }
        if kind.is_some() && self.has_served {
            return Error::Other(Box::new(ExchangeError::StaleConnection));
        }
        let is_time_out = matches!(error, Error::Timeout(_));
        // A connection that ends in good order after the last part has taken all of it.
        let is_unread = kind.is_some_and(|kind| {
            kind != ErrorKind::UnexpectedEof || self.phase != Phase::AwaitingHead
        });
        if self.has_sent_body() && (is_time_out || is_unread) {
            return Error::Other(Box::new(ExchangeError::WhileSending(error)));
        }
        error
    }
}

impl<T: Transport> Transport for Exchange<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if matches!(self.phase, Phase::AwaitingHead | Phase::Body) {
            self.begin_request();
        }
        if self.phase == Phase::Sending && self.has_sent_body() && self.can_poll {
            self.look_for_response(timeout)?;
        }
        if self.phase == Phase::Discarding {
            return Ok(());
        }
        api_key::insert(&mut self.inner.buffers().output()[..amount])?;
        self.sent_parts += 1;
        let sent = self.inner.transmit_output(amount, timeout);
        sent.map_err(|error| self.explain(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.phase == Phase::Body {
            return self.await_body(timeout);
        }
        if self.phase == Phase::Sending {
            self.phase = Phase::AwaitingHead;
        }
        self.await_head(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.is_reusable && self.inner.buffers().input().is_empty() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// The output is that of the layer below, the input is this layer's own.
impl<T: Transport> Buffers for Exchange<T> {
    fn output(&mut self) -> &mut [u8] {
        self.inner.buffers().output()
    }

    fn input(&self) -> &[u8] {
        self.input.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.input.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.input.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.input.input_consume(amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let tmp = self.input.input_append_buf();
        (tmp, self.inner.buffers().output())
    }

    fn can_use_input(&self) -> bool {
        self.input.can_use_input()
    }
}

/// An error of this layer, which travels through `ureq` as [`Error::Other`].
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The response is not one of HTTP.
    NotHttp,
    /// The connection was lost since its last request. The server has not answered this one.
    StaleConnection,
    /// The connection was lost, or the time ran out, before the request is known to have arrived.
    WhileSending(Error),
}

impl ExchangeError {
    pub(super) fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::Other(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp => f.write_str("the response was not HTTP"),
            Self::StaleConnection => {
                f.write_str("the server closed the connection instead of answering")
            }
            Self::WhileSending(error) => error.fmt(f),
        }
    }
}

impl StdError for ExchangeError {}

#[cfg(test)]
mod tests;
