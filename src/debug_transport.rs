//! A transport that writes requests down instead of sending them.

use std::{
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use serde::de::IgnoredAny;

use crate::transport::{Request, Response, Transport, TransportError};

/// Writes requests down instead of sending them, to show what a program says about its users.
///
/// Each request is a line with its URL, and a line for each record with its JSON exactly as it would be sent. The key
/// is not written. The records count as delivered. If the writer fails, they are tried again as after a failure of
/// the network. The transport is a [dry run](Transport::is_dry_run), so the client does not use a spool.
///
/// ```
/// use trubrics::{DebugTransport, Trubrics};
///
/// let client = Trubrics::builder("no key needed")
///     .transport(DebugTransport::new(std::io::stderr()))
///     .build()?;
/// # let _ = client;
/// # Ok::<(), trubrics::ConfigError>(())
/// ```
pub struct DebugTransport<W> {
    writer: Mutex<W>,
}

impl<W: Write + Send + 'static> DebugTransport<W> {
    /// Writes to this writer and flushes it after each request.
    pub fn new(writer: W) -> Self {
        Self {
            writer: Mutex::new(writer),
        }
    }
}

impl<W: Write + Send + 'static> Transport for DebugTransport<W> {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        // Under the lock, so that two requests at a time do not mix their lines.
        let text = render(request.url(), request.body());
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut *writer, &text).map_err(TransportError::new)?;
        Ok(Response::new(200))
    }

    fn is_dry_run(&self) -> bool {
        true
    }
}

impl<W> fmt::Debug for DebugTransport<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugTransport").finish_non_exhaustive()
    }
}

fn write(writer: &mut impl Write, text: &[u8]) -> io::Result<()> {
    writer.write_all(text)?;
    writer.flush()
}

fn render(url: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("POST {url}\n").into_bytes();
    for record in items(body) {
        text.extend_from_slice(b"  ");
        // JSON that was given as text may have line breaks, but not inside of its own texts.
        let is_break = |byte: u8| matches!(byte, b'\n' | b'\r');
        text.extend(
            record
                .iter()
                .map(|&byte| if is_break(byte) { b' ' } else { byte }),
        );
        text.push(b'\n');
    }
    text
}

/// Splits a JSON array without spaces into the bytes of its items.
fn items(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array;
    std::iter::from_fn(move || {
        // The bracket or the comma before the item.
        rest = rest.get(1..)?;
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (item, after) = rest.split_at(values.byte_offset());
        rest = after;
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_gets_a_line_of_its_own_and_keeps_its_bytes() {
        let body = br#"[{"b":"],[","a":[1,{}]},{"c":"\"}"}]"#;
        let text = render("https://host/publish_events", body);
        assert_eq!(
            String::from_utf8(text).expect("text"),
            concat!(
                "POST https://host/publish_events\n",
                "  {\"b\":\"],[\",\"a\":[1,{}]}\n",
                "  {\"c\":\"\\\"}\"}\n"
            )
        );
    }

    #[test]
    fn a_record_with_line_breaks_stays_on_its_line() {
        let body = b"[{\"a\":[\n1\r\n]}]";
        let text = render("https://host/publish_events", body);
        let expected = "POST https://host/publish_events\n  {\"a\":[ 1  ]}\n";
        assert_eq!(String::from_utf8(text).expect("text"), expected);
    }

    #[test]
    fn a_writer_that_fails_is_a_failed_attempt() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let client = crate::Trubrics::builder("key").transport(DebugTransport::new(Full));
        let client = client.build().expect("good settings");
        let error = client
            .track_sync(crate::Event::new("u", "e"))
            .expect_err("not written");
        assert!(error.is_transient());
    }

    #[test]
    fn a_dry_run_stays_one_behind_a_box_and_an_arc() {
        let transport = DebugTransport::new(io::sink());
        assert!(transport.is_dry_run());
        let shared = std::sync::Arc::new(transport);
        assert!(shared.is_dry_run());
        let boxed: Box<dyn Transport> = Box::new(shared);
        assert!(boxed.is_dry_run());
        assert!(!crate::transport_fn(|_| Ok(Response::new(200))).is_dry_run());
    }

    #[test]
    fn anything_but_an_array_has_no_items() {
        for body in ["", "[", "[]", "x", "[x]", "{}"] {
            assert_eq!(items(body.as_bytes()).count(), 0, "{body}");
        }
    }
}
