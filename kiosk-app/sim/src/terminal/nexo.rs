//! The side of a terminal that speaks nexo's messages over HTTPS.

use super::desk::{Asked, Closed, Decision, Desk, Done, Kind, Mode, SCHEMES, TERMINAL_ID, Transaction, refusal, slip};
use crate::lock;
use kiosk_devices::nexo::{HttpLimits, Pin, read_request, write_response};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

/// What a running command hears.
enum Word {
    Decided(Decision),
    Abort,
}

/// What became of the requests, by `ServiceID`.
#[derive(Default)]
struct Log {
    /// The response, `None` while it is being made.
    fates: BTreeMap<String, Option<(String, Value)>>,
    last: Option<String>,
    running: Option<(String, Sender<Word>)>,
}

/// Most fates that are remembered.
const REMEMBERED: usize = 10_000;
/// Longest wait for a till's request, and for a person.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Front {
    desk: Arc<Desk>,
    tls: Arc<ServerConfig>,
    log: Mutex<Log>,
}

/// A key and a certificate for this run.
pub(super) fn identity() -> io::Result<(Arc<ServerConfig>, Pin)> {
    let made = rcgen::generate_simple_self_signed(vec!["terminal.invalid".to_owned()]).map_err(io::Error::other)?;
    let certificate = made.cert.der().clone();
    let pin = Pin::of(&certificate);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let versions = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = versions.with_no_client_auth().with_single_cert(vec![certificate], key).map_err(io::Error::other)?;
    Ok((Arc::new(config), pin))
}

impl Front {
    pub(super) fn new(desk: Arc<Desk>, tls: Arc<ServerConfig>) -> Self {
        Self { desk, tls, log: Mutex::default() }
    }

    /// One request and its response.
    pub(super) fn serve(&self, socket: TcpStream) {
        if let Err(error) = self.talk(socket) {
            tracing::debug!(%error, "a till went away");
        }
    }

    fn talk(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let tls = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        let request = read_request(&mut stream, HttpLimits::default()).map_err(io::Error::other)?;
        let answer = if request.target == "POST /nexo" { self.answer(&request.body) } else { Answer::Status(404) };
        match answer {
            Answer::Message(message) => write_response(&mut stream, 200, message.to_string().as_bytes())?,
            Answer::Status(status) => write_response(&mut stream, status, b"{}")?,
            Answer::Cut => return Ok(()),
            Answer::Never => {
                // Held open, as a terminal that hangs does, until the till goes away.
                let _ = io::copy(&mut stream, &mut io::sink());
                return Ok(());
            }
        }
        stream.conn.send_close_notify();
        let _ = stream.conn.complete_io(&mut stream.sock);
        Ok(())
    }

    fn answer(&self, body: &[u8]) -> Answer {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(whole) = message.get("SaleToPOIRequest") else { return Answer::Status(400) };
        let Some(header) = whole.get("MessageHeader") else { return Answer::Status(400) };
        let category = text(header, "/MessageCategory");
        let service = text(header, "/ServiceID").to_owned();
        let request = whole.get(format!("{category}Request")).cloned().unwrap_or_default();
        let response = match category {
            "Diagnosis" => json!({ "Response": { "Result": "Success" }, "POIStatus": { "GlobalStatus": "OK" } }),
            "Abort" => {
                self.abort(text(&request, "/MessageReference/ServiceID"));
                json!({ "Response": { "Result": "Success" } })
            }
            "TransactionStatus" => self.status(&request),
            _ => match asked(category, &request) {
                Some(asked) => match self.financial(category, &service, asked) {
                    Ok(response) => response,
                    Err(answer) => return answer,
                },
                None => failure("MessageFormat"),
            },
        };
        Answer::Message(envelope(header, category, &response))
    }

