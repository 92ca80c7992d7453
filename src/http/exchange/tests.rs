use std::collections::VecDeque;

use super::*;

/// How a step of the layer below ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Sent,
    Received(&'static str),
    Closed,
    Failed(ErrorKind),
    TimedOut,
}

use End::{Closed, Failed, Received, Sent, TimedOut};

/// A layer below that does what the test says.
#[derive(Debug)]
struct Scripted {
    buffers: LazyBuffers,
    steps: VecDeque<End>,
}

impl Scripted {
    fn step(&mut self) -> Result<bool, Error> {
        match self.steps.pop_front().expect("another step") {
            Sent => Ok(true),
            Received(text) => {
                self.buffers.input_append_buf()[..text.len()].copy_from_slice(text.as_bytes());
                self.buffers.input_appended(text.len());
                Ok(true)
            }
            Closed => Ok(false),
            Failed(kind) => Err(io::Error::from(kind).into()),
            TimedOut => Err(Error::Timeout(ureq::Timeout::Global)),
        }
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

fn exchange(steps: &[End], can_poll: bool) -> Exchange<Scripted> {
    let inner = Scripted {
        buffers: LazyBuffers::new(64, 64),
        steps: steps.iter().copied().collect(),
    };
    Exchange::new(inner, can_poll)
}

fn send(exchange: &mut Exchange<Scripted>) -> Result<(), Error> {
    exchange.transmit_output(0, NextTimeout::default())
}

/// Reads as `ureq` does.
fn receive(exchange: &mut Exchange<Scripted>) -> Result<String, Error> {
    exchange.await_input(NextTimeout::default())?;
    let text = String::from_utf8(exchange.input().to_vec()).expect("text");
    exchange.input_consume(text.len());
    Ok(text)
}

const HEAD: End = Received("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
const BODY: End = Received("{}");

/// Takes these steps, `>` to send and `<` to receive, of which only the last one may fail.
fn error_after(directions: &str, ends: &[End]) -> Option<Error> {
    let mut exchange = exchange(ends, false);
    let mut outcome = Ok(());
    for direction in directions.chars() {
        assert!(outcome.is_ok(), "{outcome:?}");
        outcome = match direction {
            '>' => send(&mut exchange),
            _ => receive(&mut exchange).map(|_| ()),
        };
    }
    outcome.err()
}

#[test]
fn only_a_loss_between_two_answers_is_that_of_a_stale_connection() {
    let reset = Failed(ErrorKind::ConnectionReset);
    let broken = Failed(ErrorKind::BrokenPipe);
    let first = [Sent, Sent, HEAD];
    for (directions, rest, expected) in [
        (">><>", &[broken][..], true),
        (">><>>", &[Sent, reset], true),
        (">><>><", &[Sent, Sent, reset], true),
        (">><>><", &[Sent, Sent, Closed], true),
        (">><>><", &[Sent, Sent, TimedOut], false),
        (
            ">><>><",
            &[Sent, Sent, Failed(ErrorKind::InvalidData)],
            false,
        ),
        (">><>><<", &[Sent, Sent, HEAD, reset], false),
        (">><<>><", &[BODY, Sent, Sent, Closed], true),
        (">><>><>><", &[Sent, Sent, HEAD, Sent, Sent, Closed], true),
    ] {
        let error = error_after(directions, &[&first[..], rest].concat()).expect("an error");
        let is_stale = matches!(
            ExchangeError::of(&error),
            Some(ExchangeError::StaleConnection)
        );
        assert_eq!(is_stale, expected, "{directions} {rest:?}");
    }
    // The server may have had the first request of a connection.
    for (directions, ends) in [
        (">", &[broken][..]),
        (">><", &[Sent, Sent, reset]),
        (">><", &[Sent, Sent, Closed]),
    ] {
        let error = error_after(directions, ends).expect("an error");
        let is_stale = matches!(
            ExchangeError::of(&error),
            Some(ExchangeError::StaleConnection)
        );
        assert!(!is_stale, "{directions} {ends:?}");
    }
}

#[test]
fn an_error_says_whether_the_body_was_on_its_way() {
    let reset = Failed(ErrorKind::ConnectionReset);
    for (directions, ends, expected) in [
        (">", &[reset][..], false),
        (">", &[TimedOut], false),
        (">>", &[Sent, TimedOut], true),
        (">>>", &[Sent, Sent, TimedOut], true),
        (">>>", &[Sent, Sent, reset], true),
        (">><", &[Sent, Sent, TimedOut], true),
        (">><", &[Sent, Sent, reset], true),
        (">><", &[Sent, Sent, Closed], false),
        (">><", &[Sent, Sent, Received("HTTP/1.1 2"), reset], false),
        (
            ">><",
            &[Sent, Sent, Received("HTTP/1.1 102 X\r\n\r\n"), TimedOut],
            false,
        ),
    ] {
        let error = error_after(directions, ends).expect("an error");
        let is_sending = matches!(
            ExchangeError::of(&error),
            Some(ExchangeError::WhileSending(_))
        );
        assert_eq!(is_sending, expected, "{directions} {ends:?}");
    }
}

#[test]
fn the_body_stops_where_the_answer_begins() {
    let nothing_yet = Failed(ErrorKind::WouldBlock);
    let interim = Received("HTTP/1.1 102 Wait\r\n\r\n");
    let answer = Received("HTTP/1.1 413 No\r\nContent-Length: 2\r\n");
    let rest = Received("\r\n{}");
    let steps = [Sent, Sent, nothing_yet, Sent, interim, Sent, answer, rest];
    let mut exchange = exchange(&steps, true);
    for _ in 0..10 {
        send(&mut exchange).expect("sent or left out");
    }
    let head = receive(&mut exchange).expect("a head");
    assert_eq!(head, "HTTP/1.1 413 \r\ncontent-length: 2\r\n\r\n");
    assert_eq!(receive(&mut exchange).expect("a body"), "{}");
    assert!(exchange.inner.steps.is_empty());
    assert!(!exchange.is_open());
}

#[test]
fn the_body_stops_where_the_server_closes() {
    let mut exchange = exchange(&[Sent, Sent, Closed, Closed], true);
    for _ in 0..10 {
        send(&mut exchange).expect("sent or left out");
    }
    let error = receive(&mut exchange).expect_err("no answer");
    assert!(matches!(
        ExchangeError::of(&error),
        Some(ExchangeError::WhileSending(_))
    ));
}

#[test]
fn an_exchange_that_is_over_leaves_the_connection_open() {
    let mut exchange = exchange(&[Sent, Sent, HEAD, BODY], true);
    send(&mut exchange).expect("sent");
    send(&mut exchange).expect("sent");
    receive(&mut exchange).expect("a head");
    receive(&mut exchange).expect("a body");
    assert!(exchange.is_open());
}

#[test]
fn bytes_after_the_body_close_the_connection() {
    let more = Received("HTTP/1.1 200 OK\r\n\r\nmore");
    let mut exchange = exchange(&[Sent, more], true);
    send(&mut exchange).expect("sent");
    receive(&mut exchange).expect("a head");
    assert!(!exchange.is_open());
}
