//! Cards are made of blank ones, however often they are taken away in between.

use card_auth::{
    Key, SunMessage, diversify,
    issue::{CardSet, IssueError, Personalised, personalise},
    ntag424::{KeyNo, Template, template},
};
use kiosk_sim::nfc::{Ntag424, Tag};

const UID: [u8; 7] = [4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66];
const MASTER: Key = Key::new([7; 16]);
const PICC: Key = Key::new([9; 16]);

fn set() -> CardSet {
    CardSet::derive(&MASTER, &PICC, &UID, 1).unwrap()
}

fn address() -> Template {
    template("cem.example/t").unwrap()
}

/// Where a card leaves.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// At which command, 1 being the first.
    at: usize,
    /// The card has done it, and only its answer is lost.
    done: bool,
}

/// One try, and how many commands it took.
fn attempt(card: &mut Ntag424, cut: Option<Cut>) -> (Result<Personalised, IssueError<&'static str>>, usize) {
    card.activate();
    let mut drawn = 0u8;
    let mut random = || {
        drawn += 1;
        Some([drawn; 16])
    };
    let mut count = 0;
    let mut exchange = |apdu: &[u8]| {
        assert!(apdu.len() <= 255, "{} bytes are more than a reader takes", apdu.len());
        count += 1;
        match cut.filter(|cut| cut.at == count) {
            Some(Cut { done: false, .. }) => return Err("gone"),
            Some(Cut { done: true, .. }) => {
                card.exchange(apdu);
                return Err("gone");
            }
            None => {}
        }
        assert!(cut.is_none_or(|cut| count < cut.at), "nothing is said to a card that has left");
        card.exchange(apdu).ok_or("silent")
    };
    let outcome = personalise(&UID, &set(), &address(), &mut random, &mut exchange);
    (outcome, count)
}

fn is_ours(card: &mut Ntag424) {
    let key = diversify::card_key(&MASTER, &UID, KeyNo::File);
    let proven = SunMessage::from_url(&card.tap()).unwrap().verify(&PICC, &key).unwrap();
    assert_eq!(proven.card.uid, UID);
}

#[test]
fn a_blank_card_becomes_a_guest_card_whose_message_proves_it() {
    let mut card = Ntag424::blank(UID);
    let (made, commands) = attempt(&mut card, None);
    let made = made.unwrap();
    assert!(!made.was_finished);
    let key = diversify::card_key(&MASTER, &UID, KeyNo::File);
    assert_eq!(SunMessage::from_url(&made.message).unwrap().verify(&PICC, &key).unwrap().card.uid, UID);
    is_ours(&mut card);
    let (again, fewer) = attempt(&mut card, None);
    assert!(again.unwrap().was_finished && fewer < commands, "{fewer} of {commands}");
    is_ours(&mut card);
}

#[test]
fn a_card_that_leaves_at_any_command_is_gone_on_with() {
    let (_, commands) = attempt(&mut Ntag424::blank(UID), None);
    assert!(commands > 20, "{commands}");
    for at in 1..=commands {
        for done in [false, true] {
            let mut card = Ntag424::blank(UID);
            let cut = Cut { at, done };
            let (outcome, _) = attempt(&mut card, Some(cut));
            assert_eq!(outcome, Err(IssueError::Gone("gone")), "{cut:?}");
            // And again, at the same place of what is left to do.
            let (_, _) = attempt(&mut card, Some(cut));
            let (made, _) = attempt(&mut card, None);
            assert!(made.is_ok(), "{cut:?}: {made:?}");
            is_ours(&mut card);
        }
    }
}

#[test]
fn a_card_that_leaves_at_each_command_in_turn_is_finished_in_the_end() {
    let mut card = Ntag424::blank(UID);
    let finished = (1..200).any(|at| attempt(&mut card, Some(Cut { at, done: true })).0.is_ok());
    assert!(finished);
    is_ours(&mut card);
}

#[test]
fn a_card_of_another_shop_is_left_as_it_is() {
    let (other, picc) = (Key::new([1; 16]), Key::new([2; 16]));
    let mut card = Ntag424::issued(UID, &other, &picc, "elsewhere.example/x").unwrap();
    assert_eq!(attempt(&mut card, None).0, Err(IssueError::Foreign));
    let key = diversify::card_key(&other, &UID, KeyNo::File);
    assert!(SunMessage::from_url(&card.tap()).unwrap().verify(&picc, &key).is_ok());
}

#[test]
fn a_card_whose_number_is_not_the_one_that_was_seen_is_refused() {
    let mut card = Ntag424::blank([4, 9, 9, 9, 9, 9, 9]);
    assert_eq!(attempt(&mut card, None).0, Err(IssueError::Foreign));
}

#[test]
fn half_a_card_under_another_address_is_not_gone_on_with() {
    let (_, commands) = attempt(&mut Ntag424::blank(UID), None);
    for at in 1..=commands {
        let mut card = Ntag424::blank(UID);
        let _ = attempt(&mut card, Some(Cut { at, done: true }));
        card.activate();
        let other = template("cem.example/u").unwrap();
        let mut exchange = |apdu: &[u8]| card.exchange(apdu).ok_or("silent");
        let outcome = personalise(&UID, &set(), &other, &mut || Some([3; 16]), &mut exchange);
        // Before the settings were changed the file is written anew; afterwards it is what it is.
        assert!(matches!(outcome, Ok(_) | Err(IssueError::Foreign | IssueError::ReadBack)), "{at}: {outcome:?}");
        let (back, _) = attempt(&mut card, None);
        assert!(outcome.is_ok() != back.is_ok(), "{at}: it belongs to one address or the other");
    }
}
