//! Numbers of payment cards: 13 to 19 digits, in groups or not, whose first digits a card network uses and whose last
//! digit is right (ISO/IEC 7812, the Luhn check).

use std::ops::Range;

use super::{
    emails::is_letter,
    scan::{byte_at, byte_before, is_word, next, run_end},
};

const MOST_DIGITS: usize = 19;

/// The card numbers in the text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next(text, at, |byte| byte.is_ascii_digit()) {
        let end = run_end(text, start, |byte| byte.is_ascii_digit());
        at = end;
        if let Some(card_end) = card_end(text, start, end) {
            found.push(start..card_end);
            at = card_end;
        }
    }
    found
}

/// The end of the longest card number that begins with the group of digits `start..end`.
fn card_end(text: &str, start: usize, end: usize) -> Option<usize> {
    if end - start > MOST_DIGITS || !may_start(text, start) {
        return None;
    }
    let mut digits = Digits::default();
    digits.add(&text[start..end]);
    let mut longest = None;
    let (mut group, mut end) = (start..end, end);
    let separator = separator_at(text, end);
    loop {
        if digits.is_card() && may_end(text, end) {
            longest = Some(end);
        }
        // Only the last group may be short: single digits in a row are a list of numbers.
        let Some(separator) = separator.filter(|_| group.len() >= 4) else {
            return longest;
        };
        if !text[end..].starts_with(separator) {
            return longest;
        }
        let next_start = end + separator.len();
        let next_end = run_end(text, next_start, |byte| byte.is_ascii_digit());
        if next_start == next_end || digits.count + (next_end - next_start) > MOST_DIGITS {
            return longest;
        }
        group = next_start..next_end;
        digits.add(&text[group.clone()]);
        end = next_end;
    }
}

/// The separator between two groups of digits, if one is here.
fn separator_at(text: &str, at: usize) -> Option<&'static str> {
    [" ", "-", "\u{A0}"]
        .into_iter()
        .find(|separator| text[at..].starts_with(separator))
}

/// Not in a longer word, the decimals of a number, or a telephone number.
fn may_start(text: &str, start: usize) -> bool {
    match byte_before(text, start) {
        None => true,
        Some(b'.' | b',') => {
            let before = start
                .checked_sub(2)
                .and_then(|before| byte_at(text, before));
            !before.is_some_and(|byte| byte.is_ascii_digit())
        }
        Some(byte) if byte.is_ascii() => !is_word(byte) && byte != b'+',
        // Chinese has no blank in front of a number.
        Some(_) => !text[..start].ends_with(is_letter),
    }
}

fn may_end(text: &str, end: usize) -> bool {
    let after = || byte_at(text, end + 1);
    match byte_at(text, end) {
        None => true,
        Some(b'.' | b',') => !after().is_some_and(|byte| byte.is_ascii_digit()),
        Some(b'-') => !after().is_some_and(is_word),
        Some(byte) => !is_word(byte),
    }
}

/// At most [`MOST_DIGITS`] digits.
#[derive(Default)]
struct Digits {
    values: [u8; MOST_DIGITS],
    count: usize,
}

impl Digits {
    fn add(&mut self, digits: &str) {
        for (value, digit) in self.values[self.count..].iter_mut().zip(digits.bytes()) {
            *value = digit - b'0';
            self.count += 1;
        }
    }

    fn is_card(&self) -> bool {
        self.is_of_network() && self.is_luhn()
    }

    /// Whether a card network uses numbers of this length that begin so.
    fn is_of_network(&self) -> bool {
        let first_four = self.values[..4]
            .iter()
            .fold(0, |number, digit| number * 10 + u16::from(*digit));
        match first_four {
            4000..=4999 => matches!(self.count, 13 | 16 | 19), // Visa
            5100..=5599 | 2221..=2720 => self.count == 16,     // Mastercard
            3400..=3499 | 3700..=3799 => self.count == 15,     // American Express
            3000..=3059 | 3090..=3099 | 3600..=3699 | 3800..=3999 => {
                (14..=19).contains(&self.count) // Diners Club
            }
            3528..=3589 => (16..=19).contains(&self.count), // JCB
            6000..=6999 => (16..=19).contains(&self.count), // Discover, UnionPay, RuPay, Maestro
            5000..=5099 | 5600..=5899 => (13..=19).contains(&self.count), // Maestro
            2200..=2204 => (16..=19).contains(&self.count), // Mir
            _ => false,
        }
    }

