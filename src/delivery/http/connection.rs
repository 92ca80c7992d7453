//! What a connection has been through: the last link in the chain that makes one.
//!
//! A server may close a connection that is kept for reuse at the very moment a request is sent. Only here can be
//! seen whether that is what happened: an earlier request went over the connection, and not a byte of this answer
//! came back. The error is then another one, by which the caller knows that the request may go out again.

use std::{error::Error as StdError, fmt, io};

use ureq::{
    Error,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
    },
};

use super::secret;

/// Whether a connection kept from an earlier request was lost before a byte of the answer came.
pub(super) fn died_idle(error: &Error) -> bool {
    matches!(error, Error::Other(cause) if cause.is::<DiedIdle>())
}

/// Watches the connections to the server.
#[derive(Debug)]
pub(super) struct Watch {
    /// With a proxy the chain runs twice for one connection: first to the proxy itself, which is not watched, or
    /// the exchange with it would count as an earlier request.
    pub(super) through_proxy: bool,
}

impl<In: Transport> Connector<In> for Watch {
    type Out = Either<In, Watched<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let is_to_server = details.config.proxy().is_some() == self.through_proxy;
        Ok(chained.map(|inner| {
            if is_to_server {
                Either::B(Watched {
                    inner,
                    has_served: false,
                    is_answering: false,
                })
            } else {
                Either::A(inner)
            }
        }))
    }
}

#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    /// An earlier request was answered over it.
    has_served: bool,
    /// A byte of the answer to the request under way has come.
    is_answering: bool,
}

impl<T> Watched<T> {
    fn judge(&self, error: Error) -> Error {
        let is_loss = matches!(&error, Error::Io(error) if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        ));
        if is_loss && self.has_served && !self.is_answering {
            return Error::Other(Box::new(DiedIdle));
        }
        error
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.is_answering {
            self.is_answering = false;
            self.has_served = true;
        }
        secret::insert(&mut self.inner.buffers().output()[..amount]);
        let sent = self.inner.transmit_output(amount, timeout);
        sent.map_err(|error| self.judge(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        match self.inner.await_input(timeout) {
            Ok(true) => {
                self.is_answering = true;
                Ok(true)
            }
            Ok(false) if self.has_served && !self.is_answering => {
                Err(Error::Other(Box::new(DiedIdle)))
            }
            Ok(false) => Ok(false),
            Err(error) => Err(self.judge(error)),
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[derive(Debug)]
struct DiedIdle;

impl fmt::Display for DiedIdle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server closed the connection instead of answering")
    }
}

impl StdError for DiedIdle {}
