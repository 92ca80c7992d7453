//! Promise: what the server said is read, also when it has closed the connection before the request was complete.
//!
//! A server may answer, and close without reading the rest of the request. Then writing fails, while the answer is
//! still there to be read. `ureq` gives up at the failed write. This layer lies directly over the socket, under TLS:
//! it takes all output that follows a failed write without sending it, so that the layers above go on to read.

use std::io::{self, ErrorKind};

use ureq::{
    Error,
    unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport},
};

/// Puts the layer over the connections that the connectors before it have made.
#[derive(Debug)]
pub(super) struct KeepReadingConnector;

impl<In: Transport> Connector<In> for KeepReadingConnector {
    type Out = KeepReading<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(KeepReading::new))
    }
}

#[derive(Debug)]
pub(super) struct KeepReading<T> {
    inner: T,
    write_failure: Option<ErrorKind>,
}

impl<T> KeepReading<T> {
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner,
            write_failure: None,
        }
    }
}

/// Whether this is the loss of a connection, and of which kind.
pub(super) fn loss(error: &Error) -> Option<ErrorKind> {
    let Error::Io(error) = error else { return None };
    let is_loss = matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
            | ErrorKind::WriteZero
    );
    is_loss.then(|| error.kind())
}

impl<T: Transport> Transport for KeepReading<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.write_failure.is_some() {
            return Ok(());
        }
        let sent = self.inner.transmit_output(amount, timeout);
        self.write_failure = sent.as_ref().err().and_then(loss);
        if self.write_failure.is_some() {
            return Ok(());
        }
        sent
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let outcome = self.inner.await_input(timeout);
        let is_end = match &outcome {
            Ok(has_input) => !has_input,
            Err(error) => loss(error).is_some(),
        };
        match self.write_failure {
            // It says more about the loss than the end of the input.
            Some(kind) if is_end => Err(io::Error::from(kind).into()),
            _ => outcome,
        }
    }

    fn is_open(&mut self) -> bool {
        self.write_failure.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
