#![allow(clippy::unwrap_used)]
use super::*;
use alloc::format;

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, utc_ms: Some(1_795_262_400_000), offset_min: 0, quality: crate::ClockQuality::Synced }
}

fn fact() -> PaymentFact {
    PaymentFact { tender: Tender::Gift, ..PaymentFact::card(Id([1; 16]), Id([2; 16]), Id([3; 16]), Minor(500)) }
}

fn code() -> GiftCode {
    GiftCode::parse("1234 5678-9012 3456").unwrap()
}

#[test]
fn a_number_has_sixteen_digits_and_is_shown_by_nobody() {
    assert_eq!((code().expose(), code().ending()), ("1234567890123456", "3456"));
    for bad in ["", "123456789012345", "12345678901234567", "123456789012345x"] {
        assert_eq!(GiftCode::parse(bad), None, "{bad}");
    }
    let ask = AccountAsk::Hold { code: code(), amount: Minor(1) };
    assert!(!format!("{ask:?} {:?}", code()).contains("3456"));
}

#[test]
fn a_hold_without_an_answer_is_asked_again_under_its_key_and_then_released() {
    let mut accounts = Accounts::default();
    let (fact, first) = accounts.hold(fact(), Who::default(), code(), at(0)).unwrap();
    assert!(matches!(first, AccountAsk::Hold { .. }));
    assert_eq!(accounts.overdue(at(ASK_FOR_MS - 1)), None);
    assert_eq!(accounts.overdue(at(ASK_FOR_MS)), None, "it is tried once more");
    let again = accounts.deadline_ms().unwrap();
    assert_eq!(accounts.ask(at(again)), Some((fact.attempt, first)));
    let told = accounts.answered(fact.attempt, AccountAnswer::Silent, at(again)).unwrap();
    assert_eq!(told.how, How::AccountRefused(None));
    assert!(matches!(told.events[..], [Event::PaymentUnknown(_)]));
    let next = accounts.deadline_ms().unwrap();
    assert_eq!(accounts.ask(at(next)), Some((fact.attempt, AccountAsk::Release)));
    assert_eq!(accounts.answered(fact.attempt, AccountAnswer::Held, at(next)), None, "what comes late takes nothing");
    let over = accounts.answered(fact.attempt, AccountAnswer::Released, at(next)).unwrap();
    assert_eq!((over.how, accounts.is_open_for(fact.order)), (How::Closed, false));
}

#[test]
fn what_is_found_at_start_is_taken_or_put_back_by_what_is_on_disk() {
    let found = |acknowledged, placed| {
        let mut accounts = Accounts::default();
        let mut fact = fact();
        fact.trail.acknowledged = acknowledged;
        let open = OpenAttempt { fact, visit: None, number: "A-1".into(), unknown: false, placed };
        assert!(matches!(accounts.found(open, "en").unwrap().events[..], [Event::PaymentUnknown(_)]));
        accounts
    };
    assert_eq!(found(true, true).held(), [(Id([2; 16]), Minor(500))]);
    for (acknowledged, placed) in [(false, true), (true, false), (false, false)] {
        let mut accounts = found(acknowledged, placed);
        assert_eq!(accounts.ask(at(0)).unwrap().1, AccountAsk::Release, "{acknowledged} {placed}");
        let how = accounts.answered(Id([3; 16]), AccountAnswer::Released, at(0)).unwrap().how;
        assert_eq!(how, if placed { How::NotCharged } else { How::Closed });
    }
}

#[test]
fn what_was_taken_for_an_order_that_fell_is_a_task_for_a_person() {
    let mut accounts = Accounts::default();
    let (fact, _) = accounts.hold(fact(), Who::default(), code(), at(0)).unwrap();
    accounts.answered(fact.attempt, AccountAnswer::Held, at(0)).unwrap();
    assert_eq!(accounts.release(fact.attempt, at(0)), Some(AccountAsk::Release));
    let told = accounts.answered(fact.attempt, AccountAnswer::Captured, at(0)).unwrap();
    assert!(matches!(told.events[..], [Event::PaymentApproved(_), Event::TaskRaised { kind: TaskKind::Refund, .. }]));
}

#[test]
fn questions_are_repeated_ever_more_slowly_and_never_given_up() {
    let mut accounts = Accounts::default();
    let refund = PaymentFact { kind: CommandKind::Refund, original: Some(Id([9; 16])), ..fact() };
    let (fact, ask) = accounts.refund(refund, at(0)).unwrap();
    let (mut now, mut pauses) = (0, Vec::new());
    for _ in 0..12 {
        accounts.answered(fact.attempt, AccountAnswer::Silent, at(now));
        let due = accounts.deadline_ms().unwrap();
        pauses.push(due - now);
        now = due;
        assert_eq!(accounts.ask(at(now)), Some((fact.attempt, ask.clone())));
    }
    assert_eq!((pauses[0], pauses[1], *pauses.last().unwrap()), (FIRST_PAUSE_MS, 2 * FIRST_PAUSE_MS, PAUSE_MAX_MS));
    let over = accounts.answered(fact.attempt, AccountAnswer::Refunded, at(now)).unwrap();
    assert!(matches!(over.events[..], [Event::PaymentApproved(_)]));
}
