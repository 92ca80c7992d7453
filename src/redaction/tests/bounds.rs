//! Texts on both sides of a bound of a rule. What is between `«` and `»` is replaced, and nothing else.

use super::{is_exact, read};
use crate::redaction::Redaction;

#[track_caller]
fn assert_exact(texts: &[&str]) {
    for text in texts {
        let redacted = Redaction::all().apply(&read(text).0).into_owned();
        assert!(is_exact(text, &redacted), "{text} -> {redacted}");
        assert_eq!(Redaction::all().apply(&redacted), redacted, "{text}");
    }
}

#[test]
fn a_name_is_joined_to_its_value_by_what_joins_them_in_practice() {
    assert_exact(&[
        "token::oke",
        "an element <s:secret>«hunter»</s:secret>",
        "\"pwd\":«s»",
        "Bearer>1",
        "--token",
        "--token «abc123def456»",
        "--token         «abc123def456»",
        "params[passwd]=«h»",
        "[credential]=1",
        "secret=«す»",
        "<passwd> 5",
        "apiKey:'[secret]'",
        "apikey:@[card]",
        "Bearer:@[credential]",
        "password=         hunter2",
        "password: «hun[ter2»",
    ]);
}

#[test]
fn a_value_is_a_secret_if_it_is_no_word_no_placeholder_and_no_code() {
    assert_exact(&[
        "the password is \"swordfish\"",
        "my password is «8-a1b2c3d»",
        "my password is 8-character",
        "my password is «http4u2you»",
        "password=«aaaa»",
        "password=****",
        "password=\"«!hunter2»\"",
        "password=your_password_here",
        "password=«your5tr0ngOne»",
        "password=conf.value",
        "password=«a:b.c»",
        &format!("--token {}", "a".repeat(64)),
        &format!("--token «{}»", "a".repeat(65)),
        &format!("--token «{}»", "a".repeat(66)),
    ]);
}

#[test]
fn a_value_in_quotes_ends_at_its_quote() {
    assert_exact(&[
        "{\\\"password\\\": \\\"«correct horse battery»\\\"}",
        "{\\\"password\\\": \\\"\\\", \\\"a\\\": \\\"b\\\"}",
        "secret:\\\"f\n\\",
        "secret:\\\"\\}",
        "apikey:\\\"1",
        "Authorization:\"\\",
        "Authorization:\"b",
    ]);
}

#[test]
fn a_scheme_without_its_token_is_a_value() {
    assert_exact(&["Authorization:«Basic» "]);
}

#[test]
fn tokens_are_as_long_and_as_random_as_theirs() {
    assert_exact(&[
        "build 2c1b0515d3c1e0b7b3e1a0c7 is out",
        "environment-one.example.second",
        "this is the version ya29.·abcdefghijkl1 of it",
        "ghp_·abcdefghijklmnopqrstuvwxyzabcdefghij",
        "ghp_·a1b2c3d4e5f6g7h8",
        "AKIA·iosfodnn7example",
        "AKIA·IOSFODNN7EXAMPLE1",
        "Bearer abcdefghijklmnopqrstuvw",
        "Bearer a1b2",
    ]);
}

#[test]
fn a_json_web_token_has_a_header_a_payload_and_two_dots() {
    assert_exact(&[
        "«eyJ·hbGciOiJI.e».",
        "this is a text with eyJ·hbGciOiJ.eyJzdWIi.x",
        "eyJ·hbGciOiJIUzI1NiJ9..c2lnbmF0",
        "eyJ·hbGciOiJIUzI1NiJ9 eyJzdWIi.x",
        "eyJ·hbGciOiJIUzI1NiJ9.eyJzdWIi",
    ]);
}

#[test]
fn a_url_with_a_hidden_password_is_searched_for_more() {
    assert_exact(&["https://ada:[secret]@example.org/?token=«abc123def456»"]);
}

#[test]
fn an_address_in_the_user_of_a_url_stays_whatever_is_before_it() {
    let text = "https://ada%40example.org%40example.com%40example.net/";
    assert_eq!(Redaction::new().emails().apply(text), text);
}

#[test]
fn a_domain_has_253_bytes_at_most() {
    let domain = "aa.".repeat(90);
    let redacted = Redaction::all()
        .apply(&format!("ada@{domain}co"))
        .into_owned();
    assert_eq!(redacted, format!("[email]{}co", &domain[251..]));
}
