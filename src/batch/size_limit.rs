//! How large the bodies of one endpoint may be. Deterministic, without a clock.
//!
//! The rule: a refused body is a bound, and the limit becomes half of it. Each accepted body of more than half of the
//! limit raises the limit by a 32nd of the bound, up to seven eighths of it. There it stays for a thousand such bodies.
//! Then the bound is raised by an eighth, because the server may accept more by now. An accepted body that is not below
//! the bound shows that the bound no longer holds. The two endpoints share no limit, because their records differ.
//!
//! A body that could not be sent in time halves the limit too, down to [`SMALL_BODY`]. It is not a bound, because a
//! network is slow for a while only: each accepted body of more than half of the limit then raises the limit by a 64th
//! of the largest one.

/// How many large bodies have to be accepted before the bound is raised.
const ACCEPTED_BEFORE_RAISE: u32 = 1_000;

/// A time-out of a body up to this size, in bytes, is not blamed on its size.
pub(crate) const SMALL_BODY: usize = 32 * 1024;

/// The largest body that is sent to one endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SizeLimit {
    /// What the settings allow.
    max: usize,
    limit: usize,
    /// The smallest body that the server refused, if it refused one.
    refused: Option<usize>,
    /// How many large bodies were accepted since the limit reached its height.
    accepted: u32,
}

impl SizeLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            limit: max,
            refused: None,
            accepted: 0,
        }
    }

    /// The largest body to send, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.limit
    }

    /// A body of several records was too large.
    pub(crate) fn note_refused(&mut self, bytes: usize) {
        let refused = self.refused.map_or(bytes, |refused| refused.min(bytes));
        self.refused = Some(refused);
        self.limit = self.limit.min(refused / 2);
        self.accepted = 0;
    }

    /// A body could not be sent in time.
    pub(crate) fn note_cut_off(&mut self, bytes: usize) {
        self.limit = self.limit.min((bytes / 2).max(SMALL_BODY));
        self.accepted = 0;
    }

    /// A body was accepted. Small bodies prove nothing.
    pub(crate) fn note_accepted(&mut self, bytes: usize) {
        if bytes <= self.limit / 2 {
            return;
        }
        if self.refused.is_some_and(|refused| bytes >= refused) {
            self.refused = Some(bytes.saturating_add(bytes / 8 + 1));
        }
        let Some(refused) = self.refused else {
            self.limit = self.limit.saturating_add(self.max / 64 + 1).min(self.max);
            return;
        };
        let height = (refused - refused / 8).min(self.max);
        if self.limit < height {
            self.limit = (self.limit + refused / 32 + 1).min(height);
        } else if self.limit < self.max {
            self.accepted += 1;
            if self.accepted >= ACCEPTED_BEFORE_RAISE {
                self.accepted = 0;
                self.refused = Some(refused.saturating_add(refused / 8 + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends full bodies to a server that accepts up to `accepts` bytes. Returns how many it refused.
    fn send_full_bodies(limit: &mut SizeLimit, count: usize, accepts: usize) -> usize {
        let mut refused = 0;
        for _ in 0..count {
            let bytes = limit.bytes();
            if bytes > accepts {
                limit.note_refused(bytes);
                refused += 1;
            } else {
                limit.note_accepted(bytes);
            }
        }
        refused
    }

    #[test]
    fn without_a_refusal_the_limit_is_that_of_the_settings() {
        let mut limit = SizeLimit::new(1_000);
        assert_eq!(send_full_bodies(&mut limit, 10, 1_000), 0);
        assert_eq!(limit.bytes(), 1_000);
    }

    #[test]
    fn few_of_many_bodies_are_refused_whatever_the_server_accepts() {
        for accepts in (10_000..1_000_000).step_by(7_000) {
            let mut limit = SizeLimit::new(1_000_000);
            let refused = send_full_bodies(&mut limit, 1_000, accepts);
            assert!(refused <= 9, "{refused} of 1,000 with {accepts}");
            assert!(limit.bytes() * 2 > accepts, "{limit:?} with {accepts}");
        }
    }

    #[test]
    fn a_known_bound_is_not_reached_for_a_thousand_bodies() {
        let mut limit = SizeLimit::new(1_000_000);
        limit.note_refused(800_000);
        assert_eq!(limit.bytes(), 400_000);
        assert_eq!(send_full_bodies(&mut limit, 1_000, 799_999), 0);
        assert_eq!(limit.bytes(), 700_000);
    }

    #[test]
    fn a_server_that_accepts_more_again_gets_full_bodies_in_the_end() {
        let mut limit = SizeLimit::new(1_000_000);
        limit.note_refused(800_000);
        assert_eq!(send_full_bodies(&mut limit, 10_000, 1_000_000), 0);
        assert_eq!(limit.bytes(), 1_000_000);
    }

    #[test]
    fn a_slow_network_lowers_the_limit_for_a_while() {
        let mut limit = SizeLimit::new(1_000_000);
        limit.note_cut_off(1_000_000);
        assert_eq!(limit.bytes(), 500_000);
        for _ in 0..10 {
            limit.note_cut_off(limit.bytes());
        }
        assert_eq!(limit.bytes(), SMALL_BODY);
        assert_eq!(send_full_bodies(&mut limit, 62, 1_000_000), 0);
        assert_eq!(limit.bytes(), 1_000_000);
    }

    #[test]
    fn small_bodies_prove_nothing() {
        let mut limit = SizeLimit::new(1_000);
        limit.note_refused(800);
        (0..10_000).for_each(|_| limit.note_accepted(200));
        assert_eq!(limit.bytes(), 400);
    }

    #[test]
    fn an_accepted_body_raises_the_limit_by_a_32nd_of_the_bound() {
        let mut limit = SizeLimit::new(1_000_000);
        limit.note_refused(800_000);
        limit.note_accepted(400_000);
        assert_eq!(limit.bytes(), 400_000 + 25_000 + 1);
    }

    #[test]
    fn an_accepted_body_raises_the_limit_by_a_64th_after_a_cut_off() {
        let mut limit = SizeLimit::new(640_000);
        limit.note_cut_off(640_000);
        limit.note_accepted(320_000);
        assert_eq!(limit.bytes(), 320_000 + 10_000 + 1);
    }

    #[test]
    fn an_accepted_body_of_the_size_of_the_bound_moves_the_bound() {
        let mut limit = SizeLimit::new(1_000_000);
        limit.note_refused(800);
        limit.note_accepted(799);
        assert_eq!(limit.refused, Some(800));
        limit.note_accepted(804);
        assert_eq!(limit.refused, Some(804 + 100 + 1));
    }

    #[test]
    fn the_bound_is_raised_by_an_eighth_until_the_limit_is_the_largest() {
        let mut limit = SizeLimit::new(1_000);
        limit.note_refused(1_001);
        let bounds = [1_001, 1_001 + 125 + 1, 1_127 + 140 + 1];
        for bound in bounds {
            assert_eq!(limit.refused, Some(bound));
            let height = (bound - bound / 8).min(1_000);
            while limit.bytes() < height {
                limit.note_accepted(limit.bytes());
            }
            for _ in 0..ACCEPTED_BEFORE_RAISE {
                assert_eq!(limit.bytes(), height);
                limit.note_accepted(height);
            }
        }
        assert_eq!((limit.bytes(), limit.refused), (1_000, Some(1_268)));
    }
}
