//! The messages, without IO: requests as JSON, answers into the words of the core.

use crate::{mask::masked, port::Slips};
use kiosk_core::{
    Command, CommandOutcome, Currency, DayTotals, Enquiry, Id, Minor, TerminalReceipt, device::Health, terminal::SchemeTotal,
};
use serde_json::{Value, json};

/// Who speaks to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NexoNames {
    /// This kiosk (`SaleID`).
    pub sale: String,
    /// The terminal (`POIID`).
    pub poi: String,
}

/// Most lines of a slip that are kept.
const LINES: usize = 200;
/// Most rows of totals that are kept.
const ROWS: usize = 16;

/// The reference of an attempt: ten characters of the last fifty bits of its id, which are random.
pub fn service_id(attempt: Id) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = attempt.0.iter().skip(8).fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
    (0..10).rev().map(|n| char::from(LETTERS[(bits >> (5 * n)) as usize & 31])).collect()
}

/// What is asked: its category and, once made, its JSON.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) category: &'static str,
    pub(super) service: String,
    pub(super) body: Vec<u8>,
}

impl NexoNames {
    fn question(&self, category: &'static str, class: &str, service: &str, request: &Value) -> Question {
        let name = format!("{category}Request");
        let body = json!({ "SaleToPOIRequest": {
            "MessageHeader": {
                "ProtocolVersion": "3.1", "MessageClass": class, "MessageCategory": category, "MessageType": "Request",
                "ServiceID": service, "SaleID": self.sale, "POIID": self.poi,
            },
            name: request,
        }});
        Question { category, service: service.to_owned(), body: body.to_string().into_bytes() }
    }

    /// A financial command. `None` where the amount cannot be written.
    pub(super) fn command(&self, command: Command, currency: Currency, attempt: Id, stamp: &str) -> Option<Question> {
        let service = service_id(attempt);
        let money = |minor: Minor| decimal(minor, currency);
        let payment = |kind: &str, amount: Minor| {
            Some(json!({
                "SaleData": { "SaleTransactionID": { "TransactionID": service, "TimeStamp": stamp } },
                "PaymentTransaction": { "AmountsReq": { "Currency": currency.letters(), "RequestedAmount": money(amount)? } },
                "PaymentData": { "PaymentType": kind },
            }))
        };
        let (category, request) = match command {
            Command::Authorise { amount } => ("Payment", payment("Normal", amount)?),
            Command::Refund { amount } => ("Payment", payment("Refund", amount)?),
            Command::Reverse { amount, receipt } => (
                "Reversal",
                json!({
                    "OriginalPOITransaction": { "POITransactionID": { "TransactionID": receipt.to_string() } },
                    "ReversalReason": "MerchantCancel",
                    "ReversedAmount": money(amount)?,
                }),
            ),
            Command::EndOfDay => ("Reconciliation", json!({ "ReconciliationType": "SaleReconciliation" })),
        };
        Some(self.question(category, "Service", &service, &request))
    }

    /// What became of a request of ours, or of the last one where `of` is `None`.
    pub(super) fn status(&self, of: Option<(&str, &str)>, service: &str) -> Question {
        let request = match of {
            Some((category, of)) => json!({
                "MessageReference": { "MessageCategory": category, "SaleID": self.sale, "ServiceID": of },
                "ReceiptReprintFlag": false,
            }),
            None => json!({ "ReceiptReprintFlag": false }),
        };
        self.question("TransactionStatus", "Service", service, &request)
    }

    pub(super) fn abort(&self, category: &str, of: &str, service: &str) -> Question {
        let reference = json!({ "MessageCategory": category, "SaleID": self.sale, "ServiceID": of });
        self.question("Abort", "Service", service, &json!({ "MessageReference": reference, "AbortReason": "MerchantAbort" }))
    }

    pub(super) fn diagnosis(&self, service: &str) -> Question {
        self.question("Diagnosis", "Service", service, &json!({ "HostDiagnosisFlag": false }))
    }
}

