use proptest::prelude::*;

use super::*;

/// The clean head of these bytes, and the bytes after the head.
fn read(bytes: &str) -> (String, &str) {
    let mut head = ResponseHead::default();
    let used = head.read(bytes.as_bytes()).expect("HTTP");
    assert!(head.is_complete(), "{bytes:?}");
    let clean = String::from_utf8(head.clean()).expect("text");
    (clean, &bytes[used..])
}

#[test]
fn a_head_is_cleaned_and_the_body_is_left() {
    for (bytes, clean, rest) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}",
            "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n",
            "{}",
        ),
        ("HTTP/1.0 404\n\nno", "HTTP/1.0 404 \r\n\r\n", "no"),
        (
            "\r\n\nHTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length:0\r\n\r\n",
            "HTTP/1.0 200 \r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
            "",
        ),
        (
            "HTTP/1.1 429 Slow\r\nDate: now\r\nRETRY-AFTER: 7\r\nRetry-After: 8\r\n\
             Transfer-Encoding: gzip, Chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 429 \r\nretry-after: 7\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n",
            "0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 3, 3\r\nContent-Length: 03\r\n\r\n",
            "HTTP/1.1 200 \r\ncontent-length: 3\r\nconnection: close\r\n\r\n",
            "",
        ),
    ] {
        assert_eq!(read(bytes), (clean.to_owned(), rest), "{bytes:?}");
    }
}

#[test]
fn interim_responses_are_skipped_with_their_headers() {
    let last = "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n";
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\nDate: x\r\nContent-Length: 5\r\n folded\r\nbroken\r\n\r\n"
            .to_owned(),
        "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n".to_owned(),
        format!("HTTP/1.1 199 X\r\n{}\r\n", "X: y\r\n".repeat(100_000)),
    ] {
        let bytes = interim + last;
        let clean = "HTTP/1.1 202 \r\ncontent-length: 0\r\n\r\n".to_owned();
        assert_eq!(read(&bytes), (clean, ""));
    }
}

#[test]
fn the_end_of_http_is_final() {
    let (clean, rest) = read("HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\nbytes");
    assert_eq!((clean.as_str(), rest), ("HTTP/1.1 101 \r\n\r\n", "bytes"));
}

#[test]
fn a_fault_behind_the_status_line_costs_only_the_connection() {
    let long = format!("Connection: {}", "y".repeat(100_000));
    let nameless = "y".repeat(100_000);
    for fault in [
        "no colon",
        ": no name",
        "a name: x",
        "X-Folded: a\r\n b",
        "\tfolded: x",
        "Content-Length: x",
        "Content-Length: +5",
        "Content-Length:",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
        &long,
        &nameless,
    ] {
        let bytes = format!("HTTP/1.1 422 No\r\n{fault}\r\nRetry-After: 3\r\n\r\n");
        let clean = "HTTP/1.1 422 \r\nretry-after: 3\r\nconnection: close\r\n\r\n".to_owned();
        assert_eq!(read(&bytes), (clean, ""), "{fault:.50}");
    }
}

#[test]
fn a_folded_value_is_joined() {
    let (clean, _) = read("HTTP/1.1 429 X\r\nRetry-After:\r\n  5 \r\nX: y\r\n z\r\n\r\n");
    let expected = "HTTP/1.1 429 \r\nretry-after:  5\r\nconnection: close\r\n\r\n";
    assert_eq!(clean, expected);
}

#[test]
fn a_folded_value_that_is_too_long_is_left_out() {
    let folded = format!("\r\n {}", "y".repeat(1_000)).repeat(100);
    for name in ["Retry-After", "Date", "Content-Type"] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{name}: a{folded}\r\nContent-Length: 0\r\n\r\n");
        let clean = "HTTP/1.1 200 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert_eq!(read(&bytes).0, clean, "{name}");
    }
}

#[test]
fn many_and_long_header_lines_do_no_harm() {
    let long = format!("Set-Cookie: {}\r\n", "y".repeat(33_000));
    for lines in ["X: yyyyyyyyyyyyyyyyy\r\n".repeat(2_000), long] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        let clean = "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n".to_owned();
        assert_eq!(read(&bytes), (clean, ""));
    }
}

#[test]
fn an_endless_head_ends_with_its_status() {
    let clean = "HTTP/1.1 200 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for endless in ["X: y\r\n".repeat(100_000), "y".repeat(1_000_000)] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{endless}");
        let (found, rest) = read(&bytes);
        assert_eq!(found, clean);
        assert!(!rest.is_empty() || bytes.len() > MAX_HEAD);
    }
}

#[test]
fn a_value_that_is_not_text_is_left_out() {
    let mut head = ResponseHead::default();
    head.read(b"HTTP/1.1 429 X\r\nRetry-After: \xff\r\nDate: a\x01b\r\n\r\n")
        .expect("HTTP");
    assert_eq!(head.clean(), b"HTTP/1.1 429 \r\n\r\n");
}

#[test]
fn anything_but_a_status_line_is_not_http() {
    for bytes in [
        "SSH-2.0-OpenSSH",
        "H2",
        "\rH",
        "HTTP/2 200\r\n",
        "HTTP/1.2 200 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 99\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 1000 OK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n{}",
    ] {
        let read = ResponseHead::default().read(bytes.as_bytes());
        assert_eq!(read, Err(NotHttp), "{bytes:?}");
    }
}

#[test]
fn part_of_a_head_is_not_complete() {
    for (bytes, has_status) in [
        ("", false),
        ("\r\n", false),
        ("HTTP/1.1 200 OK", false),
        ("HTTP/1.1 100 Continue\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r", false),
        ("HTTP/1.1 200 OK\r\n", true),
        ("HTTP/1.1 200 OK\r\nX: y\r\n", true),
    ] {
        let mut head = ResponseHead::default();
        assert_eq!(head.read(bytes.as_bytes()), Ok(bytes.len()));
        assert!(!head.is_complete(), "{bytes:?}");
        assert_eq!(head.has_status(), has_status, "{bytes:?}");
        assert_eq!(head.has_begun(), !bytes.is_empty(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let mut head = ResponseHead::default();
        let _ = head.read(&bytes);
        head.clean();
    }

    #[test]
    fn a_clean_head_fits_into_its_buffer(
        lines in proptest::collection::vec("(Date:|Retry-After: |Content-Type:| |\t|Content-Length:|)(y{0,1200}|5)", 0..99),
    ) {
        let mut head = ResponseHead::default();
        let bytes = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", lines.join("\r\n"));
        head.read(bytes.as_bytes()).expect("HTTP");
        prop_assert!(head.clean().len() < 4_096);
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_arrive(
        lines in proptest::collection::vec("(HTTP/1.1 (100|204|422) X|[a-z:\t 0-9]{0,8}|content-length: [0-9]|)", 0..8),
        size in 1usize..9,
    ) {
        let bytes = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", lines.join("\r\n"));
        let mut whole = ResponseHead::default();
        let expected = whole.read(bytes.as_bytes());
        let mut parts = ResponseHead::default();
        let mut used = 0;
        for part in bytes.as_bytes().chunks(size) {
            used += parts.read(part).expect("HTTP");
        }
        prop_assert_eq!(Ok(used), expected);
        prop_assert_eq!(parts.clean(), whole.clean());
    }
}
