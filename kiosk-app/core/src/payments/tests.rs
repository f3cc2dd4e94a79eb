//! One attempt, one command; what a last receipt says; what a day's end confirms.

#![allow(clippy::unwrap_used)]

use super::{
    close::{Entry, Finding, Standing, compare},
    enquiry::{ASK_EVERY_MS, ASK_FOR_MS, NOBODY},
    *,
};
use crate::{config::TerminalLimits, event::TaskKind, ids::IdMaker, now::ClockQuality, terminal::Enquiry};

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, utc_ms: Some(1_795_262_400_000 + mono_ms as i64), offset_min: 0, quality: ClockQuality::Synced }
}

fn id(n: u8) -> Id {
    Id([n; 16])
}

/// A terminal without keys; times are small, so that tests read well.
const LIMITS: TerminalLimits = TerminalLimits {
    answer_ms: 1_000,
    amount_max: Minor(1_000_000),
    processing_ms: 90_000,
    reversal_ms: 10_000,
    by_hand: false,
    hand_ms: 20_000,
};

fn fact(attempt: u8) -> PaymentFact {
    PaymentFact::card(id(100), id(200), id(attempt), Minor(1250))
}

fn begun() -> Payments {
    let mut payments = Payments::new(LIMITS);
    payments.begin(fact(1), Who { visit: Some(id(9)), ..Who::default() }, at(0)).unwrap();
    payments
}

fn approved(amount: i64) -> CommandOutcome {
    CommandOutcome::approved(Minor(amount), 17, "**** 1")
}

#[test]
fn an_approval_settles_its_attempt_once() {
    let mut payments = begun();
    let settled = payments.ended(id(1), approved(1250), at(0)).unwrap();
    assert!(matches!(&settled.how, How::Approved(receipt) if receipt.masked == "**** 1"));
    assert_eq!(settled.who.visit, Some(id(9)));
    assert!(matches!(settled.events[0], Event::PaymentApproved(PaymentFact { reference: Some(17), .. })));
    assert_eq!(payments.ended(id(1), approved(1250), at(0)), None);
    assert_eq!(payments.ended(id(1), CommandOutcome::Declined { code: 5 }, at(0)), None);
    assert_eq!((payments.running(), payments.unresolved().count()), (None, 0));
}

#[test]
fn one_attempt_runs_at_a_time_and_none_begins_twice() {
    let mut payments = begun();
    assert_eq!(payments.begin(fact(2), Who::default(), at(0)), Err(Busy));
    payments.ended(id(1), CommandOutcome::Declined { code: 5 }, at(0)).unwrap();
    assert_eq!(payments.begin(fact(1), Who::default(), at(0)), Err(Busy), "never sent again");
    assert_eq!(payments.begin(fact(2), Who::default(), at(0)).map(drop), Ok(()));
}

#[test]
fn silence_makes_an_attempt_unknown_until_a_person_decides() {
    let mut payments = begun();
    assert_eq!(payments.overdue(at(999)), None);
    assert_eq!(payments.overdue(at(1000)).unwrap().how, How::Unknown { checking: true });
    assert_eq!(payments.begin(fact(2), Who::default(), at(1000)), Err(Busy), "nothing begins while the terminal is asked");
    assert_eq!(payments.ask(at(1000)), Some(id(1)));
    assert_eq!(payments.enquired(id(1), Enquiry::Unsupported, at(1000)).unwrap().how, How::Left);
    assert_eq!(payments.unresolved().count(), 1);
    assert_eq!(payments.begin(fact(2), Who::default(), at(0)).map(drop), Ok(()), "another guest can be served");
    let resolved = payments.resolve(id(1), Verdict::Charged { reference: Some(4) }, "1001", at(1_000)).unwrap();
    assert_eq!(resolved.how, How::Charged);
    assert!(matches!(resolved.events[0], Event::PaymentResolved(PaymentFact { reference: Some(4), .. })));
    assert_eq!(payments.resolve(id(1), Verdict::NotCharged, "1001", at(1_000)), None);
    assert_eq!(payments.resolve(id(2), Verdict::NotCharged, "1001", at(1_000)), None, "it still runs");
}

