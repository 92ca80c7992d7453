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

use super::api_key;

/// Whether a connection kept from an earlier request was lost before a byte of the answer came.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Other(cause) if cause.is::<StaleConnection>())
}

/// Watches the connections to the server.
#[derive(Debug)]
pub(super) struct DetectStale {
    /// With a proxy the chain runs twice for one connection: first to the proxy itself, which is not watched, or
    /// the exchange with it would count as an earlier request.
    pub(super) through_proxy: bool,
}

impl<In: Transport> Connector<In> for DetectStale {
    type Out = Either<In, StaleDetector<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let is_to_server = details.config.proxy().is_some() == self.through_proxy;
        Ok(chained.map(|inner| {
            if is_to_server {
                Either::B(StaleDetector {
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
pub(super) struct StaleDetector<T> {
    inner: T,
    /// An earlier request was answered over it.
    has_served: bool,
    /// A byte of the answer to the request under way has come.
    is_answering: bool,
}

impl<T> StaleDetector<T> {
    fn judge(&self, error: Error) -> Error {
        let is_loss = matches!(&error, Error::Io(error) if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        ));
        if is_loss && self.has_served && !self.is_answering {
            return Error::Other(Box::new(StaleConnection));
        }
        error
    }
}

impl<T: Transport> Transport for StaleDetector<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.is_answering {
            self.is_answering = false;
            self.has_served = true;
        }
        api_key::insert(&mut self.inner.buffers().output()[..amount])?;
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
                Err(Error::Other(Box::new(StaleConnection)))
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
struct StaleConnection;

impl fmt::Display for StaleConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server closed the connection instead of answering")
    }
}

impl StdError for StaleConnection {}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// A connection on which each step ends as the test says.
    #[derive(Debug)]
    struct Scripted {
        buffers: LazyBuffers,
        steps: VecDeque<Result<bool, io::ErrorKind>>,
    }

    impl Scripted {
        fn step(&mut self) -> Result<bool, Error> {
            let step = self.steps.pop_front().expect("another step");
            step.map_err(|kind| Error::Io(kind.into()))
        }
    }

    impl Transport for Scripted {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            self.step().map(|_| ())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            self.step()
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    /// Whether the last of these steps, `>` to send and `<` to receive, is a loss that calls for another try.
    fn calls_for_another_try(steps: &str, last: Result<bool, io::ErrorKind>) -> bool {
        let mut script: VecDeque<_> = steps.chars().skip(1).map(|_| Ok(true)).collect();
        script.push_back(last);
        let mut connection = StaleDetector {
            inner: Scripted {
                buffers: LazyBuffers::new(64, 64),
                steps: script,
            },
            has_served: false,
            is_answering: false,
        };
        let mut outcome = Ok(true);
        for step in steps.chars() {
            assert!(matches!(outcome, Ok(true)), "{outcome:?}");
            outcome = match step {
                '>' => {
                    let sent = connection.transmit_output(0, NextTimeout::default());
                    sent.map(|()| true)
                }
                _ => connection.await_input(NextTimeout::default()),
            };
        }
        outcome.is_err_and(|error| is_stale(&error))
    }

    #[test]
    fn only_a_loss_between_two_answers_calls_for_another_try() {
        let reset = Err(io::ErrorKind::ConnectionReset);
        let broken = Err(io::ErrorKind::BrokenPipe);
        let end = Ok(false);
        for (steps, last, expected) in [
            (">", broken, false),
            (">>", broken, false),
            (">><", reset, false),
            (">><", end, false),
            (">><<", reset, false),
            (">><>", broken, true),
            (">><>>", reset, true),
            (">><>><", reset, true),
            (">><>><", end, true),
            (">><>><<", reset, false),
            (">><>><<", end, false),
            (">><>><>><", end, true),
            (">><>><", Err(io::ErrorKind::TimedOut), false),
            (">><>><", Err(io::ErrorKind::InvalidData), false),
        ] {
            assert_eq!(
                calls_for_another_try(steps, last),
                expected,
                "{steps} {last:?}"
            );
        }
    }
}
