//! The bytes of the specification's messages. Nobody edits an expectation here: a terminal in a shop speaks them.
#![allow(clippy::unwrap_used)]

use super::*;
use super::{SlipsTo, print::Copy};
use kiosk_core::{Currency, Minor};

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|b| u8::from_str_radix(b, 16).unwrap()).collect()
}

fn read(text: &str) -> Result<FromTerminal, FieldError> {
    let mut framer = Framer::default();
    framer.push(&hex(text));
    let apdu = framer.next().unwrap();
    assert!(framer.is_empty());
    FromTerminal::read(&apdu)
}

#[test]
fn registration_in_euro() {
    let apdu = command::registration(ZvtPassword::parse("123456").unwrap(), 978, SlipsTo::Terminal);
    assert_eq!(apdu.encode(), hex("06 00 06 12 34 56 38 09 78"));
}

#[test]
fn authorization_of_12_50_euro() {
    let apdu = command::authorization(Minor(1250), Currency::EUR).unwrap();
    assert_eq!(apdu.encode(), hex("06 01 0C 04 00 00 00 00 12 50 49 09 78 19 40"));
}

const PASSWORD: &str = "123456";

#[test]
fn registration_with_the_slips_printed_here() {
    let apdu = command::registration(ZvtPassword::parse(PASSWORD).unwrap(), 978, SlipsTo::Till);
    assert_eq!(apdu.encode(), hex("06 00 0E 12 34 56 BE 09 78 06 06 26 04 0A 02 06 D3"));
}

#[test]
fn reversal_refund_end_of_day_and_enquiries() {
    let password = ZvtPassword::parse(PASSWORD).unwrap();
    let reversal = command::reversal(password, Minor(1250), 471, Currency::EUR).unwrap();
    assert_eq!(reversal.encode(), hex("06 30 10 12 34 56 87 04 71 04 00 00 00 00 12 50 49 09 78"));
    let refund = command::refund(password, Minor(320), Currency::EUR).unwrap();
    assert_eq!(refund.encode(), hex("06 31 0D 12 34 56 04 00 00 00 00 03 20 49 09 78"));
    assert_eq!(command::end_of_day(password).encode(), hex("06 50 03 12 34 56"));
    assert_eq!(command::repeat_receipt(password).encode(), hex("06 20 03 12 34 56"));
    assert_eq!(command::status_enquiry(password).encode(), hex("05 01 03 12 34 56"));
}

#[test]
fn totals_of_an_end_of_day() {
    let bytes = "04 0F 42 27 00 04 00 00 00 00 47 50 60 F0 F5 F3 00 01 00 04 02 00 00 00 00 25 00 00 00 00 00 00 00 00 \
        01 00 00 00 00 12 50 00 00 00 00 00 00 00 01 00 00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    let Ok(FromTerminal::Status(info)) = read(bytes) else { panic!() };
    let totals = info.totals.unwrap();
    assert_eq!(totals.receipts, (1, 4));
    assert_eq!(totals.schemes, [(2, 2500), (0, 0), (1, 1250), (0, 0), (1, 1000), (0, 0), (0, 0)]);
    let day = totals.day(info.amount, String::new());
    assert_eq!((day.amount, day.rows.len()), (Minor(4750), 3));
}

#[test]
fn lines_and_blocks_to_print() {
    let Ok(FromTerminal::Print(line)) = read("06 D1 06 80 4B 61 73 73 65") else { panic!() };
    assert_eq!((line.lines, line.last), (vec!["Kasse".to_owned()], true));
    let block = "06 D3 10 06 0E 1F 07 01 02 25 08 07 02 41 42 07 02 43 44";
    let Ok(FromTerminal::Print(block)) = read(block) else { panic!() };
    assert_eq!((block.copy, block.lines), (Copy::Customer, vec!["AB".to_owned(), "CD".to_owned()]));
}

#[test]
fn abort_of_the_till() {
    assert_eq!(command::abort().encode(), hex("06 B0 00"));
}

#[test]
fn acknowledgements() {
    assert_eq!(read("80 00 00"), Ok(FromTerminal::Ack));
    assert_eq!(read("84 9C 00"), Ok(FromTerminal::Nack(0x9C)));
}

