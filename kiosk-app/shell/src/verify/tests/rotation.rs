//! The tenant's key has a new version while cards were known under the old one.

use super::*;

/// Knows cards under this many versions, and the counters that were taken before.
fn under(version: u32, counters: &Arc<Memory>) -> Verifier {
    Verifier {
        pseudonyms: Pseudonyms::new(test_keys(version), KnownBadges::default()),
        counters: counters.clone(),
        ..test_verifier(Some(file_key()))
    }
}

fn token(event: Option<DeviceEvent>) -> String {
    match event {
        Some(DeviceEvent::CardSeen { token, .. }) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_card_goes_by_the_newest_name_and_is_looked_up_by_the_older_ones_too() {
    let counters = Arc::new(Memory::default());
    let old = token(tap(&mut under(1, &counters), message(5)));
    let mut verifier = under(2, &counters);
    let new = token(tap(&mut verifier, message(6)));
    assert!(old.starts_with("1:") && new.starts_with("2:"), "{old} {new}");
    assert_eq!(verifier.handed.of(&new).older, [old]);
}

#[test]
fn a_new_key_gives_nobody_a_second_use_of_a_message() {
    let counters = Arc::new(Memory::default());
    assert!(tap(&mut under(1, &counters), message(5)).is_some());
    assert_eq!(tap(&mut under(2, &counters), message(5)), NOT_GENUINE);
    assert!(token(tap(&mut under(2, &counters), message(6))).starts_with("2:"));
}

#[test]
fn a_card_that_was_lost_under_the_old_key_stays_lost() {
    let counters = Arc::new(Memory::default());
    let old = token(tap(&mut under(1, &counters), message(5)));
    let mut verifier = under(2, &counters);
    verifier.keys = Box::new(KnownKeys(Some(file_key()), Some(old)));
    assert_eq!(tap(&mut verifier, message(6)), Some(DeviceEvent::CardRefused(CardRefusal::Blocked)));
}
