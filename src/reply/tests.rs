use proptest::prelude::*;

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn verdict(response: &Response) -> Verdict {
    judge(response, NOW, "secret-key")
}

fn refusal(status: u16) -> Refusal {
    Refusal {
        status,
        detail: None,
    }
}

#[test]
fn every_status_has_its_verdict() {
    for status in 0..=999 {
        let refusal = refusal(status);
        let expected = match status {
            200..=299 => Verdict::Delivered,
            408 | 425 | 429 | 500..=599 => Verdict::Later {
                after: None,
                refusal: Some(refusal),
                body: BodySent::Whole,
            },
            400 | 422 => Verdict::Invalid {
                bad: Vec::new(),
                refusal,
            },
            413 => Verdict::TooLarge { refusal },
            401 | 403 => Verdict::Unauthorized { refusal },
            _ => Verdict::Rejected { refusal },
        };
        assert_eq!(verdict(&Response::new(status)), expected);
    }
}

#[test]
fn the_page_of_a_proxy_says_nothing_about_the_records() {
    let page = |status, kind| {
        let response = Response::new(status).with_header("Content-Type", kind);
        verdict(&response.with_body("<html>"))
    };
    for status in [400, 422] {
        for kind in ["text/html", "TEXT/HTML; charset=utf-8", " text/html ;q"] {
            let refusal = refusal(status);
            assert_eq!(page(status, kind), Verdict::Rejected { refusal }, "{kind}");
        }
        for kind in ["application/json", "text/plain", "text/htmlx", ""] {
            let is_invalid = matches!(page(status, kind), Verdict::Invalid { .. });
            assert!(is_invalid, "{kind}");
        }
    }
    let is_too_large = matches!(page(413, "text/html"), Verdict::TooLarge { .. });
    assert!(is_too_large, "a proxy knows the size of a body");
}

#[test]
fn a_success_is_one_whatever_its_body() {
    assert_eq!(
        verdict(&Response::new(204).with_body("<html>")),
        Verdict::Delivered
    );
}