    fn is_luhn(&self) -> bool {
        let sum: u32 = self.values[..self.count]
            .iter()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let value = u32::from(*digit) << (place % 2);
                if value > 9 { value - 9 } else { value }
            })
            .sum();
        sum.is_multiple_of(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that begins so and has this many digits, the last of which is the check.
    fn number(begin: &str, count: usize) -> String {
        let with = |check: u8| format!("{begin:0<width$}{check}", width = count - 1);
        let is_valid = |number: &String| {
            let mut digits = Digits::default();
            digits.add(number);
            digits.is_luhn()
        };
        (0..10).map(with).find(is_valid).expect("a check digit")
    }

    fn in_groups_of_four(number: &str) -> String {
        let groups: Vec<_> = number
            .as_bytes()
            .chunks(4)
            .map(String::from_utf8_lossy)
            .collect();
        groups.join(" ")
    }

    fn is_found(text: &str, number: &str) -> bool {
        let start = text.find(number).expect("the number");
        let found = find(text);
        found.len() == 1 && found[0] == (start..start + number.len())
    }

    #[test]
    fn each_network_has_its_numbers() {
        let networks = [
            ("4", 13),
            ("4", 16),
            ("4999", 19),
            ("51", 16),
            ("5599", 16),
            ("2221", 16),
            ("2720", 16),
            ("34", 15),
            ("37", 15),
            ("3000", 14),
            ("3059", 19),
            ("3090", 14),
            ("36", 14),
            ("3999", 19),
            ("3528", 16),
            ("3589", 19),
            ("6000", 16),
            ("6999", 19),
            ("5000", 13),
            ("5099", 19),
            ("5600", 13),
            ("5899", 19),
            ("2200", 16),
            ("2204", 19),
        ];
        for (begin, count) in networks {
            let number = number(begin, count);
            assert!(is_found(&number, &number), "{number}");
        }
        let others = [
            ("4", 14),
            ("51", 15),
            ("2220", 16),
            ("2721", 16),
            ("34", 16),
            ("3060", 14),
            ("3527", 16),
            ("3590", 15),
            ("1000", 16),
            ("7000", 16),
            ("2199", 16),
            ("2205", 16),
            ("5900", 16),
        ];
        for (begin, count) in others {
            let number = number(begin, count);
            assert!(find(&number).is_empty(), "{number}");
        }
    }

    #[test]
    fn a_number_has_at_most_nineteen_digits() {
        let longest = number("4", 19);
        assert!(is_found(&longest, &longest));
        assert!(find(&format!("{longest}0")).is_empty());
        let grouped = in_groups_of_four(&longest);
        assert!(is_found(&grouped, &grouped));
        assert!(find(&format!("{grouped}0")).is_empty());
        let in_front = format!("{} 4000000", in_groups_of_four(&number("4111", 16)));
        assert!(is_found(&in_front, &in_front[..19]));
    }

    #[test]
    fn a_number_is_a_word_of_its_own() {
        let number = number("4111", 16);
        for (before, after) in [
            ("", ""),
            ("a ", " b"),
            ("(", ")"),
            ("", "."),
            ("", ", "),
            ("", "-"),
            ("a.", ".a"),
        ] {
            let text = format!("{before}{number}{after}");
            assert!(is_found(&text, &number), "{text}");
        }
        for (before, after) in [
            ("a", ""),
            ("", "a"),
            ("+", ""),
            ("", ".5"),
            ("", ",5"),
            ("", "-a"),
            ("1.", ""),
            ("_", ""),
        ] {
            let text = format!("{before}{number}{after}");
            assert!(find(&text).is_empty(), "{text}");
        }
    }
}
