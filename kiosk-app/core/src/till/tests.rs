#![allow(clippy::unwrap_used)]
use super::*;
use crate::{payments::close::Standing, terminal::DayTotals};
use alloc::vec;
use proptest::{prelude::*, sample::select};

const AT: Opening<'_> = Opening { shift: Id([7; 16]), business_date: "2026-11-21", utc_ms: Some(1) };

fn cash(amount: i64) -> Line {
    Line { tender: Some(Tender::Cash), amount: Minor(amount), staff: "1001".into(), ..Line::default() }
}

#[test]
fn what_should_be_in_the_drawer_follows_from_the_book() {
    let mut till = Till::default();
    for (kind, amount) in [
        (EntryKind::Opened, 10_000),
        (EntryKind::Paid, 1_250),
        (EntryKind::Returned, -250),
        (EntryKind::PaidIn, 500),
        (EntryKind::PaidOut, -300),
        (EntryKind::SafeDrop, -5_000),
    ] {
        assert_eq!(till.write(kind, cash(amount), AT).len(), 1);
    }
    let card = Line { tender: Some(Tender::Card), attempt: Some(Id([1; 16])), ..cash(9_999) };
    till.write(EntryKind::Paid, card, AT);
    assert_eq!(till.expected(), Minor(10_000 + 1_250 - 250 + 500 - 300 - 5_000));
    assert_eq!(till.booked(Id([1; 16])), Minor(9_999));
    till.write(EntryKind::Closed, cash(0), AT);
    assert_eq!((till.shift.is_none(), till.last_shift, till.expected()), (true, 1, Minor::ZERO));
    assert_eq!(till.period.len(), 1, "the terminal's period goes on over the shift");
    till.write(EntryKind::EndOfDay, Line::default(), AT);
    assert!(till.period.is_empty());
    assert_eq!(till.last_shift, 2, "a shift opened by itself");
    assert!(!till.takes_cash());
}

#[test]
fn receipt_numbers_have_no_gap_over_shifts() {
    let mut till = Till::default();
    let mut serials = Vec::new();
    for kind in [EntryKind::Sold, EntryKind::Refunded, EntryKind::Closed, EntryKind::Sold, EntryKind::Void, EntryKind::Sold] {
        serials.extend(till.write(kind, Line::default(), AT).into_iter().filter_map(|entry| entry.serial));
    }
    assert_eq!(serials, [1, 2, 3, 4]);
    assert_eq!(till.shift.unwrap().sums.serials, Some((3, 4)));
}

fn fact(n: u8, amount: i64, moved: bool) -> TerminalFact {
    let moved = Minor(if moved { amount } else { 0 });
    TerminalFact { attempt: Id([n; 16]), amount: Minor(amount), moved, receipt: Some(u32::from(n)), ..TerminalFact::default() }
}

fn totals(amount: i64, last: u32) -> DayTotals {
    DayTotals { amount: Minor(amount), first_receipt: Some(1), last_receipt: Some(last), ..DayTotals::default() }
}

#[test]
fn an_end_of_day_confirms_the_verdicts_it_agrees_with() {
    let facts = [(fact(1, 500, true), None), (fact(2, 300, true), Some(Standing::SaidCharged))];
    let (view, _) = Comparison::make(totals(800, 2), &facts);
    assert!(view.balances());
    assert_eq!(view.confirmed, [Id([2; 16])]);
}

#[test]
fn an_end_of_day_names_the_payment_that_it_contradicts() {
    let facts = [
        (fact(1, 500, true), None),
        (fact(2, 300, true), Some(Standing::SaidCharged)),
        (fact(3, 700, false), Some(Standing::Open)),
        (fact(4, -200, true), None),
    ];
    let (view, _) = Comparison::make(totals(300, 4), &facts);
    assert_eq!((view.difference, view.unexplained, view.balances()), (Minor(-300), Minor::ZERO, false));
    assert_eq!(view.differing.len(), 1);
    assert_eq!((view.differing[0].fact.attempt, view.differing[0].terminal), (Id([2; 16]), Some(Minor::ZERO)));
    assert_eq!(view.confirmed, [Id([3; 16])], "nothing moved, and the totals agree");
}

#[test]
fn a_difference_that_nothing_explains_lists_what_it_might_be() {
    let facts = [(fact(1, 500, true), None), (fact(9, 300, true), None), (fact(2, 200, true), None)];
    let (view, _) = Comparison::make(totals(800, 2), &facts);
    assert_eq!(view.unexplained, Minor(-200));
    let named: Vec<_> = view.differing.iter().map(|d| (d.fact.attempt.0[0], d.foreign_receipt)).collect();
    assert_eq!(named, [(9, true), (2, false)]);
}

fn kinds() -> impl Strategy<Value = (EntryKind, i64, Tender)> {
    let kind = select(EntryKind::ALL.to_vec());
    (kind, -10_000i64..10_000, select(TENDERS.to_vec()))
}

proptest! {
    #[test]
    fn a_till_is_what_its_book_says(lines in prop::collection::vec(kinds(), 0..80)) {
        let mut till = Till::default();
        let mut book = Vec::new();
        for ((kind, amount, tender), n) in lines.into_iter().zip(1u8..) {
            let line = Line { tender: Some(tender), attempt: Some(Id([n; 16])), ..cash(amount) };
            book.extend(till.write(kind, line, AT));
        }
        let numbers: Vec<u64> = book.iter().map(|entry| entry.number).collect();
        let expected: Vec<u64> = (1..).take(numbers.len()).collect();
        prop_assert_eq!(numbers, expected);
        let serials: Vec<u32> = book.iter().filter_map(|entry| entry.serial).collect();
        let expected: Vec<u32> = (1..).take(serials.len()).collect();
        prop_assert_eq!(serials, expected);
        prop_assert_eq!(&Till::restored(0, 0, 0, &book), &till);
        // What a restart reads: the lines since the shift or the terminal's period began, whichever is earlier.
        let opened = book.iter().rposition(|entry| entry.kind == EntryKind::Opened).unwrap_or(0);
        let period = book.iter().rposition(|entry| entry.kind == EntryKind::EndOfDay).map_or(0, |at| at + 1);
        let from = opened.min(period);
        let (last, serial, shift) = (till.last_entry, till.last_serial, till.last_shift);
        prop_assert_eq!(Till::restored(last, serial, shift, &book[from..]), till.clone());
        if let Some(shift) = &till.shift {
            let cash = |entry: &&Entry| entry.shift_number == shift.number && entry.kind.moves_money();
            let in_drawer = |entry: &&Entry| !matches!(entry.kind, EntryKind::Paid | EntryKind::Returned) || entry.tender == Some(Tender::Cash);
            let sum: Minor = book.iter().filter(cash).filter(in_drawer).map(|entry| entry.amount).sum();
            prop_assert_eq!(till.expected(), sum);
        }
    }
}

#[test]
fn an_x_before_the_count_does_not_say_what_should_be_there() {
    let mut till = Till::default();
    till.write(EntryKind::Opened, cash(10_000), AT);
    till.write(EntryKind::NoSale, cash(0), AT);
    let shift = till.shift.unwrap();
    assert_eq!(shift.report(Heading::default(), false, None).cash, None);
    let z = shift.report(Heading { cash: true, ..Heading::default() }, true, None);
    assert_eq!((z.number, z.cash.unwrap().expected, z.no_sales), (Some(1), Minor(10_000), 1));
    assert_eq!(vec![z.serials], [None]);
}
