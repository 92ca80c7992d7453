//! The time is linear in the text, whatever the text is: the bytes that the presets look at are counted.

use crate::redaction::{Redaction, scan::STEPS};

/// Texts of about this many bytes that repeat what a preset looks at.
fn adversarial(bytes: usize) -> Vec<String> {
    let parts = [
        ":",
        "=",
        "==",
        "-",
        "--",
        "->",
        ">",
        " ",
        " is ",
        "@",
        "@a",
        "a@",
        "a@a.",
        "a@1.",
        "a%40a.co,",
        "%40",
        "%",
        ".",
        "..",
        "\"",
        "'",
        "\\",
        "\\\"",
        "\\'",
        "[",
        "[email]",
        "4",
        "4 ",
        "4111 ",
        "4111-",
        "41111111111111112 ",
        "://",
        "a://",
        "://a",
        "://a:",
        "://a@",
        "?a=",
        "&a=",
        "?token=",
        "&key=",
        "token",
        "token ",
        "token=",
        "token:",
        "token: ",
        "token:a",
        "token: a ",
        "token=a.",
        "token=(",
        "token='",
        "token='\\'",
        "token=\\\"",
        "token=\"\\",
        "token is ",
        "--token ",
        "--token=",
        "<token>",
        "cookie: ",
        "cookie: a ",
        "authorization: basic ",
        "bearer ",
        "bearer a",
        "bearer+",
        "basic/",
        "sk-",
        "sk-a",
        "ya29.",
        "SG.",
        "SG.a.",
        "eyJ",
        "eyJaaaaaaaaaaaa.",
        "eyJaaaaaaaaaaaa.a",
        "AKIA",
        "ghp_",
        "\\ghp_",
        "-----BEGIN ",
        "-----BEGIN A",
        "-----BEGIN PRIVATE KEY",
        "-----END ",
        "é",
        "é@",
        "token=é",
        "a",
        "aB1",
        "_",
        "password = x",
        "password: y ",
        "password:password",
        "is_password: ",
    ];
    let mut texts: Vec<_> = parts
        .iter()
        .map(|part| part.repeat(bytes / part.len()))
        .collect();
    // An opening without its end, in front.
    for front in [
        "token='",
        "token=\"",
        "-----BEGIN ",
        "https://",
        "a@",
        "token=",
        "cookie: ",
    ] {
        for part in [
            "\\'", "\\\"", "a", "a:", "a.", "@", "é", "token=", "token: ",
        ] {
            texts.push(format!("{front}{}", part.repeat(bytes / part.len())));
        }
    }
    texts
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are for a person")]
fn the_bytes_that_are_looked_at_are_linear_in_the_text() {
    const BYTES: usize = 64 * 1024;
    let all = Redaction::all();
    let steps = |text: &str| {
        STEPS.set(0);
        all.apply(text);
        STEPS.get() as f64 / text.len() as f64
    };
    let mut most = (0.0, String::new());
    for text in adversarial(BYTES) {
        let steps = steps(&text);
        if steps > most.0 {
            most = (steps, text.chars().take(40).collect());
        }
    }
    let (most, text) = most;
    println!("at most {most:.1} looks at each byte on average, for {text}");
    println!(
        "{:.1} for prose",
        steps("The chart of the week: it shows both. ")
    );
    assert!(most < 40.0, "{text}: {most}");
    assert!(most >= 1.0, "every byte is looked at");
}
