//! Promise: what the server said is read, also when it said it before the request was complete.
//!
//! The socket of `ureq` waits until the peer has taken all output. A server that answers early and then reads no more
//! keeps it waiting until the time runs out, and its answer is lost. This socket stops waiting as soon as the peer has
//! sent something: the rest of the output is kept, and goes out while the input is awaited.
//!
//! With TLS the input may be a session ticket instead of an answer, so the socket cannot know whether the rest is still
//! wanted. Therefore it never throws output away.

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    mem,
    net::TcpStream,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use ureq::{
    Error, Timeout,
    unversioned::transport::{Buffers, LazyBuffers, NextTimeout, ShutdownHandle, Transport, time},
};

use super::limits::LONGEST;

/// How often a blocked write looks for input. Winsock does not allow a socket to be used after a write has timed out.
const WRITE_SLICE: Duration = if cfg!(windows) {
    LONGEST
} else {
    Duration::from_millis(100)
};

const NO_WAIT: time::Duration = time::Duration::Exact(Duration::ZERO);

/// Makes a time-out with which a read does not wait for input. Without input, its error is [`ErrorKind::WouldBlock`].
///
/// The layers between pass it on to the socket. That of `ureq` takes it for a time that is over, and does not read.
pub(super) fn poll(timeout: NextTimeout) -> NextTimeout {
    NextTimeout {
        per_read: Some(NO_WAIT),
        ..timeout
    }
}

/// A TCP connection.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// Output that the peer has not taken yet.
    unsent: Vec<u8>,
    write_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, buffers: LazyBuffers) -> Self {
        Self {
            stream: Arc::new(stream),
            buffers,
            unsent: Vec::new(),
            write_timeout: None,
            read_timeout: None,
        }
    }

    /// Shuts the connection down from another thread.
    pub(super) fn shutdown_handle(&self) -> Weak<dyn ShutdownHandle> {
        let weak: Weak<TcpStream> = Arc::downgrade(&self.stream);
        weak
    }

    /// Sends until all is sent or, when the peer takes no more, until it has sent something itself. Returns how many
    /// bytes were sent.
    fn send(
        stream: &TcpStream,
        current: &mut Option<Duration>,
        output: &[u8],
        deadline: &Deadline,
    ) -> Result<usize, Error> {
        let mut stream = stream;
        let mut sent = 0;
        while sent < output.len() {
            let slice = deadline.left()?.min(WRITE_SLICE);
            if *current != Some(slice) {
                stream.set_write_timeout(Some(slice))?;
                *current = Some(slice);
            }
            match stream.write(&output[sent..]) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_time_out(&error) => {
                    if has_input(stream)? {
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sent)
    }

    fn send_unsent(&mut self, deadline: &Deadline) -> Result<(), Error> {
        let output = mem::take(&mut self.unsent);
        let sent = Self::send(&self.stream, &mut self.write_timeout, &output, deadline)?;
        self.unsent = output;
        self.unsent.drain(..sent);
        Ok(())
    }

    /// Reads without waiting.
    fn poll_input(&mut self) -> io::Result<bool> {
        let input = self.buffers.input_append_buf();
        let mut stream = &*self.stream;
        stream.set_nonblocking(true)?;
        let outcome = stream.read(input);
        stream.set_nonblocking(false)?;
        let count = outcome?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn read(&mut self, deadline: &Deadline) -> Result<bool, Error> {
        loop {
            let left = deadline.left()?;
            if self.read_timeout != Some(left) {
                self.stream.set_read_timeout(Some(left))?;
                self.read_timeout = Some(left);
            }
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted || is_time_out(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for input while the rest of the output goes out.
    fn read_and_send(&mut self, deadline: &Deadline) -> Result<bool, Error> {
        let mut failure = None;
        while !self.unsent.is_empty() {
            match self.poll_input() {
                Err(error) if is_time_out(&error) => {}
                outcome => return Ok(outcome?),
            }
            failure = self.send_unsent(deadline).err();
        }
        match (self.read(deadline), failure) {
            // The failed write says more about it than the end of the input.
            (Ok(false) | Err(Error::Io(_)), Some(failure)) => Err(failure),
            (outcome, _) => outcome,
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = &self.buffers.output()[..amount];
        if !self.unsent.is_empty() && has_input(&self.stream)? {
            self.unsent.extend_from_slice(output);
            return Ok(());
        }
        let deadline = Deadline::new(timeout.for_write());
        if self.unsent.is_empty() {
            let sent = Self::send(&self.stream, &mut self.write_timeout, output, &deadline)?;
            self.unsent.extend_from_slice(&output[sent..]);
            return Ok(());
        }
        self.unsent.extend_from_slice(output);
        self.send_unsent(&deadline)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if timeout.per_read == Some(NO_WAIT) {
            return Ok(self.poll_input()?);
        }
        let deadline = Deadline::new(timeout.for_read());
        self.read_and_send(&deadline)
    }

    fn is_open(&mut self) -> bool {
        // Anything but "nothing to read yet" makes the connection unusable: the end, an error, or unexpected bytes.
        let is_silent =
            matches!(peek(&self.stream), Err(error) if error.kind() == ErrorKind::WouldBlock);
        is_silent && self.unsent.is_empty()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

/// Whether there is something to read: bytes, the end, or an error.
fn has_input(stream: &TcpStream) -> io::Result<bool> {
    match peek(stream) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        _ => Ok(true),
    }
}

fn peek(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let outcome = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    outcome
}

fn is_time_out(error: &io::Error) -> bool {
    // Which of the two depends on the system.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The end of a time-out that covers several calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    reason: Timeout,
}

impl Deadline {
    pub(super) fn new(timeout: NextTimeout) -> Self {
        Self::since(Instant::now(), timeout)
    }

    pub(super) fn since(start: Instant, timeout: NextTimeout) -> Self {
        let after = match timeout.after {
            time::Duration::Exact(after) => after.min(LONGEST),
            time::Duration::NotHappening => LONGEST,
        };
        Self {
            at: start + after,
            reason: timeout.reason,
        }
    }

    /// Returns the time left, which is more than zero.
    pub(super) fn left(&self) -> Result<Duration, Error> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Timeout(self.reason));
        }
        Ok(left)
    }
}
