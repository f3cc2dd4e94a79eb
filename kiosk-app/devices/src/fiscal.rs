//! The device that signs receipts, where the law wants one (a security module, a signature unit): a port, and one protocol.
//!
//! # The protocol
//!
//! TCP, a connection a question, one JSON object a line and one in answer. Texts are UTF-8, amounts are in the smallest unit.
//!
//! ```json
//! {"sign":{"till":"k-01","receipt":17,"kind":"sale","total":1250,"currency":"EUR","at_ms":1795257000000,
//!          "tax":[{"code":"A","rate_ppm":70000,"base":1168,"amount":82}]}}
//! {"seal":{"device":"SIM-1","transaction":4,"counter":9,"algorithm":"ed25519","signature":"<hex>","at_ms":1795257000100,
//!          "lines":["Signed by SIM-1, no. 4"],"qr":"V0;k-01;17;…"}}
//! {"refused":"the certificate has expired"}
//! {"state":{}}
//! {"ready":{"device":"SIM-1","counter":9,"valid_until_ms":1956528000000}}
//! ```
//!
//! The same till, kind and receipt number asked again is answered with the same seal: an answer that was lost is fetched, and
//! nothing is signed twice. `state` signs nothing; a device that would not sign answers it with `refused`.

use crate::printer::connect;
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead as _, BufReader, Error, ErrorKind, Read as _, Write as _},
    time::Duration,
};

/// The longest answer, bytes.
const ANSWER_BYTES: u64 = 16 * 1024;

/// What is to be signed: a receipt as the till's book has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalRequest {
    /// The till.
    pub till: String,
    /// Its receipt number.
    pub receipt: u32,
    /// `sale` or `refund`.
    pub kind: String,
    /// What it is over; below zero for a refund.
    pub total: i64,
    /// ISO 4217.
    pub currency: String,
    /// When, milliseconds since 1970; `None` without a clock.
    pub at_ms: Option<i64>,
    /// By code.
    pub tax: Vec<FiscalTax>,
}

/// Tax of one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalTax {
    /// As in the menu.
    pub code: String,
    /// Millionths.
    pub rate_ppm: u32,
    /// What it is on.
    pub base: i64,
    /// How much.
    pub amount: i64,
}

/// A signature and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Serial number of the device.
    pub device: String,
    /// Number of the transaction in it.
    pub transaction: u64,
    /// How often it has signed.
    pub counter: u64,
    /// How.
    pub algorithm: String,
    /// Hex digits.
    pub signature: String,
    /// When, by the device's own clock, milliseconds since 1970.
    pub at_ms: i64,
    /// What it wants on the receipt, line by line.
    #[serde(default)]
    pub lines: Vec<String>,
    /// What it wants as a QR code, may be empty.
    #[serde(default)]
    pub qr: String,
}

/// What a device that would sign says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalState {
    /// Serial number of the device.
    pub device: String,
    /// How often it has signed.
    pub counter: u64,
    /// Until when its certificate is good, milliseconds since 1970; `None` if it does not say.
    #[serde(default)]
    pub valid_until_ms: Option<i64>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum FiscalError {
    /// It cannot be reached, or did not answer in time: an outage.
    #[error("the fiscal device does not answer: {0}")]
    Lost(#[from] Error),
    /// It answers, and does not sign.
    #[error("the fiscal device does not sign: {0}")]
    Refused(String),
}

/// A device that signs receipts.
pub trait FiscalDevice: Send {
    /// Signs a receipt, or gives back the seal that it has already. Bounded in time.
    ///
    /// # Errors
    /// As [`FiscalError`] says. Asking again later is safe.
    fn sign(&mut self, request: &FiscalRequest) -> Result<Seal, FiscalError>;

    /// Asks whether it would sign, and signs nothing. Bounded in time.
    ///
    /// # Errors
    /// As [`FiscalError`] says.
    fn state(&mut self) -> Result<FiscalState, FiscalError>;
}

/// One message from the till.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToFiscal {
    /// Please sign.
    Sign(FiscalRequest),
    /// Would you sign?
    State {},
}

/// One message from the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FromFiscal {
    /// Signed.
    Seal(Seal),
    /// It would sign.
    Ready(FiscalState),
    /// Not signed, and why.
    Refused(String),
}

/// The device at the other end of a TCP connection.
#[derive(Clone, Debug)]
pub struct TcpFiscal {
    address: String,
    wait: Duration,
}

impl TcpFiscal {
    /// A device at `host:port` that has `wait` to be reached, and again to answer.
    pub fn new(address: &str, wait: Duration) -> Self {
        Self { address: address.to_owned(), wait }
    }
}

impl TcpFiscal {
    fn ask(&self, question: &ToFiscal) -> Result<FromFiscal, FiscalError> {
        let mut stream = connect(&self.address, self.wait)?;
        stream.set_read_timeout(Some(self.wait))?;
        stream.set_write_timeout(Some(self.wait))?;
        let mut line = serde_json::to_string(question).map_err(Error::from)?;
        line.push('\n');
        stream.write_all(line.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut answer)?;
        if !answer.ends_with('\n') {
            return Err(Error::from(ErrorKind::UnexpectedEof).into());
        }
        match serde_json::from_str(&answer).map_err(Error::from)? {
            FromFiscal::Refused(why) => Err(FiscalError::Refused(why)),
            answer => Ok(answer),
        }
    }
}

/// It answered something else than it was asked.
fn astray() -> FiscalError {
    Error::new(ErrorKind::InvalidData, "its answer belongs to another question").into()
}

impl FiscalDevice for TcpFiscal {
    fn sign(&mut self, request: &FiscalRequest) -> Result<Seal, FiscalError> {
        match self.ask(&ToFiscal::Sign(request.clone()))? {
            FromFiscal::Seal(seal) => Ok(seal),
            _ => Err(astray()),
        }
    }

    fn state(&mut self) -> Result<FiscalState, FiscalError> {
        match self.ask(&ToFiscal::State {})? {
            FromFiscal::Ready(state) => Ok(state),
            _ => Err(astray()),
        }
    }
}