#[test]
fn a_late_approval_settles_its_own_attempt_and_a_late_decline_settles_nothing() {
    let mut payments = begun();
    payments.ended(id(1), CommandOutcome::Unknown, at(0)).unwrap();
    assert_eq!(payments.ended(id(1), CommandOutcome::Declined { code: 5 }, at(0)), None);
    assert_eq!(payments.unresolved().count(), 1);
    assert!(matches!(payments.ended(id(1), approved(1250), at(0)).unwrap().how, How::ApprovedLate(_)));
    assert_eq!(payments.unresolved().count(), 0);
}

#[test]
fn an_approval_after_a_decline_is_recorded_and_left_to_a_person() {
    let mut payments = begun();
    payments.ended(id(1), CommandOutcome::Declined { code: 5 }, at(0)).unwrap();
    let settled = payments.ended(id(1), approved(1250), at(0)).unwrap();
    assert_eq!(settled.how, How::Contradicted);
    assert!(matches!(&settled.events[0], Event::PaymentResolved(f) if f.outcome.as_deref() == Some("late_approval")));
    assert_eq!(payments.unresolved().count(), 1);
    assert_eq!(payments.ended(id(1), approved(1250), at(0)), None, "once");
    assert_eq!(payments.resolve(id(1), Verdict::Charged { reference: None }, "1001", at(1_000)).unwrap().how, How::Closed);
}

#[test]
fn an_approval_of_another_amount_is_unknown() {
    let mut payments = begun();
    let settled = payments.ended(id(1), approved(1000), at(0)).unwrap();
    assert_eq!(settled.how, How::Unknown { checking: false });
    assert!(matches!(&settled.events[0], Event::PaymentUnknown(f) if f.outcome.as_deref() == Some("amount_differs_1000")));
    assert_eq!(payments.ended(id(1), approved(1000), at(0)).unwrap().how, How::Contradicted);
}

#[test]
fn what_is_found_at_start_counts_as_sent() {
    let mut payments = Payments::new(LIMITS);
    let open = OpenAttempt { fact: fact(1), visit: Some(id(9)), number: "A-1".into(), unknown: false, placed: true };
    let settled = payments.found(open.clone(), "en").unwrap();
    assert!(matches!(settled.events[0], Event::PaymentUnknown(_)));
    assert_eq!(settled.who.visit, Some(id(9)));
    assert_eq!(payments.found(open, "en"), None, "once");
    let known = OpenAttempt { fact: fact(2), visit: None, number: "A-2".into(), unknown: true, placed: true };
    assert_eq!(payments.found(known, "en"), None, "already recorded");
    assert_eq!(payments.unresolved().count(), 2);
    assert_eq!(payments.begin(fact(1), Who::default(), at(0)), Err(Busy));
}

