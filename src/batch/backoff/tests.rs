use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn each_delay_is_between_half_of_its_bound_and_the_whole(
        initial in 1_u64..5_000,
        factor in 1_u64..1_000,
        seed: u64,
    ) {
        let initial = Duration::from_millis(initial);
        let max = initial.saturating_mul(factor as u32);
        let mut backoff = Backoff::new(initial, max, seed);
        let mut bound = initial;
        for _ in 0..70 {
            let delay = backoff.next_delay();
            prop_assert!(bound / 2 <= delay && delay <= bound, "{:?} of {:?}", delay, bound);
            bound = bound.saturating_mul(2).min(max);
        }
        backoff.reset();
        prop_assert!(backoff.next_delay() <= initial);
    }
}

#[test]
fn the_same_seed_gives_the_same_delays_and_another_seed_gives_others() {
    let delays = |seed| {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30), seed);
        [(); 8].map(|()| backoff.next_delay())
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}

#[test]
fn endless_bounds_do_not_overflow() {
    let mut backoff = Backoff::new(Duration::MAX, Duration::MAX, 7);
    for _ in 0..100 {
        assert!(backoff.next_delay() >= Duration::MAX / 2);
    }
}

#[test]
fn the_chance_is_that_of_split_mix_64() {
    // The first numbers of its reference implementation after the seed 0.
    let expected: [u64; 3] = [
        0xE220_A839_7B1D_CDAF,
        0x6E78_9E6A_A1B9_65F4,
        0x06C4_5D18_8009_454F,
    ];
    let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO, 0);
    for number in expected {
        assert_eq!(
            backoff.next_random(),
            (number >> 11) as f64 / 2_f64.powi(53)
        );
    }
}