#[test]
fn retry_after_is_read_as_seconds_rounded_up_and_as_a_date() {
    let retry_after = |value: &str, date: Option<&str>| {
        let mut response = Response::new(429).with_header("Retry-After", value);
        if let Some(date) = date {
            response = response.with_header("Date", date);
        }
        match verdict(&response) {
            Verdict::Later { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(retry_after("3", None), seconds(3));
    assert_eq!(retry_after(" 120 ", None), seconds(120));
    assert_eq!(retry_after("0", None), seconds(0));
    assert_eq!(
        retry_after("99999999999999999999999", None),
        seconds(u64::MAX)
    );
    assert_eq!(
        retry_after("Thu, 01 Jan 1970 00:01:00 GMT", None),
        seconds(60)
    );
    assert_eq!(
        retry_after("Wed, 31 Dec 1969 23:00:00 GMT", None),
        seconds(0),
        "a date that is past"
    );
    assert_eq!(
        retry_after(
            "Sun, 06 Nov 1994 08:49:47 GMT",
            Some("Sun, 06 Nov 1994 08:49:37 GMT")
        ),
        seconds(10),
        "by the server's clock"
    );
    for (fraction, expected) in [
        ("1.5", 2),
        ("1.5 ", 2),
        ("1.0", 1),
        ("0.001", 1),
        ("0.0", 0),
        ("59.999999999999999999999999", 60),
        ("99999999999999999999999.5", u64::MAX),
    ] {
        assert_eq!(retry_after(fraction, None), seconds(expected), "{fraction}");
    }
    for nonsense in [
        "",
        "soon",
        "-5",
        "-1.5",
        "+1",
        ".",
        ".5",
        "1.",
        "1.5.2",
        "1,5",
        "1e3",
        "NaN",
        "inf",
        "3 s",
        "Thu, 99 Jan 1970 00:01:00 GMT",
        &"9".repeat(1000),
    ] {
        assert_eq!(retry_after(nonsense, None), None, "{nonsense}");
    }
}

#[test]
fn values_of_up_to_sixty_four_bytes_are_parsed() {
    let after = |value: &str, date: &str| {
        let response = Response::new(429)
            .with_header("Retry-After", value)
            .with_header("Date", date);
        match verdict(&response) {
            Verdict::Later { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(after(&"0".repeat(64), ""), seconds(0));
    assert_eq!(after(&"0".repeat(65), ""), None);
    // A date of this many bytes, the last of which are a comment.
    let date = |time: &str, bytes: usize| {
        let date = format!("Thu, 01 Jan 1970 {time} GMT ");
        let comment = "c".repeat(bytes - date.len() - "()".len());
        format!("{date}({comment})")
    };
    let until = date("00:01:00", 64);
    assert_eq!(after(&until, &date("00:00:50", 64)), seconds(10));
    assert_eq!(after(&until, &date("00:00:50", 65)), seconds(60));
}

#[test]
fn the_records_that_fastapi_names_are_found_once_each_and_in_order() {
    let body = r#"{"detail":[
        {"loc":["body",7,"event"],"msg":"Field required","type":"missing"},
        {"loc":["body",3,"user_id"],"msg":"Field required","type":"missing"},
        {"loc":["body",3,"event"],"msg":"Field required","type":"missing"},
        {"loc":["body",5],"msg":"no JSON","type":"json_invalid"}, {"loc":["query",6],"msg":"odd"},
        {"loc":["body"],"msg":"odd"}, {"loc":["body",-1]}, {"loc":"body"}, 5]}"#;
    let Verdict::Invalid { bad, refusal } = verdict(&Response::new(422).with_body(body)) else {
        panic!("not invalid")
    };
    assert_eq!(bad, [3, 7]);
    assert_eq!(
        refusal.detail.as_deref(),
        Some(
            "body.7.event: Field required; body.3.user_id: Field required; body.3.event: Field required; \
             body.5: no JSON; query.6: odd; body: odd"
        )
    );
}

#[test]
fn the_detail_is_bounded_and_holds_neither_the_key_nor_what_the_user_sent() {
    let detail_of = |body: String| match verdict(&Response::new(401).with_body(body)) {
        Verdict::Unauthorized { refusal } => refusal.detail,
        other => panic!("{other:?}"),
    };
    let detail = detail_of(r#"{"detail":"the key secret-key\nis bad"}"#.into());
    assert_eq!(detail.as_deref(), Some("the key [api key] is bad"));
    // A key may have blanks, and another control character is shown as a blank.
    let answer = Response::new(401).with_body(r#"{"detail":"the key secret\tkey is bad"}"#);
    let verdict = judge(&answer, NOW, "secret key");
    let shown = verdict.refusal().map(|(refusal, _)| refusal.to_string());
    assert_eq!(
        shown.as_deref(),
        Some("status 401: the key [api key] is bad")
    );
    // A key that was made up for a test is part of many words.
    let answer = Response::new(401).with_body(r#"{"detail":"Invalid API key"}"#);
    let verdict = judge(&answer, OffsetDateTime::UNIX_EPOCH, "k");
    let refusal = verdict.refusal();
    let detail = refusal.and_then(|(refusal, _)| refusal.detail.clone());
    assert_eq!(detail.as_deref(), Some("Invalid API key"));
    // The shortest key that is removed.
    let answer = Response::new(401).with_body(r#"{"detail":"no 12345678 here"}"#);
    let verdict = judge(&answer, OffsetDateTime::UNIX_EPOCH, "12345678");
    let detail = verdict
        .refusal()
        .and_then(|(refusal, _)| refusal.detail.clone());
    assert_eq!(detail.as_deref(), Some("no [api key] here"));

    let detail =
        detail_of(r#"{"detail":[{"loc":["body",0],"msg":"bad","input":"a prompt"}]}"#.into());
    assert_eq!(detail.as_deref(), Some("body.0: bad"));

    let detail = detail_of(format!(r#"{{"detail":"{}"}}"#, "é".repeat(5000))).expect("a detail");
    assert_eq!(detail.chars().count(), MAX_DETAIL_CHARS + 1);
}

#[test]
fn a_refusal_reads_as_its_status_and_its_detail() {
    assert_eq!(refusal(422).to_string(), "status 422");
    let detail = Some("no".into());
    assert_eq!(
        Refusal {
            status: 403,
            detail
        }
        .to_string(),
        "status 403: no"
    );
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(status: u16, header in "\\PC*", body: Vec<u8>) {
        let response = Response::new(status).with_header("retry-after", header.clone()).with_header("date", header).with_body(body);
        let _ = verdict(&response);
    }
}