#[test]
fn foreign_outcomes_are_ignored_and_memory_is_bounded() {
    let mut payments = Payments::new(LIMITS);
    assert_eq!(payments.ended(id(7), approved(1), at(0)), None);
    for n in 0..200 {
        payments.begin(fact(n), Who::default(), at(0)).unwrap();
        payments.ended(id(n), CommandOutcome::NotSent, at(0)).unwrap();
    }
    assert_eq!(payments.attempts.len(), CLOSED_MAX);
    for n in 0..100 {
        payments
            .begin(
                PaymentFact { attempt: Id([n, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), ..fact(0) },
                Who::default(),
                at(0),
            )
            .unwrap();
        let attempt = payments.running().unwrap().attempt;
        payments.overdue(at(1_000)).unwrap();
        assert_eq!(payments.ask(at(1_000)), Some(attempt));
        payments.enquired(attempt, Enquiry::Unsupported, at(1_000)).unwrap();
    }
    assert_eq!(payments.begin(fact(201), Who::default(), at(0)), Err(Busy), "too much is unresolved");
}

fn receipt(number: u32) -> TerminalReceipt {
    let (terminal, masked) = ("T1".into(), String::new());
    TerminalReceipt { terminal, number, amount: Minor(1250), currency: Some(Currency::EUR), masked, trace: Some(100 + number) }
}

/// Receipt 5 was the last; attempt 1 is unknown since 0 and has been acknowledged.
fn unknown_after_five(limits: TerminalLimits) -> Payments {
    let mut payments = Payments::new(limits);
    payments.set_currency(Currency::EUR);
    assert_eq!(payments.enquired(NOBODY, Enquiry::Last(Some(receipt(5))), at(0)), None);
    let begun = payments.begin(fact(1), Who::default(), at(0)).unwrap();
    assert_eq!((begun.trail.receipt_before, begun.trail.period, begun.trail.tid.as_str()), (Some(5), Some(1), "T1"));
    assert_eq!(payments.heard(id(1), at(0)).unwrap().how, How::Heard);
    assert_eq!(payments.heard(id(1), at(0)), None, "recorded once");
    payments.ended(id(1), CommandOutcome::Unknown, at(0)).unwrap();
    payments
}

/// Asks at `ms` and answers.
fn ask(payments: &mut Payments, ms: u64, enquiry: Enquiry) -> Option<Settled> {
    assert_eq!(payments.ask(at(ms)), Some(id(1)));
    payments.enquired(id(1), enquiry, at(ms))
}

fn last(receipt: TerminalReceipt) -> Enquiry {
    Enquiry::Last(Some(receipt))
}

#[test]
fn the_next_receipt_settles_an_attempt_once_it_has_stayed_the_last() {
    let mut payments = unknown_after_five(LIMITS);
    assert_eq!(ask(&mut payments, 0, last(receipt(6))), None, "the terminal may still take it back");
    assert_eq!(payments.deadline_ms(), Some(10_000));
    assert_eq!(payments.ask(at(9_999)), None);
    let settled = ask(&mut payments, 10_000, last(receipt(6))).unwrap();
    assert_eq!(settled.how, How::Charged);
    let [Event::PaymentResolved(fact), Event::TerminalBook(book)] = &settled.events[..] else { panic!("{settled:?}") };
    assert_eq!((fact.reference, fact.outcome.as_deref()), (Some(6), Some("enquiry_charged")));
    assert_eq!((fact.trail.trace, fact.trail.provisional, book.last_receipt), (Some(106), true, Some(6)));
    assert_eq!((payments.unresolved().count(), payments.provisional().len(), payments.is_busy()), (0, 1, false));
}

#[test]
fn a_receipt_that_differs_in_anything_is_left_to_a_person_who_sees_it() {
    let wrong = [
        TerminalReceipt { number: 7, ..receipt(7) },
        TerminalReceipt { terminal: "T2".into(), ..receipt(6) },
        TerminalReceipt { terminal: String::new(), ..receipt(6) },
        TerminalReceipt { amount: Minor(1251), ..receipt(6) },
        TerminalReceipt { currency: Some(Currency::USD), ..receipt(6) },
        TerminalReceipt { currency: None, ..receipt(6) },
        TerminalReceipt { trace: Some(99), ..receipt(6) },
        receipt(4),
    ];
    for wrong in wrong {
        let mut payments = unknown_after_five(LIMITS);
        assert_eq!(ask(&mut payments, 0, last(wrong.clone())).unwrap().how, How::Left, "{wrong:?}");
        assert_eq!(payments.unresolved().next().unwrap().seen, Some(&wrong));
        assert!(!payments.is_busy());
    }
    let mut payments = unknown_after_five(LIMITS);
    assert_eq!(ask(&mut payments, 0, Enquiry::Last(None)).unwrap().how, How::Left, "the day may have been closed by hand");
}

#[test]
fn an_attempt_that_the_terminal_never_acknowledged_is_settled_by_no_receipt() {
    let mut payments = Payments::new(LIMITS);
    payments.set_currency(Currency::EUR);
    payments.enquired(NOBODY, last(receipt(5)), at(0));
    payments.begin(fact(1), Who::default(), at(0)).unwrap();
    payments.ended(id(1), CommandOutcome::Unknown, at(0)).unwrap();
    assert_eq!(ask(&mut payments, 0, last(receipt(6))).unwrap().how, How::Left);
}

#[test]
fn a_receipt_that_another_payment_holds_settles_nothing() {
    let mut payments = unknown_after_five(LIMITS);
    payments.book.hold(Some(1), 6, id(77));
    assert_eq!(ask(&mut payments, 0, last(receipt(6))).unwrap().how, How::Left);
    assert_eq!(payments.resolve(id(1), Verdict::Charged { reference: Some(6) }, "1001", at(0)), None, "nor does a person");
    assert!(payments.resolve(id(1), Verdict::Charged { reference: Some(7) }, "1001", at(0)).is_some());
}

#[test]
fn the_same_receipt_as_before_means_not_charged_once_the_terminal_has_had_its_time() {
    let mut payments = unknown_after_five(LIMITS);
    let mut now = 0;
    while now < 90_000 {
        assert_eq!(ask(&mut payments, now, last(receipt(5))), None);
        now += ASK_EVERY_MS;
    }
    let settled = ask(&mut payments, now, last(receipt(5))).unwrap();
    assert_eq!(settled.how, How::NotCharged);
    assert!(matches!(&settled.events[0], Event::PaymentResolved(f) if f.outcome.as_deref() == Some("enquiry_not_charged")));
    let mut silent = unknown_after_five(LIMITS);
    let other_trace = TerminalReceipt { trace: Some(107), ..receipt(5) };
    assert_eq!(ask(&mut silent, 0, last(other_trace)).unwrap().how, How::Left, "numbers that began again look like this");
}

#[test]
fn a_receipt_that_goes_away_again_is_left_to_a_person() {
    let mut payments = unknown_after_five(LIMITS);
    assert_eq!(ask(&mut payments, 0, last(receipt(6))), None);
    assert_eq!(ask(&mut payments, 10_000, last(receipt(7))).unwrap().how, How::Left, "reversed, or used by hand");
}

#[test]
fn a_terminal_that_can_be_used_by_hand_is_believed_for_as_long_as_nobody_can_have_used_it() {
    let by_hand = TerminalLimits { by_hand: true, ..LIMITS };
    let mut payments = unknown_after_five(by_hand);
    assert_eq!(ask(&mut payments, 20_000, last(receipt(6))), None);
    assert_eq!(ask(&mut payments, 30_000, last(receipt(6))).unwrap().how, How::Charged);
    let mut payments = unknown_after_five(by_hand);
    assert_eq!(ask(&mut payments, 20_001, last(receipt(6))).unwrap().how, How::Left);
    let mut payments = Payments::new(by_hand);
    payments.enquired(NOBODY, last(receipt(5)), at(0));
    assert!(!payments.wants_number(at(20_000)) && payments.wants_number(at(20_001)));
    let begun = payments.begin(fact(1), Who::default(), at(20_001)).unwrap();
    assert_eq!(begun.trail.receipt_before, None, "somebody may have used it meanwhile");
}

#[test]
fn a_terminal_that_does_not_answer_is_asked_again_and_in_the_end_a_person() {
    let mut payments = unknown_after_five(LIMITS);
    let (mut now, mut asked) = (0, 0);
    let settled = loop {
        assert_eq!(payments.ask(at(now)), Some(id(1)));
        asked += 1;
        // Every other one is never answered.
        let settled = if asked % 2 == 0 {
            now += ASK_FOR_MS;
            payments.ask_overdue(at(now))
        } else {
            payments.enquired(id(1), Enquiry::Failed, at(now))
        };
        if let Some(settled) = settled {
            break settled;
        }
        assert!(payments.is_busy() && now < 400_000);
        now += ASK_EVERY_MS;
    };
    assert_eq!(settled.how, How::Left);
    assert!(now > 90_000);
}

#[test]
fn the_numbers_begin_again_with_an_end_of_day_whoever_made_it() {
    let mut payments = Payments::new(LIMITS);
    let day = PaymentFact { kind: CommandKind::EndOfDay, amount: Minor::ZERO, ..fact(1) };
    payments.enquired(NOBODY, last(receipt(5)), at(0));
    payments.begin(day.clone(), Who::default(), at(0)).unwrap();
    let settled = payments.ended(id(1), CommandOutcome::Totals(DayTotals::default()), at(0)).unwrap();
    assert!(matches!(settled.how, How::Totals(_)));
    assert_eq!((payments.book().period, payments.book().last_receipt), (2, None));
    // By hand: receipt 1 comes after receipt 3.
    payments.enquired(NOBODY, last(receipt(3)), at(0));
    payments.begin(fact(2), Who::default(), at(0)).unwrap();
    payments.ended(id(2), CommandOutcome::Approved(receipt(1)), at(0)).unwrap();
    assert_eq!((payments.book().period, payments.book().last_receipt), (3, Some(1)));
    // Nobody knows whether it was made.
    payments.begin(PaymentFact { attempt: id(3), ..day }, Who::default(), at(0)).unwrap();
    let unknown = payments.ended(id(3), CommandOutcome::Unknown, at(0)).unwrap();
    assert_eq!((unknown.how, payments.book().period), (How::Unknown { checking: false }, 4));
}

#[test]
fn verdicts_of_a_day_that_was_closed_by_hand_become_tasks() {
    let mut payments = unknown_after_five(LIMITS);
    payments.resolve(id(1), Verdict::NotCharged, "1001", at(0)).unwrap();
    let mut ids = IdMaker::new([1; 32]);
    assert_eq!(payments.missed_comparisons(&mut ids, at(0)), []);
    payments.enquired(NOBODY, last(receipt(1)), at(0));
    let events = payments.missed_comparisons(&mut ids, at(0));
    let [Event::TerminalBook(_), Event::TaskRaised { kind: TaskKind::CompareTotals, subject, .. }, Event::PaymentConfirmed(_)] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*subject, payments.provisional().len()), (id(1), 0));
}

