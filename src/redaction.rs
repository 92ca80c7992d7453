//! Hides secrets and personal data in texts and in properties, without a regular expression.
//!
//! Each preset is a pass over the text, which finds the parts to replace. A pass looks at each byte a bounded number of
//! times, whatever the text is.

mod cards;
mod emails;
mod json;
mod keys;
mod pairs;
mod private_keys;
mod scan;
mod tokens;
mod urls;
mod values;

use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

pub(crate) use self::json::PropertyRedaction;

const CREDENTIAL: &str = "[credential]";
const EMAIL: &str = "[email]";
const CARD: &str = "[card]";
/// A secret in a URL.
const SECRET: &str = "[secret]";
/// The value of a key that is hidden whatever its value is.
const REDACTED: &str = "[redacted]";

/// Replaces credentials and personal data in texts, by presets that can be combined and by functions of the program.
///
/// For [`Content::Redacted`](crate::Content::Redacted) and
/// [`TrubricsBuilder::redact_properties`](crate::TrubricsBuilder::redact_properties). The presets run in this order,
/// whatever the order of the calls: [`credentials`](Self::credentials), [`emails`](Self::emails),
/// [`cards`](Self::cards), [`url_secrets`](Self::url_secrets). Then come the functions of [`then`](Self::then). A new
/// `Redaction` replaces nothing.
///
/// ```
/// use trubrics::Redaction;
///
/// let redaction = Redaction::new().credentials().emails();
/// assert_eq!(
///     redaction.apply("I am ada@example.org, my password is hunter2."),
///     "I am [email], my password is [credential].",
/// );
/// ```
///
/// The presets go by the form of a text, so they are no guarantee. They miss secrets of unknown form, names,
/// postal addresses and telephone numbers, and replace some harmless texts. [The page on
/// redaction](crate::_docs::redaction) says what each of them misses, with figures. A text that must not leave the
/// machine is kept by [`Content::Off`](crate::Content::Off) and
/// [`before_send`](crate::TrubricsBuilder::before_send).
///
/// The time is linear in the length of the text, for all texts. A text without a finding is not copied. A second
/// redaction by the same presets changes nothing.
#[doc(alias = "pii")]
#[doc(alias = "mask")]
#[derive(Clone, Default)]
#[must_use = "a redaction does nothing until it is given to a client or applied"]
pub struct Redaction {
    credentials: bool,
    emails: bool,
    cards: bool,
    url_secrets: bool,
    functions: Vec<Arc<Redact>>,
}

type Redact = dyn Fn(&str) -> String + Send + Sync;

// A panic of a function is caught, and costs its record.
impl UnwindSafe for Redaction {}
impl RefUnwindSafe for Redaction {}

impl Redaction {
    /// Makes a redaction that replaces nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a redaction of all presets.
    pub fn all() -> Self {
        Self::new().credentials().emails().cards().url_secrets()
    }

    /// Replaces credentials by `[credential]`.
    ///
    /// These are blocks of private keys, tokens with the prefix of a known service (`sk-`, `ghp_`, `xoxb-`, `AKIA` and
    /// others), JSON Web Tokens, tokens after `Bearer` and `Basic`, and values with the name of a secret in front of
    /// them, such as `password=..`, `"apiKey": ".."` and `--token ..`. [`SECRET_KEYS`](Self::SECRET_KEYS) has the
    /// names.
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// Replaces e-mail addresses by `[email]`.
    pub fn emails(mut self) -> Self {
        self.emails = true;
        self
    }

    /// Replaces numbers of payment cards by `[card]`.
    ///
    /// These are 13 to 19 digits, in groups or not, that begin as those of a card network do, with a check digit that
    /// is right (Luhn).
    pub fn cards(mut self) -> Self {
        self.cards = true;
        self
    }

    /// Replaces secrets in URLs by `[secret]`: the password of `user:password@host`, and values of a query or a
    /// fragment whose key is one of [`SECRET_KEYS`](Self::SECRET_KEYS), or a signature or a code.
    pub fn url_secrets(mut self) -> Self {
        self.url_secrets = true;
        self
    }

    /// Gives each text to this function, after the presets and earlier functions, and takes what it returns instead.
    ///
    /// It runs inside `track`. A panic drops the record, as [`Content::redacted`](crate::Content::redacted) says.
    ///
    /// ```
    /// use trubrics::Redaction;
    ///
    /// let redaction = Redaction::new()
    ///     .emails()
    ///     .then(|text| text.replace("Ada", "[name]"));
    /// assert_eq!(redaction.apply("Ada, ada@example.org"), "[name], [email]");
    /// ```
    pub fn then(mut self, redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.functions.push(Arc::new(redact));
        self
    }

    /// Redacts this text.
    ///
    /// # Panics
    ///
    /// When a function of [`then`](Self::then) panics. The presets do not panic.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for (is_on, find, mark) in self.passes() {
            if is_on {
                let found = find(&text);
                text = scan::replace(text, &found, mark);
            }
        }
        for function in &self.functions {
            text = Cow::Owned(function(&text));
        }
        text
    }

    /// Whether texts stay as they are.
    pub(crate) fn is_off(&self) -> bool {
        self.functions.is_empty() && self.passes().iter().all(|(is_on, ..)| !is_on)
    }

    fn passes(&self) -> [Pass; 6] {
        [
            (self.credentials, private_keys::find, CREDENTIAL),
            (self.credentials, pairs::find, CREDENTIAL),
            (self.credentials, tokens::find, CREDENTIAL),
            (self.emails, emails::find, EMAIL),
            (self.cards, cards::find, CARD),
            (self.url_secrets, urls::find, SECRET),
        ]
    }
}

/// Whether it is on, the finder, and the replacement.
type Pass = (bool, fn(&str) -> Vec<Range<usize>>, &'static str);

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presets = [
            (self.credentials, "credentials"),
            (self.emails, "emails"),
            (self.cards, "cards"),
            (self.url_secrets, "url_secrets"),
        ];
        let mut debug = f.debug_tuple("Redaction");
        for (_, preset) in presets.iter().filter(|(is_on, _)| *is_on) {
            debug.field(&format_args!("{preset}"));
        }
        if !self.functions.is_empty() {
            debug.field(&format_args!(".."));
        }
        debug.finish()
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
