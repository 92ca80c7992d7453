//! Names of secrets: `password`, and also `userPassword` and `X-API-Key`.

use crate::redaction::Redaction;

impl Redaction {
    /// Keys that usually have a secret as their value; for
    /// [`TrubricsBuilder::redact_keys`](crate::TrubricsBuilder::redact_keys). The preset
    /// [`credentials`](Self::credentials) looks for the same names in texts.
    ///
    /// Not among them are `key`, `auth`, `pass`, `pin`, `session_id` and `tokens`, because these often mean something
    /// else in analytics.
    pub const SECRET_KEYS: &'static [&'static str] = &[
        "password",
        "passwords",
        "password_confirmation",
        "password1",
        "password2",
        "passwd",
        "pwd",
        "pgpassword",
        "passphrase",
        "passcode",
        "secret",
        "secrets",
        "token",
        "api_key",
        "api_keys",
        "access_key",
        "secret_key",
        "private_key",
        "account_key",
        "signing_key",
        "encryption_key",
        "authorization",
        "bearer",
        "jwt",
        "credential",
        "credentials",
        "cookie",
        "cookies",
        "otp",
        "cvv",
        "cvc",
    ];
}

/// The key without case, `_`, `-` and the like.
pub(crate) fn normal(key: &str) -> String {
    key.chars()
        .filter(|char| char.is_alphanumeric())
        .map(lower)
        .collect()
}

/// The small letter. Of the one that has two characters, `İ`, it is the first.
fn lower(char: char) -> char {
    char.to_lowercase().next().unwrap_or(char)
}

/// Whether the name, or its last words, are this key; `key` is [`normal`] or has `_` between its words.
pub(crate) fn is_last_of(name: &str, key: &str) -> bool {
    let mut chars = name.char_indices().rev();
    let mut after = None;
    let mut first = None;
    for expected in key.chars().rev().filter(|char| *char != '_') {
        let found = chars.find(|(_, char)| char.is_alphanumeric());
        let Some((at, char)) = found else {
            return false;
        };
        if lower(char) != expected {
            return false;
        }
        after = first;
        first = Some((at, char));
    }
    let Some((start, first)) = first else {
        return false;
    };
    let before = name[..start].chars().next_back();
    is_word_start(before, first, after.map(|(_, char)| char))
}

/// Whether a word begins with `first`: in `userPassword`, `HTTPToken`, `api-key`.
fn is_word_start(before: Option<char>, first: char, after: Option<char>) -> bool {
    let Some(before) = before.filter(|char| char.is_alphabetic()) else {
        return true;
    };
    let is_acronym_before = before.is_uppercase();
    first.is_uppercase() && (!is_acronym_before || after.is_some_and(char::is_lowercase))
}

/// Whether the name, or its last words, are one of [`Redaction::SECRET_KEYS`].
pub(super) fn is_secret(name: &str) -> bool {
    let last = name.bytes().rfind(u8::is_ascii_alphanumeric);
    let Some(last) = last.map(|byte| byte.to_ascii_lowercase()) else {
        return false;
    };
    // Most keys are out after a look at their last letter.
    let mut keys = Redaction::SECRET_KEYS.iter();
    keys.any(|key| key.as_bytes().last() == Some(&last) && is_last_of(name, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_as_the_last_words_of_a_name() {
        let names = [
            "password",
            "PASSWORD",
            "Password",
            "userPassword",
            "user_password",
            "user-password",
            "db.password",
            "DB_PASSWORD",
            "apikey",
            "apiKey",
            "APIKey",
            "API_KEY",
            "x-api-key",
            "myAPIKey",
            "HTTPToken",
            "auth0Token",
            "oauth2token",
            "clientSecret",
            "Set-Cookie",
            "aws_secret_access_key",
            "_password_",
            "params[password]",
            "your password",
            "api key",
            "Proxy-Authorization",
            "accessToken",
            "PGPASSWORD",
            "password2",
        ];
        for name in names {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_secret() {
        let names = [
            "",
            "_",
            "-",
            "tokens",
            "input_tokens",
            "max_tokens",
            "token_count",
            "tokenizer",
            "passwordless",
            "password_length",
            "secretary",
            "key",
            "monkey",
            "donkey_key",
            "keyboard",
            "cookie_banner",
            "undertoken",
            "é",
            "пароль",
            "authorization_date",
            "is_password_set",
        ];
        for name in names {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn keys_of_any_script_are_compared_without_case() {
        assert_eq!(normal("Geheim-Wort_Ä"), "geheimwortä");
        assert!(is_last_of("ПАРОЛЬ", &normal("пароль")));
        assert!(is_last_of("meinGeheimwort", &normal("geheim_wort")));
        // Its small letter has two characters.
        assert!(is_last_of("kullanıcıİsim", &normal("İsim")));
        assert!(is_last_of("İSİM", &normal("İSİM")));
        assert!(!is_last_of("anything", &normal("")));
        assert!(!is_last_of("", &normal("x")));
    }
}
