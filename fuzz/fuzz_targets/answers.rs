//! Whatever a server answers, each record of a batch is settled once. The status is the one that `httparse` reads.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    trubrics::fuzzing::deliver(bytes);
    let answer = bytes.get(3..).unwrap_or_default();
    if let Some(status) = status(answer) {
        assert_eq!(trubrics::fuzzing::status(answer), Some(status));
    }
});

/// The status of the first response that is not an interim one, if `httparse` takes all heads up to there.
fn status(mut answer: &[u8]) -> Option<u16> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = head.parse(answer) else {
            return None;
        };
        match head.code? {
            100 | 102..200 => answer = &answer[length..],
            // A smaller number is not a status.
            status => return (status >= 100).then_some(status),
        }
    }
}