impl Question {
    /// The response to exactly this question, `None` if it is anything else.
    pub(super) fn answer(&self, body: &[u8]) -> Option<Value> {
        let mut message: Value = serde_json::from_slice(body).ok()?;
        let whole = message.get_mut("SaleToPOIResponse")?;
        let header = whole.get("MessageHeader")?;
        let says = |key: &str, value: &str| header.get(key).and_then(Value::as_str) == Some(value);
        let ours = says("MessageType", "Response") && says("MessageCategory", self.category) && says("ServiceID", &self.service);
        ours.then(|| whole.get_mut(format!("{}Response", self.category)).map(Value::take))?
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// It ended so.
    Ended(CommandOutcome, Slips),
    /// The terminal works on it.
    InProgress,
    /// The terminal knows of no such request.
    NotFound,
    /// It says nothing that can be used.
    Unclear,
}

/// Reads the response to a financial command.
pub(super) fn outcome(response: &Value, command: Command, currency: Currency) -> (CommandOutcome, Slips) {
    let slips = slips(response);
    let outcome = match (text(response, "/Response/Result"), command) {
        ("Success" | "Partial", Command::EndOfDay) => CommandOutcome::Totals(totals(response, currency)),
        ("Success" | "Partial", _) => match receipt(response, Some(currency)) {
            Some(receipt) => CommandOutcome::Approved(receipt),
            None => CommandOutcome::Unknown,
        },
        ("Failure", _) => CommandOutcome::Declined { code: code(text(response, "/Response/ErrorCondition")) },
        _ => CommandOutcome::Unknown,
    };
    (outcome, slips)
}

/// Reads the answer to a status question about a command.
pub(super) fn fate(response: &Value, command: Command, currency: Currency) -> Fate {
    match (text(response, "/Response/Result"), text(response, "/Response/ErrorCondition")) {
        ("Success" | "Partial", _) => match repeated(response).map(|body| outcome(body, command, currency)) {
            Some((CommandOutcome::Unknown, _)) | None => Fate::Unclear,
            Some((outcome, slips)) => Fate::Ended(outcome, slips),
        },
        (_, "InProgress" | "Busy") => Fate::InProgress,
        (_, "NotFound") => Fate::NotFound,
        _ => Fate::Unclear,
    }
}

/// Reads the answer to a status question after a restart, when it is no longer known what had been asked.
pub(super) fn enquiry(response: &Value) -> Enquiry {
    match (text(response, "/Response/Result"), text(response, "/Response/ErrorCondition")) {
        ("Success" | "Partial", _) => match repeated(response) {
            Some(body) if text(body, "/Response/Result") != "Failure" => match receipt(body, None) {
                Some(receipt) => Enquiry::Last(Some(receipt)),
                None => Enquiry::Failed,
            },
            _ => Enquiry::Failed,
        },
        (_, "NotFound") => Enquiry::Last(None),
        (_, "NotAllowed" | "UnavailableService") => Enquiry::Unsupported,
        _ => Enquiry::Failed,
    }
}

/// Reads the answer to a diagnosis.
pub(super) fn health(response: &Value) -> Health {
    let up = text(response, "/Response/Result") == "Success";
    let able = !matches!(text(response, "/POIStatus/GlobalStatus"), "OutOfOrder" | "Maintenance");
    if up && able { Health::Ok } else { Health::Blocked }
}

/// The response within the response.
fn repeated(response: &Value) -> Option<&Value> {
    let body = response.pointer("/RepeatedMessageResponse/RepeatedResponseMessageBody")?.as_object()?;
    body.values().next()
}

fn receipt(response: &Value, asked: Option<Currency>) -> Option<TerminalReceipt> {
    let paid = response.pointer("/PaymentResult/AmountsResp");
    let letters = paid.map_or("", |amounts| text(amounts, "/Currency"));
    let currency = match asked {
        Some(asked) if letters.is_empty() || letters.as_bytes() == asked.code => Some(asked),
        Some(_) => return None,
        // Two digits behind the point are right for all currencies of the terminals that this adapter is for.
        None => <[u8; 3]>::try_from(letters.as_bytes()).ok().map(|code| Currency { code, exponent: 2 }),
    };
    let amount = paid.and_then(|amounts| amounts.get("AuthorizedAmount")).or_else(|| response.get("ReversedAmount"));
    let card = response.pointer("/PaymentResult/PaymentInstrumentData/CardData");
    Some(TerminalReceipt {
        terminal: text(response, "/POIData/POIID").chars().take(32).collect(),
        number: text(response, "/POIData/POITransactionID/TransactionID").parse().unwrap_or(0),
        amount: minor(amount?, currency.map_or(2, |c| c.exponent))?,
        currency,
        masked: card.map(shown).unwrap_or_default(),
        trace: None,
    })
}

/// Scheme and last four digits.
fn shown(card: &Value) -> String {
    let brand: String = masked(text(card, "/PaymentBrand")).chars().filter(|c| !c.is_control()).take(32).collect();
    let tail: Vec<char> = text(card, "/MaskedPan").chars().rev().take_while(char::is_ascii_digit).take(4).collect();
    let digits: String = tail.into_iter().rev().collect();
    let digits = if digits.len() == 4 { format!("**** {digits}") } else { String::new() };
    [brand, digits].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn slips(response: &Value) -> Slips {
    let mut slips = Slips::default();
    for receipt in response.get("PaymentReceipt").and_then(Value::as_array).into_iter().flatten() {
        let into = match text(receipt, "/DocumentQualifier") {
            "CustomerReceipt" => &mut slips.customer,
            "CashierReceipt" => &mut slips.merchant,
            _ => continue,
        };
        let lines = receipt.pointer("/OutputContent/OutputText").and_then(Value::as_array).into_iter().flatten();
        let lines = lines.map(|line| masked(text(line, "/Text")).chars().filter(|c| !c.is_control()).take(64).collect());
        into.extend(lines.take(LINES.saturating_sub(into.len())));
    }
    slips
}

fn totals(response: &Value, currency: Currency) -> DayTotals {
    let mut day = DayTotals { terminal: text(response, "/POIData/POIID").chars().take(32).collect(), ..DayTotals::default() };
    for total in response.get("TransactionTotals").and_then(Value::as_array).into_iter().flatten().take(ROWS) {
        let mut row = SchemeTotal { scheme: masked(text(total, "/CardBrand")), ..SchemeTotal::default() };
        for part in total.get("PaymentTotals").and_then(Value::as_array).into_iter().flatten() {
            let amount = part.get("TransactionAmount").and_then(|a| minor(a, currency.exponent)).unwrap_or_default();
            let count = part.get("TransactionCount").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            row.count = row.count.saturating_add(count.unwrap_or(0));
            row.amount += if matches!(text(part, "/TransactionType"), "Debit" | "ReverseCredit") { amount } else { -amount };
        }
        day.amount += row.amount;
        day.rows.push(row);
    }
    day
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Result codes of ZVT for what nexo says, because screen and journal know those.
fn code(condition: &str) -> u8 {
    match condition {
        "Aborted" | "Cancel" => 0x6C,
        "InvalidCard" | "InsertedCard" => 0x64,
        "Busy" | "InProgress" => 0x9C,
        "NotAllowed" | "UnavailableService" | "MessageFormat" => 0x83,
        "NotFound" => 0xB5,
        "UnreachableHost" => 0x7D,
        "DeviceOut" | "UnavailableDevice" => 0xFC,
        _ => 0x05,
    }
}

/// Minor units as a JSON number; exact to the unit below 10^12, and more is not asked for.
fn decimal(minor: Minor, currency: Currency) -> Option<f64> {
    let fits = (1..1_000_000_000_000).contains(&minor.0);
    fits.then(|| minor.0 as f64 / 10f64.powi(i32::from(currency.exponent)))
}

/// A JSON number as minor units; `None` if it has more digits behind the point than the currency.
fn minor(value: &Value, exponent: u8) -> Option<Minor> {
    let scaled = value.as_f64()? * 10f64.powi(i32::from(exponent));
    let whole = scaled.round();
    ((0.0..1.0e12).contains(&whole) && (scaled - whole).abs() < 1e-3).then_some(Minor(whole as i64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const ATTEMPT: Id = Id([0x01, 0x8F, 0, 0, 0, 0, 0x70, 0, 0x80, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE]);

    fn names() -> NexoNames {
        NexoNames { sale: "KIOSK-1".into(), poi: "POI-1".into() }
    }

    #[test]
    fn a_payment_is_asked_for_in_these_words() {
        let command = Command::Authorise { amount: Minor(1250) };
        let question = names().command(command, Currency::EUR, ATTEMPT, "2026-11-22T03:00:00Z").unwrap();
        let expect = json!({"SaleToPOIRequest": {
            "MessageHeader": {"ProtocolVersion": "3.1", "MessageClass": "Service", "MessageCategory": "Payment",
                "MessageType": "Request", "ServiceID": "938NKRYDDY", "SaleID": "KIOSK-1", "POIID": "POI-1"},
            "PaymentRequest": {
                "SaleData": {"SaleTransactionID": {"TransactionID": "938NKRYDDY", "TimeStamp": "2026-11-22T03:00:00Z"}},
                "PaymentTransaction": {"AmountsReq": {"Currency": "EUR", "RequestedAmount": 12.5}},
                "PaymentData": {"PaymentType": "Normal"}}}});
        let mut made: Value = serde_json::from_slice(&question.body).unwrap();
        let service = made.pointer("/SaleToPOIRequest/MessageHeader/ServiceID").unwrap().as_str().unwrap().to_owned();
        assert_eq!((service.len(), &service), (10, &service_id(ATTEMPT)));
        let replaced = expect.to_string().replace("938NKRYDDY", &service);
        assert_eq!(made.take(), serde_json::from_str::<Value>(&replaced).unwrap());
    }

    fn response(result: &str) -> Value {
        json!({
            "Response": {"Result": result, "ErrorCondition": "Refusal"},
            "POIData": {"POIID": "52500001", "POITransactionID": {"TransactionID": "471", "TimeStamp": "x"}},
            "PaymentResult": {
                "PaymentInstrumentData": {"CardData": {"PaymentBrand": "VISA", "MaskedPan": "4111111111111111"}},
                "AmountsResp": {"Currency": "EUR", "AuthorizedAmount": 12.5}},
            "PaymentReceipt": [{"DocumentQualifier": "CustomerReceipt",
                "OutputContent": {"OutputText": [{"Text": "PAN 4111111111111111"}, {"Text": "12,50"}]}}],
        })
    }

    #[test]
    fn an_approval_says_all_but_the_card_number() {
        let command = Command::Authorise { amount: Minor(1250) };
        let (outcome, slips) = outcome(&response("Success"), command, Currency::EUR);
        let CommandOutcome::Approved(receipt) = outcome else { panic!() };
        assert_eq!((receipt.number, receipt.amount, receipt.masked.as_str()), (471, Minor(1250), "VISA **** 1111"));
        assert_eq!(slips.customer, ["PAN ************1111", "12,50"]);
        assert_eq!(slips.merchant, Vec::<String>::new());
    }

    #[test]
    fn a_refusal_is_declined_and_an_approval_without_its_amount_or_in_another_currency_is_unknown() {
        let command = Command::Authorise { amount: Minor(1250) };
        let end = |response: &Value| outcome(response, command, Currency::EUR).0;
        assert_eq!(end(&response("Failure")), CommandOutcome::Declined { code: 5 });
        assert_eq!(end(&response("Perhaps")), CommandOutcome::Unknown);
        assert_eq!(end(&json!({})), CommandOutcome::Unknown);
        let mut other = response("Success");
        *other.pointer_mut("/PaymentResult/AmountsResp/Currency").unwrap() = json!("USD");
        assert_eq!(end(&other), CommandOutcome::Unknown);
        *other.pointer_mut("/PaymentResult/AmountsResp").unwrap() = json!({});
        assert_eq!(end(&other), CommandOutcome::Unknown);
        *other.pointer_mut("/PaymentResult/AmountsResp").unwrap() = json!({"Currency": "EUR", "AuthorizedAmount": 12.505});
        assert_eq!(end(&other), CommandOutcome::Unknown);
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let question = names().diagnosis("A1");
        let with = |category: &str, service: &str| {
            json!({"SaleToPOIResponse": {"MessageHeader": {"MessageType": "Response", "MessageCategory": category,
                "ServiceID": service}, "DiagnosisResponse": {"Response": {"Result": "Success"}}}})
            .to_string()
        };
        assert!(question.answer(with("Diagnosis", "A1").as_bytes()).is_some_and(|r| health(&r) == Health::Ok));
        assert_eq!(question.answer(with("Diagnosis", "A2").as_bytes()), None);
        assert_eq!(question.answer(with("Payment", "A1").as_bytes()), None);
        assert_eq!(question.answer(b"[1,"), None);
    }

    #[test]
    fn the_fate_of_an_attempt_is_told_by_its_reference() {
        let command = Command::Authorise { amount: Minor(1250) };
        let status = |result: &str, condition: &str, body: Value| {
            json!({"Response": {"Result": result, "ErrorCondition": condition},
                "RepeatedMessageResponse": {"RepeatedResponseMessageBody": {"PaymentResponse": body}}})
        };
        let told = |response: &Value| fate(response, command, Currency::EUR);
        assert!(matches!(told(&status("Success", "", response("Success"))), Fate::Ended(CommandOutcome::Approved(_), _)));
        assert!(matches!(told(&status("Success", "", response("Failure"))), Fate::Ended(CommandOutcome::Declined { .. }, _)));
        assert_eq!(told(&status("Failure", "InProgress", json!({}))), Fate::InProgress);
        assert_eq!(told(&status("Failure", "NotFound", json!({}))), Fate::NotFound);
        assert_eq!(told(&status("Success", "", json!({}))), Fate::Unclear);
        assert!(matches!(enquiry(&status("Success", "", response("Success"))), Enquiry::Last(Some(_))));
        assert_eq!(enquiry(&status("Success", "", response("Failure"))), Enquiry::Failed);
        assert_eq!(enquiry(&status("Failure", "NotFound", json!({}))), Enquiry::Last(None));
    }

    proptest! {
        #[test]
        fn amounts_come_back_as_they_went(minor_units in 1i64..1_000_000_000_000) {
            let there = decimal(Minor(minor_units), Currency::EUR).unwrap();
            prop_assert_eq!(minor(&json!(there), 2), Some(Minor(minor_units)));
        }

        #[test]
        fn any_bytes_are_no_answer_and_no_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(names().diagnosis("A1").answer(&body), None);
        }
    }
}
