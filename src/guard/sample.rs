//! Which users are in the sample. It depends on nothing but the user id and the rate.

/// The users whose [`position`] is below the rate.
pub(super) struct Sample {
    rate: f64,
}

impl Sample {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate }
    }

    pub(super) fn has(&self, user_id: &str) -> bool {
        // A position is below 1, so every user is in the sample of the rate 1, and the id need not be looked at.
        self.rate >= 1.0 || position(user_id) < self.rate
    }
}

/// The place of a user between 0 and 1, without 1: the same in every process and version, and on every platform.
///
/// It is the 64-bit FNV-1a hash of the UTF-8 bytes, mixed by the finalizer of MurmurHash3, because the upper bits of
/// FNV-1a alone are alike for short ids. The upper 53 bits of that are divided by 2^53, which is exact.
fn position(user_id: &str) -> f64 {
    let hashed = user_id
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
    let mixed = (hashed ^ (hashed >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    let mixed = mixed ^ (mixed >> 33);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user id, and its place.
    const VECTORS: [(&str, f64); 8] = [
        ("", 0.93676944839044),
        ("a", 0.5102945176565711),
        ("user_1", 0.6720495880747662),
        ("user_2", 0.7461764761313322),
        ("ada@example.com", 0.31671037873529595),
        ("7f8e9d0c-1b2a-4c3d-8e4f-5a6b7c8d9e0f", 0.16830482175056305),
        ("Zoë", 0.24820110370788773),
        ("日本", 0.0710566827419764),
    ];

    #[test]
    fn the_place_of_a_user_never_changes() {
        // Computed by another program. A release that changes one of these changes every sample.
        for (user_id, place) in VECTORS {
            assert_eq!(position(user_id), place, "{user_id:?}");
        }
    }

    #[test]
    fn a_sample_has_its_share_of_users_whatever_their_ids_look_like() {
        let kinds: [fn(u32) -> String; 5] = [
            |number| number.to_string(),
            |number| format!("user_{number}"),
            |number| format!("{number:08}@example.com"),
            |number| format!("00000000-0000-4000-8000-{number:012x}"),
            |number| char::from_u32(0x1_0000 + number).unwrap_or('-').to_string(),
        ];
        const USERS: u32 = 100_000;
        for (kind, id) in kinds.iter().enumerate() {
            for rate in [0.01, 0.1, 0.5, 0.9] {
                let sample = Sample::new(rate);
                let share = (0..USERS).filter(|number| sample.has(&id(*number))).count();
                let (share, users) = (share as f64, f64::from(USERS));
                // Five standard deviations of a fair choice.
                let bound = 5.0 * (users * rate * (1.0 - rate)).sqrt();
                let off = (share - users * rate).abs();
                assert!(off < bound, "kind {kind}: {share} of {users} at {rate}");
            }
        }
    }

    #[test]
    fn the_positions_of_users_are_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for number in 0..100_000 {
            tenths[(position(&format!("user-{number}")) * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|count| (9_500..10_500).contains(count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn a_larger_sample_has_all_users_of_a_smaller_one() {
        let (small, large) = (Sample::new(0.1), Sample::new(0.2));
        let ids = || (0..10_000).map(|number: u32| number.to_string());
        assert!(ids().filter(|id| small.has(id)).all(|id| large.has(&id)));
        assert!(ids().all(|id| Sample::new(1.0).has(&id) && !Sample::new(0.0).has(&id)));
    }

    #[test]
    fn a_user_whose_place_is_the_rate_is_outside() {
        let (user_id, place) = VECTORS[1];
        assert!(!Sample::new(place).has(user_id));
        assert!(Sample::new(place.next_up()).has(user_id));
    }
}
