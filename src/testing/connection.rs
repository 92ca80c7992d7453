//! Serves the requests of one connection until one side closes it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use super::{
    Service,
    reply::Kind,
    request_reader::{ReadError, RequestReader},
    rules::Answer,
    service::Outcome,
};

pub(super) fn serve(service: &Service, stream: &TcpStream, number: u64) {
    // Otherwise a small answer may wait until the client acknowledges the previous one.
    let _ = stream.set_nodelay(true);
    let mut reader = RequestReader::new(stream);
    loop {
        match serve_one(service, stream, &mut reader, number) {
            Ok(true) => {}
            Ok(false) | Err(ReadError::Gone) => return,
            Err(ReadError::Refused(status)) => {
                let answer = Answer::empty(status);
                let _ = send(service, stream, &render(answer, true), None);
                // A close with unread bytes resets the connection, and the client may lose the answer.
                let _ = stream.shutdown(Shutdown::Write);
                wait_until_gone(stream);
                return;
            }
        }
    }
}

/// Serves the next request; returns whether the connection stays open.
fn serve_one(
    service: &Service,
    stream: &TcpStream,
    reader: &mut RequestReader<'_>,
    number: u64,
) -> Result<bool, ReadError> {
    let opening = reader.read_head()?;
    let body = reader.read_body(&opening, service.body_limit())?;
    let keep_alive = opening.keep_alive;
    let Outcome {
        answer,
        reply,
        delay,
    } = service.receive(opening.head, body, number);

    if !service.pause(delay) {
        return Ok(false);
    }
    let bytes = match (answer, reply.kind) {
        (Some(answer), _) => render(answer, !keep_alive),
        (None, Kind::Raw(bytes)) => bytes,
        (None, Kind::Hang) => {
            wait_until_gone(stream);
            return Ok(false);
        }
        (None, Kind::Close | Kind::Judge | Kind::Status(_)) => return Ok(false),
    };
    send(service, stream, &bytes, reply.drip)?;
    Ok(keep_alive && !reply.close_after)
}

/// Returns the bytes of an answer in one buffer: a second small write could wait for an acknowledgement.
fn render(answer: Answer, announce_close: bool) -> Vec<u8> {
    let Answer {
        status,
        headers,
        body,
        ..
    } = answer;
    let given = |name: &str| {
        headers
            .iter()
            .any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    // RFC 9110, 6.4.1: these never have a body. A client would read one as the start of the next answer.
    let bodiless = matches!(status, 100..=199 | 204 | 304);

    // The reason phrase is optional, and no client reads it.
    let mut head = format!("HTTP/1.1 {status} \r\n");
    if !bodiless && !given("content-length") && !given("transfer-encoding") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    if !bodiless && !body.is_empty() && !given("content-type") {
        head.push_str("content-type: application/json\r\n");
    }
    if announce_close && !given("connection") {
        head.push_str("connection: close\r\n");
    }
    for (name, value) in &headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");

    let mut bytes = head.into_bytes();
    if !bodiless {
        bytes.extend_from_slice(&body);
    }
    bytes
}

fn send(
    service: &Service,
    mut stream: &TcpStream,
    bytes: &[u8],
    drip: Option<Duration>,
) -> io::Result<()> {
    let Some(pause) = drip else {
        return stream.write_all(bytes);
    };
    for byte in bytes.chunks(1) {
        stream.write_all(byte)?;
        if !service.pause(pause) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    Ok(())
}

/// Discards input until the client closes the connection, or the server does because it stops.
fn wait_until_gone(mut stream: &TcpStream) {
    let mut ignored = [0; 4096];
    loop {
        match stream.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
