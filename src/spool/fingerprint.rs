//! Which project a record belongs to: its host and its API key, as a number that names a folder.
//!
//! The number has 48 bits, and the keys that it could stand for are many more: an API key has over a hundred random
//! bits, so at least 2^50 keys of that length share each number. Nothing that is computed from the number can say which
//! of them it was. That is why a mix that is not a cryptographic hash is enough here: it has to be the same in every
//! process and every release, and to differ between the few projects that share a folder. It does not have to be hard
//! to invert, because the inverse is not the key.

use std::fmt;

/// Identifies a project in the file system without its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

const BITS: u32 = 48;

impl Fingerprint {
    /// Mixes host and key. A byte that neither contains stands between them.
    pub(crate) fn of(host: &str, api_key: &str) -> Self {
        let bytes = host.bytes().chain([0]).chain(api_key.bytes());
        Self(finish(fnv_1a(bytes)) >> (u64::BITS - BITS))
    }

    /// Whether the folder of a project may have this name.
    pub(super) fn is_name(name: &str) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        name.len() == BITS as usize / 4 && name.bytes().all(is_digit)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// FNV-1a of 64 bits.
fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// The last step of SplitMix64. It spreads each bit over all others. FNV-1a alone leaves the last bytes in the low
/// bits.
fn finish(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_fingerprint_stays_the_same_from_release_to_release() {
        assert_eq!(fnv_1a(b"foobar".iter().copied()), 0x8594_4171_F739_67E8);
        assert_eq!(finish(0x9E37_79B9_7F4A_7C15), 0xE220_A839_7B1D_CDAF);
        let fingerprint = Fingerprint::of("https://app.trubrics.com/api/ingestion", "key");
        assert_eq!(fingerprint.to_string(), "4e5516331af7");
        assert!(Fingerprint::is_name("4e5516331af7"));
        assert!(!Fingerprint::is_name("4E5516331AF7") && !Fingerprint::is_name("4e5516331af"));
    }

    #[test]
    fn host_and_key_both_count_and_so_does_the_place_between_them() {
        let all = [
            ("ab", "c"),
            ("a", "bc"),
            ("abc", ""),
            ("", "abc"),
            ("ab", "d"),
        ];
        let all = all.map(|(host, api_key)| Fingerprint::of(host, api_key).to_string());
        let different: HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.iter().all(|text| text.len() == 12), "{all:?}");
    }

    #[test]
    fn keys_that_differ_in_their_last_character_have_nothing_in_common() {
        let all: HashSet<_> = (0..10_000)
            .map(|number| Fingerprint::of("host", &format!("key-{number}")).to_string())
            .collect();
        assert_eq!(all.len(), 10_000);
        let heads: HashSet<_> = all.iter().map(|text| &text[..2]).collect();
        assert_eq!(heads.len(), 256);
    }
}
