//! Reads requests from a connection, each to its end.
//!
//! A close with unread bytes resets the connection, and the client may lose the answer, so a body over the limit is
//! read too.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use super::received::Head;

/// Enough to read a request of usual size at once.
const BUFFER: usize = 64 * 1024;
const MAX_HEAD: u64 = 64 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_CHUNK_LINE: u64 = 4 * 1024;

/// The reason why a request could not be read.
pub(super) enum ReadError {
    /// The connection was closed by the client, or because the server stops.
    Gone,
    /// The bytes are not a request. The client gets this status, and the connection is closed.
    Refused(u16),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

const BAD_REQUEST: ReadError = ReadError::Refused(400);

/// A request's head, and how the end of its body is found.
pub(super) struct Opening {
    pub(super) head: Head,
    pub(super) keep_alive: bool,
    framing: Framing,
}

enum Framing {
    Length(u64),
    Chunked,
}

pub(super) struct RequestReader<'s> {
    stream: &'s TcpStream,
    buffered: BufReader<&'s TcpStream>,
}

impl<'s> RequestReader<'s> {
    pub(super) fn new(stream: &'s TcpStream) -> Self {
        Self {
            stream,
            buffered: BufReader::with_capacity(BUFFER, stream),
        }
    }

    pub(super) fn read_head(&mut self) -> Result<Opening, ReadError> {
        let mut bytes = Vec::with_capacity(512);
        loop {
            let room = MAX_HEAD - bytes.len() as u64;
            let read = (&mut self.buffered)
                .take(room)
                .read_until(b'\n', &mut bytes)?;
            if bytes.len() as u64 >= MAX_HEAD {
                return Err(ReadError::Refused(431));
            }
            if !bytes.ends_with(b"\n") {
                // The client has closed its side, after a request or within a head.
                return Err(if bytes.is_empty() {
                    ReadError::Gone
                } else {
                    BAD_REQUEST
                });
            }
            if read == bytes.len() && is_blank(&bytes) {
                // RFC 9112, 2.2: empty lines before a request line are ignored.
                bytes.clear();
            } else if bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n") {
                return parse(&bytes);
            }
        }
    }

    /// Reads the body; returns `None` if it is longer than `limit`.
    pub(super) fn read_body(
        &mut self,
        opening: &Opening,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let expects_continue = opening
            .head
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        // A client that has already sent its body does not wait for a 100.
        if expects_continue && self.buffered.buffer().is_empty() {
            let mut stream = self.stream;
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Some(Vec::new());
        match opening.framing {
            Framing::Length(length) => self.read_part(length, limit, &mut body)?,
            Framing::Chunked => self.read_chunks(limit, &mut body)?,
        }
        Ok(body)
    }

    fn read_chunks(&mut self, limit: usize, body: &mut Option<Vec<u8>>) -> Result<(), ReadError> {
        loop {
            let line = self.read_line()?;
            let Ok(httparse::Status::Complete((_, size))) = httparse::parse_chunk_size(&line)
            else {
                return Err(BAD_REQUEST);
            };
            if size == 0 {
                break;
            }
            self.read_part(size, limit, body)?;
            if !is_blank(&self.read_line()?) {
                return Err(BAD_REQUEST);
            }
        }
        // Trailers are ignored.
        while !is_blank(&self.read_line()?) {}
        Ok(())
    }

    fn read_line(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut line = Vec::new();
        (&mut self.buffered)
            .take(MAX_CHUNK_LINE)
            .read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") {
            Ok(line)
        } else {
            Err(BAD_REQUEST)
        }
    }

    /// Appends `length` bytes to the body. Discards them and the body if it would be longer than `limit`.
    fn read_part(
        &mut self,
        length: u64,
        limit: usize,
        body: &mut Option<Vec<u8>>,
    ) -> Result<(), ReadError> {
        let room = limit.saturating_sub(body.as_ref().map_or(0, Vec::len));
        if length > room as u64 {
            *body = None;
        }
        let mut part = (&mut self.buffered).take(length);
        let read = match body {
            Some(body) => {
                // At most `room`, so it fits a usize.
                body.reserve(length as usize);
                part.read_to_end(body)? as u64
            }
            None => io::copy(&mut part, &mut io::sink())?,
        };
        if read < length {
            return Err(ReadError::Gone);
        }
        Ok(())
    }
}

fn is_blank(line: &[u8]) -> bool {
    line == b"\r\n" || line == b"\n"
}

fn parse(bytes: &[u8]) -> Result<Opening, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let (Ok(httparse::Status::Complete(_)), Some(method), Some(target), Some(version)) = (
        request.parse(bytes),
        request.method,
        request.path,
        request.version,
    ) else {
        return Err(BAD_REQUEST);
    };
    let head = Head {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: request
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_owned(), value)
            })
            .collect(),
    };
    Ok(Opening {
        framing: framing(&head)?,
        keep_alive: keep_alive(&head, version),
        head,
    })
}

fn framing(head: &Head) -> Result<Framing, ReadError> {
    let mut lengths = head
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.as_str());
    let length = lengths.next();
    match (head.header("transfer-encoding"), length) {
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        // With another coding, or with a length as well, the end of the body is not certain.
        (Some(_), _) => Err(BAD_REQUEST),
        (None, None) => Ok(Framing::Length(0)),
        (None, Some(length)) => {
            let agreed = lengths.all(|other| other == length);
            // `parse` alone would accept a sign.
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            match length.parse() {
                Ok(length) if agreed && digits => Ok(Framing::Length(length)),
                _ => Err(BAD_REQUEST),
            }
        }
    }
}

fn keep_alive(head: &Head, version: u8) -> bool {
    let says = |word: &str| {
        head.header("connection").is_some_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        })
    };
    if version == 0 {
        says("keep-alive")
    } else {
        !says("close")
    }
}
