//! ZVT against the crate `zvt`: what our till sends is read by it, what it says as a terminal is read by us.

use kiosk_devices::zvt::{Framer, FromTerminal, Print, SlipsTo, StatusInformation, ZvtPassword, command};
use proptest::prelude::*;
use zvt::{ZvtSerializer, packets};

/// What we understand of the bytes that the oracle writes.
fn ours(bytes: &[u8]) -> FromTerminal {
    let mut framer = Framer::default();
    framer.push(bytes);
    let apdu = framer.next().expect("a whole APDU");
    assert!(framer.is_empty(), "one APDU and nothing behind it");
    FromTerminal::read(&apdu).expect("an APDU that can be read")
}

fn status(bytes: &[u8]) -> StatusInformation {
    match ours(bytes) {
        FromTerminal::Status(info) => info,
        other => panic!("read as {other:?}"),
    }
}

fn password() -> impl Strategy<Value = (usize, ZvtPassword)> {
    (0..1_000_000_usize).prop_map(|digits| (digits, ZvtPassword::parse(&format!("{digits:06}")).expect("six digits")))
}

/// Numbers of the till's currencies.
fn currency() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![978_u16, 756, 826, 840, 985, 203, 208])
}

proptest! {
    #[test]
    fn a_registration_is_read_as_it_was_meant((digits, password) in password(), currency in currency()) {
        let bytes = command::registration(password, currency, SlipsTo::Terminal).encode();
        let (read, rest) = packets::Registration::zvt_deserialize(&bytes).expect("a registration");
        prop_assert!(rest.is_empty());
        prop_assert_eq!((read.password, read.currency), (digits, Some(currency.into())));
        prop_assert_eq!(read.zvt_serialize(), bytes);
    }

    #[test]
    fn an_end_of_day_and_a_status_enquiry_are_read_as_they_were_meant((digits, password) in password()) {
        let bytes = command::end_of_day(password).encode();
        let (read, rest) = packets::EndOfDay::zvt_deserialize(&bytes).expect("an end of day");
        prop_assert_eq!((read.password, rest.len()), (digits, 0));
        prop_assert_eq!(read.zvt_serialize(), bytes);

        let bytes = command::status_enquiry(password).encode();
        let (read, rest) = packets::StatusEnquiry::zvt_deserialize(&bytes).expect("a status enquiry");
        prop_assert_eq!((read.password, read.service_byte, rest.len()), (Some(digits), None, 0));
        prop_assert_eq!(read.zvt_serialize(), bytes);
    }

    #[test]
    fn a_payment_says_the_same_to_both(
        result in any::<u8>(),
        amount in prop::option::of(0..1_000_000_000_000_usize),
        currency in prop::option::of(currency()),
        trace in prop::option::of(0..1_000_000_usize),
        receipt in prop::option::of(1..10_000_usize),
        terminal in prop::option::of(0..100_000_000_usize),
        others in prop::option::of((0..240_000_usize, 101..1232_usize, any::<u8>(), any::<u8>())),
        card_name in prop::option::of("[A-Z][A-Za-z]{2,18}"),
    ) {
        let said = packets::StatusInformation {
            result_code: Some(result),
            amount,
            currency: currency.map(usize::from),
            trace_number: trace,
            receipt_no: receipt,
            terminal_id: terminal,
            time: others.map(|(time, ..)| time),
            date: others.map(|(_, date, ..)| date),
            card_type: others.map(|(.., kind, _)| kind),
            zvt_card_type: others.map(|(.., kind)| kind),
            card_name: card_name.clone(),
            ..Default::default()
        };
        let info = status(&said.zvt_serialize());
        prop_assert_eq!(info.result_code, Some(result));
        prop_assert_eq!(info.amount, amount.map(|n| n as u64));
        prop_assert_eq!(info.currency, currency);
        prop_assert_eq!(info.trace, trace.map(|n| n as u32));
        prop_assert_eq!(info.receipt, receipt.map(|n| n as u32));
        prop_assert_eq!(info.terminal_id, terminal.map(|n| n as u32));
        prop_assert_eq!(info.card_name, card_name.unwrap_or_default());
        prop_assert_eq!(info.unknown_field, None);
    }

    #[test]
    fn of_a_card_number_only_its_end_comes_through(number in 4_000_000_000_000_000_usize..5_000_000_000_000_000) {
        let said = packets::StatusInformation { result_code: Some(0), card_number: Some(number), ..Default::default() };
        let info = status(&said.zvt_serialize());
        let last = format!("{:04}", number % 10_000);
        prop_assert_eq!(info.last_digits.map(|digits| digits.to_vec()), Some(last.into_bytes()));
        let digits = number.to_string();
        let shown = format!("{info:?}");
        prop_assert!(!shown.contains(&digits[..12]), "{}", shown);
    }

    #[test]
    fn totals_of_a_day_add_up_alike(counts in prop::array::uniform7((0..=99_u8, 0..1_000_000_usize)), first in 1..5000_usize, more in 0..4999_usize) {
        let [girocard, jcb, eurocard, amex, visa, diners, others] =
            counts.map(|(num, total)| packets::NumAndTotal { num, total });
        let sum = counts.iter().map(|(_, total)| total).sum();
        let said = packets::StatusInformation {
            result_code: Some(0),
            amount: Some(sum),
            single_amounts: Some(packets::SingleAmounts {
                receipt_no_start: first, receipt_no_end: first + more, girocard, jcb, eurocard, amex, visa, diners, others,
            }),
            ..Default::default()
        };
        let info = status(&said.zvt_serialize());
        let totals = info.totals.expect("totals");
        prop_assert_eq!(totals.receipts, (first as u32, (first + more) as u32));
        prop_assert_eq!(totals.schemes, counts.map(|(count, total)| (count, total as u64)));
        prop_assert_eq!(totals.day(info.amount, String::new()).amount.0, sum as i64);
    }

    #[test]
    fn intermediate_statuses_aborts_and_completions_are_told_apart(code in any::<u8>(), minutes in prop::option::of(1..100_u8)) {
        // The oracle writes no byte at all for a time-out of zero.
        let said = packets::IntermediateStatusInformation { status: code, timeout: minutes };
        prop_assert_eq!(ours(&said.zvt_serialize()), FromTerminal::Intermediate { status: code, timeout_min: minutes });
        prop_assert_eq!(ours(&packets::Abort { error: code }.zvt_serialize()), FromTerminal::Abort { code });
        prop_assert_eq!(ours(&packets::Ack {}.zvt_serialize()), FromTerminal::Ack);
        let done = packets::CompletionData { terminal_id: Some(12_345_678), currency: Some(978), ..Default::default() };
        let completed = matches!(ours(&done.zvt_serialize()), FromTerminal::Completion { .. });
        prop_assert!(completed);
    }

    #[test]
    fn a_line_to_print_has_the_same_words(text in "[A-Za-z0-9 .:]{0,40}", last in any::<bool>()) {
        let said = packets::PrintLine { attribute: if last { 0x80 } else { 0 }, text: text.clone() };
        let FromTerminal::Print(Print { lines, last: ended, .. }) = ours(&said.zvt_serialize()) else { panic!("not a line") };
        prop_assert_eq!(ended, last);
        // Digits that could be a card's are masked before anybody sees them.
        if text.chars().filter(char::is_ascii_digit).count() < 8 {
            let printed = lines.concat();
            prop_assert_eq!(printed.trim_end(), text.trim_end());
        }
    }
}