    fn financial(&self, category: &str, service: &str, asked: Asked) -> Result<Value, Answer> {
        let (send, words) = channel();
        {
            let mut log = lock(&self.log);
            if log.running.is_some() || log.fates.contains_key(service) {
                return Ok(failure("Busy"));
            }
            if log.fates.len() >= REMEMBERED {
                log.fates.pop_first();
            }
            log.fates.insert(service.to_owned(), None);
            log.running = Some((service.to_owned(), send.clone()));
        }
        let (mode, delay) = {
            let shared = self.desk.lock();
            (shared.mode, shared.delay)
        };
        if mode == Mode::Silent {
            lock(&self.log).running = None;
            return Err(Answer::Never);
        }
        if mode == Mode::Manual && asked != Asked::EndOfDay {
            self.desk.wait_for_person(Box::new(move |decision| drop(send.send(Word::Decided(decision)))));
        }
        let until = Instant::now() + if mode == Mode::Manual && asked != Asked::EndOfDay { PATIENCE } else { delay };
        let word = words.recv_timeout(until.saturating_duration_since(Instant::now()));
        self.desk.nobody_waits();
        let response = match word {
            Ok(Word::Abort) => failure(condition(refusal::STOPPED)),
            Ok(Word::Decided(Decision::Decline)) => failure(condition(refusal::BANK)),
            Ok(Word::Decided(Decision::Timeout)) => {
                lock(&self.log).running = None;
                return Err(Answer::Never);
            }
            Err(RecvTimeoutError::Timeout) if mode == Mode::Decline => failure(condition(refusal::BANK)),
            Ok(Word::Decided(Decision::Approve)) | Err(_) => self.carry_out(asked, mode),
        };
        let mut log = lock(&self.log);
        log.running = None;
        log.last = Some(service.to_owned());
        log.fates.insert(service.to_owned(), Some((category.to_owned(), response.clone())));
        if mode == Mode::Cut { Err(Answer::Cut) } else { Ok(response) }
    }

    fn carry_out(&self, asked: Asked, mode: Mode) -> Value {
        match self.desk.carry_out(asked) {
            Done::Refused(code) => failure(condition(code)),
            Done::Closed(closed) => totals(&closed),
            Done::Booked(t) => {
                if mode == Mode::Deaf {
                    self.desk.take_back(&t);
                }
                paid(&t)
            }
        }
    }

    fn abort(&self, service: &str) {
        if let Some((running, words)) = &lock(&self.log).running
            && running == service
        {
            let _ = words.send(Word::Abort);
        }
    }

    fn status(&self, request: &Value) -> Value {
        let log = lock(&self.log);
        let asked = request.pointer("/MessageReference/ServiceID").and_then(Value::as_str);
        // What the terminal denies, it denies by reference too.
        let Ok(remembered) = self.desk.last() else { return failure("UnavailableService") };
        let denied = |response: &Value| {
            let number = text(response, "/POIData/POITransactionID/TransactionID");
            !number.is_empty() && remembered.is_none_or(|t| number.parse().is_ok_and(|n: u32| n > t.receipt))
        };
        let fate = asked.map(str::to_owned).or_else(|| log.last.clone()).and_then(|service| log.fates.get(&service));
        match fate {
            Some(None) => failure("InProgress"),
            Some(Some((category, response))) if !denied(response) => {
                let mut body = serde_json::Map::new();
                body.insert(format!("{category}Response"), response.clone());
                json!({
                    "Response": { "Result": "Success" },
                    "RepeatedMessageResponse": { "RepeatedResponseMessageBody": body },
                })
            }
            _ => failure("NotFound"),
        }
    }
}

enum Answer {
    Message(Value),
    Status(u16),
    /// The connection is closed without a word.
    Cut,
    /// Nothing is said, and the connection stays.
    Never,
}

fn envelope(header: &Value, category: &str, response: &Value) -> Value {
    let mut header = header.clone();
    if let Some(fields) = header.as_object_mut() {
        fields.insert("MessageType".into(), "Response".into());
    }
    let mut whole = serde_json::Map::new();
    whole.insert("MessageHeader".into(), header);
    whole.insert(format!("{category}Response"), response.clone());
    json!({ "SaleToPOIResponse": whole })
}