fn entry(n: u8, amount: i64, standing: Standing) -> Entry {
    Entry { attempt: id(n), kind: CommandKind::Authorise, amount: Minor(amount), standing }
}

fn totals(amount: i64) -> DayTotals {
    DayTotals { amount: Minor(amount), ..DayTotals::default() }
}

#[test]
fn totals_that_agree_confirm_what_was_said() {
    let refund = Entry { kind: CommandKind::Refund, ..entry(3, 100, Standing::Firm) };
    let day =
        [entry(1, 500, Standing::Firm), entry(2, 300, Standing::SaidCharged), refund, entry(4, 7, Standing::SaidNotCharged)];
    let comparison = compare(&day, &totals(700));
    assert!(comparison.balances());
    assert_eq!(comparison.findings, [Finding::Confirmed(id(2)), Finding::Confirmed(id(4))]);
    assert_eq!((comparison.expected, comparison.counted), (Minor(700), Minor(700)));
}

#[test]
fn a_difference_is_laid_to_the_only_payments_that_explain_it() {
    let day = [entry(1, 500, Standing::Firm), entry(2, 300, Standing::SaidCharged), entry(3, 7, Standing::SaidNotCharged)];
    let comparison = compare(&day, &totals(807));
    assert_eq!(comparison.findings, [Finding::Confirmed(id(2)), Finding::WasCharged(id(3))]);
    assert!(!comparison.balances() && comparison.unexplained == Minor::ZERO);
    assert_eq!(compare(&day, &totals(500)).findings, [Finding::WasNotCharged(id(2)), Finding::Confirmed(id(3))]);
    assert_eq!(compare(&day, &totals(507)).findings, [Finding::WasNotCharged(id(2)), Finding::WasCharged(id(3))]);
    assert_eq!(compare(&day, &totals(801)).unexplained, Minor(1));
    let twins = [entry(1, 300, Standing::SaidNotCharged), entry(2, 300, Standing::Open)];
    let comparison = compare(&twins, &totals(300));
    assert_eq!((comparison.unexplained, comparison.findings.len()), (Minor(300), 0), "either of them");
}

#[test]
fn a_contradicted_verdict_becomes_a_refund_task() {
    let mut payments = unknown_after_five(LIMITS);
    payments.resolve(id(1), Verdict::NotCharged, "1001", at(0)).unwrap();
    let comparison = compare(&[entry(1, 1250, Standing::SaidNotCharged)], &totals(1250));
    let events = payments.compared(&comparison, &mut IdMaker::new([1; 32]), at(0), "1002");
    let [Event::TaskRaised { kind: TaskKind::Refund, subject, staff, .. }, Event::PaymentConfirmed(fact)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((*subject, staff.as_deref(), fact.trail.provisional), (id(1), Some("1002"), false));
}
