//! Connections to a server that exists in memory, and sends the same bytes at the same points in every run.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ureq::{
    Error,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, time,
    },
};

use crate::http::keep_reading::KeepReading;

/// A server. Its clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    connections: VecDeque<Script>,
    /// What each later connection does.
    later: Script,
    /// The most bytes that a read gives.
    read: usize,
    sent: Vec<u8>,
}

/// What the server does on one connection.
#[derive(Debug, Clone, Default)]
struct Script {
    /// What it sends. The next part comes after the next request.
    answers: VecDeque<Vec<u8>>,
    end: End,
    /// It takes the first part of a request only.
    refuses_bodies: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum End {
    #[default]
    Closed,
    Reset,
    Silent,
    /// The last answer is given to each later request.
    Again,
}

/// Smaller than those of real connections, so that a body has several parts, and a run takes little time.
const INPUT_BUFFER: usize = 2 * 1024;
const OUTPUT_BUFFER: usize = 4 * 1024;

/// Before a byte with another meaning.
const MARK: u8 = 0xFF;

impl Server {
    /// Reads what the server does from these bytes. A byte 255 is followed by another one:
    /// 255 ends an answer; 254, 253 and 252 end a connection, which is closed, reset or silent from there on;
    /// 251 makes the connection take no body. Later connections are answered with success, or not at all.
    pub(crate) fn of(script: &[u8], read: usize, answers_later: bool) -> Self {
        let mut connections = VecDeque::new();
        let (mut connection, mut answer) = (Script::default(), Vec::new());
        let mut bytes = script.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let after_mark = bytes.peek().copied().filter(|_| byte == MARK);
            let end = match after_mark {
                Some(255) => {
                    connection.answers.push_back(mem::take(&mut answer));
                    None
                }
                Some(254) => Some(End::Closed),
                Some(253) => Some(End::Reset),
                Some(252) => Some(End::Silent),
                Some(251) => {
                    connection.refuses_bodies = true;
                    None
                }
                _ => {
                    answer.push(byte);
                    continue;
                }
            };
            bytes.next();
            if let Some(end) = end {
                connection.answers.push_back(mem::take(&mut answer));
                connection.end = end;
                connections.push_back(mem::take(&mut connection));
            }
        }
        connection.answers.push_back(answer);
        connections.push_back(connection);
        let later = if answers_later {
            success()
        } else {
            Script::default()
        };
        Self::new(connections, later, read)
    }

    /// Answers the first request with these bytes, and no other.
    pub(super) fn answering_once(answer: &[u8]) -> Self {
        let script = Script {
            answers: VecDeque::from([answer.to_vec()]),
            ..Script::default()
        };
        Self::new(VecDeque::from([script]), Script::default(), usize::MAX)
    }

    /// Answers each request with success.
    pub(super) fn answering_always() -> Self {
        Self::new(VecDeque::new(), success(), usize::MAX)
    }

    fn new(connections: VecDeque<Script>, later: Script, read: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            connections,
            later,
            read: read.max(1),
            sent: Vec::new(),
        })))
    }

    /// All that was sent to it.
    pub(super) fn sent(&self) -> Vec<u8> {
        self.state().sent.clone()
    }

    pub(super) fn connector(&self) -> MemoryConnector {
        MemoryConnector(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same answer to each request, also to a proxy's.
fn success() -> Script {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    Script {
        answers: VecDeque::from([answer]),
        end: End::Again,
        refuses_bodies: false,
    }
}

#[derive(Debug)]
pub(super) struct MemoryConnector(Server);

impl<In: Transport> Connector<In> for MemoryConnector {
    type Out = Either<In, KeepReading<Memory>>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let mut state = self.0.state();
        let mut script = state
            .connections
            .pop_front()
            .unwrap_or_else(|| state.later.clone());
        let memory = Memory {
            buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER),
            answer: script.answers.pop_front().unwrap_or_default(),
            given: 0,
            script,
            sent_parts: 0,
            read: state.read,
            server: self.0.clone(),
        };
        Ok(Some(Either::B(KeepReading::new(memory))))
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Memory {
    buffers: LazyBuffers,
    answer: Vec<u8>,
    /// How much of the answer was read.
    given: usize,
    script: Script,
    sent_parts: usize,
    read: usize,
    server: Server,
}

impl Memory {
    /// Whether the client has read all that it can read before its next request.
    fn is_read(&self) -> bool {
        self.given == self.answer.len()
    }
}

impl Transport for Memory {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        if self.is_read() {
            if let Some(answer) = self.script.answers.pop_front() {
                (self.answer, self.given) = (answer, 0);
            } else {
                match self.script.end {
                    End::Closed | End::Reset => return Err(broken()),
                    End::Silent => {}
                    End::Again => self.given = 0,
                }
            }
        }
        if self.script.refuses_bodies && self.sent_parts > 0 {
            return Err(broken());
        }
        self.sent_parts += 1;
        let output = &self.buffers.output()[..amount];
        self.server.state().sent.extend_from_slice(output);
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let input = self.buffers.input_append_buf();
        let count = (self.answer.len() - self.given)
            .min(self.read)
            .min(input.len());
        if count > 0 {
            input[..count].copy_from_slice(&self.answer[self.given..][..count]);
            self.given += count;
            self.buffers.input_appended(count);
            return Ok(true);
        }
        let is_over = self.is_read() && self.script.answers.is_empty();
        let is_poll = timeout.per_read == Some(time::Duration::Exact(Duration::ZERO));
        match self.script.end {
            _ if !self.is_read() => Ok(false),
            End::Closed if is_over => Ok(false),
            End::Reset if is_over => Err(io::Error::from(ErrorKind::ConnectionReset).into()),
            _ if is_poll => Err(io::Error::from(ErrorKind::WouldBlock).into()),
            _ => Err(Error::Timeout(timeout.reason)),
        }
    }

    fn is_open(&mut self) -> bool {
        let goes_on =
            !self.script.answers.is_empty() || matches!(self.script.end, End::Silent | End::Again);
        self.is_read() && goes_on
    }
}

fn broken() -> Error {
    io::Error::from(ErrorKind::BrokenPipe).into()
}
