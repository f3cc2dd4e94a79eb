//! The short form of the payment simulator; `cargo xtask bench money` runs every schedule there is.

use cem_tests::money::{self, Mutant};

/// Schedules of the short run.
const SHORT: u64 = 100_000;

#[test]
fn no_money_is_taken_twice_forgotten_or_mistaken_whatever_crashes_is_lost_or_done_by_hand() {
    let other = std::thread::spawn(|| money::run(SHORT, 1, 2, None));
    let even = money::run(SHORT, 0, 2, None).unwrap_or_else(|why| panic!("{why}"));
    let odd = other.join().unwrap().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(even.schedules + odd.schedules, SHORT);
    assert!(even.charges + odd.charges > SHORT / 2, "{even:?} {odd:?}");
    assert!(even.by_enquiry + odd.by_enquiry > 1_000 && even.by_person + odd.by_person > 1_000, "{even:?} {odd:?}");
}

#[test]
fn every_journal_that_is_broken_on_purpose_is_caught() {
    for mutant in Mutant::ALL {
        let found = money::run(SHORT, 0, 1, Some(mutant));
        assert!(found.is_err(), "{mutant:?} went unnoticed: {found:?}");
    }
}