#[test]
fn intermediate_status_with_and_without_time_out() {
    let status = |status, timeout_min| Ok(FromTerminal::Intermediate { status, timeout_min });
    assert_eq!(read("04 FF 01 0A"), status(0x0A, None));
    assert_eq!(read("04 FF 02 0A 03"), status(0x0A, Some(3)));
    assert_eq!(read("04 FF 04 0E 01 06 00"), status(0x0E, Some(1)));
    assert_eq!(read("04 FF 03 FF 06 00"), status(0xFF, None));
    assert_eq!(read("04 FF 00"), Err(FieldError::Short(0xFF)));
}

#[test]
fn completion_and_abort() {
    assert_eq!(read("06 0F 00"), Ok(FromTerminal::Completion { status: None }));
    assert_eq!(read("06 0F 0C 19 00 29 12 34 56 78 49 09 78 06 00"), Ok(FromTerminal::Completion { status: Some(0x19) }));
    assert_eq!(read("06 1E 01 6C"), Ok(FromTerminal::Abort { code: 0x6C }));
}

/// Every field that terminals send after a card payment, in their usual order: result, amount, trace, time, date, expiry,
/// sequence number, payment type, card number, terminal, contract, authorisation, text, currency, receipt, turnover, card
/// type, card name, container.
const APPROVED: &str = "04 0F 66 27 00 04 00 00 00 00 12 50 0B 00 04 70 0C 11 22 33 0D 11 21 0E 29 12 17 00 01 19 70 \
    22 F0 F8 EE EE EE EE EE EE 12 34 29 12 34 56 78 2A 31 30 30 31 32 33 34 35 36 20 20 20 20 20 20 3B 31 32 33 34 35 36 00 00 \
    3C F0 F0 F2 4F 4B 49 09 78 87 04 71 88 00 04 72 8A 0A 8B F0 F5 56 49 53 41 00 06 05 1F 10 01 03 07";

#[test]
fn an_approved_card_payment() {
    let Ok(FromTerminal::Status(info)) = read(APPROVED) else { panic!() };
    let expect = StatusInformation {
        result_code: Some(0),
        amount: Some(1250),
        currency: Some(978),
        trace: Some(470),
        receipt: Some(471),
        terminal_id: Some(12_345_678),
        last_digits: Some(*b"1234"),
        card_name: "VISA".into(),
        totals: None,
        unknown_field: None,
    };
    assert_eq!(info, expect);
    assert_eq!(info.masked(), "VISA **** 1234");
}

#[test]
fn a_payment_ended_by_the_guest() {
    let Ok(FromTerminal::Status(info)) = read("04 0F 07 27 6C 29 28 00 48 69") else { panic!() };
    assert_eq!((info.result_code, info.terminal_id), (Some(0x6C), Some(28_004_869)));
    assert_eq!(info.masked(), "");
}

#[test]
fn of_an_unmasked_card_number_only_the_last_digits_come_through() {
    // 4111 1111 1111 1111, even; 3782 822463 10005, odd and padded.
    for (text, last) in [
        ("04 0F 0D 27 00 22 F0 F8 41 11 11 11 11 11 11 11", b"1111"),
        ("04 0F 0D 27 00 22 F0 F8 37 82 82 24 63 10 00 5F", b"0005"),
    ] {
        let Ok(FromTerminal::Status(info)) = read(text) else { panic!() };
        assert_eq!(info.last_digits, Some(*last));
        let shown = format!("{info:?}");
        assert!(!shown.contains("411111") && !shown.contains("378282"), "{shown}");
    }
    let Ok(FromTerminal::Status(info)) = read("04 0F 0D 27 00 22 F0 F8 EE EE EE EE EE EE EE EE") else { panic!() };
    assert_eq!(info.last_digits, None);
    let Ok(FromTerminal::Status(info)) = read("04 0F 13 27 00 8B F1 F4 34 31 31 31 31 31 31 31 31 31 31 31 31 31") else {
        panic!()
    };
    assert_eq!(info.card_name, "");
}

#[test]
fn a_field_cut_short_is_an_error_and_an_unknown_one_ends_the_reading() {
    assert_eq!(read("04 0F 04 27 00 04 00"), Err(FieldError::Short(0x04)));
    assert_eq!(read("04 0F 07 04 00 00 00 00 12 5A"), Err(FieldError::Number(0x04)));
    let Ok(FromTerminal::Status(info)) = read("04 0F 05 27 00 7E 01 02") else { panic!() };
    assert_eq!((info.result_code, info.unknown_field), (Some(0), Some(0x7E)));
}
