//! What a generation cost.

use std::fmt;

use super::EventError;

/// What a generation cost, in a currency; for [`LlmEvent::cost`](crate::LlmEvent::cost).
///
/// Making one never fails. A cost that is not valid makes the record invalid: the [`EventError`] is of the field
/// `cost`. It is sent as the properties `cost.amount` and `cost.currency`, which are names of this crate.
///
/// ```
/// use trubrics::{Cost, LlmEvent};
///
/// let event = LlmEvent::new("user_123", "What is a cohort?", "A group of users.").cost(Cost::new(0.0019, "EUR"));
/// assert_eq!(event.get_property("cost.currency"), Some("EUR".into()));
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Cost {
    amount: f64,
    /// None if the text was not a code.
    currency: Option<[u8; 3]>,
}

impl Cost {
    /// A cost in any currency.
    ///
    /// The amount is in the currency's main unit (dollars, not cents), finite and not negative. The currency is its
    /// ISO 4217 code: three capital letters, such as `EUR`. Whether a currency has this code is not checked.
    pub fn new(amount: f64, currency: &str) -> Self {
        let code = currency.as_bytes().try_into().ok();
        Self {
            amount,
            currency: code.filter(|code: &[u8; 3]| code.iter().all(u8::is_ascii_uppercase)),
        }
    }

    /// A cost in US dollars. See [`new`](Self::new) for the amount.
    pub fn usd(amount: f64) -> Self {
        Self::new(amount, "USD")
    }

    /// The amount and the code of its currency, or the error of a cost that is not valid.
    pub(super) fn parts(&self) -> Result<(f64, &str), EventError> {
        let problem = if !self.amount.is_finite() {
            "is not a finite amount"
        } else if self.amount < 0.0 {
            "is negative"
        } else if let Some(code) = self.code() {
            return Ok((self.amount, code));
        } else {
            "has no valid currency: the three capital letters of ISO 4217 are needed, such as USD"
        };
        Err(EventError::new("cost", problem))
    }

    fn code(&self) -> Option<&str> {
        str::from_utf8(self.currency.as_ref()?).ok()
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cost")
            .field("amount", &self.amount)
            .field("currency", &self.code())
            .finish()
    }
}