fn asked(category: &str, request: &Value) -> Option<Asked> {
    let minor = |pointer: &str| {
        let amount = request.pointer(pointer).and_then(Value::as_f64)?;
        (0.0..1.0e10).contains(&amount).then_some((amount * 100.0).round() as u64)
    };
    let wanted = "/PaymentTransaction/AmountsReq/RequestedAmount";
    Some(match category {
        "Payment" if text(request, "/PaymentData/PaymentType") == "Refund" => Asked::Refund { amount: minor(wanted)? },
        "Payment" => Asked::Sale { amount: minor(wanted)? },
        "Reversal" => Asked::Reversal {
            receipt: text(request, "/OriginalPOITransaction/POITransactionID/TransactionID").parse().ok()?,
            amount: minor("/ReversedAmount"),
        },
        "Reconciliation" => Asked::EndOfDay,
        _ => return None,
    })
}

fn failure(condition: &str) -> Value {
    json!({ "Response": { "Result": "Failure", "ErrorCondition": condition } })
}

fn condition(code: u8) -> &'static str {
    match code {
        refusal::STOPPED => "Aborted",
        refusal::ALREADY_REVERSED | refusal::NO_REVERSAL => "NotFound",
        _ => "Refusal",
    }
}

/// The response of a terminal that masks nothing, so that masking is put to the test.
fn paid(t: &Transaction) -> Value {
    let amount = t.amount as f64 / 100.0;
    let receipt = |qualifier: &str, customer: bool| {
        let lines: Vec<_> = slip(t, customer).into_iter().map(|line| json!({ "Text": line })).collect();
        json!({ "DocumentQualifier": qualifier, "OutputContent": { "OutputFormat": "Text", "OutputText": lines } })
    };
    let mut response = json!({
        "Response": { "Result": "Success", "AdditionalResponse": format!("card={}", t.card) },
        "POIData": {
            "POIID": TERMINAL_ID.to_string(),
            "POITransactionID": { "TransactionID": t.receipt.to_string(), "TimeStamp": "2026-11-22T00:00:00Z" },
        },
        "PaymentReceipt": [receipt("CashierReceipt", false), receipt("CustomerReceipt", true)],
    });
    let Some(fields) = response.as_object_mut() else { return response };
    if matches!(t.kind, Kind::Reversal(_)) {
        fields.insert("ReversedAmount".into(), json!(amount));
    } else {
        let card = json!({
            "PaymentBrand": SCHEMES.get(t.scheme).copied().unwrap_or_default(),
            "MaskedPan": t.card.to_string(),
            "SensitiveCardData": { "TrackData": [{ "TrackNumb": 2, "TrackValue": format!("{}=30122010000", t.card) }] },
        });
        let amounts = json!({ "Currency": "EUR", "AuthorizedAmount": amount });
        fields.insert("PaymentResult".into(), json!({ "PaymentInstrumentData": { "CardData": card }, "AmountsResp": amounts }));
    }
    response
}

fn totals(closed: &Closed) -> Value {
    let rows = SCHEMES.iter().zip(closed.schemes).filter(|(_, (count, _))| *count > 0).map(|(scheme, (count, sum))| {
        let kind = if sum < 0 { "Credit" } else { "Debit" };
        json!({ "PaymentInstrumentType": "Card", "CardBrand": scheme, "PaymentCurrency": "EUR", "PaymentTotals": [
            { "TransactionType": kind, "TransactionCount": count, "TransactionAmount": sum.unsigned_abs() as f64 / 100.0 },
        ]})
    });
    let rows: Vec<_> = rows.collect();
    json!({
        "Response": { "Result": "Success" },
        "ReconciliationType": "SaleReconciliation",
        "POIData": { "POIID": TERMINAL_ID.to_string() },
        "TransactionTotals": rows,
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
