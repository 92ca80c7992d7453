//! In which order, and how long, the addresses of a host are tried.
//!
//! RFC 8305 tries the next address after 250 ms, beside the one before. One thread cannot wait for two sockets at a
//! time, so here the addresses are tried in rounds: each one shortly at first, and longer in each further round. An
//! address that answers fast is found in the first round, however many dead ones stand before it; a slow one in a later
//! round. This does no I/O.

use std::{net::SocketAddr, time::Duration};

/// The connection attempt delay that RFC 8305 recommends.
const FIRST_ATTEMPT: Duration = Duration::from_millis(250);

/// The addresses that may still answer.
#[derive(Debug)]
pub(super) struct Attempts {
    candidates: Vec<SocketAddr>,
    next: usize,
    attempt: Duration,
}

impl Attempts {
    /// Tries these addresses within this time.
    pub(super) fn new(addresses: impl IntoIterator<Item = SocketAddr>, time: Duration) -> Self {
        let candidates: Vec<_> = addresses.into_iter().collect();
        let count = u32::try_from(candidates.len().max(1)).unwrap_or(u32::MAX);
        // Half of the time is left for the second round.
        let attempt = FIRST_ATTEMPT.min(time / count / 2);
        Self {
            candidates,
            next: 0,
            attempt: attempt.max(Duration::from_millis(1)),
        }
    }

    /// Returns the next address to try, and how long, with this much time left.
    pub(super) fn next(&mut self, left: Duration) -> Option<(SocketAddr, Duration)> {
        if left.is_zero() {
            return None;
        }
        if self.next >= self.candidates.len() {
            self.next = 0;
            self.attempt = self.attempt.saturating_mul(2);
        }
        let address = *self.candidates.get(self.next)?;
        let is_only = self.candidates.len() == 1;
        self.next += 1;
        let time = if is_only {
            left
        } else {
            left.min(self.attempt)
        };
        Some((address, time))
    }

    /// Does not try the last address again: it has refused.
    pub(super) fn drop_last(&mut self) {
        self.next = self.next.saturating_sub(1);
        if self.next < self.candidates.len() {
            self.candidates.remove(self.next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = crate::defaults::CONNECT_TIMEOUT;

    fn address(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 443).into()
    }

    fn addresses(count: u8) -> impl Iterator<Item = SocketAddr> {
        (1..=count).map(address)
    }

    /// What each address gets, as milliseconds, when none of them answers.
    fn all_dead(count: u8) -> Vec<(u8, u128)> {
        let mut attempts = Attempts::new(addresses(count), LIMIT);
        let mut left = LIMIT;
        let mut tried = Vec::new();
        while let Some((address, time)) = attempts.next(left) {
            left -= time;
            let SocketAddr::V4(address) = address else {
                unreachable!("an IPv4 address")
            };
            tried.push((address.ip().octets()[3], time.as_millis()));
        }
        tried
    }

    #[test]
    fn one_address_gets_all_the_time() {
        assert_eq!(all_dead(1), [(1, LIMIT.as_millis())]);
    }

    #[test]
    fn the_second_address_is_tried_after_a_quarter_of_a_second() {
        assert_eq!(
            all_dead(2),
            [(1, 250), (2, 250), (1, 500), (2, 500), (1, 1000), (2, 500)]
        );
    }

    #[test]
    fn every_address_is_tried_in_half_of_the_time() {
        for count in 2..=16 {
            let mut time = 0;
            for (address, millis) in all_dead(count).into_iter().take(count.into()) {
                time += millis;
                assert!(millis >= 90, "{address} of {count}: {millis} ms");
            }
            assert!(time <= LIMIT.as_millis() / 2, "{count}: {time} ms");
        }
    }

    #[test]
    fn an_address_that_refuses_is_not_tried_again() {
        let mut attempts = Attempts::new(addresses(3), LIMIT);
        let mut next = || attempts.next(LIMIT).expect("an address").0;
        assert_eq!((next(), next()), (address(1), address(2)));
        attempts.drop_last();
        let mut next = || attempts.next(LIMIT).expect("an address").0;
        assert_eq!(
            (next(), next(), next()),
            (address(3), address(1), address(3))
        );
        attempts.drop_last();
        // The only one that is left.
        assert_eq!(attempts.next(LIMIT), Some((address(1), LIMIT)));
        attempts.drop_last();
        assert_eq!(attempts.next(LIMIT), None);
    }

    #[test]
    fn no_address_and_no_time_are_no_attempt() {
        assert_eq!(Attempts::new([], LIMIT).next(LIMIT), None);
        let mut attempts = Attempts::new(addresses(1), Duration::ZERO);
        assert_eq!(attempts.next(Duration::ZERO), None);
    }
}
